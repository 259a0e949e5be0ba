//! Values that differ from run to run, and the names that stand for them.
//!
//! In a cassette every occurrence of such a value reads `{{name}}`. [`template`] knows this notation, [`find`]
//! finds ids in what was recorded, [`assign`] puts names in the place of values, [`bindings`] puts values back.

pub(crate) mod assign;
pub(crate) mod bindings;
mod find;
pub(crate) mod ids;
pub(crate) mod template;

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::CassetteError;

/// Prefix of the names of ids that a client made up.
pub(crate) const GENERATED: &str = "generated_";
/// A shorter text would be found by accident.
const SHORTEST: usize = 4;
const LONGEST_NAME: usize = 64;

/// Names and the values they stand for.
///
/// A recording and its replay declare the same names, each with its own values: a table's name with a test id in it,
/// "now". Ids that the server hands out get names of their own when a cassette is made.
///
/// ```
/// use databricks_testkit::Variables;
///
/// let mut variables = Variables::new();
/// variables.declare("test_id", "a1b2c3d4")?;
/// variables.declare("job_id", 771_122_334_455_u64)?;
/// assert!(variables.declare("x", "1").unwrap_err().to_string().contains("`x`"));
/// # Ok::<(), databricks_testkit::CassetteError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variables {
    values: BTreeMap<String, Value>,
}

impl Variables {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares what `name` stands for, or changes it.
    ///
    /// A text is recognised wherever it occurs; one of fewer than eight bytes where no letter and no digit is beside it,
    /// so that it does not cut words. A number is recognised where an id is expected: as a JSON number
    /// whose name ends in `id`, in a query parameter of such a name, and, from five digits on, as a segment of a path.
    ///
    /// # Errors
    /// When the name is not made of lower-case letters, digits and `_`, or begins like the names that are given to
    /// ids (`generated_`); when the value is neither text nor number; when a text has fewer than four bytes.
    pub fn declare(&mut self, name: &str, value: impl Into<Value>) -> Result<(), CassetteError> {
        if name.starts_with(GENERATED) {
            let reason = "names that begin with `generated_` are given to ids that a client makes up";
            return Err(CassetteError::variable(format!("variable `{name}`: {reason}; choose another")));
        }
        self.insert(name, value.into())
    }

    /// What a name stands for: a text or a number.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Keeps a value under any valid name, those given to ids included.
    pub(crate) fn insert(&mut self, name: &str, value: Value) -> Result<(), CassetteError> {
        check(name, &value).map_err(|problem| {
            let shown: String = name.chars().take(LONGEST_NAME).collect();
            CassetteError::variable(format!("variable `{shown}`: {problem}"))
        })?;
        self.values.insert(name.to_owned(), value);
        Ok(())
    }
}

fn check(name: &str, value: &Value) -> Result<(), String> {
    if !is_name(name) {
        return Err(format!(
            "a name has 1 to {LONGEST_NAME} lower-case letters, digits and `_`, the first a letter"
        ));
    }
    match value {
        Value::String(text) if text.len() < SHORTEST => Err(format!(
            "a text of {} bytes would be found by accident; give one of at least {SHORTEST}",
            text.len()
        )),
        Value::String(_) | Value::Number(_) => Ok(()),
        _ => Err("a value is a text or a number".to_owned()),
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(allowed)
}

/// The value as it stands in a text.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_recognised_is_refused_by_name() {
        let long = "n".repeat(65);
        let refused: [(&str, Value); 10] = [
            ("empty", json!("")),
            ("short", json!("abc")),
            ("flag", json!(true)),
            ("list", json!(["abcd"])),
            ("nothing", Value::Null),
            ("Upper", json!("abcd")),
            ("", json!("abcd")),
            ("a}}b", json!("abcd")),
            (&long, json!("abcd")),
            ("generated_1", json!("abcd")),
        ];
        for (name, value) in refused {
            let error = Variables::new().declare(name, value).unwrap_err().to_string();
            assert!(error.contains(&format!("`{}`", &name[..name.len().min(64)])), "{error}");
        }
    }
}
