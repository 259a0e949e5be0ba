//! A limiter: a queue that is served in order, a bucket of tokens, and a policy that chooses the rate.
//!
//! Everything is decided under one short lock. Each waiter sleeps until his own turn is due. Whoever is awake first hands
//! out the turns that have come, to those before him as well: a future that is kept and not polled, or one on a runtime
//! that nobody drives, holds nobody up.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use super::policy::{PolicyFactory, RatePolicy};
use super::queue::{Queue, Seat};
use super::rate::Rate;
use super::state::RateLimitState;
use crate::error::{Error, ErrorKind};

/// A longer `Retry-After` is taken for this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// A policy may change its mind while nothing happens: those who wait ask at least this often.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A turn that is not taken for so long is lost, and its holder is the first in line again: what piles up while nobody
/// looks must not be sent at once.
const KEPT: Duration = Duration::from_secs(1);
/// Timers are late by so much. A turn handed out later has come while nobody looked, and costs the next one nothing.
const LATE: Duration = Duration::from_millis(10);

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
    state: Mutex<State>,
}

struct State {
    gate: Option<Gate>,
    /// Nothing is admitted before this moment: the server asked for it.
    paused_until: Duration,
    /// Requests sent up to here say nothing new about the server's bucket.
    emptied_at: Option<Duration>,
    queue: Queue,
    next_ticket: u64,
}

struct Gate {
    policy: Box<dyn RatePolicy>,
    bucket: Bucket,
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
        let state = State {
            gate: base.map(|base| Gate::new(policy(base))),
            paused_until: Duration::ZERO,
            emptied_at: None,
            queue: Queue::default(),
            next_ticket: 0,
        };
        Self(Arc::new(Core { name: name.into(), base, origin: Instant::now(), state: Mutex::new(state) }))
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
        let deadline = deadline.map(|deadline| deadline.saturating_duration_since(self.0.origin));
        match self.enter(None, deadline)? {
            Entered::Now(permit) => Ok(permit),
            Entered::Queued(waiting) => waiting.turn().await,
        }
    }

    /// What it does right now.
    pub fn state(&self) -> RateLimitState {
        let now = self.now();
        let mut state = self.lock();
        state.serve(now);
        let rate = state.gate.as_mut().map(|gate| gate.rate(now));
        RateLimitState {
            class: self.0.name.to_string(),
            base: self.0.base,
            rate,
            waiting: state.queue.len(),
            paused_for: state.paused_until.saturating_sub(now),
        }
    }

    /// A permit, a place in the queue, or a refusal. A ticket given back keeps its place.
    fn enter(&self, ticket: Option<u64>, deadline: Option<Duration>) -> Result<Entered, Error> {
        let now = self.now();
        let mut state = self.lock();
        let ticket = ticket.unwrap_or_else(|| state.ticket());
        state.serve(now);
        if state.queue.position(ticket) == 0 && state.admit(now).is_ok() {
            return Ok(Entered::Now(self.permit(ticket, now)));
        }
        let at_best = state.at_best(state.queue.position(ticket), self.0.base);
        if deadline.is_some_and(|deadline| at_best > deadline) {
            drop(state);
            return Err(self.refusal(at_best.saturating_sub(now)));
        }
        let seat = state.queue.join(ticket, deadline);
        Ok(Entered::Queued(Waiting { limiter: self.clone(), ticket, deadline, seat, is_done: false }))
    }

    fn permit(&self, ticket: u64, sent: Duration) -> Permit {
        Permit { limiter: self.clone(), ticket, sent, reserved: false }
    }

    /// Takes back what was taken at that moment and not used.
    fn take_back(&self, taken: Duration) {
        let now = self.now();
        let mut state = self.lock();
        state.serve(now);
        state.take_back(taken, now);
        state.serve(now);
    }

    fn throttled(&self, sent: Duration, retry_after: Option<Duration>) {
        let now = self.now();
        let pause = retry_after.map(|pause| pause.min(LONGEST_PAUSE));
        let mut state = self.lock();
        state.serve(now);
        state.paused_until = state.paused_until.max(now.saturating_add(pause.unwrap_or_default()));
        let change = state.throttled(now, sent, pause);
        state.dismiss(now, self.0.base);
        drop(state);
        if let Some((old_rate, new_rate)) = change.filter(|(old, new)| new < old) {
            tracing::warn!(class = %self.0.name, old_rate, new_rate, ?retry_after, "rate limited by the server");
        }
    }

    fn served(&self, sent: Duration) {
        let now = self.now();
        let mut state = self.lock();
        state.serve(now);
        let change = state.served(now, sent);
        drop(state);
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid after every statement, so a panic elsewhere cannot have broken it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let deadline = deadline.map(|deadline| deadline.saturating_duration_since(self.limiter.0.origin));
        match self.limiter.enter(Some(self.ticket), deadline)? {
            Entered::Now(permit) => Ok(permit),
            Entered::Queued(waiting) => waiting.turn().await,
        }
    }
}

