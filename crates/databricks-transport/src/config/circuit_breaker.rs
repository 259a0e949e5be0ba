//! When a host that keeps failing is left alone, as it is configured.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// When a host that keeps failing is left alone, and when it is trusted again.
///
/// Every host has a circuit of its own: the workspace, and each host of storage links. Only what is the host's fault
/// counts: no connection, silence until an attempt's timeout, a connection that breaks, and answers of 5xx that mean
/// "not now" (500, 502, 503, 504 and the proxies' like). What a working host refuses (4xx, 429) proves that it works.
///
/// ```
/// use std::time::Duration;
///
/// use databricks_transport::{CircuitBreakerConfig, DatabricksConfig};
///
/// # fn main() -> Result<(), databricks_transport::Error> {
/// let patient = CircuitBreakerConfig::default().with_failures(20).with_open_for(Duration::from_secs(10));
/// let config = DatabricksConfig::new("h.example")?.with_circuit_breaker(patient);
/// # let _ = config;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreakerConfig {
    /// Whether there is a circuit breaker at all.
    pub enabled: bool,
    /// How many failures in a row open the circuit. Each attempt counts, so one call that is repeated counts more than
    /// once. Requests that fail side by side count once, for they tell of the same trouble: what was under way when
    /// another failed, and, when something was, whatever else fails within a second.
    pub failures: u32,
    /// How many attempts in a row must succeed, once the host is tried again, to close the circuit. No more than that
    /// are under way at once until then; other calls wait for what they find, for as long as an attempt may be silent.
    /// So a call that is held but not driven (a future that nobody polls) delays others at most so long.
    pub successes: u32,
    /// How long an open circuit sends nothing.
    pub open_for: Duration,
}

impl Default for CircuitBreakerConfig {
    /// Opens after 5 failures in a row, for 60 s; closes after 2 successes.
    fn default() -> Self {
        Self { enabled: true, failures: 5, successes: 2, open_for: Duration::from_secs(60) }
    }
}

impl CircuitBreakerConfig {
    /// No circuit breaker: every host is always tried.
    pub fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }

    /// Opens after another number of failures in a row.
    #[must_use]
    pub fn with_failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// Closes after another number of successes in a row.
    #[must_use]
    pub fn with_successes(mut self, successes: u32) -> Self {
        self.successes = successes;
        self
    }

    /// Stays open for another time.
    #[must_use]
    pub fn with_open_for(mut self, open_for: Duration) -> Self {
        self.open_for = open_for;
        self
    }

    /// For people to read.
    pub(super) fn in_words(&self) -> String {
        let Self { enabled, failures, successes, open_for } = self;
        if *enabled {
            format!("{failures} failures, {successes} successes, open for {open_for:?}")
        } else {
            "off".to_owned()
        }
    }

    /// Checks what the setters take as it comes.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let counts = [("failures", self.failures), ("successes", self.successes)];
        match counts.into_iter().find(|(_, count)| self.enabled && *count == 0) {
            Some((name, _)) => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "the circuit breaker cannot count 0 {name}: set 1 or more, or use CircuitBreakerConfig::off()"
                ),
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn counts_of_zero_are_refused_by_name_unless_nothing_is_counted() {
        for (config, name) in [
            (CircuitBreakerConfig::default().with_failures(0), "0 failures"),
            (CircuitBreakerConfig::default().with_successes(0), "0 successes"),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(name), "{error}");
        }
        CircuitBreakerConfig::off().with_failures(0).validate().unwrap();
        CircuitBreakerConfig::default().with_open_for(Duration::ZERO).validate().unwrap();
    }
}
