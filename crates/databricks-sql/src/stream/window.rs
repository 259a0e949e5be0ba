//! How many chunks may be ahead of the reader, whatever their bytes: more than keep the downloads busy gain nothing, and
//! fresh memory costs time.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::MOST_QUEUED;
use super::pace::Pace;

/// Chunks ahead for each download at once: one that is fetched, and one that waits for those before it.
const FOR_EACH: usize = 2;
/// How long the window may be full of chunks that wait for one before them, until more are let in.
const HELD_UP: Duration = Duration::from_millis(50);

/// The places of one result. They widen with the downloads, and when one late chunk holds up the others.
#[derive(Debug)]
pub(super) struct Window {
    places: Arc<Semaphore>,
    size: AtomicUsize,
}

/// A place ahead of the reader; dropping it frees it.
#[derive(Debug)]
pub(super) struct Ahead {
    _place: Option<OwnedSemaphorePermit>,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(0)), size: AtomicUsize::new(0) }
    }

    /// Waits for a place, while so many downloads may run at once.
    pub(super) async fn enter(&self, streams: usize, pace: &Pace) -> Ahead {
        self.widen(streams * FOR_EACH);
        let mut place = pin!(Arc::clone(&self.places).acquire_owned());
        // As wide as it gets there is nothing to do but wait.
        while self.size.load(Ordering::Relaxed) < MOST_QUEUED {
            tokio::select! {
                biased;
                place = &mut place => return Ahead { _place: place.ok() },
                () = pace.stuck(HELD_UP) => self.widen(self.size.load(Ordering::Relaxed) * 2),
            }
        }
        Ahead { _place: place.await.ok() }
    }

    /// Makes it at least so wide. Only one task does.
    fn widen(&self, size: usize) {
        let (before, size) = (self.size.load(Ordering::Relaxed), size.clamp(1, MOST_QUEUED));
        if size > before {
            self.size.store(size, Ordering::Relaxed);
            self.places.add_permits(size - before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test(start_paused = true)]
    async fn no_more_are_ahead_than_keep_the_downloads_busy() {
        let (window, pace) = (Window::new(), Pace::new());
        let mut held = vec![window.enter(1, &pace).await, window.enter(1, &pace).await];
        assert!(window.enter(1, &pace).now_or_never().is_none());
        held.pop();
        held.push(window.enter(1, &pace).await);
        // More downloads, more places.
        assert!(window.enter(2, &pace).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_chunk_that_holds_up_the_others_lets_more_in() {
        let (window, pace) = (Window::new(), Pace::new());
        let _first = pace.begin(0);
        let began = tokio::time::Instant::now();
        let _held: Vec<_> = [window.enter(1, &pace).await, window.enter(1, &pace).await].into();
        let _more = window.enter(1, &pace).await;
        assert_eq!(began.elapsed(), HELD_UP);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_that_is_as_wide_as_it_gets_is_waited_for() {
        let (window, pace) = (Window::new(), Pace::new());
        let _first = pace.begin(0);
        let mut held = Vec::new();
        for _ in 0..MOST_QUEUED {
            held.push(window.enter(1, &pace).await);
        }
        let more = tokio::time::timeout(HELD_UP * 100, window.enter(1, &pace)).await;
        assert!(more.is_err());
        held.pop();
        assert!(window.enter(1, &pace).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_its_time_lets_nothing_in() {
        let (window, pace) = (Window::new(), Pace::new());
        let _held: Vec<_> = [window.enter(1, &pace).await, window.enter(1, &pace).await].into();
        let more = tokio::time::timeout(HELD_UP * 100, window.enter(1, &pace)).await;
        assert!(more.is_err());
    }
}
