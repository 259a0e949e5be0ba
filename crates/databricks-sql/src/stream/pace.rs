//! How fast chunks come, which one the reader waits for, and whether that one is late.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// A request is late when it takes so many times as long as others of its kind took.
const TIMES: u32 = 3;
/// And not before so long: what is only a little late comes sooner than a second request for it.
const SHORTEST: Duration = Duration::from_millis(200);
/// So many of the last ones are looked at, and as few are enough.
const LOOKED_AT: usize = 15;
const ENOUGH: usize = 3;

/// What a chunk needs, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Link,
    File,
}

/// The pace of one result. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    front: watch::Sender<Front>,
}

/// The chunk that the reader waits for, and how long its steps may take, once that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Front {
    chunk: Option<u64>,
    /// Since when it is that chunk.
    since: Option<Instant>,
    link: Option<Duration>,
    file: Option<Duration>,
}

impl Front {
    fn patience(&self, step: Step) -> Option<Duration> {
        match step {
            Step::Link => self.link,
            Step::File => self.file,
        }
    }

    /// What those who wait need to know: not each small change of what is usual.
    fn news(&self) -> (Option<u64>, bool, bool) {
        (self.chunk, self.link.is_some(), self.file.is_some())
    }
}

#[derive(Debug, Default)]
struct State {
    /// Chunks that were begun and are not there yet.
    open: BTreeSet<u64>,
    links: Times,
    files: Times,
}

/// How long the last requests of a kind took.
#[derive(Debug, Default)]
struct Times(VecDeque<Duration>);

/// A chunk that was begun. It is there, or given up, when this is dropped.
#[derive(Debug)]
pub(super) struct Begun {
    shared: Arc<Shared>,
    chunk: u64,
    /// When it last got room that it had to wait for; `None` while it waits.
    resumed: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new() -> Self {
        let front = watch::Sender::new(Front::default());
        Self { shared: Arc::new(Shared { state: Mutex::default(), front }) }
    }

    /// A chunk is begun: after all that come before it in the result.
    pub(super) fn begin(&self, chunk: u64) -> Begun {
        self.shared.change(|state| state.open.insert(chunk));
        Begun { shared: Arc::clone(&self.shared), chunk, resumed: Mutex::new(Some(Instant::now())) }
    }

    /// Ends when the first chunk that is not there has been the first for so long. Not as long as all are there.
    pub(super) async fn stuck(&self, time: Duration) {
        let mut front = self.shared.front.subscribe();
        loop {
            let since = front.borrow_and_update().since;
            let stuck = async {
                match since {
                    Some(since) => tokio::time::sleep_until(since + time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stuck => return,
                changed = front.changed() => if changed.is_err() { std::future::pending().await },
            }
        }
    }

    /// A step took so long, with what it waited for.
    pub(super) fn took(&self, step: Step, time: Duration) {
        self.shared.change(|state| match step {
            Step::Link => state.links.note(time),
            Step::File => state.files.note(time),
        });
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) {
        let mut state: MutexGuard<'_, State> = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let chunk = state.open.first().copied();
        let (link, file) = (state.links.patience(), state.files.patience());
        self.front.send_if_modified(|front| {
            let since = if chunk == front.chunk { front.since } else { chunk.map(|_| Instant::now()) };
            let now = Front { chunk, since, link, file };
            let tells = front.news() != now.news();
            *front = now;
            tells
        });
    }
}

impl Times {
    fn note(&mut self, time: Duration) {
        self.0.push_back(time);
        if self.0.len() > LOOKED_AT {
            self.0.pop_front();
        }
    }

    fn patience(&self) -> Option<Duration> {
        if self.0.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<Duration> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2)?;
        Some((*median * TIMES).max(SHORTEST))
    }
}

impl Begun {
    /// Waits for what the chunk needs to go on; that time is nobody's fault.
    pub(super) async fn waiting<T>(&self, room: impl Future<Output = T>) -> T {
        *self.resumed() = None;
        let room = room.await;
        *self.resumed() = Some(Instant::now());
        // Whoever measures the time begins anew.
        self.shared.front.send_modify(|_| ());
        room
    }

    fn resumed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.resumed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends when the reader waits for this chunk, and a step that was begun at `since` takes longer than usual. What the
    /// reader does not wait for may take its time, and so may what waits for room.
    pub(super) async fn late(&self, step: Step, began: Instant) {
        let mut front = self.shared.front.subscribe();
        loop {
            let now = *front.borrow_and_update();
            let since = self.resumed().map(|resumed| resumed.max(began));
            match now.patience(step).zip(since) {
                Some((patience, since)) if now.chunk == Some(self.chunk) && since.elapsed() >= patience => {
                    return;
                }
                Some((patience, since)) if since.elapsed() < patience => {
                    tokio::time::sleep_until(since + patience).await;
                }
                _ => {
                    if front.changed().await.is_err() {
                        return std::future::pending().await;
                    }
                }
            }
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.shared.change(|state| state.open.remove(&self.chunk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn paced(pace: &Pace, millis: u64) {
        (0..ENOUGH).for_each(|_| pace.took(Step::File, Duration::from_millis(millis)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_is_late_when_the_reader_waits_for_it_longer_than_for_others() {
        let pace = Pace::new();
        let (first, second) = (pace.begin(0), pace.begin(1));
        paced(&pace, 100);
        let since = Instant::now();
        first.late(Step::File, since).await;
        assert_eq!(since.elapsed(), Duration::from_millis(300));
        // It has taken as long, but nobody waits for it yet.
        let mut late = Box::pin(second.late(Step::File, since));
        assert!((&mut late).now_or_never().is_none());
        drop(first);
        assert!(late.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_late_before_anything_came() {
        let pace = Pace::new();
        let only = pace.begin(0);
        let since = Instant::now();
        let mut late = Box::pin(only.late(Step::File, since));
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert!((&mut late).now_or_never().is_none());
        paced(&pace, 100);
        assert!(late.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn fast_downloads_make_nobody_impatient() {
        let pace = Pace::new();
        let only = pace.begin(0);
        paced(&pace, 1);
        let since = Instant::now();
        only.late(Step::File, since).await;
        assert_eq!(since.elapsed(), SHORTEST);
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_room_makes_nothing_late() {
        let pace = Pace::new();
        let only = pace.begin(0);
        paced(&pace, 100);
        let since = Instant::now();
        let mut waiting = Box::pin(only.waiting(tokio::time::sleep(Duration::from_secs(10))));
        assert!((&mut waiting).now_or_never().is_none());
        let mut late = Box::pin(only.late(Step::File, since));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!((&mut late).now_or_never().is_none());
        waiting.await;
        late.await;
        assert_eq!(since.elapsed(), Duration::from_millis(10_300));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_chunk_is_stuck_after_a_while_as_the_first() {
        let pace = Pace::new();
        let (first, _second) = (pace.begin(0), pace.begin(1));
        let since = Instant::now();
        tokio::time::advance(Duration::from_millis(60)).await;
        drop(first);
        pace.stuck(Duration::from_millis(100)).await;
        assert_eq!(since.elapsed(), Duration::from_millis(160));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_is_late_by_the_pace_of_links() {
        let pace = Pace::new();
        let only = pace.begin(0);
        paced(&pace, 1);
        (0..ENOUGH).for_each(|_| pace.took(Step::Link, Duration::from_secs(1)));
        let since = Instant::now();
        only.late(Step::Link, since).await;
        assert_eq!(since.elapsed(), Duration::from_secs(3));
    }
}
