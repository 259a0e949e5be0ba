//! Whose turn it is: the queue, the bucket and the policy as one value, changed under the limiter's lock, with times as
//! arguments.

use std::time::Duration;

use crate::rate_limit::bucket::Bucket;
use crate::rate_limit::policy::RatePolicy;
use crate::rate_limit::queue::Queue;
use crate::rate_limit::rate::Rate;

/// A turn that is not taken for so long is lost, and its holder is the first in line again: what piles up while nobody
/// looks must not be sent at once.
pub(super) const KEPT: Duration = Duration::from_secs(1);
/// Timers are late by so much. A turn handed out later has come while nobody looked, and costs the next one nothing.
const LATE: Duration = Duration::from_millis(10);

pub(super) struct Turns {
    pub(super) gate: Option<Gate>,
    /// Nothing is admitted before this moment: the server asked for it.
    pub(super) paused_until: Duration,
    /// Requests sent up to here say nothing new about the server's bucket.
    pub(super) emptied_at: Option<Duration>,
    pub(super) queue: Queue,
    pub(super) next_ticket: u64,
}

pub(super) struct Gate {
    policy: Box<dyn RatePolicy>,
    bucket: Bucket,
}

impl Turns {
    pub(super) fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// A token for the first in line, or when to ask again.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        if self.paused_until > now {
            return Err(self.paused_until);
        }
        self.gate.as_mut().map_or(Ok(()), |gate| gate.take(now))
    }

    /// Hands out the turns that have come, in order, each as of the moment at which it came.
    pub(super) fn serve(&mut self, now: Duration) {
        if self.queue.is_empty() {
            return;
        }
        let waiting = self.queue.len();
        while !self.queue.is_empty() {
            let due = self.due(0);
            if due > now {
                break;
            }
            let at = if now.saturating_sub(due) > LATE { due } else { now };
            if self.queue.dismiss_first(at) {
                continue;
            }
            // At the rate as it was: the policy is asked when this has caught up. A moment in the past may be too early by
            // a rounding.
            let take = |gate: &mut Gate| gate.bucket.take(at).or_else(|_| gate.bucket.take(now));
            if self.gate.as_mut().is_some_and(|gate| take(gate).is_err()) {
                break;
            }
            self.queue.grant_first(at);
        }
        if self.queue.len() < waiting {
            self.queue.wake_first();
        }
        if let Some(gate) = &mut self.gate {
            gate.rate(now);
        }
    }

    /// When this position is served if the rate stays as it is.
    pub(super) fn due(&self, position: usize) -> Duration {
        let tokens = self.gate.as_ref().map_or(Duration::ZERO, |gate| {
            gate.bucket.moment_of(position.saturating_add(1), gate.bucket.rate().requests_per_second())
        });
        tokens.max(self.paused_until)
    }

    /// A turn that its holder did not look at. One that is too old is lost: many of them would make a burst.
    pub(super) fn take_back_unseen(&mut self, granted: Duration, now: Duration) {
        if now.saturating_sub(granted) <= KEPT {
            self.take_back(granted, now);
        }
    }

    /// What was taken at that moment and not used. The server has not got it any more when it said since that it has
    /// nothing.
    pub(super) fn take_back(&mut self, taken: Duration, now: Duration) {
        let is_void = self.emptied_at.is_some_and(|emptied| emptied >= taken);
        if let Some(gate) = self.gate.as_mut().filter(|_| !is_void) {
            gate.bucket.give_back(now);
        }
    }

    /// When this position can be served at best, at the base rate.
    pub(super) fn at_best(&self, position: usize, base: Option<Rate>) -> Duration {
        let tokens =
            self.gate.as_ref().zip(base).map_or(Duration::ZERO, |(gate, base)| gate.at_best(position, base));
        tokens.max(self.paused_until)
    }

    pub(super) fn dismiss(&mut self, now: Duration, base: Option<Rate>) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.dismiss(now, |position| self.at_best(position, base));
        self.queue = queue;
    }

    /// The rate before and after.
    pub(super) fn throttled(
        &mut self,
        now: Duration,
        sent: Duration,
        pause: Option<Duration>,
    ) -> Option<(f64, f64)> {
        let news = self.emptied_at.is_none_or(|emptied| sent > emptied);
        let gate = self.gate.as_mut()?;
        let old = gate.rate(now).requests_per_second();
        if news {
            gate.bucket.drain(now);
            self.emptied_at = Some(now);
        }
        gate.policy.throttled(now, sent, pause);
        Some((old, gate.rate(now).requests_per_second()))
    }

    /// The rate before and after, when it changed.
    pub(super) fn served(&mut self, now: Duration, sent: Duration) -> Option<(f64, f64)> {
        let gate = self.gate.as_mut()?;
        let old = gate.bucket.rate().requests_per_second();
        gate.policy.served(now, sent);
        let new = gate.rate(now).requests_per_second();
        if new <= old {
            return None;
        }
        self.queue.wake_first();
        Some((old, new))
    }
}

impl Gate {
    pub(super) fn new(mut policy: Box<dyn RatePolicy>) -> Self {
        let rate = policy.rate(Duration::ZERO).clamped();
        Self { policy, bucket: Bucket::new(rate, Duration::ZERO) }
    }

    /// The policy's rate now, which the bucket keeps from now on.
    pub(super) fn rate(&mut self, now: Duration) -> Rate {
        let rate = self.policy.rate(now).clamped();
        self.bucket.change(rate, now);
        rate
    }

    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.rate(now);
        // A moment that is not later would be asked about again and again.
        self.bucket.take(now).map_err(|moment| moment.max(now.saturating_add(Duration::from_micros(1))))
    }

    fn at_best(&self, position: usize, base: Rate) -> Duration {
        let speed = base.requests_per_second().max(self.bucket.rate().requests_per_second());
        self.bucket.moment_of(position.saturating_add(1), speed)
    }
}
