//! The one place where names and values become SQL text.
//!
//! A name goes between backticks, with inner ones doubled. A string goes between single quotes; because Databricks
//! takes the backslash for an escape character, backslashes are escaped as well as quotes. Everything else passes
//! through unchanged, line breaks included: both are safe in any position where the grammar wants a name or a
//! string literal.

use crate::{Literal, Result, SchemaError};

/// The name between backticks: ``a`b`` becomes `` `a``b` ``.
pub fn identifier(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('`');
    for c in name.chars() {
        if c == '`' {
            out.push('`');
        }
        out.push(c);
    }
    out.push('`');
    out
}

/// The name as it is where that is safe (ASCII letters, digits and `_`, no digit first), else between backticks.
///
/// This is how Databricks prints the fields of a `STRUCT`. Where a reserved word would be misread, use
/// [`identifier`].
pub fn identifier_if_needed(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    if plain { name.to_owned() } else { identifier(name) }
}

/// A path of names, each between backticks, joined by dots: `` `address`.`zip code` ``.
pub fn column_path<S: AsRef<str>>(path: &[S]) -> String {
    join(path, ".")
}

/// A list of names, each between backticks: `` `a`, `b` ``.
pub fn column_list<S: AsRef<str>>(names: &[S]) -> String {
    join(names, ", ")
}

fn join<S: AsRef<str>>(names: &[S], separator: &str) -> String {
    names.iter().map(|name| identifier(name.as_ref())).collect::<Vec<_>>().join(separator)
}

/// The text as a string literal: `it's C:\` becomes `'it\'s C:\\'`.
///
/// A quote is escaped and not doubled: side by side, two literals are joined into one without a quote.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('\'');
    out
}

/// A typed value as SQL text; see [`Literal`].
///
/// # Errors
/// [`SchemaError::InvalidLiteral`] when the value is outside its type's range.
pub fn literal(value: &Literal) -> Result<String> {
    value.to_sql()
}

/// Splits `` main.`my schema`.t `` into its parts, taking quotes off.
///
/// Outside backticks a part may hold anything but a dot, a backtick and white space at its ends.
///
/// # Errors
/// [`SchemaError::InvalidName`] for an empty part, a missing closing backtick or text after one.
pub fn split_name(name: &str) -> Result<Vec<String>> {
    let invalid = |reason: &str| SchemaError::InvalidName {
        kind: "qualified",
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    let mut parts = Vec::new();
    let mut rest = name.trim();
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('`') {
            take_quoted(quoted).ok_or_else(|| invalid("a closing backtick is missing"))?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            (part.trim().to_owned(), after)
        };
        if part.is_empty() {
            return Err(invalid("a part is empty; write `catalog.schema.table`"));
        }
        if !rest.starts_with('`') && part.contains('`') {
            return Err(invalid("put the whole part between backticks, with inner backticks doubled"));
        }
        parts.push(part);
        let after = after.trim_start();
        if after.is_empty() {
            return Ok(parts);
        }
        rest = after
            .strip_prefix('.')
            .ok_or_else(|| invalid("expected a dot or the end after a closing backtick"))?
            .trim_start();
    }
}

/// Reads up to the closing backtick; gives the name and what follows.
fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '`' {
            name.push(c);
        } else if chars.peek().is_some_and(|&(_, next)| next == '`') {
            name.push('`');
            chars.next();
        } else {
            return text.get(at + 1..).map(|after| (name, after));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(identifier("a"), "`a`");
        assert_eq!(identifier("a`; DROP TABLE t; --"), "`a``; DROP TABLE t; --`");
        assert_eq!(identifier_if_needed("snake_case9"), "snake_case9");
        for name in ["9lives", "with space", "", "naïve", "a`b", "a-b"] {
            assert!(identifier_if_needed(name).starts_with('`'), "{name}");
        }
        assert_eq!(column_path(&["a", "b c"]), "`a`.`b c`");
        assert_eq!(column_list(&["a", "b"]), "`a`, `b`");
    }

    #[test]
    fn strings_survive_quotes_and_backslashes() {
        assert_eq!(string("it's"), r"'it\'s'");
        assert_eq!(string(r"\' OR 1=1 --"), r"'\\\' OR 1=1 --'");
        assert_eq!(string("trailing \\"), r"'trailing \\'");
        assert_eq!(string("two\nlines \u{0}"), "'two\nlines \u{0}'");
    }

    #[test]
    fn names_split_at_dots_outside_backticks() {
        for (text, parts) in [
            ("t", vec!["t"]),
            ("a.b.c", vec!["a", "b", "c"]),
            (" a . `b.``c` . d ", vec!["a", "b.`c", "d"]),
            ("`a`.b", vec!["a", "b"]),
        ] {
            assert_eq!(split_name(text).unwrap(), parts, "{text}");
        }
        for text in ["", ".", "a.", "a..b", "`a", "`a`b", "a`b`", "``"] {
            let error = split_name(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
