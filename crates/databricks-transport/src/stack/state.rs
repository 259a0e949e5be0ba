//! What the layers of one call know together: when it started, how often it was sent, whether it may have run.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::{Method, Request};
use tokio::time::Instant;

use super::call_off::CallOff;
use crate::auth::Held;
use crate::error::CallSummary;
use crate::operation::Operation;
use crate::trace::Endpoint;

/// The state of one call, shared by all its attempts.
#[derive(Debug)]
pub(crate) struct CallState {
    started: Instant,
    deadline: Option<Instant>,
    changes_something: bool,
    is_of_client: bool,
    read_whole: Option<usize>,
    attempts: AtomicU32,
    in_flight: AtomicBool,
    has_left: AtomicBool,
    has_stayed: AtomicBool,
    waits_for_token: AtomicBool,
    token: Mutex<Option<Arc<Held>>>,
    waits_for_probe: AtomicBool,
    ambiguous: AtomicBool,
    silent: AtomicBool,
    is_watched: AtomicBool,
    last_failure: Mutex<Option<String>>,
    upload_failed: AtomicBool,
    shut_out: Mutex<Option<Instant>>,
    /// The attempt under way has no connection yet.
    is_departing: AtomicBool,
    call_off: Option<CallOff>,
    endpoint: OnceLock<Arc<Endpoint>>,
}

impl CallState {
    /// A call that starts now and may take so long.
    pub(crate) fn start(method: &Method, total: Duration) -> Self {
        let started = Instant::now();
        Self {
            started,
            deadline: started.checked_add(total),
            changes_something: !method.is_safe(),
            is_of_client: true,
            read_whole: None,
            attempts: AtomicU32::new(0),
            in_flight: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            has_stayed: AtomicBool::new(false),
            waits_for_token: AtomicBool::new(false),
            token: Mutex::new(None),
            waits_for_probe: AtomicBool::new(false),
            ambiguous: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            last_failure: Mutex::new(None),
            upload_failed: AtomicBool::new(false),
            shut_out: Mutex::new(None),
            is_departing: AtomicBool::new(false),
            call_off: None,
            endpoint: OnceLock::new(),
        }
    }

    /// The caller wants the whole body of a good answer, up to so many bytes.
    pub(crate) fn reading_whole(mut self, limit: usize) -> Self {
        self.read_whole = Some(limit);
        self
    }

    /// Somebody may call it off.
    pub(crate) fn unless(mut self, call_off: Option<CallOff>) -> Self {
        self.call_off = call_off;
        self
    }

    pub(crate) fn call_off(&self) -> Option<&CallOff> {
        self.call_off.as_ref()
    }

    pub(crate) fn is_called_off(&self) -> bool {
        self.call_off.as_ref().is_some_and(CallOff::is_called_off)
    }

    /// The state that a request carries in its extensions. One without (which a user's layer has made) gets a fresh one.
    pub(crate) fn of<B>(request: &Request<B>) -> Arc<Self> {
        let carried = request.extensions().get::<Arc<Self>>().map(Arc::clone);
        let foreign = || Self { is_of_client: false, ..Self::start(request.method(), Duration::MAX) };
        carried.unwrap_or_else(|| Arc::new(foreign()))
    }

    /// Whether the client has made the request, and not a layer of its user's.
    pub(crate) fn is_of_client(&self) -> bool {
        self.is_of_client
    }

