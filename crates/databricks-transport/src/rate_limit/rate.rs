//! A limit as a value.

use std::num::NonZeroU32;

use crate::error::{Error, ErrorKind};

/// Slower rates than one request in 1000 seconds are mistakes.
const SLOWEST: f64 = 0.001;
/// Faster rates are finer than the limiter's clock.
const FASTEST: f64 = 1e6;

/// A number of requests a second, and how many may be sent at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: NonZeroU32,
}

impl Rate {
    /// So many requests a second, with a burst of as many: one window's worth, so that a short burst does not wait.
    pub fn per_second(requests: f64) -> Self {
        Self { per_second: requests, burst: burst_of(requests) }
    }

    /// So many requests a minute, with a burst of as many: one window's worth, so that a short burst does not wait.
    ///
    /// After a quiet minute the server may therefore see up to twice the number within one minute; it answers 429
    /// when that is too many, and the limiter adapts.
    pub fn per_minute(requests: f64) -> Self {
        Self { per_second: requests / 60.0, burst: burst_of(requests) }
    }

    /// Another number of requests that may be sent at once; 0 counts as 1.
    #[must_use]
    pub fn with_burst(mut self, requests: u32) -> Self {
        self.burst = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        self
    }

    /// Requests a second.
    pub fn requests_per_second(&self) -> f64 {
        self.per_second
    }

    /// How many may be sent at once.
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// The nearest rate that can be kept.
    pub(crate) fn clamped(self) -> Self {
        let per_second =
            if self.per_second.is_nan() { SLOWEST } else { self.per_second.clamp(SLOWEST, FASTEST) };
        Self { per_second, ..self }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if (SLOWEST..=FASTEST).contains(&self.per_second) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Config,
            format!(
                "the rate limit is {} requests a second: it must be between {SLOWEST} and {FASTEST}",
                self.per_second
            ),
        ))
    }
}

fn burst_of(window: f64) -> NonZeroU32 {
    // A cast from a float saturates, and NaN is 0.
    NonZeroU32::new(window.floor() as u32).unwrap_or(NonZeroU32::MIN)
}
