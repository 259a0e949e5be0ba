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
/// So many bursts must have been served before less than a window proves anything.
const MANY: f64 = 2.0;

/// Requests served within a time.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    requests: f64,
    seconds: f64,
}

/// What is served from one 429 to the next.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// When the first request was answered.
    answered: Duration,
    requests: f64,
    /// When the last one was sent, at which rate, and what came in up to then at the rates in force.
    sent: Duration,
    rate: f64,
    came_in: f64,
    /// The most that was served beyond what came in.
    at_once: f64,
}

/// Counts what is served, window by window and from 429 to 429.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    window: Duration,
    /// Of the running window: its beginning, at an answer that does not count, and what came since.
    started: Option<Duration>,
    requests: u32,
    closed: VecDeque<Served>,
    run: Option<Run>,
    last_run: Option<Run>,
}

impl Evidence {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, started: None, requests: 0, closed: VecDeque::new(), run: None, last_run: None }
    }

    /// The server answered 429: its bucket is empty, and what it serves from now on is counted.
    pub(super) fn emptied(&mut self) {
        self.last_run = self.run.take();
        self.restart();
    }

    /// Forgets the windows: another rate is being tried.
    pub(super) fn restart(&mut self) {
        self.started = None;
        self.requests = 0;
        self.closed.clear();
    }

    /// One more was served. When that ends a window: whether the rate was used to its limit in it.
    pub(super) fn served(&mut self, now: Duration, sent: Duration, rate: f64) -> Option<bool> {
        self.run.get_or_insert(Run::new(now, sent)).add(sent, rate);
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

    /// One more was served that was on its way when the 429 came. The burst that is proven now.
    pub(super) fn served_late(&mut self, sent: Duration) -> Option<f64> {
        let run = self.last_run.as_mut()?;
        run.add(sent, run.rate);
        Some(run.at_once)
    }

    /// The rate that is proven: the best of what was served over the last windows and since the last 429, less what may have
    /// been saved up before.
    pub(super) fn proven(&self, now: Duration, burst: f64) -> f64 {
        let over_windows =
            self.stretches(None).map(|all| (all.requests - (burst - 1.0)) / all.seconds).fold(0.0, f64::max);
        over_windows.max(self.proven_by_run(now, burst))
    }

    /// Few requests prove nothing: the burst may be larger than it seems.
    fn proven_by_run(&self, now: Duration, burst: f64) -> f64 {
        let Some(run) = self.run.filter(|run| run.requests > MANY * burst) else { return 0.0 };
        let seconds = now.saturating_sub(run.answered).max(self.window / 50).as_secs_f64();
        (run.requests - burst) / seconds
    }

    /// Requests a second that were really served just now; `None` when there is too little to tell.
    pub(super) fn used(&self, now: Duration) -> Option<f64> {
        let window = self.window.as_secs_f64();
        // A quiet time is no slow rate.
        let recent = self.stretches(Some(now)).filter(|all| (window..2.5 * window).contains(&all.seconds));
        recent.map(|all| all.requests / all.seconds).reduce(f64::max)
    }

    /// Requests served since the last 429.
    pub(super) fn requests(&self) -> f64 {
        self.run.map_or(0.0, |run| run.requests)
    }

    /// The burst that is proven: the most that was served beyond what came in meanwhile.
    pub(super) fn burst(&self) -> f64 {
        self.run.map_or(0.0, |run| run.at_once)
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

impl Run {
    fn new(answered: Duration, sent: Duration) -> Self {
        Self { answered, requests: 0.0, sent, rate: 0.0, came_in: 0.0, at_once: 0.0 }
    }

    fn add(&mut self, sent: Duration, rate: f64) {
        self.requests += 1.0;
        self.came_in += rate * sent.saturating_sub(self.sent).as_secs_f64();
        self.sent = self.sent.max(sent);
        self.rate = rate;
        self.at_once = self.at_once.max(self.requests - self.came_in);
    }
}
