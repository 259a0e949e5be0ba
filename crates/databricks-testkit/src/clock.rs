//! The workspace's clock: tokio's, so that a test with paused time moves it, mapped onto the calendar.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// 2025-01-01T00:00:00Z, in seconds since 1970: where the calendar of a seeded workspace starts.
const SEEDED_START: i64 = 1_735_689_600;

/// A point on the calendar and the tokio instant it belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    calendar: DateTime<Utc>,
}

impl Clock {
    /// A clock that starts now, by the system's calendar.
    pub(crate) fn system() -> Self {
        Self::starting_at(Utc::now())
    }

    /// A clock that starts now and calls it so.
    pub(crate) fn starting_at(calendar: DateTime<Utc>) -> Self {
        Self { started: Instant::now(), calendar }
    }

    /// The clock of a workspace: as told; else, with a seed, at the same moment in every run; else by the system's.
    pub(crate) fn of_workspace(start: Option<DateTime<Utc>>, seed: Option<u64>) -> Self {
        let seeded = seed.and_then(|_| DateTime::from_timestamp(SEEDED_START, 0));
        start.or(seeded).map_or_else(Self::system, Self::starting_at)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_seed_fixes_the_start_and_time_moves_with_tokios() {
        let clock = Clock::of_workspace(None, Some(1));
        assert_eq!(clock.now().to_rfc3339(), "2025-01-01T00:00:00+00:00");
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().to_rfc3339(), "2025-01-01T00:01:30+00:00");
        let told = "2030-06-01T12:00:00Z".parse().unwrap();
        assert_eq!(Clock::of_workspace(Some(told), Some(1)).now(), told);
        assert!((Utc::now() - Clock::of_workspace(None, None).now()).num_seconds() < 60);
    }
}
