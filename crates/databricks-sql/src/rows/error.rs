//! What serde reports about a cell, before the row is known.

use std::fmt;

use serde::de::{Expected, Unexpected};

/// A cell that does not fit, and its column once that is known. It is one pointer: every value passes through a
/// `Result` with it.
#[derive(Debug)]
pub(super) struct CellError(Box<Report>);

#[derive(Debug)]
pub(super) struct Report {
    /// The column that is to blame, `None` for the whole row.
    pub(super) column: Option<usize>,
    /// The Rust type that the column was read into.
    pub(super) rust_type: Option<&'static str>,
    /// Where inside of a nested cell: `.address.zip`, `[3]`.
    path: String,
    message: String,
    /// Whether the Rust type has a field that is no column.
    pub(super) misses_column: bool,
}

impl CellError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Report {
            column: None,
            rust_type: None,
            path: String::new(),
            message: message.into(),
            misses_column: false,
        }))
    }

    /// Blames a column that was read into a `T`, unless an inner one was blamed already.
    #[cold]
    pub(super) fn at<T>(mut self, column: usize) -> Self {
        self.0.column.get_or_insert(column);
        self.0.rust_type.get_or_insert(std::any::type_name::<T>());
        self
    }

    /// Blames a part of a nested cell: `.name` or `[index]`.
    #[cold]
    pub(super) fn inside(mut self, part: impl fmt::Display) -> Self {
        self.0.path.insert_str(0, &part.to_string());
        self
    }

    pub(super) fn report(&self) -> &Report {
        &self.0
    }
}

/// The message, behind the place inside of the cell.
impl fmt::Display for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { path, message, .. } = &*self.0;
        if !path.is_empty() {
            write!(f, "at `{path}`: ")?;
        }
        f.write_str(message)
    }
}

impl std::error::Error for CellError {}

impl serde::de::Error for CellError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            Unexpected::Unit | Unexpected::Option => {
                Self::new(format!("it is NULL, expected {expected}; read it into an Option"))
            }
            found => Self::new(format!("invalid type: {found}, expected {expected}")),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new(format!("missing field `{field}`"));
        error.0.misses_column = true;
        error
    }
}

/// A Rust type without the modules that its parts are in: `Option<NaiveDate>`.
pub(super) fn short_type(name: &str) -> String {
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let (mut out, mut rest) = (String::new(), name);
    while !rest.is_empty() {
        let end = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
        let (path, tail) = rest.split_at(end);
        out.push_str(path.rsplit("::").next().unwrap_or(path));
        let other = tail.find(is_path).unwrap_or(tail.len());
        let (punctuation, next) = tail.split_at(other);
        out.push_str(punctuation);
        rest = next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_without_their_modules() {
        for (name, short) in [
            ("core::option::Option<chrono::naive::date::NaiveDate>", "Option<NaiveDate>"),
            ("alloc::collections::btree::map::BTreeMap<alloc::string::String, i64>", "BTreeMap<String, i64>"),
            ("(i32, &str, [u8; 4])", "(i32, &str, [u8; 4])"),
            ("", ""),
        ] {
            assert_eq!(short_type(name), short);
        }
    }
}
