//! A budget of bytes that chunks reserve before they are fetched and give back as their rows are taken.

#[cfg(test)]
mod laws;
mod reservation;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::gauge;
use tokio::sync::oneshot;

pub(crate) use self::reservation::Reservation;

/// The bytes that all streams of the process hold.
const HELD: &str = "databricks_sql_prefetched_bytes";

/// Bytes that one stream may hold. Clones are the same budget.
///
/// A chunk begins with a part of its bytes and asks for more when it needs it: most of those on their way have half of their
/// bytes still to come. Who comes first in the result is served first; what the first of the unfinished chunks still needs is kept for it; and the first of all that hold anything,
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
    /// Of a chunk that is to begin: how many others may be unfinished then.
    others: Option<usize>,
    turn: oneshot::Sender<Reservation>,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        let state = State { limit, used: 0, chunks: BTreeMap::new(), waiting: BTreeMap::new(), tickets: 0 };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Waits until all bytes of a chunk fit. More than the whole budget is let in once nothing else is held.
    pub(crate) async fn reserve(&self, chunk: u64, bytes: u64) -> Reservation {
        Shared::request(&self.shared, chunk, bytes, None).await
    }

    /// Waits until the first part of a chunk fits, and no more than so many others are unfinished: what waits for room in
    /// the middle of its file holds a connection meanwhile. With its other parts it is served when it has come so far.
    pub(crate) async fn begin(&self, chunk: u64, whole: u64, others: usize) -> Reservation {
        let part = whole.div_ceil(reservation::PARTS);
        let mut reservation = Shared::request(&self.shared, chunk, part, Some(others)).await;
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
    /// Whether a chunk may have so many bytes now, and begin beside so many unfinished others.
    fn fits(&self, chunk: u64, bytes: u64, others: Option<usize>) -> bool {
        if self.chunks.first_key_value().is_none_or(|(first, _)| chunk <= *first) {
            return true;
        }
        let mut unfinished = self.chunks.iter().filter(|(_, share)| share.held < share.whole);
        if others.is_some_and(|others| unfinished.clone().count() > others) {
            return false;
        }
        let first = unfinished.next().filter(|(first, _)| **first != chunk);
        let kept = first.map(|(_, share)| share.whole - share.held);
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

    async fn request(shared: &Arc<Self>, chunk: u64, bytes: u64, others: Option<usize>) -> Reservation {
        let (turn, granted) = oneshot::channel();
        let place = {
            let mut state = shared.state();
            state.tickets += 1;
            let place = (chunk, state.tickets);
            state.waiting.insert(place, Waiter { bytes, others, turn });
            place
        };
        let _asked = Asked { shared, place };
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
                if !state.fits(chunk, bytes, waiter.others) {
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

/// A place among those who wait. Who leaves it unserved stands in nobody's way any more.
struct Asked<'s> {
    shared: &'s Arc<Shared>,
    place: (u64, u64),
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let left = self.shared.state().waiting.remove(&self.place);
        if left.is_some() {
            Shared::hand_out(self.shared);
        }
    }
}
