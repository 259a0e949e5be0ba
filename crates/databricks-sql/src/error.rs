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
    /// The statement ran and failed, or the server refused it.
    ///
    /// Nothing of it was committed, unless [`is_ambiguous`](Self::is_ambiguous) says otherwise: a failure after the
    /// commit (`DELTA_POST_COMMIT_HOOK_FAILED`) and one that the server does not explain are reported like this too.
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

    /// The statement was accepted, and a later call about it or its result failed. It may run on, or have ended either
    /// way: [`SqlClient::attach`](crate::SqlClient::attach) with its id finds out.
    #[error("statement {statement_id} was accepted, but a later call about it or its result failed")]
    Unsettled {
        /// The statement.
        statement_id: StatementId,
        /// The call that failed.
        #[source]
        source: databricks_transport::Error,
    },

    /// The call itself failed: connection, authentication, permission, limits. Nothing says that the statement was
    /// accepted; when [`is_ambiguous`](Self::is_ambiguous), it may have been.
    #[error(transparent)]
    Transport(#[from] databricks_transport::Error),
}

impl SqlError {
    pub(crate) fn decode(message: impl Into<String>) -> Self {
        Self::Decode { message: message.into() }
    }

    /// Names the statement in the error of a call that was made after the server had accepted it.
    pub(crate) fn after_acceptance(self, id: &StatementId) -> Self {
        match self {
            Self::Transport(source) => Self::Unsettled { statement_id: id.clone(), source },
            other => other,
        }
    }

    /// Whether running the same statement again may succeed and does no harm.
    ///
    /// True for `DELTA_CONCURRENT_*` conflicts, which commit nothing, and for passing faults that certainly came before
    /// the statement took effect. Never true when [`is_ambiguous`](Self::is_ambiguous) is.
    pub fn is_retryable(&self) -> bool {
        let passing = match self {
            Self::StatementFailed { error_class, error_code, .. } => {
                error_class.as_deref().is_some_and(error_text::is_concurrency_conflict)
                    || error_text::is_passing_fault(error_code)
            }
            Self::Transport(error) => error.is_retryable(),
            _ => false,
        };
        passing && !self.is_ambiguous()
    }

    /// Whether the statement may have taken effect although it ended in this error. Look before sending it again.
    ///
    /// False only for a statement that was not sent or not accepted, and for one that the server reports as failed with
    /// a cause that precedes its commit. What goes wrong later, while it runs or while its result is read, says nothing
    /// about its effect.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::InvalidStatement { .. } => false,
            Self::StatementFailed { error_class, error_code, message, .. } => {
                error_text::may_have_committed(error_class.as_deref(), error_code, message)
            }
            Self::Transport(error) => error.is_ambiguous(),
            // A statement that is being cancelled may have committed just before; one with a result has.
            Self::StatementTimeout { .. }
            | Self::Canceled { .. }
            | Self::Closed { .. }
            | Self::Truncated { .. }
            | Self::RowCountMismatch { .. }
            | Self::Row { .. }
            | Self::Decode { .. }
            | Self::Unsettled { .. } => true,
        }
    }

    /// The SQLSTATE, such as `42P01`, if the server named one.
    pub fn sql_state(&self) -> Option<&str> {
        match self {
            Self::StatementFailed { sql_state, .. } => sql_state.as_deref(),
            Self::Transport(error) | Self::Unsettled { source: error, .. } => {
                error_text::sql_state(&error.api_error()?.message)
            }
            _ => None,
        }
    }

    /// The error class, such as `TABLE_OR_VIEW_NOT_FOUND`, if the server named one.
    pub fn error_class(&self) -> Option<&str> {
        match self {
            Self::StatementFailed { error_class, .. } => error_class.as_deref(),
            Self::Transport(error) | Self::Unsettled { source: error, .. } => {
                error_text::error_class(&error.api_error()?.message)
            }
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
            | Self::Truncated { statement_id, .. }
            | Self::Unsettled { statement_id, .. } => Some(statement_id),
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
    fn conflicting_commits_and_passing_faults_with_a_cause_are_retryable() {
        for (class, code, expected) in [
            (Some("DELTA_CONCURRENT_APPEND"), "BAD_REQUEST", true),
            (Some("DELTA_CONCURRENT_DELETE_READ.ROW"), "BAD_REQUEST", true),
            (Some("TABLE_OR_VIEW_NOT_FOUND"), "BAD_REQUEST", false),
            (Some("CLUSTER_STARTING"), "TEMPORARILY_UNAVAILABLE", true),
            (None, "TEMPORARILY_UNAVAILABLE", false),
            (None, "INTERNAL_ERROR", false),
        ] {
            assert_eq!(failed(class, code).is_retryable(), expected, "{class:?} {code}");
        }
    }

    #[test]
    fn failure_after_the_commit_or_without_a_cause_is_ambiguous_and_never_retryable() {
        for (class, code, expected) in [
            (Some("DELTA_POST_COMMIT_HOOK_FAILED"), "BAD_REQUEST", true),
            (Some("DELTA_POST_COMMIT_HOOK_FAILED.X"), "TEMPORARILY_UNAVAILABLE", true),
            (None, "INTERNAL_ERROR", true),
            (None, "IO_ERROR", true),
            (None, "DEADLINE_EXCEEDED", true),
            (None, "UNKNOWN", true),
            (None, "TEMPORARILY_UNAVAILABLE", true),
            (None, "WORKSPACE_TEMPORARILY_UNAVAILABLE", true),
            (None, "SERVICE_UNDER_MAINTENANCE", true),
            (None, "CANCELLED", true),
            (None, "", true),
            (None, "BAD_REQUEST", false),
            (None, "NOT_FOUND", false),
            (Some("TABLE_OR_VIEW_NOT_FOUND"), "INTERNAL_ERROR", false),
            (Some("DELTA_CONCURRENT_APPEND"), "BAD_REQUEST", false),
        ] {
            let error = failed(class, code);
            assert_eq!(error.is_ambiguous(), expected, "{class:?} {code}");
            assert!(!(error.is_ambiguous() && error.is_retryable()), "{class:?} {code}");
        }
    }

    #[test]
    fn everything_after_acceptance_is_ambiguous() {
        let id = || StatementId::new("a");
        let refused = databricks_transport::Error::new(databricks_transport::ErrorKind::Connect, "refused");
        for error in [
            SqlError::Canceled { statement_id: id(), message: None },
            SqlError::Closed { statement_id: id() },
            SqlError::Truncated { statement_id: id(), rows: 1 },
            SqlError::decode("x"),
            SqlError::from(refused).after_acceptance(&id()),
        ] {
            assert!(error.is_ambiguous() && !error.is_retryable(), "{error:?}");
        }
    }

    #[test]
    fn failed_call_is_retryable_only_when_it_did_nothing() {
        let call = |ambiguous| {
            let error =
                databricks_transport::Error::new(databricks_transport::ErrorKind::Unavailable, "reset");
            SqlError::from(error.with_ambiguous(ambiguous))
        };
        assert!(call(false).is_retryable() && !call(false).is_ambiguous());
        assert!(!call(true).is_retryable() && call(true).is_ambiguous());
    }
}
