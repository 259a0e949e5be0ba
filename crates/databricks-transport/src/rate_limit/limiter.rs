//! One limiter per endpoint class: a queue that is served in order, governor's arithmetic, and a rate that adapts.
//!
//! governor's quotas are fixed and its own waiting does not know tokio's clock. So it is only asked (`check`), on a
//! clock of ours; waiting is a tokio sleep at the head of a fair queue; and a changed rate is a new governor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::limits::{OTHERS, Rate, RateLimits};

/// On a 429 the rate is multiplied by this.
const CUT: f64 = 0.5;
/// After each good window the rate is multiplied by this.
const RECOVERY: f64 = 1.1;
/// The rate changes upwards at most once in this time.
const WINDOW: Duration = Duration::from_secs(1);
/// A cut never goes below this many requests a second.
const FLOOR: f64 = 1.0;
/// A longer `Retry-After` is taken for this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// governor on tokio's clock, so that paused time in tests is the limiter's time too.
#[derive(Clone, Debug)]
struct TokioClock {
    origin: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

type Governor = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>;

/// The limiters of a client, by class.
#[derive(Debug)]
pub(crate) struct Limiters {
    limits: RateLimits,
    client: Limiter,
    others: Limiter,
    classes: HashMap<String, Limiter>,
}

impl Limiters {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let classes = limits.classes().map(|(prefix, rate)| (prefix.to_owned(), Limiter::new(prefix, rate)));
        Self {
            client: Limiter::new("client", limits.client()),
            others: Limiter::new(OTHERS, limits.others()),
            classes: classes.collect(),
            limits,
        }
    }

    /// The limiter of a path's class.
    pub(crate) fn class(&self, path: &str) -> &Limiter {
        self.classes.get(self.limits.class_of(path)).unwrap_or(&self.others)
    }

    /// The limiter of the whole client.
    pub(crate) fn client(&self) -> &Limiter {
        &self.client
    }
}

/// A limiter of one class.
#[derive(Debug)]
pub(crate) struct Limiter {
    name: Arc<str>,
    base: Option<Rate>,
    /// Held while waiting for a turn: tokio's mutex serves its waiters in order.
    turnstile: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    governor: Option<Governor>,
    per_second: f64,
    /// Nothing is admitted before this moment: a pause the server asked for, or the spacing after a change of rate.
    not_before: Option<Instant>,
    last_admitted: Option<Instant>,
    changed: Instant,
    /// Counts the cuts. A permit remembers it, so that many requests in flight cut once, not once each.
    cuts: u64,
}

/// Leave to send one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permit {
    cuts: u64,
}

/// The class is paused for longer than the caller can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PausedTooLong {
    pub(crate) remaining: Duration,
}

impl Limiter {
    fn new(name: &str, base: Option<Rate>) -> Self {
        let now = Instant::now();
        let state = State {
            governor: base.and_then(governor),
            per_second: base.map_or(f64::INFINITY, |rate| rate.requests_per_second()),
            not_before: None,
            last_admitted: None,
            changed: now,
            cuts: 0,
        };
        Self { name: name.into(), base, turnstile: tokio::sync::Mutex::new(()), state: Mutex::new(state) }
    }

    /// The class' name in logs and metrics.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Waits for a turn, in order of arrival. Dropping the future gives the place in the queue up.
    pub(crate) async fn acquire(&self, deadline: Option<Instant>) -> Result<Permit, PausedTooLong> {
        let _turn = self.turnstile.lock().await;
        loop {
            let wake = match self.state().admit(Instant::now()) {
                Ok(permit) => return Ok(permit),
                Err(wake) => wake,
            };
            if let Some(deadline) = deadline.filter(|deadline| wake > *deadline) {
                let remaining = wake.saturating_duration_since(Instant::now());
                tracing::debug!(class = %self.name, ?remaining, over = ?(wake - deadline), "no turn before the deadline");
                return Err(PausedTooLong { remaining });
            }
            tokio::time::sleep_until(wake).await;
        }
    }

