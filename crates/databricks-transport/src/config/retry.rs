//! How failed attempts are repeated, as it is configured.

use std::time::Duration;

/// How failed attempts are repeated.
///
/// ```
/// use std::time::Duration;
///
/// use databricks_transport::{DatabricksConfig, RetryConfig};
///
/// # fn main() -> Result<(), databricks_transport::Error> {
/// let retry = RetryConfig::default()
///     .with_max_attempts(5)
///     .with_delays(Duration::from_millis(200), Duration::from_secs(10));
/// let config = DatabricksConfig::new("h.example")?.with_retry(retry);
/// assert_eq!(config.retry().max_attempts, 5);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// How often a request is sent at most, the first time included; 0 counts as 1. Answers of 429 wait for the
    /// server's quota within the total deadline and do not count; neither does the one repetition with another token
    /// after a 401.
    pub max_attempts: u32,
    /// The longest wait after the first failure; it doubles with each further one. The wait itself is random between
    /// zero and that (full jitter).
    pub base_delay: Duration,
    /// The longest wait between two attempts, unless the server asks for more by `Retry-After`.
    pub max_delay: Duration,
}

impl Default for RetryConfig {
    /// 3 attempts, 500 ms doubling to 30 s.
    fn default() -> Self {
        Self { max_attempts: 3, base_delay: Duration::from_millis(500), max_delay: Duration::from_secs(30) }
    }
}

impl RetryConfig {
    /// The defaults with another number of attempts.
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The same with other waits.
    pub fn with_delays(mut self, base: Duration, max: Duration) -> Self {
        self.base_delay = base;
        self.max_delay = max;
        self
    }
}
