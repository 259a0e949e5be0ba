//! What a request means: its name, whether it may be sent twice, and how long it may take.

use std::time::Duration;

/// Names what a request does, for spans and errors, and tells the stack how to treat it.
///
/// An operation is a constant of the crate that knows the endpoint. It travels in the request's extensions, so every
/// layer and leaf can read it.
///
/// ```
/// use std::time::Duration;
///
/// use databricks_transport::Operation;
///
/// const GET_RUN: Operation = Operation::new("jobs.get_run").idempotent();
/// assert_eq!(GET_RUN.name(), "jobs.get_run");
///
/// // Starts something that costs money: sent again only when the server said that it did not run it. Its answer may come
/// // as late as the server was asked to wait.
/// const EXECUTE: Operation = Operation::new("sql.execute").with_attempt_timeout(Duration::from_secs(60));
/// assert!(!EXECUTE.is_idempotent());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    name: &'static str,
    idempotent: bool,
    attempt_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
}

impl Operation {
    /// An operation that must not be sent twice unless the server certainly did not run it.
    pub const fn new(name: &'static str) -> Self {
        Self { name, idempotent: false, attempt_timeout: None, total_timeout: None }
    }

    /// Declares that sending it twice does no harm, so failures after sending are retried too.
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Allows this much silence from the server, for an operation that waits by design.
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Bounds the whole call up to the head of its answer, waits and retries included. An upload that may take longer
    /// than the configured total (300 s by default) needs its own.
    pub const fn with_total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    /// The name in spans and errors, such as `sql.execute`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether sending it twice does no harm.
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// The operation's own limit of silence, if it has one.
    pub const fn attempt_timeout(&self) -> Option<Duration> {
        self.attempt_timeout
    }

    /// The operation's own limit for the whole call, if it has one.
    pub const fn total_timeout(&self) -> Option<Duration> {
        self.total_timeout
    }

    /// The operation a request carries; a request without one is treated as not idempotent.
    pub fn of<B>(request: &http::Request<B>) -> Self {
        request.extensions().get::<Self>().copied().unwrap_or(Self::new("request"))
    }
}
