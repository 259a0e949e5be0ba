//! What can be wrong with a file.

use std::io;

use arrow::error::ArrowError;

/// A file that cannot be loaded. Nothing of the load was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// It cannot be read.
    #[error("{file}: {source}")]
    Io { file: String, source: io::Error },

    /// Its text is not what its format says.
    #[error("{file}, line {line}: {message}")]
    Malformed { file: String, line: u64, message: String },

    /// A value is not of its column's type.
    #[error("{file}, line {line}, column `{column}`: `{value}` is not {wanted}{remedy}")]
    Misfit { file: String, line: u64, column: String, value: String, wanted: String, remedy: &'static str },

    /// It does not go together with the other files, the table, or what the arguments say.
    #[error("{file}: {message}")]
    Unusable { file: String, message: String },
}

impl SourceError {
    pub(crate) fn io(file: &str, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source }
    }

    pub(crate) fn malformed(file: &str, line: u64, message: impl Into<String>) -> Self {
        Self::Malformed { file: file.to_owned(), line, message: message.into() }
    }

    pub(crate) fn unusable(file: &str, message: impl Into<String>) -> Self {
        Self::Unusable { file: file.to_owned(), message: message.into() }
    }

    pub(crate) fn arrow(file: &str, error: &ArrowError) -> Self {
        Self::unusable(file, error.to_string())
    }
}

/// A value as a message shows it: what is long is cut.
pub(crate) fn shown(value: &str) -> String {
    const LENGTH: usize = 80;
    match value.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}..", &value[..end]),
        None => value.to_owned(),
    }
}
