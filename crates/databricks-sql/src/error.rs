//! What can go wrong with a statement.

use std::time::Duration;

use crate::StatementId;
use crate::error_text;

/// The result of this crate's operations.
pub type Result<T> = std::result::Result<T, SqlError>;

/// What can go wrong with a statement or with reading its result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The statement ran and failed, or the server refused it. Nothing of it was committed.
    #[error("statement {statement_id} failed: {message}")]
    StatementFailed {
        /// The statement.
        statement_id: StatementId,
        /// The error class with its subclass, such as `TABLE_OR_VIEW_NOT_FOUND` or `DELTA_CONCURRENT_APPEND.ROW_LEVEL_CHANGES`.
        error_class: Option<String>,
        /// The five characters of the SQLSTATE, such as `42P01`.
        sql_state: Option<String>,
        /// The code of the API, such as `BAD_REQUEST`.
        error_code: String,
        /// The server's text, without the blank lines around it.
        message: String,
    },

    /// The statement did not end within the time allowed and was cancelled on the server.
    #[error(
        "statement {statement_id} did not end within {timeout:?} and was cancelled; allow more with `timeout`"
    )]
    StatementTimeout {
        /// The statement.
        statement_id: StatementId,
        /// The time that was allowed.
        timeout: Duration,
    },

    /// The statement was cancelled on the server, by somebody or by a limit of the warehouse.
    #[error("statement {statement_id} was cancelled on the server{}", explain(.message))]
    Canceled {
        /// The statement.
        statement_id: StatementId,
        /// The server's explanation, if it gave one.
        message: Option<String>,
    },

    /// The statement succeeded, but its result is gone: it was closed or fetched too late.
    #[error("statement {statement_id} is closed: its result can no longer be fetched")]
    Closed {
        /// The statement.
        statement_id: StatementId,
    },

    /// The server cut the result at its limit. Ask for fewer rows, or say so with `row_limit`.
    #[error(
        "statement {statement_id}: the server truncated the result to {rows} rows; narrow the query or set `row_limit`"
    )]
    Truncated {
        /// The statement.
        statement_id: StatementId,
        /// The rows that are left.
        rows: u64,
    },

    /// The rows that arrived are not as many as the server announced.
    #[error("the result should have {expected} rows, but {actual} arrived")]
    RowCountMismatch {
        /// The rows that the server announced.
        expected: u64,
        /// The rows that arrived.
        actual: u64,
    },

    /// One cell did not fit the Rust type that it was read into.
    #[error("row {row}{}: {message}", place(.column, .sql_type))]
    Row {
        /// The row's position in the whole result, from 0.
        row: u64,
        /// The column's name; empty if the whole row is at fault.
        column: String,
        /// The column's SQL type as the server spells it; empty if the whole row is at fault.
        sql_type: String,
        /// What did not fit.
        message: String,
    },

    /// The server's answer is not what its description promises.
    #[error("cannot read the result: {message}")]
    Decode {
        /// What was expected and what came.
        message: String,
    },

    /// The statement was not sent: something in it breaks a limit of the API.
    #[error("the statement was not sent: {reason}")]
    InvalidStatement {
        /// What is wrong, and the remedy.
        reason: String,
    },

    /// The call itself failed: connection, authentication, permission, limits.
    #[error(transparent)]
    Transport(#[from] databricks_transport::Error),
}

impl SqlError {
    pub(crate) fn decode(message: impl Into<String>) -> Self {
        Self::Decode { message: message.into() }
    }

    /// Whether running the same statement again may succeed and does no harm.
    ///
    /// True for `DELTA_CONCURRENT_*` conflicts, which commit nothing, for passing faults that the server reports, and
    /// for calls that never reached it.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::StatementFailed { error_class, error_code, .. } => {
                error_class.as_deref().is_some_and(error_text::is_concurrency_conflict)
                    || error_text::is_passing_fault(error_code)
            }
            Self::Transport(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// Whether the statement may have run although no answer says so. Look before sending it again.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            // A statement that is being cancelled may have committed just before.
            Self::StatementTimeout { .. } | Self::Canceled { .. } => true,
            Self::Transport(error) => error.is_ambiguous(),
            _ => false,
        }
    }

    /// The SQLSTATE, such as `42P01`, if the server named one.
    pub fn sql_state(&self) -> Option<&str> {
        match self {
            Self::StatementFailed { sql_state, .. } => sql_state.as_deref(),
            Self::Transport(error) => error_text::sql_state(&error.api_error()?.message),
            _ => None,
        }
    }

    /// The error class, such as `TABLE_OR_VIEW_NOT_FOUND`, if the server named one.
    pub fn error_class(&self) -> Option<&str> {
        match self {
            Self::StatementFailed { error_class, .. } => error_class.as_deref(),
            Self::Transport(error) => error_text::error_class(&error.api_error()?.message),
            _ => None,
        }
    }

    /// The statement that failed, if the server had named it by then.
    pub fn statement_id(&self) -> Option<&StatementId> {
        match self {
            Self::StatementFailed { statement_id, .. }
            | Self::StatementTimeout { statement_id, .. }
            | Self::Canceled { statement_id, .. }
            | Self::Closed { statement_id }
            | Self::Truncated { statement_id, .. } => Some(statement_id),
            _ => None,
        }
    }
}

fn place(column: &str, sql_type: &str) -> String {
    if column.is_empty() { String::new() } else { format!(", column `{column}` ({sql_type})") }
}

fn explain(message: &Option<String>) -> String {
    message.as_ref().map(|text| format!(": {text}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: Option<&str>, code: &str) -> SqlError {
        SqlError::StatementFailed {
            statement_id: StatementId::new("01f0"),
            error_class: class.map(str::to_owned),
            sql_state: None,
            error_code: code.to_owned(),
            message: "text".to_owned(),
        }
    }

    #[test]
    fn conflicting_commits_and_passing_faults_are_retryable() {
        for (class, code, expected) in [
            (Some("DELTA_CONCURRENT_APPEND"), "BAD_REQUEST", true),
            (Some("DELTA_CONCURRENT_DELETE_READ.ROW"), "BAD_REQUEST", true),
            (Some("TABLE_OR_VIEW_NOT_FOUND"), "BAD_REQUEST", false),
            (None, "TEMPORARILY_UNAVAILABLE", true),
            (None, "INTERNAL_ERROR", false),
        ] {
            assert_eq!(failed(class, code).is_retryable(), expected, "{class:?} {code}");
        }
    }

    #[test]
    fn cancelled_statement_is_ambiguous_and_failed_one_is_not() {
        let canceled = SqlError::Canceled { statement_id: StatementId::new("a"), message: None };
        assert!(canceled.is_ambiguous());
        assert!(!failed(None, "BAD_REQUEST").is_ambiguous());
    }
}
