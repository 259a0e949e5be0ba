//! How a limiter chooses its rate: a decision apart from queues, clocks and locks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::adaptive::Adaptive;
use super::rate::Rate;
use crate::error::Error;

/// Decides how fast a class may send, from what the server says.
///
/// Times are counted from the limiter's start and never go back. Whatever the policy says, the limiter itself keeps to
/// `Retry-After`: nothing is sent in that time.
///
/// ```
/// use std::time::Duration;
/// use databricks_transport::{Rate, RateLimits, RatePolicy};
///
/// /// Half the rate for a minute after each 429.
/// #[derive(Debug)]
/// struct Careful { base: Rate, until: Duration }
///
/// impl RatePolicy for Careful {
///     fn rate(&mut self, now: Duration) -> Rate {
///         if now < self.until { Rate::per_second(self.base.requests_per_second() / 2.0) } else { self.base }
///     }
///     fn throttled(&mut self, now: Duration, _sent: Duration, _retry_after: Option<Duration>) {
///         self.until = now + Duration::from_secs(60);
///     }
///     fn served(&mut self, _now: Duration, _sent: Duration) {}
/// }
///
/// let limits = RateLimits::default().with_policy(|base| Careful { base, until: Duration::ZERO });
/// ```
pub trait RatePolicy: fmt::Debug + Send {
    /// The rate now, and how many may be sent at once after a quiet time.
    fn rate(&mut self, now: Duration) -> Rate;

    /// The server answered 429 to a request sent at `sent`, and asks for a pause of `retry_after`.
    ///
    /// Many requests can be in flight when the quota ends: all that were sent before the first of these answers tell of
    /// one event.
    fn throttled(&mut self, now: Duration, sent: Duration, retry_after: Option<Duration>);

    /// The server answered anything else to a request sent at `sent`.
    fn served(&mut self, now: Duration, sent: Duration);

    /// Whether the settings can be kept. Asked once, when a client is built.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config), naming the setting.
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Always the base rate, whatever the server says. (`Retry-After` is kept to all the same.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedRate(
    /// The rate.
    pub Rate,
);

impl RatePolicy for FixedRate {
    fn rate(&mut self, _: Duration) -> Rate {
        self.0
    }

    fn throttled(&mut self, _: Duration, _: Duration, _: Option<Duration>) {}

    fn served(&mut self, _: Duration, _: Duration) {}
}

/// Makes the policy of a class from the class' base rate.
#[derive(Clone)]
pub(crate) struct PolicyFactory(Arc<dyn Fn(Rate) -> Box<dyn RatePolicy> + Send + Sync>);

impl PolicyFactory {
    pub(crate) fn new<P: RatePolicy + 'static>(make: impl Fn(Rate) -> P + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |base| Box::new(make(base))))
    }

    /// The policy of a class with this base rate.
    pub(crate) fn make(&self, base: Rate) -> Box<dyn RatePolicy> {
        (self.0)(base)
    }
}

impl Default for PolicyFactory {
    fn default() -> Self {
        Self::new(Adaptive::new)
    }
}

impl PartialEq for PolicyFactory {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for PolicyFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PolicyFactory")
    }
}
