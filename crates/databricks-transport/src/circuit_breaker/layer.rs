//! The two layers of the circuit breaker: one refuses before any wait, one admits what is sent and counts what comes of
//! it.

use std::sync::Arc;

use super::circuits::Circuits;
use super::machine::Verdict;
use crate::error::Error;
use crate::service::{Answered, Exchange, Outgoing};

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
    async fn send(&self, mut request: Outgoing<'_>) -> Answered {
        request.circuit = self.circuits.host(request.uri());
        if let Some(host) = &request.circuit {
            host.check()?;
        }
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
    async fn send(&self, mut request: Outgoing<'_>) -> Answered {
        let found = request.circuit.take().or_else(|| self.circuits.host(request.uri()));
        let Some(host) = found else { return self.inner.send(request).await };
        let call = request.call;
        let admission = host.admit(request.operation.attempt_timeout(), call).await?;
        let result = self.inner.send(request).await;
        // What the caller's own upload failed with is not the host's fault.
        let verdict = if call.upload_failed() { Verdict::Unknown } else { Verdict::of(&result) };
        let open_until = admission.settle(verdict);
        if verdict != Verdict::Works {
            call.shut_out_until(open_until);
        }
        result
    }

    async fn ready(&self, request: &Outgoing<'_>) -> Result<(), Error> {
        match &request.circuit {
            Some(host) => host.ready(request.call).await,
            None => Ok(()),
        }
    }
}
