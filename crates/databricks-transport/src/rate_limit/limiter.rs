//! A limiter: a queue that is served in order, a bucket of tokens, and a policy that chooses the rate.
//!
//! Everything is decided under one short lock. Each waiter sleeps until his own turn is due. Whoever is awake first hands
//! out the turns that have come, to those before him as well: a future that is kept and not polled, or one on a runtime
//! that nobody drives, holds nobody up.
//!
//! Here: the limiter and its permits. `turns`: what is decided. `waiting`: who waits.

mod turns;
mod waiting;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::policy::{PolicyFactory, RatePolicy};
use super::queue::Queue;
use super::rate::Rate;
use super::state::RateLimitState;
use crate::error::{Error, ErrorKind};
use turns::{Gate, Turns};
use waiting::Waiting;

/// A longer `Retry-After` is taken for this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Keeps requests to a rate: one endpoint class of a client has one, and a program may have its own for whatever it
/// sends elsewhere. Cheap to clone; clones are the same limiter.
///
/// Waiting is in order of arrival. Dropping a waiting future gives its place up and costs no turn.
///
/// ```
/// use std::time::Duration;
/// use databricks_transport::{Rate, RateLimiter};
///
/// # async fn send() -> u16 { 200 }
/// # async fn run() -> Result<(), databricks_transport::Error> {
/// let limiter = RateLimiter::new(Rate::per_second(20.0).with_burst(5));
///
/// let permit = limiter.acquire(None).await?;
/// match send().await {
///     429 => permit.throttled(Some(Duration::from_secs(1))),
///     _ => permit.served(),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RateLimiter(Arc<Core>);

struct Core {
    name: Arc<str>,
    base: Option<Rate>,
    origin: Instant,
    turns: Mutex<Turns>,
}

/// Leave to send one request.
///
/// Say how it went, with [`served`](Permit::served) or [`throttled`](Permit::throttled), so that the rate adapts. A permit
/// that is dropped has been used and says nothing: the request failed before the server saw it, or nobody knows.
#[derive(Debug)]
pub struct Permit {
    limiter: RateLimiter,
    ticket: u64,
    sent: Duration,
    /// Nothing has been sent with it yet: dropping it gives it back.
    reserved: bool,
}

impl RateLimiter {
    /// A limiter of its own with the standard policy ([`Adaptive`](crate::Adaptive)). A rate outside 0.001 to 1,000,000
    /// requests a second counts as the nearest of these.
    pub fn new(rate: Rate) -> Self {
        Self::named("limiter", Some(rate), &PolicyFactory::default())
    }

