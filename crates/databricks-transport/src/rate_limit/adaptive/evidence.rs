//! What the server has served lately, and what that proves about its limit.
//!
//! A server's limit is taken for a bucket: tokens at a rate that nobody tells, kept up to a burst that nobody tells.
//! Requests served in a time prove a rate: what came out of the bucket and was not in it before came in meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

/// So many windows are remembered one by one.
const WINDOWS: usize = 8;
/// A window counts as used to the limit when so much of the rate was served in it.
const USED: f64 = 0.85;

/// Requests served within a time.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    requests: f64,
    seconds: f64,
}

/// Counts what is served, window by window.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    window: Duration,
    /// Of the running window: its beginning, at an answer that does not count, and what came since.
    started: Option<Duration>,
    requests: u32,
    closed: VecDeque<Served>,
    /// Since the last 429: the server's bucket was empty then.
    emptied: Option<Duration>,
    since_emptied: u32,
}

impl Evidence {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, started: None, requests: 0, closed: VecDeque::new(), emptied: None, since_emptied: 0 }
    }

    /// The server answered 429: its bucket is empty, and what it serves after `resumed` is counted from there.
    pub(super) fn emptied(&mut self, now: Duration) {
        self.emptied = Some(now);
        self.since_emptied = 0;
        self.restart();
    }

    /// Forgets the windows: another rate is being tried.
    pub(super) fn restart(&mut self) {
        self.started = None;
        self.requests = 0;
        self.closed.clear();
    }

    /// One more was served. When that ends a window: whether the rate was used to its limit in it.
    pub(super) fn served(&mut self, now: Duration, rate: f64) -> Option<bool> {
        self.since_emptied = self.since_emptied.saturating_add(1);
        let Some(started) = self.started else {
            self.started = Some(now);
            return None;
        };
        self.requests = self.requests.saturating_add(1);
        let passed = now.saturating_sub(started);
        if passed < self.window {
            return None;
        }
        let served = Served { requests: f64::from(self.requests), seconds: passed.as_secs_f64() };
        self.closed.truncate(WINDOWS - 1);
        self.closed.push_front(served);
        self.started = Some(now);
        self.requests = 0;
        Some(served.requests >= USED * rate * served.seconds)
    }

    /// The rate that is proven: the best of what was served over the last windows, less a burst that may have been saved
    /// up before; and what was served since the bucket was seen empty, pauses included.
    pub(super) fn proven(&self, now: Duration, burst: f64) -> f64 {
        let over_windows =
            self.stretches(None).map(|all| (all.requests - burst) / all.seconds).fold(0.0, f64::max);
        let since_empty = self.emptied.map_or(0.0, |emptied| {
            let seconds = now.saturating_sub(emptied).as_secs_f64();
            (f64::from(self.since_emptied) - 1.0) / seconds.max(self.window.as_secs_f64())
        });
        over_windows.max(since_empty)
    }

    /// Requests served since the server's bucket was seen empty.
    pub(super) fn since_emptied(&self) -> f64 {
        f64::from(self.since_emptied)
    }

    /// The burst that is proven: the most that was served beyond what came in meanwhile at no more than this rate.
    pub(super) fn burst(&self, now: Duration, rate: f64) -> f64 {
        self.stretches(Some(now)).map(|all| all.requests - rate * all.seconds).fold(0.0, f64::max)
    }

    /// The last window, the last two, and so on; from the running one where its end is given.
    fn stretches(&self, now: Option<Duration>) -> impl Iterator<Item = Served> {
        let running = now.zip(self.started).map(|(now, started)| Served {
            requests: f64::from(self.requests) + 1.0,
            seconds: now.saturating_sub(started).as_secs_f64(),
        });
        running.into_iter().chain(self.closed.iter().copied()).scan(Served::default(), |all, one| {
            all.requests += one.requests;
            all.seconds += one.seconds;
            Some(*all)
        })
    }
}