enum Entered {
    Now(Permit),
    Queued(Waiting),
}

/// Somebody in the queue, or with a turn that he has not taken yet; dropped, he gives either up.
struct Waiting {
    limiter: RateLimiter,
    ticket: u64,
    deadline: Option<Duration>,
    seat: Arc<Seat>,
    /// The turn has become a permit.
    is_done: bool,
}

impl Waiting {
    async fn turn(mut self) -> Result<Permit, Error> {
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
        let mut state = limiter.lock();
        state.serve(now);
        self.rejoin_if_stale(&mut state, now);
        if self.seat.granted.get().is_some() {
            self.is_done = true;
            return Ok(Look::Go(limiter.permit(self.ticket, now)));
        }
        let position = state.queue.position(self.ticket);
        let (at_best, due) = (state.at_best(position, limiter.0.base), state.due(position));
        drop(state);
        if self.deadline.is_some_and(|deadline| now >= deadline || at_best > deadline) {
            return Err(limiter.refusal(at_best.saturating_sub(now)));
        }
        // A moment that is not later would be asked about again and again.
        let wake = due.clamp(now.saturating_add(Duration::from_micros(1)), now.saturating_add(ASK_AGAIN));
        Ok(Look::Again(self.deadline.map_or(wake, |deadline| deadline.min(wake))))
    }

    /// Back to the old place with a turn that came too long ago, or before a pause.
    fn rejoin_if_stale(&mut self, state: &mut State, now: Duration) {
        let Some(granted) = self.seat.granted.get().copied() else { return };
        if now.saturating_sub(granted) > KEPT || state.paused_until > now {
            state.take_back_unseen(granted, now);
            self.seat = state.queue.join(self.ticket, self.deadline);
            state.serve(now);
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
        let mut state = self.limiter.lock();
        state.serve(now);
        state.queue.leave(self.ticket);
        if let Some(granted) = self.seat.granted.get() {
            state.take_back_unseen(*granted, now);
            state.serve(now);
        }
    }
}

enum Look {
    Go(Permit),
    Again(Duration),
}

impl State {
    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// A token for the first in line, or when to ask again.
    fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        if self.paused_until > now {
            return Err(self.paused_until);
        }
        self.gate.as_mut().map_or(Ok(()), |gate| gate.take(now))
    }

    /// Hands out the turns that have come, in order, each as of the moment at which it came.
    fn serve(&mut self, now: Duration) {
        if self.queue.is_empty() {
            return;
        }
        let waiting = self.queue.len();
        while !self.queue.is_empty() {
            let due = self.due(0);
            if due > now {
                break;
            }
            let at = if now.saturating_sub(due) > LATE { due } else { now };
            if self.queue.dismiss_first(at) {
                continue;
            }
            // At the rate as it was: the policy is asked when this has caught up. A moment in the past may be too early by
            // a rounding.
            let take = |gate: &mut Gate| gate.bucket.take(at).or_else(|_| gate.bucket.take(now));
            if self.gate.as_mut().is_some_and(|gate| take(gate).is_err()) {
                break;
            }
            self.queue.grant_first(at);
        }
        if self.queue.len() < waiting {
            self.queue.wake_first();
        }
        if let Some(gate) = &mut self.gate {
            gate.rate(now);
        }
    }

