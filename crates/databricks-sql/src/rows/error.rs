//! What serde reports about a cell, before the row is known.

use std::fmt;

use serde::de::{Expected, Unexpected};

/// A cell that does not fit, and its column once that is known.
#[derive(Debug)]
pub(super) struct CellError {
    pub(super) column: Option<usize>,
    pub(super) message: String,
}

impl CellError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { column: None, message: message.into() }
    }

    /// Blames a column, unless an inner one was blamed already.
    pub(super) fn at(mut self, column: usize) -> Self {
        self.column.get_or_insert(column);
        self
    }
}

impl fmt::Display for CellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
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
}
