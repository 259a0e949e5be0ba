//! Who waits for a turn, in order of arrival: a value, changed under the limiter's lock.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

/// The place of a waiter: others wake him through it, and leave him word when he has been sent away.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) wake: Notify,
    /// How long he would have had to wait.
    pub(super) refused: OnceLock<Duration>,
    /// The moment at which his turn came. It is his whether he looks or not.
    pub(super) granted: OnceLock<Duration>,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    deadline: Option<Duration>,
    seat: Arc<Seat>,
}

/// The waiters by ticket; tickets are given out in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiters: VecDeque<Waiter>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// How many stand before the ticket.
    pub(super) fn position(&self, ticket: u64) -> usize {
        self.waiters.partition_point(|waiter| waiter.ticket < ticket)
    }

    /// Stands in line where the ticket belongs: at the end with a new one.
    pub(super) fn join(&mut self, ticket: u64, deadline: Option<Duration>) -> Arc<Seat> {
        let seat = Arc::new(Seat::default());
        let waiter = Waiter { ticket, deadline, seat: Arc::clone(&seat) };
        self.waiters.insert(self.position(ticket), waiter);
        seat
    }

    /// The first one's turn has come: he leaves the line with it, and is told.
    pub(super) fn grant_first(&mut self, at: Duration) {
        if let Some(first) = self.waiters.pop_front() {
            let _ = first.seat.granted.set(at);
            first.seat.wake.notify_one();
        }
    }

    /// Sends the first one away when the moment is past his deadline; whether it did.
    pub(super) fn dismiss_first(&mut self, at: Duration) -> bool {
        let is_late = |waiter: &mut Waiter| waiter.deadline.is_some_and(|deadline| deadline < at);
        let Some(first) = self.waiters.pop_front_if(is_late) else { return false };
        let _ = first.seat.refused.set(Duration::ZERO);
        first.seat.wake.notify_one();
        true
    }

    /// Leaves the line without a turn. Whoever is first then is told.
    pub(super) fn leave(&mut self, ticket: u64) {
        let position = self.position(ticket);
        if self.waiters.get(position).is_none_or(|waiter| waiter.ticket != ticket) {
            return;
        }
        self.waiters.remove(position);
        if position == 0 {
            self.wake_first();
        }
    }

    /// The first one looks again: a turn may come sooner than he thought.
    pub(super) fn wake_first(&self) {
        if let Some(first) = self.waiters.front() {
            first.seat.wake.notify_one();
        }
    }

    /// Sends away who cannot be served before his deadline. `moment` says when a position is served at best; a place
    /// that becomes free counts for those behind it.
    pub(super) fn dismiss(&mut self, now: Duration, moment: impl Fn(usize) -> Duration) {
        let mut position = 0;
        self.waiters.retain(|waiter| {
            let at_best = moment(position);
            if waiter.deadline.is_none_or(|deadline| at_best <= deadline) {
                position += 1;
                return true;
            }
            let _ = waiter.seat.refused.set(at_best.saturating_sub(now));
            waiter.seat.wake.notify_one();
            false
        });
        self.wake_first();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_ticket_that_comes_back_stands_where_it_stood() {
        let mut queue = Queue::default();
        for ticket in [3, 5, 9] {
            queue.join(ticket, None);
        }
        queue.join(4, None);
        assert_eq!([3, 4, 5, 9].map(|ticket| queue.position(ticket)), [0, 1, 2, 3]);
        queue.leave(3);
        queue.leave(3);
        queue.leave(100);
        assert_eq!((queue.len(), queue.position(9)), (3, 2));
    }

    #[test]
    fn who_is_sent_away_does_not_count_for_those_behind() {
        let mut queue = Queue::default();
        // One turn a second: with everybody in line the last would be served after 4 s, and he has 2.
        let seats = [(1, 9), (2, 1), (3, 1), (4, 2)]
            .map(|(ticket, seconds)| queue.join(ticket, Some(SECOND * seconds)));
        queue.dismiss(Duration::ZERO, |position| SECOND * (position as u32 + 1));
        let refused = seats.map(|seat| seat.refused.get().copied());
        assert_eq!(refused, [None, Some(SECOND * 2), Some(SECOND * 2), None]);
        assert_eq!((queue.len(), queue.position(4)), (2, 1));
    }
}