    /// The server answered 429 to a request sent with this permit: slow down, and pause as long as it asks.
    pub(crate) fn on_throttled(&self, permit: Permit, retry_after: Option<Duration>) {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(pause) = retry_after {
            state.hold_until(now.checked_add(pause.min(LONGEST_PAUSE)));
        }
        if permit.cuts != state.cuts {
            return;
        }
        state.cuts += 1;
        let (Some(base), old) = (self.base, state.per_second) else { return };
        let floor = FLOOR.min(base.requests_per_second());
        state.change(Rate::per_second((old * CUT).max(floor)).with_burst(1), now);
        let new = state.per_second;
        drop(state);
        tracing::warn!(class = %self.name, old_rate = old, new_rate = new, ?retry_after, "rate limited by the server");
    }

    /// The server answered anything but 429: recover a little, at most once a window.
    pub(crate) fn on_served(&self, permit: Permit) {
        let Some(base) = self.base else { return };
        let now = Instant::now();
        let mut state = self.state();
        let below = state.per_second < base.requests_per_second();
        if !below || permit.cuts != state.cuts || now.saturating_duration_since(state.changed) < WINDOW {
            return;
        }
        let raised = state.per_second * RECOVERY;
        if raised < base.requests_per_second() {
            state.change(Rate::per_second(raised).with_burst(1), now);
        } else {
            // The full rate returns, the burst does not: this class has shown that the server minds it.
            state.change(base.with_burst(1), now);
        }
    }

