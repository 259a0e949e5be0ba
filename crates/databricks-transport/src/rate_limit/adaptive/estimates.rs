//! What the policy concludes from the evidence: what the server bears, how long to wait before asking for more, and for how
//! much more.

use std::time::Duration;

use super::{Adaptive, Burst, Phase};

/// A failed look upwards may cost at most this part of the time that was waited before it.
const COST_SHARE: f64 = 0.1;
/// The same where a faster rate is known to have held not long ago: the longer it is not found again, the more is lost.
const COST_SHARE_OF_OLDER: f64 = 0.25;
/// The shortest patience, in windows. It doubles with each failure.
const SHORTEST_PATIENCE: f64 = 2.0;
/// The longest patience, in windows: where a failure costs nothing, and where it costs a whole window.
const LONGEST_FREE_PATIENCE: f64 = 10.0;
const LONGEST_PATIENCE: f64 = 60.0;
/// For so many windows a faster rate that held is remembered.
const REMEMBERED: u32 = 120;
/// A rate kept for less than so many windows has not shown yet that it holds.
const YOUNG: u32 = 8;
/// Something is faster than something else when it is so by this factor.
pub(super) const FASTER: f64 = 1.06;
/// What holds and what fails are far apart when they are so by this factor.
pub(super) const WIDE: f64 = 1.1;
/// So much of a burst is relied on.
const SAFE: f64 = 0.8;
/// A rate so many times what is sent is far above it.
const MUCH: f64 = 2.0;
/// So near to what failed a look goes.
const BELOW_FAILED: f64 = 0.97;

impl Adaptive {
    /// How long to stay before looking for more.
    pub(super) fn patience(&self, now: Duration) -> Duration {
        let window = self.settings.window.as_secs_f64();
        let shortest = SHORTEST_PATIENCE * window;
        let lost = self.lost_by_a_pause();
        let doubled = |first: f64| first.max(shortest) * 2_f64.powi(self.misses.min(16) as i32);
        let patience = if self.hopes_for_older(now) {
            doubled(shortest).min((lost / COST_SHARE_OF_OLDER).max(shortest))
        } else if self.is_wide() {
            doubled(shortest)
        } else {
            doubled(lost / COST_SHARE)
        };
        let longest =
            (lost * LONGEST_PATIENCE).clamp(LONGEST_FREE_PATIENCE * window, LONGEST_PATIENCE * window);
        Duration::from_secs_f64(patience.min(longest))
    }

    pub(super) fn hopes_for_older(&self, now: Duration) -> bool {
        self.older.is_some_and(|(older, until)| now < until && older.holds > self.rate * FASTER)
    }

    /// Whether something well above this rate may hold, although the limit has been met twice.
    pub(super) fn is_wide(&self) -> bool {
        self.limit.fails.is_finite()
            && self.limit.fails < self.base.requests_per_second()
            && self.limit.fails > self.rate * WIDE
    }

    /// The next rate to try above this one.
    pub(super) fn step(&self, beyond: bool) -> Option<f64> {
        let base = self.base.requests_per_second();
        let up = (self.rate * self.settings.recovery).min(base);
        if beyond || up <= self.limit.fails * BELOW_FAILED {
            return (self.rate < base).then_some(up);
        }
        (self.limit.fails > self.rate * WIDE).then(|| (self.rate + self.limit.fails) / 2.0)
    }

    /// The seconds of a pause that the server does not make up for with what it saves up meanwhile.
    fn lost_by_a_pause(&self) -> f64 {
        let saved = self.burst.map_or(0.0, |burst| burst.proven * SAFE);
        (self.pause.as_secs_f64() - saved / self.rate).max(0.0)
    }

    /// For so long what held before matters.
    pub(super) fn remembered(&self) -> Duration {
        self.settings.window.saturating_mul(REMEMBERED)
    }

    pub(super) fn is_young(&self, now: Duration, since: Duration) -> bool {
        now.saturating_sub(since) < self.settings.window.saturating_mul(YOUNG)
    }

    /// The rate that failed: a rate far above what is really sent says nothing, and halving it would help nobody.
    pub(super) fn failed(&self, now: Duration) -> f64 {
        self.evidence.used(now).map_or(self.rate, |used| self.rate.min(used * MUCH))
    }

    /// The rate that the server's answers prove.
    pub(super) fn proven(&self, now: Duration) -> f64 {
        // Rather too large a burst: the deduction shall not be too small.
        let burst = self.burst.map_or(f64::from(self.base.burst().get()), |burst| burst.proven);
        self.evidence.proven(now, burst * 1.25)
    }

    /// What the server bears at once, now that a rate failed: what came at once and was served.
    pub(super) fn learned_burst(&self) -> Burst {
        let seen = self.evidence.burst().max(1.0);
        match self.burst {
            Some(burst) if self.burst_failed() => Burst { used: seen.min(burst.used) / 2.0, ..burst },
            Some(burst) => Burst { proven: burst.proven.max(seen), ..burst },
            None => Burst { proven: seen, used: seen },
        }
    }

    /// Whether not the rate failed but what was sent at once after the last pause.
    pub(super) fn burst_failed(&self) -> bool {
        let sent_at_once = self.burst.is_some() && self.spendable() > 1.0;
        sent_at_once
            && matches!(self.phase, Phase::Hold { .. })
            && self.evidence.requests() <= self.spendable()
    }

    /// What may be sent at once: rather too little, and no more than a pause brings in.
    pub(super) fn spendable(&self) -> f64 {
        let pause = self.pause.max(self.settings.window).as_secs_f64();
        let saved = |burst: Burst| burst.used.min(self.rate * pause);
        self.burst.map_or(f64::from(self.base.burst().get()), |burst| (saved(burst) * SAFE).floor().max(1.0))
    }
}
