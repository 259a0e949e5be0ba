//! What the policy does: with a window that held, with a 429, and when a pause is over.

use std::time::Duration;

use super::estimates::{FASTER, WIDE};
use super::{Adaptive, Burst, Limit, Phase};

/// The part of a rate that is left free at least, and at most.
pub(super) const LEAST_ROOM: f64 = 0.02;
const MOST_ROOM: f64 = 0.25;
/// A rate that held and fails by chance leaves so much more.
const MORE_ROOM: f64 = 2.5;
/// So much of a rate is enough to say that it holds.
const NEARLY: f64 = 0.95;
/// So much of a rate was proven when it failed: it failed by chance, and not because the server has become slower.
const BY_CHANCE: f64 = 0.85;

impl Adaptive {
    /// Goes on when a cut is over.
    pub(super) fn proceed(&mut self, now: Duration) {
        if let Phase::Cut { until, then } = self.phase
            && now >= until
        {
            self.rate = then;
            self.phase = Phase::Hold { since: until };
        }
    }

    /// A window in which the rate was used has ended well.
    pub(super) fn window_held(&mut self, now: Duration) {
        match self.phase {
            Phase::Open | Phase::Cut { .. } => {}
            Phase::Hold { since } => self.stayed(now, since),
            Phase::Look { from, since, beyond } => self.looked(now, from, since, beyond),
            Phase::Return { since, .. } => self.returned(now, since),
        }
    }

    fn stayed(&mut self, now: Duration, since: Duration) {
        if !self.is_young(now, since) {
            self.kept_long = self.rate;
        }
        if now.saturating_sub(since) >= self.patience(now) {
            self.room = (self.room / 2.0).max(LEAST_ROOM);
            self.burst =
                self.burst.map(|burst| Burst { used: (burst.used * 2.0).min(burst.proven), ..burst });
            let beyond = self.hopes_for_older(now) || !self.is_wide();
            self.look_above(now, self.rate, beyond);
        }
    }

    /// More than what held is served so far.
    fn looked(&mut self, now: Duration, from: f64, since: Duration, beyond: bool) {
        let proven = self.proven(now).min(self.rate).max(from);
        if proven > self.limit.fails {
            self.server_is_faster(now, proven);
        } else if self.step(beyond).is_some() {
            self.look_above(now, proven, beyond);
        } else if proven > self.rate * NEARLY || !self.is_young(now, since) {
            self.limit.holds = proven;
            self.misses = 0;
            self.phase = Phase::Hold { since };
        }
    }

    /// What failed holds now. Back to what held before the server became slower, or on by a tenth.
    fn server_is_faster(&mut self, now: Duration, proven: f64) {
        self.misses = 0;
        self.limit = Limit { holds: proven, fails: f64::INFINITY };
        match self.older.take() {
            Some((older, until)) if now < until && older.holds > self.rate => {
                self.limit.fails = older.fails;
                self.rate = older.holds;
                self.evidence.restart();
                self.phase = Phase::Return { from: proven, since: now };
            }
            _ => self.look_above(now, proven, true),
        }
    }

    /// What held before the server became slower does so again. Where its ceiling is known, or it had been kept for long, that
    /// is enough for now.
    fn returned(&mut self, now: Duration, since: Duration) {
        self.limit.holds = self.rate;
        self.misses = u32::from(self.limit.fails < self.rate * WIDE);
        self.phase = Phase::Hold { since };
        if self.kept_long == 0.0 {
            self.look_above(now, self.rate, false);
        }
    }

    /// A tenth more, up to the base and to just under what failed, or beyond that.
    fn look_above(&mut self, now: Duration, from: f64, beyond: bool) {
        match self.step(beyond) {
            Some(rate) => {
                self.rate = rate;
                self.phase = Phase::Look { from, since: now, beyond };
            }
            None => self.phase = Phase::Hold { since: now },
        }
    }

    /// One was served that was on its way when the 429 came.
    pub(super) fn served_late(&mut self, sent: Duration) {
        let at_once = self.evidence.served_late(sent);
        if let (Phase::Cut { .. }, Some(burst), Some(at_once)) = (self.phase, &mut self.burst, at_once) {
            burst.used += (at_once - burst.proven).max(0.0);
            burst.proven = burst.proven.max(at_once);
        }
    }

    /// The server answered 429.
    pub(super) fn cut(&mut self, now: Duration, retry_after: Option<Duration>) {
        let failed = self.failed(now);
        let burst = self.learned_burst();
        let back_to = self.back_to(now, failed);
        self.burst = Some(burst);
        let floor = self.settings.min_rate.min(self.base.requests_per_second());
        self.rate = (failed * self.settings.backoff).max(floor).min(self.rate);
        self.phase = Phase::Cut {
            until: now.saturating_add(retry_after.unwrap_or(self.settings.window)),
            then: back_to.map_or(self.rate, |rate| rate.max(self.rate)),
        };
        self.evidence.emptied();
        self.cut_at = Some(now);
    }

    /// The rate to return to after this one failed; `None` for half of it.
    fn back_to(&mut self, now: Duration, failed: f64) -> Option<f64> {
        let proven = self.proven(now).min(failed);
        match self.phase {
            Phase::Open => {
                self.limit.holds = proven;
                self.fell(now, failed, 0.0);
            }
            // A burst was too much, which says nothing about the rate.
            Phase::Hold { .. } if self.burst_failed() => return Some(failed),
            Phase::Look { from, .. } | Phase::Return { from, .. } => self.found_ceiling(from, failed, proven),
            _ if proven >= failed * BY_CHANCE => {
                self.room = (self.room * MORE_ROOM).min(MOST_ROOM);
                self.limit.holds = proven * (1.0 - self.room);
            }
            _ => self.fell(now, failed, proven * (1.0 - self.room)),
        }
        (self.limit.holds > 0.0).then_some(self.limit.holds)
    }

    fn found_ceiling(&mut self, from: f64, failed: f64, proven: f64) {
        let holds = (proven * (1.0 - self.room)).max(from);
        self.misses = if holds > from * FASTER { 0 } else { self.misses.saturating_add(1) };
        self.limit = Limit { holds, fails: failed };
    }

    /// What held does so no longer: the server has become slower.
    fn fell(&mut self, now: Duration, failed: f64, holds: f64) {
        let mut was = std::mem::replace(&mut self.limit, Limit { holds, fails: failed });
        was.holds = was.holds.max(self.kept_long * (1.0 - LEAST_ROOM));
        self.misses = 0;
        let until = now.saturating_add(self.remembered());
        match &mut self.older {
            Some((older, until)) if now < *until => older.holds = older.holds.max(was.holds),
            older => *older = (was.holds > holds.max(failed / 2.0) * FASTER).then_some((was, until)),
        }
    }
}
