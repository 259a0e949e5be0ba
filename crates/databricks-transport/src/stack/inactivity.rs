//! The deadline of an attempt: not its length but its silence. As long as bytes move, up or down, it goes on; while the
//! caller's own body keeps it waiting, nobody is silent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::state::CallState;
use crate::body::Body;
use crate::error::{CallSummary, Error, ErrorKind};
use crate::operation::Operation;
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
    async fn send(&self, mut request: Outgoing) -> Answered {
        let operation = Operation::of(&request);
        let limit = operation.attempt_timeout().unwrap_or(self.limit);
        let state = CallState::of(&request);
        let activity = Activity::new();
        let uri = request.uri().clone();
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = watched(body, &activity, &state);
        state.sent();
        let _unanswered = Unanswered { activity: &activity, limit, state: &state };
        tokio::select! {
            biased;
            answer = self.inner.send(request) => answer.map(|response| {
                // Whoever reads this body knows by the status that the server ran the request.
                let call = CallSummary { ambiguous: false, ..state.summary(&operation) };
                response.map(|body| patient(body, limit, call))
            }),
            // What was inside is dropped by now, and has said how far it came.
            () = silence(&activity, limit, &state) => Err(match state.is_in_flight() {
                true => silent(limit, "no answer"),
                false => not_connected(limit, &target(&uri)),
            }),
        }
    }
}

/// Notes the end before the attempt is dropped, so that whoever is dropped with it knows why.
async fn silence(activity: &Activity, limit: Duration, state: &CallState) {
    activity.silence(limit).await;
    state.fell_silent();
}

/// An attempt as long as it has no answer. Dropped at the deadline of its call, it notes what it has heard until then.
struct Unanswered<'a> {
    activity: &'a Activity,
    limit: Duration,
    state: &'a CallState,
}

/// A server that has not said anything for so long, or for half of what it may take, was given its chance.
const CHANCE: Duration = Duration::from_secs(5);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let chance = CHANCE.min(self.limit / 2);
        if self.state.is_past_deadline() && self.activity.silent_for() >= chance {
            self.state.fell_silent();
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

/// When something last moved, and whether the caller is the one who keeps the other waiting.
#[derive(Clone, Debug)]
struct Activity(Arc<Mutex<Moved>>);

#[derive(Debug)]
struct Moved {
    last: Instant,
    /// The connection has asked for the next piece of the request, and the caller has none yet.
    waits_for_caller: bool,
}

impl Activity {
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

    /// How long the server has had nothing to say, as far as it is its fault.
    fn silent_for(&self) -> Duration {
        let moved = self.moved();
        if moved.waits_for_caller { Duration::ZERO } else { moved.last.elapsed() }
    }

    /// Ends when nothing has moved for `limit`; never, when that is beyond what a clock can hold.
    async fn silence(&self, limit: Duration) {
        loop {
            let silent_for = self.silent_for();
            let Some(left) = limit.checked_sub(silent_for).filter(|left| !left.is_zero()) else { return };
            let Some(end) = Instant::now().checked_add(left) else { return std::future::pending().await };
            tokio::time::sleep_until(end).await;
        }
    }
}

/// Wakes whoever polls a body, and lets the clock go on: from now on it is the connection that has to come for the next
/// piece, which it does not while the server takes nothing.
struct Ready {
    activity: Activity,
    waker: Waker,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.activity.note();
        self.waker.wake_by_ref();
    }
}

/// A body in memory of at most this many bytes goes out in one piece: there is no progress to watch.
const SMALL: usize = 256 * 1024;

/// A request body that notes each piece the connection takes.
fn watched(body: Body, activity: &Activity, state: &Arc<CallState>) -> Body {
    if body.as_bytes().is_some_and(|bytes| bytes.len() <= SMALL) {
        return body;
    }
    Body::wrap(Watched { body, activity: activity.clone(), state: Arc::clone(state) })
}

struct Watched {
    body: Body,
    activity: Activity,
    state: Arc<CallState>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Before the body is polled: it may be ready again before it has answered.
        self.activity.wait_for_caller();
        let waker =
            Waker::from(Arc::new(Ready { activity: self.activity.clone(), waker: cx.waker().clone() }));
        let mut cx = Context::from_waker(&waker);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(&mut cx));
        self.activity.note();
        if let Some(Err(_)) = &frame {
            self.state.fail_upload();
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
        self.activity.note();
    }
}

/// An answer's body that fails when a read waits too long. Time in which nobody reads does not count.
fn patient(body: Body, limit: Duration, call: CallSummary) -> Body {
    if body.is_end_stream() || body.as_bytes().is_some() {
        return body;
    }
    Body::wrap(Patient { body, limit, call, waiting: None })
}

struct Patient {
    body: Body,
    limit: Duration,
    call: CallSummary,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Patient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waiting = None;
            let call = this.call;
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| error.with_call(call))));
        }
        let limit = this.limit;
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(waiting.as_mut().poll(cx));
        this.waiting = None;
        let error = silent(limit, "the answer stopped in the middle: no data").with_call(this.call);
        // The connection is of no use any more.
        this.body = Body::empty();
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
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
        let response = Inactivity::new(leaf(wait, answer), LIMIT).send(Box::new(request)).await?;
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
        let error = Inactivity::new(leaf, LIMIT).send(Box::new(request)).await.unwrap_err();
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
        let response = Inactivity::new(leaf(0, &[1, 1]), LIMIT)
            .send(Box::new(Request::new(Body::empty())))
            .await
            .unwrap();
        let mut chunks = Box::pin(response.into_body().into_stream());
        chunks.next().await.unwrap().unwrap();
        tokio::time::sleep(LIMIT * 10).await;
        chunks.next().await.unwrap().unwrap();
        assert!(chunks.next().await.is_none());
    }
}
