//! One span around a call, one event and the counters for every attempt. Neither sees headers, queries or bodies.

use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Instant;
use tower::{Service, ServiceExt};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::state::CallState;
use crate::body::Body;
use crate::error::Error;
use crate::operation::Operation;
use crate::rate_limit::ClassName;
use crate::service::{HttpFuture, HttpInner};

/// The span of a call, named by its operation.
#[derive(Clone, Debug)]
pub(crate) struct TraceCall<S> {
    inner: S,
    shows_path: bool,
}

impl<S> TraceCall<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, shows_path: true }
    }

    /// For presigned links, whose path may be part of the secret.
    pub(crate) fn of_links(inner: S) -> Self {
        Self { inner, shows_path: false }
    }
}

impl<S: HttpInner> Service<Request<Body>> for TraceCall<S> {
    type Response = Response<Body>;
    type Error = Error;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> HttpFuture {
        let inner = self.inner.clone();
        let state = CallState::of(&request);
        let path = if self.shows_path { request.uri().path() } else { "[link]" };
        // A span's own name is a constant of the program; `otel.name` is what exporters show.
        let span = tracing::info_span!(
            "databricks.call",
            otel.name = Operation::of(&request).name(),
            method = %request.method(),
            path,
            status = Empty,
            attempts = Empty,
        );
        let recorded = span.clone();
        let call = async move {
            let result = inner.oneshot(request).await;
            record(&recorded, &state, &result);
            result
        };
        Box::pin(call.instrument(span))
    }
}

fn record(span: &Span, state: &CallState, result: &Result<Response<Body>, Error>) {
    span.record("attempts", state.attempts());
    match result {
        Ok(response) => {
            let status = response.status();
            span.record("status", status.as_u16());
            if status.as_u16() == 401 {
                tracing::error!("the credential was refused");
            }
        }
        Err(error) => tracing::debug!(%error, "the call failed"),
    }
}

/// What happened to each attempt.
#[derive(Clone, Debug)]
pub(crate) struct TraceAttempt<S> {
    inner: S,
}

impl<S> TraceAttempt<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: HttpInner> Service<Request<Body>> for TraceAttempt<S> {
    type Response = Response<Body>;
    type Error = Error;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> HttpFuture {
        let inner = self.inner.clone();
        let endpoint =
            request.extensions().get::<ClassName>().map_or("storage".into(), |class| class.0.to_string());
        let host = request.uri().host().unwrap_or_default().to_owned();
        let start = Instant::now();
        Box::pin(async move {
            let result = inner.oneshot(request).await;
            let elapsed = start.elapsed();
            let status = match &result {
                Ok(response) => {
                    let status = response.status().as_u16();
                    tracing::debug!(%host, status, ?elapsed, "attempt answered");
                    status.to_string()
                }
                Err(error) => {
                    let error_type = error.kind().as_str();
                    tracing::debug!(%host, %error, ?elapsed, "attempt failed");
                    metrics::counter!("databricks_errors_total", "error_type" => error_type).increment(1);
                    error_type.to_owned()
                }
            };
            metrics::counter!("databricks_api_requests_total", "endpoint" => endpoint, "status" => status)
                .increment(1);
            result
        })
    }
}
