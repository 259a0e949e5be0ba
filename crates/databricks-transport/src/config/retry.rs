//! How failed attempts are repeated, as it is configured.

use std::time::Duration;

/// How failed attempts are repeated.
///
/// ```
/// use std::time::Duration;
///
/// use databricks_transport::{RetryBudget, RetryConfig};
///
/// let retry = RetryConfig::default()
///     .with_max_attempts(5)
///     .with_delays(Duration::from_millis(200), Duration::from_secs(10))
///     .with_budget(RetryBudget::default().with_capacity(1000));
/// assert_eq!(retry.max_attempts, 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// How many repetitions all calls of a client may make together.
    pub budget: RetryBudget,
}

impl Default for RetryConfig {
    /// 3 attempts, 500 ms doubling to 30 s, the default budget.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            budget: RetryBudget::default(),
        }
    }
}

impl RetryConfig {
    /// The same with another number of attempts.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The same with other waits.
    #[must_use]
    pub fn with_delays(mut self, base: Duration, max: Duration) -> Self {
        self.base_delay = base;
        self.max_delay = max;
        self
    }

    /// The same with another budget.
    #[must_use]
    pub fn with_budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }
}

/// How many repetitions all calls of a client may make together, so that a host in trouble is not buried under them.
///
/// A bucket of tokens, full at first. A repetition takes some out, before it waits; success puts some back: a call that
/// succeeds at once `success_refill`, one that succeeds after repetitions what the last of them cost. When there are
/// not enough left, a call ends with the failure it has met, and a hint that says so.
///
/// Answers of 429 cost nothing: the rate limits govern when they are repeated. Neither does the repetition with
/// another token after a 401. Token endpoints have a budget of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryBudget {
    /// How many tokens there are at most.
    pub capacity: u32,
    /// What a repetition costs.
    pub retry_cost: u32,
    /// What a repetition after silence (a timeout) costs.
    pub timeout_cost: u32,
    /// What a call gives back that succeeds at once.
    pub success_refill: u32,
}

impl Default for RetryBudget {
    /// 500 tokens, 5 for a repetition, 10 after a timeout, 1 back for a success.
    fn default() -> Self {
        Self { capacity: 500, retry_cost: 5, timeout_cost: 10, success_refill: 1 }
    }
}

impl RetryBudget {
    /// No common bound: each call repeats as its own attempts allow.
    pub fn unlimited() -> Self {
        Self { capacity: u32::MAX, retry_cost: 0, timeout_cost: 0, success_refill: 0 }
    }

    /// The same with another number of tokens. With none, nothing is repeated but what costs nothing.
    #[must_use]
    pub fn with_capacity(mut self, tokens: u32) -> Self {
        self.capacity = tokens;
        self
    }

    /// The same with other costs: of a repetition, and of one after a timeout.
    #[must_use]
    pub fn with_costs(mut self, retry: u32, timeout: u32) -> Self {
        self.retry_cost = retry;
        self.timeout_cost = timeout;
        self
    }

    /// The same with another refill.
    #[must_use]
    pub fn with_success_refill(mut self, tokens: u32) -> Self {
        self.success_refill = tokens;
        self
    }
}
