//! Places for downloads: as many as pay, given to the chunk that comes first in the result.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::growth::Growth;

/// The places of one result. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    growth: Growth,
    taken: usize,
    /// By chunk, and by who came first: two may fetch the same one.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<Place>>,
    tickets: u64,
}

/// A place that is taken; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
}

impl Streams {
    pub(super) fn new(growth: Growth) -> Self {
        let state = State { growth, taken: 0, waiting: BTreeMap::new(), tickets: 0 };
        Self { shared: Arc::new(Shared { began: Instant::now(), state: Mutex::new(state) }) }
    }

    /// Waits for a place for a chunk. Those that come first in the result have the first turn, so that the chunk which
    /// the reader waits for is never behind others.
    pub(super) async fn enter(&self, chunk: u64) -> Place {
        let waiting = {
            let mut state = self.shared.state();
            state.tickets += 1;
            let (turn, waiting) = oneshot::channel();
            let place = (chunk, state.tickets);
            state.waiting.insert(place, turn);
            waiting
        };
        Shared::hand_out(&self.shared);
        match waiting.await {
            Ok(place) => place,
            // Nobody forgets a waiter; a place too many would do no harm.
            Err(_) => self.extra(),
        }
    }

    /// How many downloads may run at once at the moment.
    pub(super) fn at_once(&self) -> usize {
        self.shared.state().growth.streams()
    }

    /// A place beside the others, for a chunk that has one already.
    pub(super) fn extra(&self) -> Place {
        self.shared.state().taken += 1;
        Place { shared: Arc::clone(&self.shared) }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free places to those who wait, in order.
    fn hand_out(shared: &Arc<Self>) {
        loop {
            let turn = {
                let mut state = shared.state();
                if state.taken >= state.growth.streams() {
                    return;
                }
                let Some((_, turn)) = state.waiting.pop_first() else { return };
                state.taken += 1;
                turn
            };
            // A waiter that went away gives its place back by dropping it.
            drop(turn.send(Place { shared: Arc::clone(shared) }));
        }
    }
}

impl Place {
    /// The download is well under way.
    pub(super) fn under_way(&self) {
        self.shared.state().growth.under_way();
        Shared::hand_out(&self.shared);
    }

    /// Waits for something without the place: what waits uses no line, and whoever it waits for may need one. It goes on
    /// at once then.
    pub(super) async fn without<T>(&self, something: impl Future<Output = T>) -> T {
        let left = Left::of(&self.shared);
        let done = something.await;
        drop(left);
        done
    }

    /// The download brought so many bytes.
    pub(super) fn brought(self, bytes: u64) {
        let now = self.shared.began.elapsed();
        let mut state = self.shared.state();
        let full = !state.waiting.is_empty();
        state.growth.ended(now, bytes, full);
    }
}

/// A place that is left for a while.
struct Left<'p>(&'p Arc<Shared>);

impl<'p> Left<'p> {
    fn of(shared: &'p Arc<Shared>) -> Self {
        shared.state().taken -= 1;
        Shared::hand_out(shared);
        Self(shared)
    }
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.state().taken += 1;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.state().taken -= 1;
        Shared::hand_out(&self.shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn a_free_place_goes_to_the_chunk_that_comes_first() {
        let streams = Streams::new(Growth::new(1, 1, 1));
        let held = streams.enter(5).await;
        let mut later = Box::pin(streams.enter(9));
        let mut earlier = Box::pin(streams.enter(3));
        assert!((&mut later).now_or_never().is_none() && (&mut earlier).now_or_never().is_none());
        drop(held);
        assert!((&mut later).now_or_never().is_none());
        let place = (&mut earlier).now_or_never();
        assert!(place.is_some());
        drop(place);
        assert!(later.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_place_is_not_lost_with_those_who_gave_up() {
        let streams = Streams::new(Growth::new(1, 1, 1));
        let held = streams.enter(0).await;
        let mut gave_up = Box::pin(streams.enter(1));
        assert!((&mut gave_up).now_or_never().is_none());
        drop(gave_up);
        let mut handed_and_dropped = Box::pin(streams.enter(2));
        assert!((&mut handed_and_dropped).now_or_never().is_none());
        drop(held);
        drop(handed_and_dropped);
        assert!(streams.enter(3).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_waits_without_its_place_lets_others_in() {
        let streams = Streams::new(Growth::new(1, 1, 1));
        let held = streams.enter(5).await;
        let (go_on, waits) = oneshot::channel::<()>();
        let mut waiting = Box::pin(held.without(waits));
        assert!((&mut waiting).now_or_never().is_none());
        let other = streams.enter(0).now_or_never();
        assert!(other.is_some());
        assert_eq!(go_on.send(()), Ok(()));
        assert!(waiting.now_or_never().is_some(), "it goes on although the place is taken");
        drop(other);
        assert!(streams.enter(1).now_or_never().is_none());
        drop(held);
        assert!(streams.enter(1).now_or_never().is_some());
    }

    #[tokio::test]
    async fn an_extra_place_does_not_wait() {
        let streams = Streams::new(Growth::new(1, 1, 1));
        let held = streams.enter(0).await;
        let extra = streams.extra();
        drop(held);
        assert!(streams.enter(1).now_or_never().is_none());
        drop(extra);
        assert!(streams.enter(1).now_or_never().is_some());
    }
}
