//! One token for all calls: kept while it is good, renewed ahead of its end, asked for once at a time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::Shared;
use http::HeaderMap;
use tokio::time::Instant;
use tracing::Instrument;

use super::authorize::{Authorization, DynAuthorize};
use crate::error::{Error, ErrorKind};

/// A token is not used in its last seconds: Azure refuses those that end within 30 s, and a request takes its time.
const MARGIN: Duration = Duration::from_secs(40);
/// A token is renewed this long before its end, or when half its life is over if that is later.
const AHEAD: Duration = Duration::from_secs(20 * 60);
/// How long after a failed renewal ahead of time the next one waits.
const PAUSE: Duration = Duration::from_secs(60);
/// Whoever has waited for a token may sign with it so long after it came, even when it is too short-lived to be kept.
const JUST_NOW: Duration = Duration::from_secs(5);
/// A token that took the place of a refused one, and is refused itself so soon, is kept: another would not help either.
const SOON: Duration = Duration::from_secs(10);
/// How long asking for a token may take, whatever asks.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// How long its answer is waited for. It comes before, unless its task stands still.
const LOST: Duration = LONGEST.saturating_add(Duration::from_secs(5));

/// The token of one credential. Clones share it.
#[derive(Clone)]
pub(crate) struct TokenCache(Arc<Inner>);

struct Inner {
    method: Arc<dyn DynAuthorize>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    flight: Option<Flight>,
    /// No renewal ahead of time before this.
    paused_until: Option<Instant>,
    /// The next token takes the place of one that was refused.
    replaces_refused: bool,
    /// The last one that did, and since when.
    replacement: Option<(u64, Instant)>,
    last_id: u64,
}

/// A token as it is used.
pub(crate) struct Held {
    id: u64,
    pub(crate) headers: HeaderMap,
    usable_until: Option<Instant>,
    came: Instant,
    stale_from: Option<Instant>,
}

type Outcome = Result<Arc<Held>, Arc<Error>>;

/// A question that somebody has asked and everybody waits for.
#[derive(Clone)]
struct Flight {
    id: u64,
    started: Instant,
    outcome: Shared<oneshot::Receiver<Outcome>>,
}

impl Flight {
    /// Whether its task is still allowed to run. One that is not may be on a runtime that nobody drives any more.
    fn may_answer(&self, now: Instant) -> bool {
        now.duration_since(self.started) < LONGEST
    }

    /// What its task brings; nothing when that has ended without an answer, or is never going to.
    async fn answer(&self) -> Option<Outcome> {
        let outcome = self.outcome.clone();
        match self.started.checked_add(LOST) {
            Some(end) => tokio::time::timeout_at(end, outcome).await.ok()?.ok(),
            None => outcome.await.ok(),
        }
    }
}

impl TokenCache {
    pub(crate) fn new(method: Arc<dyn DynAuthorize>) -> Self {
        Self(Arc::new(Inner { method, state: Mutex::default() }))
    }

    /// The token to sign with now.
    pub(crate) async fn get(&self) -> Result<Arc<Held>, Error> {
        // The task that asks ends without an answer when its runtime does, and stands still when nobody drives that; then
        // this caller's own takes over.
        for _ in 0..2 {
            let flight = match self.held_or_flight() {
                Ok(held) => return Ok(held),
                Err(flight) => flight,
            };
            match flight.answer().await {
                Some(Ok(held)) => return Ok(held),
                Some(Err(error)) => return Err(again(&error)),
                None => self.abandon(flight.id),
            }
        }
        let name = self.0.method.auth_type();
        Err(Error::new(ErrorKind::Auth, format!("{name}: asking for a token ended without an answer")))
    }

