//! The deadline of an attempt: not its length but its silence. As long as bytes move, up or down, it goes on; while the
//! caller's own body keeps it waiting, nobody is silent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::state::CallState;
use crate::body::{Body, Patience};
use crate::error::{CallSummary, Error, ErrorKind};
use crate::place::target;
use crate::service::{Answered, Exchange, Outgoing};

/// Turns a hung connection into a timeout, before the answer begins and while its body is read.
#[derive(Clone, Debug)]
pub(crate) struct Inactivity<S> {
    inner: S,
    limit: Duration,
}

impl<S> Inactivity<S> {
    pub(crate) fn new(inner: S, limit: Duration) -> Self {
        Self { inner, limit }
    }
}

impl<S: Exchange> Exchange for Inactivity<S> {
    async fn send(&self, mut request: Outgoing<'_>) -> Answered {
        let (operation, call) = (request.operation, request.call);
        let limit = operation.attempt_timeout().unwrap_or(self.limit);
        let activity = Activity::watching(request.body_mut(), call);
        let uri = request.uri().clone();
        call.sent();
        let mut unanswered = Unanswered::watched(&activity, limit, call);
        tokio::select! {
            biased;
            answer = self.inner.send(request) => {
                let mut response = answer?;
                unanswered.is_answered = true;
                // Whoever reads this body knows by the status that the server ran the request.
                let call = CallSummary { ambiguous: false, ..call.summary(operation) };
                response.body_mut().hurry(Patience::new(limit, call));
                Ok(response)
            },
            // What was inside is dropped by now, and has said how far it came.
            () = silence(&activity, limit, call) => Err(match call.is_in_flight() {
                true => silent(limit, "no answer"),
                false => not_connected(limit, &target(&uri)),
            }),
        }
    }
}

/// Notes the end before the attempt is dropped, so that whoever is dropped with it knows why.
async fn silence(activity: &Activity, limit: Duration, call: &CallState) {
    activity.silence(limit).await;
    call.fell_silent();
}

/// An attempt as long as it has no answer. Dropped at the deadline of its call, it notes what it has heard until then.
struct Unanswered<'a> {
    activity: &'a Activity,
    limit: Duration,
    call: &'a CallState,
    is_answered: bool,
}

impl<'a> Unanswered<'a> {
    fn watched(activity: &'a Activity, limit: Duration, call: &'a CallState) -> Self {
        call.watch(activity.ends_before(call.deadline(), limit));
        Self { activity, limit, call, is_answered: false }
    }
}

/// A server that has not said anything for so long, or for half of what it may take, was given its chance.
const CHANCE: Duration = Duration::from_secs(5);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.call.watch(false);
        if self.is_answered {
            return;
        }
        let chance = CHANCE.min(self.limit / 2);
        if self.call.is_past_deadline() && self.activity.silent_for() >= chance {
            self.call.fell_silent();
        }
    }
}

fn silent(limit: Duration, what: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("{what} for {} s", limit.as_secs_f64()))
}

fn not_connected(limit: Duration, target: &str) -> Error {
    let seconds = limit.as_secs_f64();
    Error::new(ErrorKind::Connect, format!("could not connect to {target}: no connection for {seconds} s"))
}

/// When something last moved.
enum Activity {
    /// The request goes out in one piece: nothing moves until it is answered.
    Since(Instant),
    /// Each piece of the request that the connection takes is a move.
    Upload(Upload),
}

impl Activity {
    /// A body in memory of at most this many bytes goes out in one piece: there is no progress to watch.
    const SMALL: usize = 256 * 1024;

    /// Begins now. A large body notes from now on what the connection takes of it.
    fn watching(body: &mut Body, call: &Arc<CallState>) -> Self {
        if body.as_bytes().is_some_and(|bytes| bytes.len() <= Self::SMALL) {
            return Self::Since(Instant::now());
        }
        let upload = Upload::new();
        let watched = Watched { body: std::mem::take(body), upload: upload.clone(), call: Arc::clone(call) };
        *body = Body::wrap(watched);
        Self::Upload(upload)
    }

    /// Since when the server has had nothing to say; nothing while it waits for the caller.
    fn silent_since(&self) -> Option<Instant> {
        match self {
            Self::Since(moment) => Some(*moment),
            Self::Upload(upload) => upload.silent_since(),
        }
    }

    /// Whether silence ends the attempt before the deadline, whatever happens.
    fn ends_before(&self, deadline: Option<Instant>, limit: Duration) -> bool {
        match (self, deadline) {
            (Self::Since(moment), Some(deadline)) => {
                moment.checked_add(limit).is_some_and(|end| end < deadline)
            }
            _ => false,
        }
    }

    /// How long the server has had nothing to say, as far as it is its fault.
    fn silent_for(&self) -> Duration {
        self.silent_since().map_or(Duration::ZERO, |moment| moment.elapsed())
    }

    /// Ends when nothing has moved for `limit`; never, when that is beyond what a clock can hold.
    async fn silence(&self, limit: Duration) {
        let mut since = self.silent_since();
        loop {
            let from = since.unwrap_or_else(Instant::now);
            let Some(end) = from.checked_add(limit) else { return std::future::pending().await };
            tokio::time::sleep_until(end).await;
            let last = self.silent_since();
            if last.is_some() && last == since {
                return;
            }
            since = last;
        }
    }
}

