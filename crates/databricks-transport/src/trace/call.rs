//! The outermost layer: one span around a call, and how long it took.

use std::pin::pin;
use std::sync::Arc;

use http::Request;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::watch::{Traffic, Watch};
use crate::body::Body;
use crate::error::{ApiError, ErrorKind};
use crate::redact::scrubbed;
use crate::service::{Answered, Exchange, Outgoing};
use crate::stack::CallState;

/// The span of a call, named by its operation.
#[derive(Clone, Debug)]
pub(crate) struct TraceCall<S> {
    inner: S,
    watch: Arc<Watch>,
}

impl<S> TraceCall<S> {
    pub(crate) fn new(inner: S, watch: Arc<Watch>) -> Self {
        Self { inner, watch }
    }
}

impl<S: Exchange> Exchange for TraceCall<S> {
    async fn send(&self, request: Outgoing<'_>) -> Answered {
        let call = request.call;
        let endpoint = call.endpoint(|| self.watch.endpoint(request.uri().path()));
        let span = span(&request, self.watch.traffic());
        let recorded = span.clone();
        // Pinned where it is made: it is large, and the span would be put around a copy.
        let sending = pin!(async move {
            let result = self.inner.send(request).await;
            endpoint.call_ended(call.elapsed());
            ended(&recorded, call, &result);
            result
        });
        sending.instrument(span).await
    }
}

/// The names are OpenTelemetry's, where it has one. A span's own name is a constant of the program; `otel.name` is what
/// exporters show.
fn span(request: &Outgoing<'_>, traffic: Traffic) -> Span {
    tracing::info_span!(
        "databricks.call",
        otel.name = request.operation.name(),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = %request.method(),
        server.address = request.uri().host(),
        url.path = %shown(request, traffic),
        http.response.status_code = Empty,
        error.type = Empty,
        request_id = Empty,
        attempts = Empty,
    )
}

/// The path of a presigned link may be part of the secret.
fn shown(request: &Request<Body>, traffic: Traffic) -> std::borrow::Cow<'_, str> {
    match traffic {
        Traffic::Api => scrubbed(request.uri().path()),
        Traffic::Storage | Traffic::Token => "[link]".into(),
    }
}

fn ended(span: &Span, call: &CallState, result: &Answered) {
    span.record("attempts", call.attempts());
    match result {
        Ok(response) => {
            let status = response.status();
            span.record("http.response.status_code", status.as_u16());
            if let Some(api) = response.extensions().get::<ApiError>() {
                failed(span, api.kind(), api.request_id.as_deref(), api);
            } else if !status.is_success() {
                failed(span, ApiError::new(status, "").kind(), None, &status);
            }
        }
        Err(error) => failed(span, error.kind(), error.request_id(), error),
    }
}

/// A credential that is refused needs somebody to act. Any other failure is the caller's to judge: what it means for a
/// job or a statement is logged where that is known.
fn failed(span: &Span, kind: ErrorKind, request_id: Option<&str>, error: &dyn std::fmt::Display) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", kind.as_str());
    if let Some(id) = request_id {
        span.record("request_id", id);
    }
    match kind {
        ErrorKind::Auth => tracing::error!(%error, "the credential was refused, or could not be had"),
        _ => tracing::debug!(%error, "the call failed"),
    }
}
