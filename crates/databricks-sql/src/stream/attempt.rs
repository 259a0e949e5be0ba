//! One attempt at a chunk: why it failed, and whether another may do better.

use databricks_transport::{Error, ErrorKind};

use crate::SqlError;

/// Why an attempt failed, and whether another, with a fresh link, may do better.
pub(super) enum Failure {
    Fatal(SqlError),
    Passing(SqlError),
    /// The storage refused the link, which it may do before the link's announced end.
    LinkRefused(SqlError),
}

pub(super) type Attempt<T> = std::result::Result<T, Failure>;

pub(super) fn short_body(announced: u64, came: u64) -> SqlError {
    let message = format!("the file of a chunk ended after {came} of {announced} bytes");
    SqlError::Transport(Error::new(ErrorKind::Io, message))
}

/// The transport has retried the call already: only a passing fault is worth more, or an answer that came garbled.
pub(super) fn resolve_failure(error: SqlError) -> Failure {
    match &error {
        SqlError::Transport(transport)
            if transport.is_retryable() || transport.kind() == ErrorKind::Decode =>
        {
            Failure::Passing(error)
        }
        _ => Failure::Fatal(error),
    }
}

pub(super) fn fetch_failure(error: SqlError) -> Failure {
    let SqlError::Transport(transport) = &error else { return Failure::Fatal(error) };
    match (transport.status().map(|status| status.as_u16()), transport.kind()) {
        // Storage services answer an expired link with one of these.
        (Some(400 | 401 | 403 | 404 | 410), _) => Failure::LinkRefused(error),
        (_, ErrorKind::Config | ErrorKind::Auth | ErrorKind::Invalid) => Failure::Fatal(error),
        _ => Failure::Passing(error),
    }
}