/// A request's body on its way out: when its last piece went, and whether the caller is the one who keeps the other
/// waiting.
#[derive(Clone, Debug)]
struct Upload(Arc<Mutex<Moved>>);

#[derive(Debug)]
struct Moved {
    last: Instant,
    /// The connection has asked for the next piece of the request, and the caller has none yet.
    waits_for_caller: bool,
}

impl Upload {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Moved { last: Instant::now(), waits_for_caller: false })))
    }

    fn moved(&self) -> MutexGuard<'_, Moved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.moved() = Moved { last: Instant::now(), waits_for_caller: false };
    }

    fn wait_for_caller(&self) {
        self.moved().waits_for_caller = true;
    }

    fn silent_since(&self) -> Option<Instant> {
        let moved = self.moved();
        (!moved.waits_for_caller).then_some(moved.last)
    }
}

/// Wakes whoever polls a body, and lets the clock go on: from now on it is the connection that has to come for the next
/// piece, which it does not while the server takes nothing.
struct Ready {
    upload: Upload,
    waker: Waker,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.upload.note();
        self.waker.wake_by_ref();
    }
}

/// A request body that notes each piece the connection takes.
struct Watched {
    body: Body,
    upload: Upload,
    call: Arc<CallState>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Before the body is polled: it may be ready again before it has answered.
        self.upload.wait_for_caller();
        let waker = Waker::from(Arc::new(Ready { upload: self.upload.clone(), waker: cx.waker().clone() }));
        let mut cx = Context::from_waker(&waker);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(&mut cx));
        self.upload.note();
        if let Some(Err(_)) = &frame {
            self.call.fail_upload();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Given up before its end, it keeps nobody waiting any more.
impl Drop for Watched {
    fn drop(&mut self) {
        self.upload.note();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::operation::Operation;
    use crate::service::enter;
    use futures::StreamExt;
    use http::{Request, Response};

    const LIMIT: Duration = Duration::from_secs(30);

    /// Chunks that arrive so many seconds after one another.
    fn slow(seconds: &'static [u64]) -> Body {
        Body::from_stream(futures::stream::iter(seconds).then(|seconds| async {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            Ok(Bytes::from("x"))
        }))
    }

    /// A leaf that reads the request to its end, waits, and answers with a body of its own.
    fn leaf(wait: u64, answer: &'static [u64]) -> impl Exchange {
        tower::service_fn(move |request: Request<Body>| async move {
            request.into_body().collect(usize::MAX).await?;
            tokio::time::sleep(Duration::from_secs(wait)).await;
            Ok(Response::new(slow(answer)))
        })
    }

    async fn send(
        wait: u64,
        upload: Body,
        answer: &'static [u64],
        operation: Operation,
    ) -> Result<Bytes, Error> {
        let mut request = Request::new(upload);
        request.extensions_mut().insert(operation);
        let response = enter(&Inactivity::new(leaf(wait, answer), LIMIT), request).await?;
        response.into_body().collect(1000).await
    }

    const PLAIN: Operation = Operation::new("test");

    #[tokio::test(start_paused = true)]
    async fn a_slow_but_moving_exchange_goes_on() {
        let got = send(29, slow(&[20, 20, 20]), &[29, 29, 29], PLAIN).await.unwrap();
        assert_eq!(got, "xxx");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_before_the_answer_is_a_timeout() {
        let error = send(31, Body::from("x"), &[], PLAIN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.to_string(), "no answer for 30 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_is_slow_to_give_his_body_is_not_the_servers_silence() {
        assert_eq!(send(29, slow(&[10, 31, 500]), &[1], PLAIN).await.unwrap(), "x");
        let error = send(31, slow(&[500]), &[], PLAIN).await.unwrap_err();
        assert_eq!(error.to_string(), "no answer for 30 s", "from the end of the body on it is");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_the_server_does_not_take_is_a_timeout() {
        // It takes one piece, asks for the next, and does not come for it when it is there.
        let leaf = tower::service_fn(|request: Request<Body>| async move {
            let mut chunks = Box::pin(request.into_body().into_stream());
            chunks.next().await.unwrap()?;
            assert!(futures::poll!(chunks.next()).is_pending());
            std::future::pending::<Result<Response<Body>, Error>>().await
        });
        let start = Instant::now();
        let request = Request::new(slow(&[10, 50, 1]));
        let error = enter(&Inactivity::new(leaf, LIMIT), request).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::Timeout, 90));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_in_the_answers_body_is_a_timeout_with_the_operations_name() {
        let error = send(0, Body::empty(), &[1, 31], PLAIN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().starts_with("test: the answer stopped"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_that_waits_by_design_may_be_silent_for_longer() {
        let patient = PLAIN.with_attempt_timeout(Duration::from_secs(60));
        assert_eq!(send(50, Body::empty(), &[50], patient).await.unwrap(), "x");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_pauses_is_not_the_servers_silence() {
        let layer = Inactivity::new(leaf(0, &[1, 1]), LIMIT);
        let response = enter(&layer, Request::new(Body::empty())).await.unwrap();
        let mut chunks = Box::pin(response.into_body().into_stream());
        chunks.next().await.unwrap().unwrap();
        tokio::time::sleep(LIMIT * 10).await;
        chunks.next().await.unwrap().unwrap();
        assert!(chunks.next().await.is_none());
    }
}