    pub(crate) fn read_whole(&self) -> Option<usize> {
        self.read_whole
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// An attempt is handed to the leaf.
    pub(crate) fn sent(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.in_flight.store(true, Ordering::Relaxed);
        self.has_left.store(false, Ordering::Relaxed);
        self.has_stayed.store(false, Ordering::Relaxed);
        self.silent.store(false, Ordering::Relaxed);
    }

    /// The attempt under way is given up for the server's silence.
    pub(crate) fn fell_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// The attempt under way ends before the deadline by itself, or does not any more.
    pub(crate) fn watch(&self, is_watched: bool) {
        self.is_watched.store(is_watched, Ordering::Relaxed);
    }

    /// Whether the attempt under way ends before the deadline in any case.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    /// Whether the time that the call may take is over.
    pub(crate) fn is_past_deadline(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Whether an attempt that is dropped now is so because time is up, rather than because nobody waits any more.
    pub(crate) fn is_out_of_time(&self) -> bool {
        self.is_silent() || self.is_past_deadline()
    }

    /// An attempt has ended; `effect_unknown` when nobody can tell whether the server ran it.
    pub(crate) fn settled(&self, effect_unknown: bool) {
        self.in_flight.store(false, Ordering::Relaxed);
        if effect_unknown {
            self.ambiguous.store(true, Ordering::Relaxed);
        }
    }

    /// A request of the attempt is over, and a connection was found for it or not. Without one the host knows nothing of
    /// it. A user's layer may send several in one attempt: any that left counts.
    pub(crate) fn departed(&self, has_left: bool) {
        let over = if has_left { &self.has_left } else { &self.has_stayed };
        over.store(true, Ordering::Relaxed);
    }

    /// Whether an attempt is out there, for all that is known.
    pub(crate) fn is_in_flight(&self) -> bool {
        let has_only_stayed =
            self.has_stayed.load(Ordering::Relaxed) && !self.has_left.load(Ordering::Relaxed);
        self.in_flight.load(Ordering::Relaxed) && !has_only_stayed
    }

    /// A connection is looked for, or found.
    pub(crate) fn departs(&self, is_departing: bool) {
        self.is_departing.store(is_departing, Ordering::Relaxed);
    }

    /// Whether the host may have got something of the attempt under way.
    pub(crate) fn is_out_there(&self) -> bool {
        self.is_in_flight() && !self.is_departing.load(Ordering::Relaxed)
    }

    /// The credential is being asked for, or has been given.
    pub(crate) fn waits_for_token(&self, waits: bool) {
        self.waits_for_token.store(waits, Ordering::Relaxed);
    }

    pub(crate) fn is_waiting_for_token(&self) -> bool {
        self.waits_for_token.load(Ordering::Relaxed)
    }

    /// The token that the attempt about to be sent has waited for.
    pub(crate) fn keep_token(&self, held: Arc<Held>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }

    pub(crate) fn take_token(&self) -> Option<Arc<Held>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Other calls find out whether the host works again, or have found out.
    pub(crate) fn waits_for_probe(&self, waits: bool) {
        self.waits_for_probe.store(waits, Ordering::Relaxed);
    }

    pub(crate) fn is_waiting_for_probe(&self) -> bool {
        self.waits_for_probe.load(Ordering::Relaxed)
    }

    /// Remembers why an attempt failed, for the message when time runs out later.
    pub(crate) fn failed_with(&self, failure: String) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    pub(crate) fn last_failure(&self) -> Option<String> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The request's own body failed, which is nobody's fault but the caller's.
    pub(crate) fn fail_upload(&self) {
        self.upload_failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn upload_failed(&self) -> bool {
        self.upload_failed.load(Ordering::Relaxed)
    }

    /// Remembers until when the circuit of the host is open, if it is.
    pub(crate) fn shut_out_until(&self, moment: Option<Instant>) {
        *self.shut_out.lock().unwrap_or_else(PoisonError::into_inner) = moment;
    }

    pub(crate) fn shut_out(&self) -> Option<Instant> {
        *self.shut_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is counted under: one thing for the whole call.
    pub(crate) fn endpoint(&self, find: impl FnOnce() -> Arc<Endpoint>) -> &Arc<Endpoint> {
        self.endpoint.get_or_init(find)
    }

    /// How far the call has come, for its error.
    pub(crate) fn summary(&self, operation: &Operation) -> CallSummary {
        let unknown = self.ambiguous.load(Ordering::Relaxed) || self.is_in_flight();
        CallSummary {
            operation: operation.name(),
            attempts: self.attempts(),
            elapsed: self.elapsed(),
            ambiguous: self.changes_something && unknown,
        }
    }
}
