//! What the policy concludes from the evidence: what the server bears, and how long to wait before asking for more.

use std::time::Duration;

use super::{Above, Adaptive, Phase};

/// A failed look upwards may cost at most this part of the time that was waited before it.
const COST_SHARE: f64 = 0.1;
/// The same where a faster rate is known to have held not long ago: finding it again is worth more.
const COST_SHARE_OF_OLDER: f64 = 0.125;
/// The shortest patience, in windows. It doubles with each failure.
const SHORTEST_PATIENCE: f64 = 2.0;
/// The longest patience, in windows.
const LONGEST_PATIENCE: f64 = 60.0;
/// For so many windows a faster rate that held is remembered.
const REMEMBERED: u32 = 120;
/// Something is faster than something else when it is so by this factor.
pub(super) const FASTER: f64 = 1.08;

impl Adaptive {
    /// How long to stay before looking for more.
    pub(super) fn patience(&self, now: Duration) -> Duration {
        let window = self.settings.window.as_secs_f64();
        let shortest = SHORTEST_PATIENCE * window;
        let lost = self.lost_by_a_pause();
        let doubled = |first: f64| first * 2_f64.powi(self.misses.min(16) as i32);
        let patience = match self.above {
            Above::Older { rate, at, .. } if rate > self.rate * FASTER && self.remembers(now, at) => {
                doubled(shortest).min((lost / COST_SHARE_OF_OLDER).max(shortest))
            }
            Above::Between => doubled(shortest),
            _ => doubled((lost / COST_SHARE).max(shortest)),
        };
        Duration::from_secs_f64(patience.min(LONGEST_PATIENCE * window))
    }

    /// The seconds of a pause that the server does not make up for with what it saves up meanwhile.
    fn lost_by_a_pause(&self) -> f64 {
        (self.pause.as_secs_f64() - self.spendable() / self.rate).max(0.0)
    }

    /// Whether what held at that moment still matters.
    pub(super) fn remembers(&self, now: Duration, at: Duration) -> bool {
        now.saturating_sub(at) < self.settings.window.saturating_mul(REMEMBERED)
    }

    /// The rate that the server's answers prove.
    pub(super) fn proven(&self, now: Duration) -> f64 {
        // Rather too large a burst: the deduction shall not be too small.
        self.evidence.proven(now, self.burst.unwrap_or(1.0) * 1.25)
    }

    /// What the server bears at once, now that this rate failed: what came at once and was served.
    pub(super) fn learned_burst(&self, now: Duration, failed: f64) -> f64 {
        let proven = self.evidence.burst(now, failed).max(1.0);
        match self.burst {
            Some(_) if self.burst_failed() => proven.min(self.spendable()) / 2.0,
            Some(burst) => burst.max(proven),
            None => proven,
        }
    }

    /// Whether not the rate failed but what was sent at once after the last pause.
    pub(super) fn burst_failed(&self) -> bool {
        let sent_at_once = self.burst.is_some() && self.spendable() > 1.0;
        sent_at_once
            && matches!(self.phase, Phase::Hold { .. })
            && self.evidence.since_emptied() <= self.spendable()
    }

    /// What may be sent at once: rather too little.
    pub(super) fn spendable(&self) -> f64 {
        self.burst.map_or(f64::from(self.base.burst().get()), |burst| (burst * 0.8).floor().max(1.0))
    }
}