    /// When this position is served if the rate stays as it is.
    fn due(&self, position: usize) -> Duration {
        let tokens = self.gate.as_ref().map_or(Duration::ZERO, |gate| {
            gate.bucket.moment_of(position.saturating_add(1), gate.bucket.rate().requests_per_second())
        });
        tokens.max(self.paused_until)
    }

    /// A turn that its holder did not look at. One that is too old is lost: many of them would make a burst.
    fn take_back_unseen(&mut self, granted: Duration, now: Duration) {
        if now.saturating_sub(granted) <= KEPT {
            self.take_back(granted, now);
        }
    }

    /// What was taken at that moment and not used. The server has not got it any more when it said since that it has
    /// nothing.
    fn take_back(&mut self, taken: Duration, now: Duration) {
        let is_void = self.emptied_at.is_some_and(|emptied| emptied >= taken);
        if let Some(gate) = self.gate.as_mut().filter(|_| !is_void) {
            gate.bucket.give_back(now);
        }
    }

    /// When this position can be served at best, at the base rate.
    fn at_best(&self, position: usize, base: Option<Rate>) -> Duration {
        let tokens =
            self.gate.as_ref().zip(base).map_or(Duration::ZERO, |(gate, base)| gate.at_best(position, base));
        tokens.max(self.paused_until)
    }

    fn dismiss(&mut self, now: Duration, base: Option<Rate>) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.dismiss(now, |position| self.at_best(position, base));
        self.queue = queue;
    }

    /// The rate before and after.
    fn throttled(&mut self, now: Duration, sent: Duration, pause: Option<Duration>) -> Option<(f64, f64)> {
        let news = self.emptied_at.is_none_or(|emptied| sent > emptied);
        let gate = self.gate.as_mut()?;
        let old = gate.rate(now).requests_per_second();
        if news {
            gate.bucket.drain(now);
            self.emptied_at = Some(now);
        }
        gate.policy.throttled(now, sent, pause);
        Some((old, gate.rate(now).requests_per_second()))
    }

    /// The rate before and after, when it changed.
    fn served(&mut self, now: Duration, sent: Duration) -> Option<(f64, f64)> {
        let gate = self.gate.as_mut()?;
        let old = gate.bucket.rate().requests_per_second();
        gate.policy.served(now, sent);
        let new = gate.rate(now).requests_per_second();
        if new <= old {
            return None;
        }
        self.queue.wake_first();
        Some((old, new))
    }
}

impl Gate {
    fn new(mut policy: Box<dyn RatePolicy>) -> Self {
        let rate = policy.rate(Duration::ZERO).clamped();
        Self { policy, bucket: Bucket::new(rate, Duration::ZERO) }
    }

    /// The policy's rate now, which the bucket keeps from now on.
    fn rate(&mut self, now: Duration) -> Rate {
        let rate = self.policy.rate(now).clamped();
        self.bucket.change(rate, now);
        rate
    }

    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.rate(now);
        // A moment that is not later would be asked about again and again.
        self.bucket.take(now).map_err(|moment| moment.max(now.saturating_add(Duration::from_micros(1))))
    }

    fn at_best(&self, position: usize, base: Rate) -> Duration {
        let speed = base.requests_per_second().max(self.bucket.rate().requests_per_second());
        self.bucket.moment_of(position.saturating_add(1), speed)
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.state(), f)
    }
}

#[cfg(test)]
mod tests;
