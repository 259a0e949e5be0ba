//! The two layers of the circuit breaker: one refuses before any wait, one admits what is sent and counts what comes of
//! it.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::Service;

use super::circuits::Circuits;
use super::machine::Verdict;
use crate::body::Body;
use crate::error::Error;
use crate::service::{HttpFuture, HttpInner};
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

impl<S: HttpInner> Service<Request<Body>> for CircuitCheck<S> {
    type Response = Response<Body>;
    type Error = Error;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> HttpFuture {
        match self.circuits.check(request.uri()) {
            Ok(()) => Box::pin(self.inner.send(request)),
            Err(error) => Box::pin(futures::future::ready(Err(error))),
        }
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

impl<S: HttpInner> Service<Request<Body>> for CircuitBreaker<S> {
    type Response = Response<Body>;
    type Error = Error;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> HttpFuture {
        let Self { inner, circuits } = self.clone();
        Box::pin(async move {
            let state = CallState::of(&request);
            let Some(admission) = circuits.admit(request.uri(), &state).await? else {
                return inner.send(request).await;
            };
            let result = inner.send(request).await;
            // What the caller's own upload failed with is not the host's fault.
            let verdict = if state.upload_failed() { Verdict::Unknown } else { Verdict::of(&result) };
            let open_until = admission.settle(verdict);
            if verdict != Verdict::Works {
                state.shut_out_until(open_until);
            }
            result
        })
    }
}
