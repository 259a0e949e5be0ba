//! What can go wrong with a statement.

use std::time::Duration;

use crate::{RowError, SqlPosition, StatementFailure, StatementId, WarehouseNotRunning, error_text};

/// The result of this crate's operations.
pub type Result<T> = std::result::Result<T, SqlError>;

/// What can go wrong with a statement or with reading its result. It is small: the longer reports are behind a pointer.
///
/// ```
/// use databricks_sql::SqlError;
///
/// fn advice(error: &SqlError) -> String {
///     match error {
///         SqlError::StatementFailed(failure) => match failure.error_class.as_deref() {
///             Some("TABLE_OR_VIEW_NOT_FOUND") => "check the name of the table".to_owned(),
///             _ => failure.message.clone(),
///         },
///         SqlError::StatementTimeout { timeout, .. } => format!("it takes more than {timeout:?}"),
///         error if error.is_retryable() => "try again".to_owned(),
///         error => error.to_string(),
///     }
/// }
/// # advice(&SqlError::RowCountMismatch { expected: 1, actual: 0 });
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The statement ran and failed, or the server refused it.
    ///
    /// Nothing of it was committed, unless [`is_ambiguous`](Self::is_ambiguous) says otherwise: a failure after the
    /// commit (`DELTA_POST_COMMIT_HOOK_FAILED`) and one that the server does not explain are reported like this too.
    #[error("{0}")]
    StatementFailed(Box<StatementFailure>),

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
        message: Option<Box<str>>,
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
    #[error("{0}")]
    Row(Box<RowError>),

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

    /// A warehouse that was waited for does not run.
    #[error("{0}")]
    WarehouseNotRunning(Box<WarehouseNotRunning>),

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
    /// True for conflicts with another commit (`DELTA_CONCURRENT_*` and the like), which commit nothing, and for passing
    /// faults (`TEMPORARILY_UNAVAILABLE`, `RESOURCE_EXHAUSTED` and the like) that certainly came before the statement took
    /// effect. Never true when [`is_ambiguous`](Self::is_ambiguous) is.
    pub fn is_retryable(&self) -> bool {
        let passing = match self {
            Self::StatementFailed(failure) => failure.may_pass(),
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
            Self::InvalidStatement { .. } | Self::WarehouseNotRunning(_) => false,
            Self::StatementFailed(failure) => failure.is_ambiguous(),
            Self::Transport(error) => error.is_ambiguous(),
            // A statement that is being cancelled may have committed just before; one with a result has.
            Self::StatementTimeout { .. }
            | Self::Canceled { .. }
            | Self::Closed { .. }
            | Self::Truncated { .. }
            | Self::RowCountMismatch { .. }
            | Self::Row(_)
            | Self::Decode { .. }
            | Self::Unsettled { .. } => true,
        }
    }

    /// The SQLSTATE, such as `42P01`, if the server named one.
    pub fn sql_state(&self) -> Option<&str> {
        match self {
            Self::StatementFailed(failure) => failure.sql_state.as_deref(),
            Self::Transport(error) | Self::Unsettled { source: error, .. } => {
                error_text::sql_state(&error.api_error()?.message)
            }
            _ => None,
        }
    }

    /// The error class, such as `TABLE_OR_VIEW_NOT_FOUND`, if the server named one.
    pub fn error_class(&self) -> Option<&str> {
        match self {
            Self::StatementFailed(failure) => failure.error_class.as_deref(),
            Self::Transport(error) | Self::Unsettled { source: error, .. } => {
                error_text::error_class(&error.api_error()?.message)
            }
            _ => None,
        }
    }

    /// Where in the statement's text the fault is, if the server said so.
    pub fn position(&self) -> Option<SqlPosition> {
        match self {
            Self::StatementFailed(failure) => failure.position,
            Self::Transport(error) | Self::Unsettled { source: error, .. } => {
                error_text::position(&error.api_error()?.message)
            }
            _ => None,
        }
    }

    /// The statement that failed, if the server had named it by then.
    pub fn statement_id(&self) -> Option<&StatementId> {
        match self {
            Self::StatementFailed(failure) => Some(&failure.statement_id),
            Self::StatementTimeout { statement_id, .. }
            | Self::Canceled { statement_id, .. }
            | Self::Closed { statement_id }
            | Self::Truncated { statement_id, .. }
            | Self::Unsettled { statement_id, .. } => Some(statement_id),
            _ => None,
        }
    }
}

fn explain(message: &Option<Box<str>>) -> String {
    message.as_ref().map(|text| format!(": {text}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: Option<&str>, code: &str) -> SqlError {
        let text = class.map(|class| format!("[{class}] text")).unwrap_or_default();
        let failure = StatementFailure::parse(StatementId::new("01f0"), code.to_owned(), &text);
        SqlError::StatementFailed(Box::new(failure))
    }

    #[test]
    fn error_is_small_enough_for_results_that_are_passed_around() {
        assert!(size_of::<SqlError>() <= 48, "{}", size_of::<SqlError>());
        assert!(size_of::<Result<()>>() <= 48, "{}", size_of::<Result<()>>());
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
            (Some("DELTA_METADATA_CHANGED"), "BAD_REQUEST", true),
            (Some("QUEUE_FULL"), "WORKSPACE_TEMPORARILY_UNAVAILABLE", true),
            (Some("QUEUE_FULL"), "SERVICE_UNDER_MAINTENANCE", true),
            (None, "SERVICE_UNDER_MAINTENANCE", false),
            (None, "RESOURCE_EXHAUSTED", true),
            (None, "UNAUTHENTICATED", false),
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
    fn brackets_in_a_message_without_a_class_are_no_cause() {
        for text in
            ["the driver lost executor [EXEC-7]", "boom\n== SQL ==\nINSERT INTO t SELECT codes[KEY] FROM s"]
        {
            let failure =
                StatementFailure::parse(StatementId::new("01f0"), "INTERNAL_ERROR".to_owned(), text);
            let error = SqlError::StatementFailed(Box::new(failure));
            assert_eq!((error.error_class(), error.is_ambiguous()), (None, true), "{text}");
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
