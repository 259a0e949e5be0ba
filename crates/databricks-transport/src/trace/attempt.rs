//! The innermost layer of ours: one log line when an attempt is sent and one when it ends, and its metrics. It stands
//! next to the leaf, so what a leaf says about a failure is cleaned here, before anybody repeats it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use metrics::SharedString;
use tokio::time::Instant;

use super::metrics::{request_ended, status_text};
use super::watch::Traffic;
use crate::body::Body;
use crate::error::Error;
use crate::redact::{MASK, Sent, is_secret_header, mark_sensitive, shown_path};
use crate::service::{Answered, Exchange, Outgoing};
use crate::stack::CallState;

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

impl<S: Exchange> Exchange for TraceAttempt<S> {
    async fn send(&self, request: Outgoing) -> Answered {
        let attempt = Attempt::start(&request);
        attempt.log_request(&request);
        match self.inner.send(request).await {
            Ok(mut response) => {
                mark_sensitive(response.headers_mut());
                let sent = attempt.answered(&response);
                Ok(response.map(|body| clean(body, sent)))
            }
            Err(error) => Err(attempt.failed(error)),
        }
    }
}

/// An attempt that is under way. Dropped before its end, it is counted as given up.
struct Attempt {
    endpoint: SharedString,
    started: Instant,
    state: Arc<CallState>,
    number: u32,
    sent: Sent,
    is_over: bool,
}

impl Attempt {
    fn start(request: &Request<Body>) -> Self {
        let state = CallState::of(request);
        let class = state.class().map(Arc::clone);
        Self {
            endpoint: class.map_or("storage".into(), SharedString::from),
            started: Instant::now(),
            number: state.attempts(),
            state,
            sent: Sent::with(request),
            is_over: false,
        }
    }

    fn log_request(&self, request: &Request<Body>) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let uri = request.uri();
        let is_api = self.sent.watch().is_some_and(|watch| watch.traffic() == Traffic::Api);
        let path = if is_api { shown_path(uri.path(), uri.query()) } else { "[link]".to_owned() };
        tracing::debug!(
            http.request.method = %request.method(),
            server.address = uri.host(),
            url.path = path,
            attempt = self.number,
            bytes = request.body().size_hint().exact(),
            headers = self.shows_headers().then(|| tracing::field::display(Headers(request.headers(), &self.sent))),
            "request"
        );
    }

    /// What the answer's body may repeat.
    fn answered(mut self, response: &Response<Body>) -> Sent {
        let status = response.status();
        tracing::debug!(
            http.response.status_code = status.as_u16(),
            endpoint = %self.endpoint,
            elapsed = ?self.started.elapsed(),
            bytes = length(response),
            headers = self.shows_headers().then(|| tracing::field::display(Headers(response.headers(), &self.sent))),
            "answer"
        );
        self.over(status_text(status));
        self.sent.clone()
    }

    /// The error as others may see it.
    fn failed(mut self, error: Error) -> Error {
        let kind = error.kind().as_str();
        let error = error.cleaned(&self.sent);
        tracing::debug!(%error, error.type = kind, endpoint = %self.endpoint, elapsed = ?self.started.elapsed(), "no answer");
        self.over(kind.into());
        error
    }

    fn shows_headers(&self) -> bool {
        self.sent.watch().is_some_and(|watch| watch.debug().headers)
    }

    fn over(&mut self, status: SharedString) {
        self.is_over = true;
        request_ended(self.endpoint.clone(), status, self.started.elapsed(), self.number > 1);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_over {
            let status = if self.state.is_out_of_time() { "timeout" } else { "canceled" };
            tracing::debug!(endpoint = %self.endpoint, elapsed = ?self.started.elapsed(), "given up: {status}");
            self.over(status.into());
        }
    }
}

/// An answer's body whose failures repeat nothing that was sent.
fn clean(body: Body, sent: Sent) -> Body {
    if body.as_bytes().is_some() {
        return body;
    }
    Body::wrap(Clean { body, sent })
}

struct Clean {
    body: Body,
    sent: Sent,
}

impl HttpBody for Clean {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(|error| error.cleaned(&self.sent))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The length of an answer in bytes, when it is known before the answer is read.
fn length(response: &Response<Body>) -> Option<u64> {
    let declared = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(declared)
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
