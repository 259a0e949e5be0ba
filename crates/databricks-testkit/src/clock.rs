//! The workspace's clock: tokio's, so that a test with paused time moves it, mapped onto the calendar.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// A point on the calendar and the tokio instant it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    calendar: DateTime<Utc>,
}

impl Clock {
    /// A clock that starts now, at a date given or at today's.
    pub(crate) fn start(calendar: Option<DateTime<Utc>>) -> Self {
        Self { started: Instant::now(), calendar: calendar.unwrap_or_else(Utc::now) }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.started)
    }

    /// The time of day.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.elapsed()).ok();
        elapsed
            .and_then(|elapsed| self.calendar.checked_add_signed(elapsed))
            .unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}