    /// A limiter of its own with another policy, which is given the rate.
    pub fn with_policy<P: RatePolicy + 'static>(rate: Rate, policy: impl FnOnce(Rate) -> P) -> Self {
        Self::built("limiter", Some(rate), |rate| Box::new(policy(rate)))
    }

    /// The limiter of a class; without a rate only pauses hold it up.
    pub(crate) fn named(name: &str, base: Option<Rate>, policy: &PolicyFactory) -> Self {
        Self::built(name, base, |base| policy.make(base))
    }

    fn built(name: &str, base: Option<Rate>, policy: impl FnOnce(Rate) -> Box<dyn RatePolicy>) -> Self {
        let base = base.map(Rate::clamped);
        let turns = Turns {
            gate: base.map(|base| Gate::new(policy(base))),
            paused_until: Duration::ZERO,
            emptied_at: None,
            queue: Queue::default(),
            next_ticket: 0,
        };
        Self(Arc::new(Core { name: name.into(), base, origin: Instant::now(), turns: Mutex::new(turns) }))
    }

    /// The class' name in logs and metrics.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Waits for a turn, in order of arrival, and never past the deadline. Dropping the future gives the place up.
    ///
    /// # Errors
    /// [`ErrorKind::RateLimited`], at once when the turn certainly comes too late: because of a pause, or because of
    /// those who wait already. When that becomes certain only later, then.
    pub async fn acquire(&self, deadline: Option<Instant>) -> Result<Permit, Error> {
        match self.enter(None, Instant::now(), deadline)? {
            Entered::Now(permit) => Ok(permit),
            Entered::Queued(waiting) => waiting.turn().await,
        }
    }

    /// What it does right now.
    pub fn state(&self) -> RateLimitState {
        let now = self.now();
        let mut turns = self.lock();
        turns.serve(now);
        let rate = turns.gate.as_mut().map(|gate| gate.rate(now));
        RateLimitState {
            class: self.0.name.to_string(),
            base: self.0.base,
            rate,
            waiting: turns.queue.len(),
            paused_for: turns.paused_until.saturating_sub(now),
        }
    }

    /// A permit, a place in the queue, or a refusal. A ticket given back keeps its place.
    pub(super) fn enter(
        &self,
        ticket: Option<u64>,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Result<Entered, Error> {
        let since_origin = |moment: Instant| moment.saturating_duration_since(self.0.origin);
        let now = since_origin(now);
        let mut turns = self.lock();
        let ticket = ticket.unwrap_or_else(|| turns.ticket());
        turns.serve(now);
        if turns.queue.position(ticket) == 0 && turns.admit(now).is_ok() {
            return Ok(Entered::Now(self.permit(ticket, now)));
        }
        let deadline = deadline.map(since_origin);
        let at_best = turns.at_best(turns.queue.position(ticket), self.0.base);
        if deadline.is_some_and(|deadline| at_best > deadline) {
            drop(turns);
            return Err(self.refusal(at_best.saturating_sub(now)));
        }
        let seat = turns.queue.join(ticket, deadline);
        Ok(Entered::Queued(Waiting { limiter: self.clone(), ticket, deadline, seat, is_done: false }))
    }

    fn permit(&self, ticket: u64, sent: Duration) -> Permit {
        Permit { limiter: self.clone(), ticket, sent, reserved: false }
    }

    /// Takes back what was taken at that moment and not used.
    fn take_back(&self, taken: Duration) {
        let now = self.now();
        let mut turns = self.lock();
        turns.serve(now);
        turns.take_back(taken, now);
        turns.serve(now);
    }

    fn throttled(&self, sent: Duration, retry_after: Option<Duration>) {
        let now = self.now();
        let pause = retry_after.map(|pause| pause.min(LONGEST_PAUSE));
        let mut turns = self.lock();
        turns.serve(now);
        turns.paused_until = turns.paused_until.max(now.saturating_add(pause.unwrap_or_default()));
        let change = turns.throttled(now, sent, pause);
        turns.dismiss(now, self.0.base);
        drop(turns);
        if let Some((old_rate, new_rate)) = change.filter(|(old, new)| new < old) {
            tracing::warn!(class = %self.0.name, old_rate, new_rate, ?retry_after, "rate limited by the server");
        }
    }

    fn served(&self, sent: Duration) {
        let now = self.now();
        let mut turns = self.lock();
        turns.serve(now);
        let change = turns.served(now, sent);
        drop(turns);
        if let Some((old_rate, new_rate)) = change {
            tracing::debug!(class = %self.0.name, old_rate, new_rate, "the rate recovers");
        }
    }

    fn refusal(&self, wait: Duration) -> Error {
        let (class, seconds) = (&self.0.name, wait.as_secs_f64());
        // Shorter than a tenth of a second, it is the deadline that has come, not the turn that is far.
        let why = if seconds < 0.1 {
            "gave no turn in the time that this call may take".to_owned()
        } else {
            format!("gives no turn for another {seconds:.1} s, longer than this call may take")
        };
        Error::new(
            ErrorKind::RateLimited,
            format!(
                "the rate limit of class {class} {why}: allow more time (`with_total_timeout`), or send less"
            ),
        )
    }

    fn now(&self) -> Duration {
        self.0.origin.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        // The value is valid after every statement, so a panic elsewhere cannot have broken it.
        self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The server answered anything but 429.
    pub fn served(self) {
        self.limiter.served(self.sent);
    }

    /// The server answered 429: slow down, and pause as long as it asks (an hour at most).
    pub fn throttled(self, retry_after: Option<Duration>) {
        self.limiter.throttled(self.sent, retry_after);
    }

    /// Nothing was sent: somebody else may.
    pub fn give_back(mut self) {
        self.reserved = true;
    }

    /// Until it is used, dropping it gives it back.
    pub(crate) fn reserve(mut self) -> Self {
        self.reserved = true;
        self
    }

    /// Uses a reserved permit now.
    pub(crate) fn used(mut self) -> Self {
        self.reserved = false;
        self.sent = self.limiter.now();
        self
    }

    /// Uses a reserved permit whose turn has come just now.
    pub(crate) fn used_at_once(mut self) -> Self {
        self.reserved = false;
        self
    }

    /// Uses a reserved permit, of which nobody is told what comes of it.
    pub(crate) fn spend(mut self) {
        self.reserved = false;
    }

    /// Whether the server has asked for a pause since the turn came.
    pub(crate) fn is_paused(&self) -> bool {
        self.limiter.lock().paused_until > self.limiter.now()
    }

    /// Gives a reserved permit back, and keeps the place that it had.
    pub(crate) fn step_back(self) -> Reentry {
        Reentry { limiter: self.limiter.clone(), ticket: self.ticket }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.reserved {
            self.limiter.take_back(self.sent);
        }
    }
}

/// A place in a queue that its holder had and may have again.
#[derive(Debug)]
pub(crate) struct Reentry {
    limiter: RateLimiter,
    ticket: u64,
}

impl Reentry {
    /// Waits at the old place.
    pub(crate) async fn acquire(self, deadline: Option<Instant>) -> Result<Permit, Error> {
        match self.limiter.enter(Some(self.ticket), Instant::now(), deadline)? {
            Entered::Now(permit) => Ok(permit),
            Entered::Queued(waiting) => waiting.turn().await,
        }
    }
}

pub(super) enum Entered {
    Now(Permit),
    Queued(Waiting),
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.state(), f)
    }
}

#[cfg(test)]
mod tests;
