//! The settings of the standard policy, and what they may be.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) backoff: f64,
    pub(super) recovery: f64,
    pub(super) window: Duration,
    pub(super) min_rate: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { backoff: 0.5, recovery: 1.1, window: Duration::from_secs(1), min_rate: 1.0 }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let Self { backoff, recovery, window, min_rate } = *self;
        let seconds = window.as_secs_f64();
        check("backoff", backoff, backoff > 0.0 && backoff < 1.0, "above 0 and below 1")?;
        check("recovery", recovery, recovery > 1.0 && recovery <= 2.0, "above 1 and at most 2")?;
        check("window in seconds", seconds, (0.01..=3600.0).contains(&seconds), "0.01 to 3600")?;
        check(
            "minimal rate",
            min_rate,
            (0.001..=1e6).contains(&min_rate),
            "0.001 to 1000000 requests a second",
        )
    }
}

fn check(name: &str, value: f64, fits: bool, allowed: &str) -> Result<(), Error> {
    if fits {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, format!("the rate policy's {name} is {value}: it must be {allowed}")))
}
