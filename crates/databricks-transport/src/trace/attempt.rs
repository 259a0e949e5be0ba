//! The innermost layer of ours: one log line when an attempt is sent and one when it ends, and its metrics. It stands
//! next to the leaf, so what a leaf says about a failure is cleaned here, before anybody repeats it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use tokio::time::Instant;
use tracing::field::DisplayValue;

use super::endpoint::Endpoint;
use super::watch::{Traffic, Watch};
use crate::body::Body;
use crate::error::Error;
use crate::redact::{MASK, Sent, is_secret_header, mark_sensitive, shown_path};
use crate::service::{Answered, Exchange, Outgoing};
use crate::stack::CallState;

/// What happened to each attempt.
#[derive(Clone, Debug)]
pub(crate) struct TraceAttempt<S> {
    inner: S,
    watch: Arc<Watch>,
}

impl<S> TraceAttempt<S> {
    pub(crate) fn new(inner: S, watch: Arc<Watch>) -> Self {
        Self { inner, watch }
    }
}

impl<S: Exchange> Exchange for TraceAttempt<S> {
    async fn send(&self, mut request: Outgoing<'_>) -> Answered {
        let known = request.sent.take();
        let sent = known.unwrap_or_else(|| Arc::new(Sent::with(&request, request.call, &self.watch)));
        let attempt = Attempt::start(&request, &self.watch);
        attempt.log_request(&request, &sent);
        match self.inner.send(request).await {
            Ok(mut response) => {
                mark_sensitive(response.headers_mut());
                attempt.answered(&response, &sent);
                response.body_mut().clean(sent);
                Ok(response)
            }
            Err(error) => Err(attempt.failed(error, &sent)),
        }
    }
}

/// An attempt that is under way. Dropped before its end, it is counted as given up.
struct Attempt<'c> {
    endpoint: &'c Endpoint,
    started: Instant,
    call: &'c CallState,
    number: u32,
    is_over: bool,
}

impl<'c> Attempt<'c> {
    fn start(request: &Outgoing<'c>, watch: &Watch) -> Self {
        let call = request.call;
        Self {
            endpoint: call.endpoint(|| watch.endpoint(request.uri().path())),
            started: Instant::now(),
            number: call.attempts(),
            call,
            is_over: false,
        }
    }

    fn log_request(&self, request: &Request<Body>, sent: &Sent) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let uri = request.uri();
        let is_api = sent.traffic() == Traffic::Api;
        let path = if is_api { shown_path(uri.path(), uri.query()) } else { "[link]".to_owned() };
        tracing::debug!(
            http.request.method = %request.method(),
            server.address = uri.host(),
            url.path = path,
            attempt = self.number,
            bytes = request.body().size_hint().exact(),
            headers = shown_headers(request.headers(), sent),
            "request"
        );
    }

    fn answered(mut self, response: &Response<Body>, sent: &Sent) {
        let (status, took) = (response.status(), self.over());
        tracing::debug!(
            http.response.status_code = status.as_u16(),
            endpoint = %self.endpoint.name(),
            elapsed = ?took,
            bytes = length(response),
            headers = shown_headers(response.headers(), sent),
            "answer"
        );
        self.endpoint.answered(status, took, self.is_retry());
    }

    /// The error as others may see it.
    fn failed(mut self, error: Error, sent: &Sent) -> Error {
        let (kind, took) = (error.kind().as_str(), self.over());
        let error = error.cleaned(sent);
        tracing::debug!(%error, error.type = kind, endpoint = %self.endpoint.name(), elapsed = ?took, "no answer");
        self.endpoint.unanswered(kind, took, self.is_retry());
        error
    }

    fn is_retry(&self) -> bool {
        self.number > 1
    }

    /// It ends now. How long it took.
    fn over(&mut self) -> Duration {
        self.is_over = true;
        self.started.elapsed()
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let took = self.over();
            let why = if self.call.is_out_of_time() { "timeout" } else { "canceled" };
            tracing::debug!(endpoint = %self.endpoint.name(), elapsed = ?took, "given up: {why}");
            self.endpoint.unanswered(why, took, self.is_retry());
        }
    }
}

/// The length of an answer in bytes, when it is known before the answer is read.
fn length(response: &Response<Body>) -> Option<u64> {
    let declared = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(declared)
}

/// The headers, where the client is told to show them.
fn shown_headers<'a>(headers: &'a HeaderMap, sent: &'a Sent) -> Option<DisplayValue<Headers<'a>>> {
    sent.watch().debug().headers.then(|| tracing::field::display(Headers(headers, sent)))
}

/// Headers on one line; values that may be secret are masked.
struct Headers<'a>(&'a HeaderMap, &'a Sent);

impl fmt::Display for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(headers, sent) = self;
        for (number, (name, value)) in headers.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            let shown = value.to_str().ok().filter(|_| !value.is_sensitive() && !is_secret_header(name));
            let shown = shown.map_or(MASK.to_owned(), |value| sent.cleaned(value));
            write!(f, "{separator}{name}: {shown}")?;
        }
        Ok(())
    }
}