    /// Stops using a token that the workspace has refused, unless another has taken its place. Whether the next attempt
    /// has another: a workspace that refuses whatever it is shown does not make every call ask for one.
    pub(crate) fn forget(&self, refused: &Held) -> bool {
        let mut state = self.state();
        if state.held.as_ref().is_none_or(|held| held.id != refused.id) {
            return true;
        }
        if state.replacement.is_some_and(|(id, since)| id == refused.id && since.elapsed() < SOON) {
            return false;
        }
        state.held = None;
        state.replaces_refused = true;
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_or_flight(&self) -> Result<Arc<Held>, Flight> {
        let now = Instant::now();
        let mut state = self.state();
        let held = state.held.clone().filter(|held| held.usable_until.is_none_or(|end| now < end));
        let Some(held) = held else {
            let joined = state.flight.clone().filter(|flight| flight.may_answer(now));
            return Err(joined.unwrap_or_else(|| self.start(&mut state, now)));
        };
        let is_stale = held.stale_from.is_some_and(|from| from <= now);
        let is_asked = state.flight.as_ref().is_some_and(|flight| flight.may_answer(now));
        let may_ask = !is_asked && state.paused_until.is_none_or(|until| until <= now);
        if is_stale && may_ask {
            self.start(&mut state, now);
        }
        Ok(held)
    }

    /// Asks in a task of its own, which no caller's cancellation ends.
    fn start(&self, state: &mut State, now: Instant) -> Flight {
        state.last_id = state.last_id.wrapping_add(1);
        let id = state.last_id;
        let (sender, receiver) = oneshot::channel();
        let flight = Flight { id, started: now, outcome: receiver.shared() };
        state.flight = Some(flight.clone());
        let cache = self.clone();
        let ask = async move {
            let outcome = cache.ask(id, now).await;
            cache.settle(id, &outcome);
            // Nobody may be waiting for it.
            let _ = sender.send(outcome);
        };
        let span =
            tracing::debug_span!(parent: None, "databricks.token", auth_type = self.0.method.auth_type());
        tokio::spawn(ask.instrument(span));
        flight
    }

    async fn ask(&self, id: u64, now: Instant) -> Outcome {
        let method = &self.0.method;
        let answer = tokio::time::timeout(LONGEST, method.authorize()).await.unwrap_or_else(|_| {
            let seconds = LONGEST.as_secs();
            let late =
                Error::new(ErrorKind::Auth, format!("{}: no token within {seconds} s", method.auth_type()));
            Err(late.with_transient(true))
        });
        answer.map(|authorization| Arc::new(Held::new(id, authorization, now))).map_err(Arc::new)
    }

    /// Keeps what the question with this number brought.
    fn settle(&self, id: u64, outcome: &Outcome) {
        let mut state = self.state();
        let is_current = state.flight.as_ref().is_some_and(|flight| flight.id == id);
        if is_current {
            state.flight = None;
        }
        match outcome {
            Ok(held) => {
                tracing::debug!("got a token");
                // One that was given up as lost must not replace what came after it.
                if state.held.as_ref().is_none_or(|other| other.id < id) {
                    state.held = Some(Arc::clone(held));
                    if std::mem::take(&mut state.replaces_refused) {
                        state.replacement = Some((id, Instant::now()));
                    }
                }
                state.paused_until = None;
            }
            Err(error) => {
                tracing::warn!(%error, "no token");
                state.paused_until = Instant::now().checked_add(PAUSE);
            }
        }
    }

    fn abandon(&self, id: u64) {
        let mut state = self.state();
        if state.flight.as_ref().is_some_and(|flight| flight.id == id) {
            state.flight = None;
        }
    }
}

impl Held {
    /// Whether it came so lately that one who waited for it may still use it.
    pub(super) fn came_just_now(&self) -> bool {
        self.came.elapsed() <= JUST_NOW
    }

    /// A token that was asked for at a moment: its life is counted from there, so that it ends too early rather than
    /// too late.
    fn new(id: u64, authorization: Authorization, asked: Instant) -> Self {
        let Authorization { headers, lifetime } = authorization;
        let at = |age: Duration| asked.checked_add(age);
        let usable_until = lifetime.and_then(|life| at(life.saturating_sub(MARGIN)));
        Self {
            id,
            headers,
            usable_until,
            came: Instant::now(),
            stale_from: lifetime.and_then(|life| at(life.saturating_sub(AHEAD.min(life / 2)))),
        }
    }
}

/// The same error for another caller; the first one stays its source.
fn again(error: &Arc<Error>) -> Error {
    let kind = match error.kind() {
        ErrorKind::Config => ErrorKind::Config,
        // What a token call failed with says nothing about the request, which was not sent.
        _ => ErrorKind::Auth,
    };
    let copy = Error::new(kind, error.message()).with_transient(error.is_retryable());
    let copy = match error.hint() {
        Some(hint) => copy.with_hint(hint),
        None => copy,
    };
    copy.with_source(Arc::clone(error))
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("method", &self.0.method.auth_type()).finish_non_exhaustive()
    }
}