    /// Requests a second now; infinite without a limit.
    #[cfg(test)]
    pub(crate) fn rate(&self) -> f64 {
        self.state().per_second
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is valid after every statement, so a panic elsewhere cannot have broken it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A permit now, or when to ask again.
    fn admit(&mut self, now: Instant) -> Result<Permit, Instant> {
        if let Some(not_before) = self.not_before.filter(|moment| *moment > now) {
            return Err(not_before);
        }
        self.not_before = None;
        if let Some(governor) = &self.governor
            && let Err(until) = governor.check()
        {
            let wait = until.wait_time_from(governor.clock().now());
            return Err(now + wait.max(Duration::from_micros(1)));
        }
        self.last_admitted = Some(now);
        Ok(Permit { cuts: self.cuts })
    }

    fn hold_until(&mut self, moment: Option<Instant>) {
        self.not_before = self.not_before.max(moment);
    }

    /// A new rate keeps its distance from the last request that the old one admitted.
    fn change(&mut self, rate: Rate, now: Instant) {
        self.governor = governor(rate);
        self.per_second = rate.requests_per_second();
        self.changed = now;
        let spaced = self.last_admitted.and_then(|last| last.checked_add(rate.interval()));
        self.hold_until(spaced);
    }
}

fn governor(rate: Rate) -> Option<Governor> {
    let quota = Quota::with_period(rate.interval())?.allow_burst(rate.burst());
    Some(RateLimiter::direct_with_clock(quota, TokioClock { origin: Instant::now() }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn limiter(rate: Rate) -> Arc<Limiter> {
        Arc::new(Limiter::new("test", Some(rate)))
    }

    async fn seconds_for(limiter: &Limiter, requests: u32) -> f64 {
        let start = Instant::now();
        for _ in 0..requests {
            limiter.acquire(None).await.unwrap();
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_does_not_wait_and_what_follows_keeps_the_rate() {
        let limiter = limiter(Rate::per_second(10.0));
        assert!(seconds_for(&limiter, 10).await < 0.001);
        let waited = seconds_for(&limiter, 20).await;
        assert!((1.9..2.1).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_are_served_in_order_and_a_dropped_one_gives_its_place_up() {
        let limiter = limiter(Rate::per_second(1.0));
        limiter.acquire(None).await.unwrap();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut waiters: Vec<_> = (0..4)
            .map(|number| {
                let (limiter, sender) = (Arc::clone(&limiter), sender.clone());
                tokio::spawn(async move {
                    limiter.acquire(None).await.unwrap();
                    sender.send(number).unwrap();
                })
            })
            .collect();
        tokio::task::yield_now().await;
        waiters.remove(0).abort();
        drop(sender);
        let start = Instant::now();
        let mut order = Vec::new();
        while let Some(number) = receiver.recv().await {
            order.push(number);
        }
        assert_eq!(order, [1, 2, 3]);
        assert!(start.elapsed() < Duration::from_millis(3100), "the dropped one used no turn");
    }

    #[tokio::test(start_paused = true)]
    async fn many_429s_in_flight_cut_once_and_pause_for_the_longest_retry_after() {
        let limiter = limiter(Rate::per_second(100.0));
        let mut permits = Vec::new();
        for _ in 0..50 {
            permits.push(limiter.acquire(None).await.unwrap());
        }
        for (index, permit) in permits.into_iter().enumerate() {
            limiter.on_throttled(permit, Some(Duration::from_secs(1 + index as u64 % 5)));
        }
        assert_eq!(limiter.rate(), 50.0);
        let waited = seconds_for(&limiter, 1).await;
        assert!((5.0..5.1).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_never_falls_below_the_floor_and_recovers_to_the_base_only() {
        let limiter = limiter(Rate::per_second(4.0));
        for _ in 0..10 {
            let permit = limiter.acquire(None).await.unwrap();
            limiter.on_throttled(permit, None);
        }
        assert_eq!(limiter.rate(), FLOOR);
        for _ in 0..400 {
            let permit = limiter.acquire(None).await.unwrap();
            limiter.on_served(permit);
        }
        assert_eq!(limiter.rate(), 4.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_answers_in_a_second_raise_the_rate_once() {
        let limiter = limiter(Rate::per_second(100.0));
        let permit = limiter.acquire(None).await.unwrap();
        limiter.on_throttled(permit, None);
        tokio::time::advance(WINDOW).await;
        for _ in 0..40 {
            let permit = limiter.acquire(None).await.unwrap();
            limiter.on_served(permit);
        }
        assert!((limiter.rate() - 55.0).abs() < 1e-9, "{}", limiter.rate());
    }

    #[tokio::test(start_paused = true)]
    async fn a_class_slower_than_the_floor_is_not_sped_up_by_a_429() {
        let limiter = limiter(Rate::per_minute(30.0));
        let permit = limiter.acquire(None).await.unwrap();
        limiter.on_throttled(permit, None);
        assert_eq!(limiter.rate(), 0.5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_gives_no_request_away() {
        let limiter = limiter(Rate::per_second(2.0).with_burst(1));
        let permit = limiter.acquire(None).await.unwrap();
        limiter.on_throttled(permit, None);
        let waited = seconds_for(&limiter, 1).await;
        assert!((1.0..1.1).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_only_a_pause_waits_and_a_pause_past_the_deadline_fails_at_once() {
        let limiter = Limiter::new("test", None);
        assert_eq!(seconds_for(&limiter, 1000).await, 0.0);
        let permit = limiter.acquire(None).await.unwrap();
        limiter.on_throttled(permit, Some(Duration::from_secs(60)));
        let deadline = Instant::now() + Duration::from_secs(10);
        let refused = limiter.acquire(Some(deadline)).await.unwrap_err();
        assert_eq!(refused.remaining, Duration::from_secs(60));
        assert_eq!(seconds_for(&limiter, 1).await, 60.0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_absurd_retry_after_pauses_an_hour_at_most() {
        let limiter = Limiter::new("test", None);
        let permit = limiter.acquire(None).await.unwrap();
        limiter.on_throttled(permit, Some(Duration::MAX));
        assert!(seconds_for(&limiter, 1).await <= LONGEST_PAUSE.as_secs_f64() + 0.01);
    }
}
