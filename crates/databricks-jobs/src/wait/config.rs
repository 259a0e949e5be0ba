//! How often and how long a run is looked at.

use std::time::Duration;

use crate::{JobError, Result};

/// How to wait for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitConfig {
    /// The pause after the first look; each one after is twice as long. 1 s by default.
    pub initial_interval: Duration,
    /// The longest pause. 30 s by default.
    pub max_interval: Duration,
    /// How long to wait in all. 1 h by default. The run is looked at once more at the end, which may take up to 10 s.
    pub timeout: Duration,
    /// How many looks in a row may fail for a passing reason before the wait does. 20 by default: an outage of some ten
    /// minutes.
    pub max_poll_errors: u32,
    /// Whether a run that takes longer than the wait is cancelled. Not by default.
    pub cancel_on_timeout: bool,
}

impl Default for WaitConfig {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            timeout: Duration::from_secs(3600),
            max_poll_errors: 20,
            cancel_on_timeout: false,
        }
    }
}

impl WaitConfig {
    /// How long to wait in all.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Waits for as long as the run takes.
    #[must_use]
    pub fn no_timeout(self) -> Self {
        self.with_timeout(Duration::MAX)
    }

    /// Cancels a run that takes longer than the wait.
    #[must_use]
    pub fn cancel_on_timeout(mut self) -> Self {
        self.cancel_on_timeout = true;
        self
    }

    /// A pause of nothing would ask as fast as the server answers.
    pub(super) fn check(&self) -> Result<()> {
        let invalid = |name, value: Duration, remedy| {
            Err(JobError::InvalidSetting { name, value: format!("{value:?}"), remedy })
        };
        if self.initial_interval.is_zero() {
            return invalid("initial interval", self.initial_interval, "use more than zero, for example 1 s");
        }
        if self.max_interval < self.initial_interval {
            return invalid("longest interval", self.max_interval, "use at least the initial interval");
        }
        Ok(())
    }
}
