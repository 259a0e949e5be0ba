//! The policy of this client: half the rate after a 429, back to just under what held, above it seldom.
//!
//! Every 429 costs a pause, whatever its cause. So the policy keeps two rates: the one that holds (it was used, and the
//! server served it) and the one that fails. After a cut it returns to the first instead of climbing; what it looks for lies
//! between the two, and beyond the second only because a server may have become faster. It waits before each look, by what
//! a failure would cost: a server that saves up tokens during a pause takes nothing away, one that does not takes the whole
//! of it. What held before the server became slower is looked for sooner, and returned to at once when more than the present
//! ceiling holds.
//!
//! Here: what it is and its settings. `steps`: what it does with the server's answers. `estimates`: what it concludes from
//! them. `evidence`: what it counts.

mod estimates;
mod evidence;
mod settings;
mod steps;

use std::time::Duration;

use evidence::Evidence;
use settings::Settings;

use super::policy::RatePolicy;
use super::rate::Rate;
use crate::error::Error;

/// The standard policy: a 429 halves the rate, which then returns to what is known to hold and recovers by a tenth a
/// window, never above the base.
///
/// - A 429 multiplies the rate by 0.5 (never below 1 a second, nor above what it was). The 429s of requests that were in
///   flight together are one. A rate far above what is really sent comes down to that at once.
/// - When the pause is over it goes straight back to just under the rate that held, if that is below what failed. A rate
///   holds when it was really used and the server served it; what the server may have saved up before is deducted. A quiet
///   time proves nothing and raises nothing. A rate that held and fails by chance, as where requests arrive unevenly, leaves
///   more room each time.
/// - It stays there, and tries a tenth more after a patience that grows with what a failure costs (ten times the
///   part of the pause that is lost) and with each failure, up to a minute. While more holds, it goes on by a tenth a window,
///   up to just under what failed.
/// - When the server has become slower, it looks for the old rate sooner, and returns to it at once when more than the new
///   ceiling holds.
/// - The base's burst ends with the first 429. Afterwards as much may be sent at once as the server has shown to bear.
///
/// ```
/// use std::time::Duration;
/// use databricks_transport::{Adaptive, RateLimits};
///
/// let limits = RateLimits::default()
///     .with_policy(|base| Adaptive::new(base).with_backoff(0.7).with_window(Duration::from_secs(2)));
/// ```
#[derive(Clone, Debug)]
pub struct Adaptive {
    base: Rate,
    settings: Settings,
    phase: Phase,
    /// Requests a second now.
    rate: f64,
    limit: Limit,
    /// The server's limit before it became slower, and until when.
    older: Option<(Limit, Duration)>,
    /// The last rate that was kept for long; 0 when none was.
    kept_long: f64,
    /// The part of a rate that is left free: more where rates that hold fail by chance.
    room: f64,
    /// Failed looks upwards in a row.
    misses: u32,
    /// Before the first 429 it is the base's.
    burst: Option<Burst>,
    evidence: Evidence,
    /// Requests sent up to here belong to the last cut.
    cut_at: Option<Duration>,
    paused_until: Duration,
    /// The last `Retry-After`.
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// At the base, and nothing says that it is too much.
    Open,
    /// Just cut, up to the moment given; then at the rate given.
    Cut { until: Duration, then: f64 },
    /// At a rate that holds, or may.
    Hold { since: Duration },
    /// Above the rate that holds, which is given, to see whether more does.
    /// `beyond`: above what failed too.
    Look { from: f64, since: Duration, beyond: bool },
    /// At a rate that held before the server became slower; `from` is the one that holds now.
    Return { from: f64, since: Duration },
}

/// Requests at once.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Burst {
    /// What the server has shown to bear.
    proven: f64,
    /// As much of it as is used: less after it was too much.
    used: f64,
}

/// What is known of the server's limit: it lies between the two.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limit {
    /// 0 when nothing has been proven.
    holds: f64,
    /// Infinite when nothing has failed.
    fails: f64,
}

impl Adaptive {
    /// The policy of a class with this base rate.
    pub fn new(base: Rate) -> Self {
        let settings = Settings::default();
        Self {
            base,
            settings,
            phase: Phase::Open,
            rate: base.requests_per_second(),
            limit: Limit { holds: 0.0, fails: f64::INFINITY },
            older: None,
            kept_long: 0.0,
            room: steps::LEAST_ROOM,
            misses: 0,
            burst: None,
            evidence: Evidence::new(settings.window),
            cut_at: None,
            paused_until: Duration::ZERO,
            pause: Duration::ZERO,
        }
    }

    /// On a 429 the rate is multiplied by this: above 0 and below 1. 0.5 unless set.
    #[must_use]
    pub fn with_backoff(mut self, factor: f64) -> Self {
        self.settings.backoff = factor;
        self
    }

    /// A recovering rate is multiplied by this, at most once a window: above 1, at most 2. 1.1 unless set.
    #[must_use]
    pub fn with_recovery(mut self, factor: f64) -> Self {
        self.settings.recovery = factor;
        self
    }

    /// The time after which a rate that was used is judged: 10 ms to an hour. 1 s unless set.
    #[must_use]
    pub fn with_window(mut self, window: Duration) -> Self {
        self.settings.window = window;
        self.evidence = Evidence::new(window);
        self
    }

    /// Cuts end at this many requests a second; a class whose base is slower keeps its base. 1 unless set.
    #[must_use]
    pub fn with_min_rate(mut self, per_second: f64) -> Self {
        self.settings.min_rate = per_second;
        self
    }
}

impl RatePolicy for Adaptive {
    fn rate(&mut self, now: Duration) -> Rate {
        self.proceed(now);
        let burst = self.base.burst().get().min(self.spendable() as u32);
        Rate::per_second(self.rate).with_burst(burst)
    }

    fn throttled(&mut self, now: Duration, sent: Duration, retry_after: Option<Duration>) {
        self.proceed(now);
        if let Some(pause) = retry_after {
            self.pause = pause;
            self.paused_until = self.paused_until.max(now.saturating_add(pause));
        }
        if self.cut_at.is_none_or(|cut_at| sent > cut_at) {
            self.cut(now, retry_after);
        } else if let Phase::Cut { until, .. } = &mut self.phase {
            *until = (*until).max(self.paused_until);
        }
    }

    fn served(&mut self, now: Duration, sent: Duration) {
        self.proceed(now);
        if self.cut_at.is_some_and(|cut_at| sent <= cut_at) {
            return self.served_late(sent);
        }
        if self.evidence.served(now, sent, self.rate) == Some(true) {
            self.window_held(now);
        }
    }

    fn validate(&self) -> Result<(), Error> {
        self.settings.validate()
    }
}

#[cfg(test)]
mod tests;
