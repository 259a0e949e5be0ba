//! Reads what must be read of an answer while it still counts as part of the attempt: the text of an error, always;
//! the whole body, when the caller wants it whole. So a break while reading is seen by the retry.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::body::Body;
use crate::error::ApiError;
use crate::redact::Sent;
use crate::service::{Answered, Exchange, Outgoing};
use crate::trace::{Traffic, Watch, trace_answer, trace_request};

/// How much of an error's text is read.
const ERROR_TEXT: usize = 64 * 1024;
/// How long it is read: what is known by its status is not held up by a text that drips.
const ERROR_TIME: Duration = Duration::from_secs(5);

/// Reads answers; an error's parsed form is left in the answer's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Answer<S> {
    inner: S,
    watch: Arc<Watch>,
    parse: Parse,
}

type Parse = fn(StatusCode, &HeaderMap, &[u8]) -> ApiError;

impl<S> Answer<S> {
    pub(crate) fn new(inner: S, watch: Arc<Watch>) -> Self {
        let parse: Parse = match watch.traffic() {
            Traffic::Api => ApiError::parse,
            // Its text and redirects may repeat the presigned link: only status and code of an error are kept.
            Traffic::Storage => ApiError::of_storage,
            // Its text may repeat the secret that was sent: the caller reads it from the body and masks it.
            Traffic::Token => crate::auth::token_error,
        };
        Self { inner, watch, parse }
    }
}

impl<S: Exchange> Exchange for Answer<S> {
    async fn send(&self, mut request: Outgoing<'_>) -> Answered {
        let changes = !request.method().is_safe();
        let whole = request.call.read_whole();
        let sent = Arc::new(Sent::with(&request, request.call, &self.watch));
        request.sent = Some(Arc::clone(&sent));
        trace_request(&request, &sent);
        let mut answer = self.inner.send(request).await?;
        let body = std::mem::take(answer.body_mut());
        let body = match whole {
            _ if !answer.status().is_success() => {
                let text = Box::pin(body.collect_prefix(ERROR_TEXT, ERROR_TIME)).await;
                // Servers and proxies repeat what they were sent.
                let error = (self.parse)(answer.status(), answer.headers(), &text).cleaned(&sent);
                answer.extensions_mut().insert(error);
                Body::from_bytes(text)
            }
            // A good answer says that the request was run, whether it can be read or not.
            Some(limit) => {
                let read = body.collect(limit).await;
                Body::from_bytes(read.map_err(|error| error.with_ambiguous(changes))?)
            }
            None => body,
        };
        *answer.body_mut() = body;
        trace_answer(&answer, &sent);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::config::DatabricksConfig;
    use crate::error::Error;
    use crate::error::ErrorKind;
    use crate::service::enter;
    use crate::stack::CallState;
    use bytes::Bytes;
    use http::{Request, Response};

    fn answering(status: u16, parts: Vec<Result<&'static str, ErrorKind>>) -> impl Exchange {
        tower::service_fn(move |_| {
            let parts = parts.clone().into_iter();
            let parts = parts.map(|part| part.map(Bytes::from).map_err(|kind| Error::new(kind, "broke")));
            let mut response = Response::new(Body::from_stream(futures::stream::iter(parts)));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            futures::future::ready(Ok(response))
        })
    }

    fn answer<S: Exchange>(leaf: S) -> Answer<S> {
        let config = DatabricksConfig::new("h.example").unwrap();
        Answer::new(leaf, Watch::new(&config, Traffic::Api))
    }

    /// A request whose answer is read whole.
    fn whole(limit: usize, method: http::Method) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        let call = CallState::start(&method, Duration::MAX).reading_whole(limit);
        *request.method_mut() = method;
        request.extensions_mut().insert(Arc::new(call));
        request
    }

    #[tokio::test]
    async fn an_errors_text_is_parsed_and_kept_even_when_it_breaks_off() {
        let leaf = answering(503, vec![Ok("TEMPORARILY_UNAVAILABLE: later"), Err(ErrorKind::Unavailable)]);
        let response = enter(&answer(leaf), Request::new(Body::empty())).await.unwrap();
        let api = response.extensions().get::<ApiError>().unwrap();
        assert_eq!(api.error_code.as_deref(), Some("TEMPORARILY_UNAVAILABLE"));
        assert_eq!(response.body().as_bytes(), Some(&b"TEMPORARILY_UNAVAILABLE: later"[..]));
    }

    #[tokio::test]
    async fn a_good_answer_too_large_to_read_leaves_a_change_ambiguous() {
        for (method, ambiguous) in [(http::Method::POST, true), (http::Method::GET, false)] {
            let leaf = answering(200, vec![Ok("four")]);
            let error = enter(&answer(leaf), whole(3, method)).await.unwrap_err();
            assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Invalid, ambiguous));
        }
    }

    #[tokio::test]
    async fn only_the_start_of_an_endless_error_is_read() {
        let part = "x".repeat(1024);
        let leaf = tower::service_fn(move |_| {
            let endless = futures::stream::repeat_with({
                let part = part.clone();
                move || Ok(Bytes::from(part.clone()))
            });
            let response = Response::builder().status(500).body(Body::from_stream(endless)).unwrap();
            futures::future::ready(Ok::<_, Error>(response))
        });
        let response = enter(&answer(leaf), Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.body().as_bytes().unwrap().len(), ERROR_TEXT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_errors_text_that_drips_is_not_waited_for() {
        let leaf = tower::service_fn(|_| async {
            let drip = futures::stream::unfold("TEMPORARILY_UNAVAILABLE: later", |part| async move {
                tokio::time::sleep(Duration::from_secs(4)).await;
                Some((Ok(Bytes::from(part)), "."))
            });
            Ok::<_, Error>(Response::builder().status(503).body(Body::from_stream(drip)).unwrap())
        });
        let start = tokio::time::Instant::now();
        let response = enter(&answer(leaf), Request::new(Body::empty())).await.unwrap();
        assert_eq!(start.elapsed(), ERROR_TIME);
        let api = response.extensions().get::<ApiError>().unwrap();
        assert_eq!(api.error_code.as_deref(), Some("TEMPORARILY_UNAVAILABLE"));
    }

    #[tokio::test]
    async fn a_good_answer_is_streamed_unless_wanted_whole() {
        let in_two = || answer(answering(200, vec![Ok("a"), Ok("b")]));
        let streamed = enter(&in_two(), Request::new(Body::empty())).await;
        assert!(streamed.unwrap().body().as_bytes().is_none());

        let read = enter(&in_two(), whole(2, http::Method::GET)).await;
        assert_eq!(read.unwrap().body().as_bytes(), Some(&b"ab"[..]));

        let breaks = answer(answering(200, vec![Ok("a"), Err(ErrorKind::Unavailable)]));
        let broken = enter(&breaks, whole(10, http::Method::GET)).await;
        assert_eq!(broken.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
