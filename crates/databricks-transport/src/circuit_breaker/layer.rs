//! The two layers of the circuit breaker: one refuses before any wait, one admits what is sent and counts what comes of
//! it.

use std::sync::Arc;

use http::Uri;

use super::circuits::Circuits;
use super::machine::Verdict;
use crate::error::Error;
use crate::operation::Operation;
use crate::service::{Answered, Exchange, Outgoing};
use crate::stack::CallState;

/// Refuses at once what an open circuit would not let through, before anything waits for a turn or a token.
#[derive(Clone, Debug)]
pub(crate) struct CircuitCheck<S> {
    inner: S,
    circuits: Arc<Circuits>,
}

impl<S> CircuitCheck<S> {
    pub(crate) fn new(inner: S, circuits: Arc<Circuits>) -> Self {
        Self { inner, circuits }
    }
}

impl<S: Exchange> Exchange for CircuitCheck<S> {
    async fn send(&self, request: Outgoing) -> Answered {
        self.circuits.check(request.uri())?;
        self.inner.send(request).await
    }
}

/// Admits what is sent, and counts what comes of it. It sees whole answers: what broke while it was read is a failure.
/// The circuit may have opened since the check, while the request waited.
#[derive(Clone, Debug)]
pub(crate) struct CircuitBreaker<S> {
    inner: S,
    circuits: Arc<Circuits>,
}

impl<S> CircuitBreaker<S> {
    pub(crate) fn new(inner: S, circuits: Arc<Circuits>) -> Self {
        Self { inner, circuits }
    }
}

impl<S: Exchange> Exchange for CircuitBreaker<S> {
    async fn send(&self, request: Outgoing) -> Answered {
        let state = CallState::of(&request);
        let silence = Operation::of(&request).attempt_timeout();
        let Some(admission) = self.circuits.admit(request.uri(), silence, &state).await? else {
            return self.inner.send(request).await;
        };
        let result = self.inner.send(request).await;
        // What the caller's own upload failed with is not the host's fault.
        let verdict = if state.upload_failed() { Verdict::Unknown } else { Verdict::of(&result) };
        let open_until = admission.settle(verdict);
        if verdict != Verdict::Works {
            state.shut_out_until(open_until);
        }
        result
    }

    async fn ready(&self, uri: &Uri, state: &CallState) -> Result<(), Error> {
        self.circuits.ready(uri, state).await
    }
}
