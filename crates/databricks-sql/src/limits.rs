//! What the API would refuse, refused before it is sent, with the remedy.

use std::collections::HashSet;

use crate::wire::{Marker, Parameter, StatementRequest};
use crate::{Result, SqlError};

/// The API's limit on the text of a statement, in bytes.
const MAX_STATEMENT_BYTES: usize = 16 * 1024 * 1024;
/// The API's limit on parameters.
const MAX_PARAMETERS: usize = 256;
/// Longer names are no identifiers.
const MAX_NAME: usize = 255;

fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(SqlError::InvalidStatement { reason: reason.into() })
}

/// Checks what can be known without reading the statement's grammar.
///
/// # Errors
/// [`SqlError::InvalidStatement`] naming the value and the remedy.
pub(crate) fn check(request: &StatementRequest) -> Result<()> {
    check_text(&request.statement)?;
    check_parameters(&request.parameters)
}

fn check_text(statement: &str) -> Result<()> {
    if statement.trim().is_empty() {
        return refuse("it is empty");
    }
    if statement.len() > MAX_STATEMENT_BYTES {
        return refuse(format!(
            "it has {} bytes, the limit is {MAX_STATEMENT_BYTES}; pass data as parameters or through a volume",
            statement.len()
        ));
    }
    Ok(())
}

fn check_parameters(parameters: &[Parameter]) -> Result<()> {
    if parameters.len() > MAX_PARAMETERS {
        return refuse(format!(
            "it has {} parameters, the limit is {MAX_PARAMETERS}; write the rows to a table and join it",
            parameters.len()
        ));
    }
    let mut seen = HashSet::new();
    for parameter in parameters {
        check_marker(&parameter.marker)?;
        if let (Marker::Name(name), false) = (&parameter.marker, seen.insert(&parameter.marker)) {
            return refuse(format!("the parameter `{name}` is given twice; give it once"));
        }
        if let Some(reason) = parameter.param.fault() {
            return refuse(format!("the parameter {}: {reason}", parameter.marker));
        }
    }
    check_one_style(parameters)
}

fn check_marker(marker: &Marker) -> Result<()> {
    let Marker::Name(name) = marker else { return Ok(()) };
    if name.is_empty() {
        return refuse("a parameter has an empty name");
    }
    if let Some(bare) = name.strip_prefix(':') {
        return refuse(format!("the parameter `{name}` has the marker's colon in its name; write `{bare}`"));
    }
    if name.chars().count() > MAX_NAME {
        return refuse(format!("a parameter's name has more than {MAX_NAME} characters; shorten it"));
    }
    match name.chars().find(|c| !c.is_alphanumeric() && *c != '_') {
        Some(c) => refuse(format!(
            "the parameter `{}` has {c:?} in its name; use letters, digits and `_`",
            name.escape_debug()
        )),
        None => Ok(()),
    }
}

/// A statement has markers with names or without, never both.
fn check_one_style(parameters: &[Parameter]) -> Result<()> {
    let named = parameters.iter().find(|p| matches!(p.marker, Marker::Name(_)));
    let positional = parameters.iter().any(|p| matches!(p.marker, Marker::Ordinal(_)));
    match named {
        Some(named) if positional => refuse(format!(
            "it has the parameter {} and positional ones, which cannot be mixed; name them all or none",
            named.marker
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::{IntoParam, Param};
    use chrono::NaiveDate;

    fn named(name: &str, value: impl IntoParam) -> Parameter {
        Parameter { marker: Marker::Name(name.to_owned()), param: value.into_param() }
    }

    fn refusal(parameters: &[Parameter]) -> String {
        check_parameters(parameters).unwrap_err().to_string()
    }

    #[test]
    fn text_beyond_a_limit_is_refused() {
        check_text("SELECT 1").unwrap();
        assert!(check_text(" \n").unwrap_err().to_string().contains("empty"));
        let long = "x".repeat(MAX_STATEMENT_BYTES + 1);
        assert!(check_text(&long).unwrap_err().to_string().contains("16777217 bytes"));
        check_text(&long[1..]).unwrap();
    }

    #[test]
    fn too_many_parameters_are_refused() {
        let all = |count| (1..=count).map(|n| named(&format!("p{n}"), n)).collect::<Vec<_>>();
        check_parameters(&all(256)).unwrap();
        assert!(refusal(&all(257)).contains("257 parameters"));
    }

    #[test]
    fn names_that_no_marker_can_have_are_refused_with_the_remedy() {
        for name in ["a", "A_1", "größe", "_", "1"] {
            check_parameters(&[named(name, 1)]).unwrap();
        }
        let texts = ["", ":a", "my day", "a-b", "a`; DROP TABLE t; --", "a\u{0}", "a\n"];
        let mut refusals: Vec<String> = texts.iter().map(|name| refusal(&[named(name, 1)])).collect();
        refusals.push(refusal(&[named(&"x".repeat(256), 1)]));
        refusals.push(refusal(&[named("a", 1), named("b", 1), named("a", 2)]));
        let positional = Parameter { marker: Marker::Ordinal(1), param: 1.into_param() };
        refusals.push(refusal(&[positional, named("a", 1)]));
        insta::assert_snapshot!(refusals.join("\n"));
    }

    #[test]
    fn values_that_the_server_cannot_read_are_refused_by_the_parameters_name() {
        let late = NaiveDate::from_ymd_opt(10_000, 1, 1).unwrap();
        let refusals = [
            refusal(&[named("day", late)]),
            refusal(&[named("at", late.and_hms_opt(0, 0, 0))]),
            refusal(&[named("at", late.and_hms_opt(0, 0, 0).unwrap().and_utc())]),
            refusal(&[named("n", i128::MAX)]),
            refusal(&[named("list", Param::typed("array<int>", "[1]"))]),
            refusal(&[named("s", Param::null("STRUCT<a: INT>"))]),
            refusal(&[named("t", Param::typed(" ", "1"))]),
            refusal(&[Parameter { marker: Marker::Ordinal(2), param: u128::MAX.into_param() }]),
        ];
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
