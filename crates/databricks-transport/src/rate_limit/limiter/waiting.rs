//! Somebody who waits in the queue: how long he sleeps, what he does when he wakes, and what he leaves when he goes.

use std::sync::Arc;
use std::time::Duration;

use super::turns::{KEPT, Turns};
use super::{Permit, RateLimiter};
use crate::error::Error;
use crate::rate_limit::queue::Seat;

/// A policy may change its mind while nothing happens: those who wait ask at least this often.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Somebody in the queue, or with a turn that he has not taken yet; dropped, he gives either up.
pub(in crate::rate_limit) struct Waiting {
    pub(super) limiter: RateLimiter,
    pub(super) ticket: u64,
    pub(super) deadline: Option<Duration>,
    pub(super) seat: Arc<Seat>,
    /// The turn has become a permit.
    pub(super) is_done: bool,
}

impl Waiting {
    pub(in crate::rate_limit) async fn turn(mut self) -> Result<Permit, Error> {
        loop {
            match self.look()? {
                Look::Go(permit) => return Ok(permit),
                Look::Again(at) => self.sleep(at).await,
            }
        }
    }

    fn look(&mut self) -> Result<Look, Error> {
        let limiter = self.limiter.clone();
        if let Some(wait) = self.seat.refused.get() {
            return Err(limiter.refusal(*wait));
        }
        let now = limiter.now();
        let mut turns = limiter.lock();
        turns.serve(now);
        self.rejoin_if_stale(&mut turns, now);
        if self.seat.granted.get().is_some() {
            self.is_done = true;
            return Ok(Look::Go(limiter.permit(self.ticket, now)));
        }
        let position = turns.queue.position(self.ticket);
        let (at_best, due) = (turns.at_best(position, limiter.0.base), turns.due(position));
        drop(turns);
        if self.deadline.is_some_and(|deadline| now >= deadline || at_best > deadline) {
            return Err(limiter.refusal(at_best.saturating_sub(now)));
        }
        // A moment that is not later would be asked about again and again.
        let wake = due.clamp(now.saturating_add(Duration::from_micros(1)), now.saturating_add(ASK_AGAIN));
        Ok(Look::Again(self.deadline.map_or(wake, |deadline| deadline.min(wake))))
    }

    /// Back to the old place with a turn that came too long ago, or before a pause.
    fn rejoin_if_stale(&mut self, turns: &mut Turns, now: Duration) {
        let Some(granted) = self.seat.granted.get().copied() else { return };
        if now.saturating_sub(granted) > KEPT || turns.paused_until > now {
            turns.take_back_unseen(granted, now);
            self.seat = turns.queue.join(self.ticket, self.deadline);
            turns.serve(now);
        }
    }

    /// Until the moment, or until somebody has news.
    async fn sleep(&self, until: Duration) {
        let news = self.seat.wake.notified();
        match self.limiter.0.origin.checked_add(until) {
            // Whichever comes first; both mean to look again.
            Some(moment) => drop(tokio::time::timeout_at(moment, news).await),
            None => news.await,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let now = self.limiter.now();
        let mut turns = self.limiter.lock();
        turns.serve(now);
        turns.queue.leave(self.ticket);
        if let Some(granted) = self.seat.granted.get() {
            turns.take_back_unseen(*granted, now);
            turns.serve(now);
        }
    }
}

enum Look {
    Go(Permit),
    Again(Duration),
}
