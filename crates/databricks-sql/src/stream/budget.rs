//! A budget of bytes that chunks reserve before they are fetched and give back as their rows are taken.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use metrics::gauge;
use tokio::sync::oneshot;

/// The bytes that all streams of the process hold.
const HELD: &str = "databricks_sql_prefetched_bytes";

/// Bytes that one stream may hold. Clones are the same budget.
///
/// A chunk begins with a part of its bytes and asks for the rest when it needs it. Who comes first in the result is served
/// first; what the first of the unfinished chunks still needs is kept for it; and the first of all that hold anything,
/// which is the one that the reader waits for, is never refused. So nothing can block it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: u64,
    used: u64,
    /// By index.
    chunks: BTreeMap<u64, Share>,
    /// By chunk, and by who came first.
    waiting: BTreeMap<(u64, u64), Waiter>,
    tickets: u64,
}

/// What one chunk has of the budget.
#[derive(Debug, Default)]
struct Share {
    reservations: usize,
    held: u64,
    /// What it will hold when it is there.
    whole: u64,
}

#[derive(Debug)]
struct Waiter {
    bytes: u64,
    turn: oneshot::Sender<Reservation>,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        let state = State { limit, used: 0, chunks: BTreeMap::new(), waiting: BTreeMap::new(), tickets: 0 };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Waits until all bytes of a chunk fit. More than the whole budget is let in once nothing else is held.
    pub(crate) async fn reserve(&self, chunk: u64, bytes: u64) -> Reservation {
        Shared::request(&self.shared, chunk, bytes).await
    }

    /// Waits until half of a chunk fits: with the other half it is served when it has come so far.
    pub(crate) async fn begin(&self, chunk: u64, whole: u64) -> Reservation {
        let mut reservation = self.reserve(chunk, whole.div_ceil(2)).await;
        reservation.expect(whole);
        reservation
    }

    /// No bytes yet, for what comes beside what is reserved.
    pub(crate) fn nothing(&self, chunk: u64) -> Reservation {
        self.shared.state().grant(chunk, 0);
        Reservation { shared: Arc::clone(&self.shared), chunk, bytes: 0, waited: false }
    }

    /// Lets so many more bytes in.
    pub(crate) fn raise(&self, bytes: u64) {
        self.shared.state().limit += bytes;
        Shared::hand_out(&self.shared);
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.shared.state().used
    }
}

impl State {
    /// Whether a chunk may have so many bytes now.
    fn fits(&self, chunk: u64, bytes: u64) -> bool {
        if self.chunks.first_key_value().is_none_or(|(first, _)| chunk <= *first) {
            return true;
        }
        let unfinished = self.chunks.iter().find(|(_, share)| share.held < share.whole);
        let kept =
            unfinished.filter(|(first, _)| **first != chunk).map(|(_, share)| share.whole - share.held);
        let wanted = self.used.saturating_add(bytes).saturating_add(kept.unwrap_or_default());
        wanted <= self.limit
    }

    fn grant(&mut self, chunk: u64, bytes: u64) {
        self.chunks.entry(chunk).or_default().reservations += 1;
        self.add(chunk, bytes);
    }

    fn add(&mut self, chunk: u64, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
        if let Some(share) = self.chunks.get_mut(&chunk) {
            share.held = share.held.saturating_add(bytes);
        }
        gauge!(HELD).increment(bytes as f64);
    }

    fn give_back(&mut self, chunk: u64, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
        if let Some(share) = self.chunks.get_mut(&chunk) {
            share.held = share.held.saturating_sub(bytes);
        }
        gauge!(HELD).decrement(bytes as f64);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn request(shared: &Arc<Self>, chunk: u64, bytes: u64) -> Reservation {
        let (turn, granted) = oneshot::channel();
        {
            let mut state = shared.state();
            state.tickets += 1;
            let place = (chunk, state.tickets);
            state.waiting.insert(place, Waiter { bytes, turn });
        }
        Self::hand_out(shared);
        match granted.await {
            Ok(reservation) => reservation,
            // Nobody forgets a waiter; a few bytes too many would do no harm.
            Err(_) => {
                shared.state().grant(chunk, bytes);
                Reservation { shared: Arc::clone(shared), chunk, bytes, waited: false }
            }
        }
    }

    /// Serves those who wait, in order, as long as there is room.
    fn hand_out(shared: &Arc<Self>) {
        loop {
            let (reservation, turn) = {
                let mut state = shared.state();
                let Some((&(chunk, ticket), waiter)) = state.waiting.first_key_value() else { return };
                let bytes = waiter.bytes;
                if !state.fits(chunk, bytes) {
                    return;
                }
                let Some(waiter) = state.waiting.remove(&(chunk, ticket)) else { return };
                state.grant(chunk, bytes);
                (Reservation { shared: Arc::clone(shared), chunk, bytes, waited: false }, waiter.turn)
            };
            // A waiter that went away gives its bytes back by dropping them.
            drop(turn.send(reservation));
        }
    }
}

/// Bytes held from a [`Budget`], given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    chunk: u64,
    bytes: u64,
    waited: bool,
}

impl Reservation {
    /// The chunk turns out to come to so many bytes: what is too much is given back, what is missing is asked for later.
    pub(crate) fn expect(&mut self, whole: u64) {
        if let Some(share) = self.shared.state().chunks.get_mut(&self.chunk) {
            share.whole = whole;
        }
        if whole < self.bytes {
            self.set(whole);
        }
    }

    /// Whether `bytes` are more than it holds, so that they have to be waited for.
    pub(crate) fn lacks(&self, bytes: u64) -> bool {
        bytes > self.bytes
    }

