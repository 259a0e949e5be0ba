//! What the policy does: with a window that held, with a 429, and when a pause is over.

use std::time::Duration;

use super::estimates::FASTER;
use super::{Above, Adaptive, Phase};

/// "Just under" what held.
const UNDER: f64 = 0.98;
/// A rate kept for less than so many windows since the last 429 has not shown yet that it holds.
const YOUNG: u32 = 8;
/// A rate kept for longer is steady when so much of it is proven.
const STEADY: f64 = 0.95;

impl Adaptive {
    /// Goes on when a cut is over.
    pub(super) fn proceed(&mut self, now: Duration) {
        if let Phase::Cut { until, back_to } = self.phase
            && now >= until
        {
            self.rate = back_to.unwrap_or(self.rate);
            self.phase = Phase::Hold { since: until };
        }
    }

    /// A window in which the rate was used has ended well.
    pub(super) fn window_held(&mut self, now: Duration) {
        let proven = self.proven(now).min(self.rate);
        match self.phase {
            Phase::Open => self.held = self.held.max(proven),
            Phase::Cut { .. } => {}
            Phase::Hold { since } => self.stayed(now, since, proven),
            Phase::Climb { from } if proven > from * FASTER => self.more_holds(now, from, proven),
            Phase::Climb { from } => self.climb(now, from),
            Phase::Return { since } => self.returned(now, since, proven),
        }
    }

    fn stayed(&mut self, now: Duration, since: Duration, proven: f64) {
        self.held = self.held.max(proven);
        if !self.is_young(now, since) && proven >= self.rate * STEADY {
            self.steady = self.steady.max(self.rate);
        }
        if now.saturating_sub(since) >= self.patience(now) {
            self.climb(now, self.held.max(self.rate));
        }
    }

    /// What held before the server became slower holds again, once it has done so for long enough.
    fn returned(&mut self, now: Duration, since: Duration, proven: f64) {
        if !self.is_young(now, since) {
            self.held = proven;
            self.above = Above::Close;
            self.misses = 1;
            self.phase = Phase::Hold { since };
        }
    }

    /// A tenth more, up to the base.
    fn climb(&mut self, now: Duration, from: f64) {
        let base = self.base.requests_per_second();
        if self.rate >= base {
            self.phase = Phase::Hold { since: now };
            return;
        }
        if !matches!(self.phase, Phase::Climb { .. }) {
            self.evidence.restart();
        }
        self.rate = (self.rate * self.settings.recovery).min(base);
        self.phase = Phase::Climb { from };
    }

    /// The server takes more than its ceiling was. Back to what it took before that, or on by a tenth.
    fn more_holds(&mut self, now: Duration, from: f64, proven: f64) {
        self.held = proven;
        match self.above {
            Above::Older { rate, topped: true, .. } if rate * UNDER > self.rate => {
                self.rate = rate * UNDER;
                self.evidence.restart();
                self.phase = Phase::Return { since: now };
                return;
            }
            Above::Older { rate, .. } if rate * UNDER > self.rate => {}
            _ => self.above = Above::Close,
        }
        self.misses = 0;
        self.climb(now, from);
    }

    /// The server answered 429.
    pub(super) fn cut(&mut self, now: Duration, retry_after: Option<Duration>) {
        let failed = self.rate;
        let burst = self.learned_burst(now, failed);
        let back_to = self.back_to(now, failed);
        self.burst = Some(burst);
        let floor = self.settings.min_rate.min(self.base.requests_per_second());
        self.rate = (failed * self.settings.backoff).max(floor).min(failed);
        self.phase = Phase::Cut {
            until: now.saturating_add(retry_after.unwrap_or(self.settings.window)),
            back_to: back_to.filter(|rate| *rate > self.rate),
        };
        self.evidence.emptied(now);
        self.cut_at = Some(now);
    }

    /// The rate to return to after this one failed; `None` for half of it.
    fn back_to(&mut self, now: Duration, failed: f64) -> Option<f64> {
        match self.phase {
            Phase::Climb { from } => self.found_ceiling(now, from, failed),
            Phase::Return { .. } => self.misses = self.misses.saturating_add(1),
            // A burst was too much, which says nothing about the rate.
            Phase::Hold { .. } if self.burst_failed() => return Some(failed),
            // It was never shown to hold. What was served since the last pause tells of a rate that does.
            Phase::Hold { since } if self.is_young(now, since) => {
                let proven = self.proven(now).min(failed);
                self.fell(now, failed);
                self.held = proven;
            }
            Phase::Hold { .. } | Phase::Open | Phase::Cut { .. } => self.fell(now, failed),
        }
        (self.held > 0.0).then_some((self.held * UNDER).max(self.steady))
    }

    fn found_ceiling(&mut self, now: Duration, from: f64, failed: f64) {
        self.held = self.held.max(self.proven(now)).min(failed);
        self.misses = if self.held > from * FASTER { 0 } else { self.misses.saturating_add(1) };
        match &mut self.above {
            Above::Older { topped, .. } => *topped = true,
            above => *above = Above::Close,
        }
    }

    /// What held does so no longer: the server has become slower.
    fn fell(&mut self, now: Duration, failed: f64) {
        let held = std::mem::replace(&mut self.held, 0.0);
        self.steady = 0.0;
        self.misses = 0;
        self.above = match self.above {
            Above::Older { rate, at, .. } if self.remembers(now, at) => {
                Above::Older { rate: rate.max(held), at: now, topped: false }
            }
            _ if held > failed * self.settings.backoff => Above::Older { rate: held, at: now, topped: false },
            _ if self.cut_at.is_some() => Above::Between,
            _ => Above::Unknown,
        };
    }

    fn is_young(&self, now: Duration, since: Duration) -> bool {
        now.saturating_sub(since) < self.settings.window.saturating_mul(YOUNG)
    }
}