    /// Waits for at least `bytes`, and for all that is expected at once.
    pub(crate) async fn cover(&mut self, bytes: u64) {
        let whole = self.shared.state().chunks.get(&self.chunk).map_or(0, |share| share.whole);
        let more = whole.max(bytes).saturating_sub(self.bytes);
        if more == 0 {
            return;
        }
        let mut request = pin!(Shared::request(&self.shared, self.chunk, more));
        let mut granted = match (&mut request).now_or_never() {
            Some(granted) => granted,
            None => {
                self.waited = true;
                request.await
            }
        };
        self.bytes = self.bytes.saturating_add(std::mem::take(&mut granted.bytes));
    }

    /// Whether it had to wait for more.
    pub(crate) fn waited(&self) -> bool {
        self.waited
    }

    /// Forgets that it had to.
    pub(crate) fn take_waited(&mut self) -> bool {
        std::mem::take(&mut self.waited)
    }

    /// Holds exactly `bytes` from now on, and expects no more. Growing does not wait: the bytes are there already, and are
    /// counted so that nothing else is let in beside them.
    pub(crate) fn set(&mut self, bytes: u64) {
        {
            let mut state = self.shared.state();
            if bytes < self.bytes {
                state.give_back(self.chunk, self.bytes - bytes);
            } else {
                state.add(self.chunk, bytes - self.bytes);
            }
            if let Some(share) = state.chunks.get_mut(&self.chunk) {
                share.whole = share.held;
            }
        }
        self.bytes = bytes;
        Shared::hand_out(&self.shared);
    }

    /// Gives `bytes` back.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        self.set(self.bytes.saturating_sub(bytes));
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state();
            state.give_back(self.chunk, self.bytes);
            if let Some(share) = state.chunks.get_mut(&self.chunk) {
                share.reservations -= 1;
                if share.reservations == 0 {
                    state.chunks.remove(&self.chunk);
                }
            }
        }
        Shared::hand_out(&self.shared);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn chunk_waits_until_its_bytes_fit() {
        let budget = Budget::new(100);
        let first = budget.reserve(0, 60).await;
        let mut second = Box::pin(budget.reserve(1, 50));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert_eq!(second.await.bytes(), 50);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn chunk_above_the_budget_is_let_in_alone() {
        let budget = Budget::new(100);
        let small = budget.reserve(0, 1).await;
        assert!(budget.reserve(1, 500).now_or_never().is_none());
        drop(small);
        let big = budget.reserve(1, 500).await;
        assert!(budget.reserve(2, 1).now_or_never().is_none());
        drop(big);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn grown_reservation_keeps_others_out_until_it_shrinks() {
        let budget = Budget::new(100);
        let mut held = budget.reserve(0, 10).await;
        held.set(150);
        let mut next = Box::pin(budget.reserve(1, 50));
        assert!((&mut next).now_or_never().is_none());
        held.shrink(100);
        assert_eq!(next.await.bytes(), 50);
        assert_eq!(budget.used(), 50);
        drop(held);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn second_halves_are_served_in_the_order_of_the_result_and_the_first_is_kept_its_own() {
        let budget = Budget::new(100);
        let mut first = budget.begin(0, 40).await;
        let mut second = budget.begin(1, 40).await;
        let mut third = budget.begin(2, 40).await;
        assert_eq!(budget.used(), 60);
        // 20 more are kept for the first, so that there is room for one other half, and none to begin with.
        let mut late = Box::pin(third.cover(21));
        assert!((&mut late).now_or_never().is_some());
        let mut begin = Box::pin(budget.begin(3, 2));
        assert!((&mut begin).now_or_never().is_none());
        let mut early = Box::pin(second.cover(21));
        assert!((&mut early).now_or_never().is_none());
        first.cover(21).now_or_never().unwrap();
        assert_eq!((first.bytes(), budget.used()), (40, 100));
        // What comes back goes to the second before anything new begins.
        first.shrink(19);
        assert!((&mut early).now_or_never().is_none() && (&mut begin).now_or_never().is_none());
        first.shrink(1);
        assert!(early.now_or_never().is_some());
        assert!(second.take_waited() && !second.waited() && !first.waited());
        assert!((&mut begin).now_or_never().is_none());
        drop(first);
        assert!(begin.now_or_never().is_some());
    }

    #[tokio::test]
    async fn the_chunk_that_the_reader_waits_for_is_never_refused() {
        let budget = Budget::new(110);
        let mut first = budget.begin(0, 100).await;
        let mut other = budget.begin(1, 10).await;
        other.set(50);
        first.cover(90).now_or_never().unwrap();
        assert_eq!((first.bytes(), budget.used()), (100, 150));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let budget = Budget::new(100);
        let held = budget.reserve(0, 100).await;
        let mut gave_up = Box::pin(budget.reserve(1, 10));
        assert!((&mut gave_up).now_or_never().is_none());
        drop(gave_up);
        let mut served = Box::pin(budget.reserve(2, 10));
        assert!((&mut served).now_or_never().is_none());
        drop(held);
        drop(served);
        assert_eq!(budget.used(), 0);
        assert_eq!(budget.reserve(3, 100).now_or_never().map(|all| all.bytes()), Some(100));
    }

    #[tokio::test]
    async fn a_smaller_chunk_than_expected_gives_back_what_it_does_not_need() {
        let budget = Budget::new(100);
        let mut held = budget.begin(0, 100).await;
        held.expect(30);
        assert_eq!((held.bytes(), held.waited()), (30, false));
        held.cover(31).await;
        assert_eq!((held.bytes(), held.waited()), (31, false));
    }
}
