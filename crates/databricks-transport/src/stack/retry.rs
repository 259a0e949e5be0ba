//! What is sent again, and when. The decision is a function of values; the service around it only waits and resends.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::retry_after;
use super::state::CallState;
use crate::auth::Refused;
use crate::body::Body;
use crate::config::RetryConfig;
use crate::error::{ApiError, Error, ErrorKind};
use crate::operation::Operation;
use crate::rate_limit::Paused;
use crate::service::{HttpFuture, HttpInner};

/// Chooses a wait between zero and its argument. A value, so that tests choose it.
#[derive(Clone)]
pub(crate) struct Jitter(Arc<dyn Fn(Duration) -> Duration + Send + Sync>);

impl Jitter {
    /// Any wait up to the cap, all equally likely.
    pub(crate) fn full() -> Self {
        Self(Arc::new(|cap| cap.mul_f64(rand::random::<f64>())))
    }

    /// Always the cap itself.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(Arc::new(|cap| cap))
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

/// How an attempt ended, as far as sending again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// An answer that sending again does not change.
    Final,
    /// The quota is used up; the server did not run the request.
    Throttled,
    /// The host was not reached; it did not see the request.
    NotSent,
    /// It may or may not have run.
    Unknown,
}

impl Outcome {
    fn of(result: &Result<Response<Body>, Error>) -> Self {
        match result {
            Ok(response) => Self::of_response(response),
            Err(error) => match error.kind() {
                ErrorKind::Connect => Self::NotSent,
                _ if error.is_unprocessed() => Self::NotSent,
                ErrorKind::Timeout | ErrorKind::Unavailable => Self::Unknown,
                _ => Self::Final,
            },
        }
    }

    fn of_response(response: &Response<Body>) -> Self {
        let transient = || response.extensions().get::<ApiError>().is_some_and(ApiError::is_transient);
        match response.status().as_u16() {
            429 => Self::Throttled,
            // Refusals: of the method, of the protocol's version, for lack of room, for lack of a network login.
            501 | 505 | 507 | 511 => Self::Final,
            // Some proxies have numbers of their own for an origin that did not answer (520 to 524, 598).
            500..=599 => Self::Unknown,
            status if !(200..300).contains(&status) && transient() => Self::Unknown,
            _ => Self::Final,
        }
    }
}

/// How many times what has happened in this call.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    failures: u32,
    throttles: u32,
}

/// The longest wait before sending again, or `None` to give up. Counts the failure.
fn decide(config: &RetryConfig, counts: &mut Counts, outcome: Outcome, idempotent: bool) -> Option<Duration> {
    let repeats = match outcome {
        Outcome::Final => return None,
        Outcome::Unknown if !idempotent => return None,
        Outcome::Throttled => {
            counts.throttles = counts.throttles.saturating_add(1);
            counts.throttles
        }
        Outcome::NotSent | Outcome::Unknown => {
            counts.failures = counts.failures.saturating_add(1);
            if counts.failures >= config.max_attempts {
                return None;
            }
            counts.failures
        }
    };
    Some(backoff(config, repeats))
}

/// The base, doubled with each repetition, up to the maximum.
fn backoff(config: &RetryConfig, repeats: u32) -> Duration {
    let factor = 1_u32.checked_shl(repeats.saturating_sub(1)).unwrap_or(u32::MAX);
    config.base_delay.saturating_mul(factor).min(config.max_delay)
}

/// Sends a request again when that is safe and worth it.
#[derive(Clone, Debug)]
pub(crate) struct Retry<S> {
    inner: S,
    config: RetryConfig,
    jitter: Jitter,
}

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, config: RetryConfig, jitter: Jitter) -> Self {
        Self { inner, config, jitter }
    }
}

impl<S: HttpInner> Service<Request<Body>> for Retry<S> {
    type Response = Response<Body>;
    type Error = Error;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> HttpFuture {
        let Self { inner, config, jitter } = self.clone();
        Box::pin(async move {
            let operation = Operation::of(&request);
            let state = CallState::of(&request);
            let mut counts = Counts::default();
            let mut signed_again = false;
            let mut next = request;
            loop {
                let again = try_clone(&next);
                let result = inner.clone().oneshot(next).await;
                let outcome = Outcome::of(&result);
                state.settled(outcome == Outcome::Unknown);
                // Even a call that cannot be sent again shall not leave the next one with a token that was refused.
                let renews = !signed_again && forget_refused(&result);
                let Some(again) = again else { return result };
                if renews {
                    signed_again = true;
                    note(&state, &operation, &result, Duration::ZERO);
                    next = again;
                    continue;
                }
                let Some(cap) = decide(&config, &mut counts, outcome, operation.is_idempotent()) else {
                    return result;
                };
                let wait = wait(&result, jitter.0(cap));
                if !fits(&state, wait) {
                    return result;
                }
                note(&state, &operation, &result, wait);
                if !is_paused(&result) {
                    tokio::time::sleep(wait).await;
                }
                next = again;
            }
        })
    }
}

/// Gives up the token that the server refused, if it did and there may be another. The request was not run.
fn forget_refused(result: &Result<Response<Body>, Error>) -> bool {
    let Ok(response) = result else { return false };
    let Some(refused) = response.extensions().get::<Refused>() else { return false };
    refused.forget();
    true
}

/// The server's word counts at least.
fn wait(result: &Result<Response<Body>, Error>, jittered: Duration) -> Duration {
    let Ok(response) = result else { return jittered };
    match retry_after(response) {
        Some(asked) if is_paused(result) => asked,
        Some(asked) => asked.max(jittered),
        None => jittered,
    }
}

/// The rate limit has paused the class already and the next attempt waits there, in turn.
fn is_paused(result: &Result<Response<Body>, Error>) -> bool {
    result.as_ref().is_ok_and(|response| response.extensions().get::<Paused>().is_some())
}

fn fits(state: &CallState, wait: Duration) -> bool {
    match (state.deadline(), Instant::now().checked_add(wait)) {
        (_, None) => false,
        (None, _) => true,
        (Some(deadline), Some(moment)) => moment < deadline,
    }
}

fn note(state: &CallState, operation: &Operation, result: &Result<Response<Body>, Error>, wait: Duration) {
    let failure = match result {
        Ok(response) => match response.extensions().get::<ApiError>() {
            Some(api) => api.to_string(),
            None => response.status().to_string(),
        },
        Err(error) => error.to_string(),
    };
    let attempt = state.attempts();
    tracing::warn!(operation = operation.name(), attempt, ?wait, failure, "trying again");
    state.failed_with(failure);
}

/// The same request again, unless its body is a stream.
fn try_clone(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::sync::Mutex;

    const ONCE: Operation = Operation::new("once");
    const MANY: Operation = Operation::new("many").idempotent();

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Status(u16),
        After(u16, &'static str),
        Fails(ErrorKind),
    }
    use Step::{After, Fails, Status};

    /// Plays the steps, one per attempt, and counts them; the last one repeats.
    async fn play(
        steps: &'static [Step],
        operation: Operation,
        body: Body,
    ) -> (Result<u16, ErrorKind>, u32, f64) {
        let sent = Arc::new(Mutex::new(0_u32));
        let counter = Arc::clone(&sent);
        let leaf = tower::service_fn(move |_: Request<Body>| {
            let mut sent = counter.lock().unwrap();
            let step = steps[(*sent as usize).min(steps.len() - 1)];
            *sent += 1;
            futures::future::ready(match step {
                Status(code) => Ok(Response::builder().status(code).body(Body::empty()).unwrap()),
                After(code, value) => Ok(Response::builder()
                    .status(code)
                    .header(http::header::RETRY_AFTER, value)
                    .body(Body::empty())
                    .unwrap()),
                Fails(kind) => Err(Error::new(kind, "failed")),
            })
        });
        let mut request = Request::post("/x").body(body).unwrap();
        request.extensions_mut().insert(operation);
        request.extensions_mut().insert(CallState::start(&http::Method::POST, Duration::from_secs(300)));
        let start = Instant::now();
        let result = Retry::new(leaf, RetryConfig::default(), Jitter::none()).oneshot(request).await;
        let sent = *sent.lock().unwrap();
        let result = result.map(|response| response.status().as_u16()).map_err(|error| error.kind());
        (result, sent, start.elapsed().as_secs_f64())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_again_depends_on_whether_the_server_may_have_run_it() {
        type Row = (&'static [Step], Operation, Result<u16, ErrorKind>, u32);
        let table: &[Row] = &[
            (&[Status(200)], ONCE, Ok(200), 1),
            (&[Status(404)], MANY, Ok(404), 1),
            (&[Status(503), Status(200)], MANY, Ok(200), 2),
            (&[Status(503)], MANY, Ok(503), 3),
            (&[Status(503), Status(200)], ONCE, Ok(503), 1),
            (&[Status(500), Status(200)], ONCE, Ok(500), 1),
            (&[Status(501), Status(200)], MANY, Ok(501), 1),
            (&[Status(505), Status(200)], MANY, Ok(505), 1),
            (&[Status(507), Status(200)], MANY, Ok(507), 1),
            (&[Status(511), Status(200)], MANY, Ok(511), 1),
            (&[Status(520), Status(524), Status(200)], MANY, Ok(200), 3),
            (&[Status(598), Status(200)], MANY, Ok(200), 2),
            (&[Status(520), Status(200)], ONCE, Ok(520), 1),
            (&[Fails(ErrorKind::Connect), Status(200)], ONCE, Ok(200), 2),
            (&[Fails(ErrorKind::Connect)], ONCE, Err(ErrorKind::Connect), 3),
            (&[Fails(ErrorKind::Timeout), Status(200)], ONCE, Err(ErrorKind::Timeout), 1),
            (&[Fails(ErrorKind::Timeout), Fails(ErrorKind::Unavailable), Status(200)], MANY, Ok(200), 3),
            (&[Fails(ErrorKind::CircuitOpen), Status(200)], MANY, Err(ErrorKind::CircuitOpen), 1),
            (&[Fails(ErrorKind::Config), Status(200)], MANY, Err(ErrorKind::Config), 1),
        ];
        for (steps, operation, expected, attempts) in table {
            let (result, sent, _) = play(steps, *operation, Body::from("x")).await;
            assert_eq!((&result, sent), (expected, *attempts), "{steps:?} {operation:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_does_not_count_as_a_failure_and_is_always_sent_again() {
        const STEPS: &[Step] =
            &[After(429, "2"), After(429, "2"), After(429, "2"), After(429, "2"), Status(503), Status(200)];
        let (result, sent, _) = play(STEPS, MANY, Body::from("x")).await;
        assert_eq!((result, sent), (Ok(200), 6));
        let (result, sent, waited) = play(&[After(429, "7"), Status(200)], ONCE, Body::from("x")).await;
        assert_eq!((result, sent), (Ok(200), 2));
        assert!((7.0..7.1).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_past_the_deadline_returns_the_answer_at_once() {
        let (result, sent, waited) = play(&[After(429, "301"), Status(200)], MANY, Body::empty()).await;
        assert_eq!((result, sent, waited), (Ok(429), 1, 0.0));
        let (result, sent, _) = play(&[After(503, "99999999999999999999")], MANY, Body::empty()).await;
        assert_eq!((result, sent), (Ok(503), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_without_end_stops_before_the_deadline() {
        let (result, sent, waited) = play(&[Status(429)], ONCE, Body::empty()).await;
        assert_eq!(result, Ok(429));
        assert!(sent > 5 && waited < 300.0, "{sent} in {waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_streamed_body_is_never_sent_twice() {
        for steps in [&[Status(429), Status(200)][..], &[Status(503), Status(200)]] {
            let body = Body::from_stream(futures::stream::empty());
            let (result, sent, _) = play(steps, MANY, body).await;
            assert!(result.unwrap() >= 429 && sent == 1);
        }
    }

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        let config = RetryConfig::default();
        let millis: Vec<_> = (1..=8).map(|n| backoff(&config, n).as_millis()).collect();
        assert_eq!(millis, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff(&config, u32::MAX), config.max_delay);
    }

    #[test]
    fn one_attempt_and_zero_mean_no_repetition() {
        for attempts in [0, 1] {
            let config = RetryConfig::default().with_max_attempts(attempts);
            assert_eq!(decide(&config, &mut Counts::default(), Outcome::NotSent, true), None);
            assert!(decide(&config, &mut Counts::default(), Outcome::Throttled, false).is_some());
        }
    }

    #[test]
    fn jitter_stays_within_its_cap() {
        let jitter = Jitter::full();
        for _ in 0..1000 {
            assert!(jitter.0(Duration::from_millis(500)) <= Duration::from_millis(500));
        }
        assert_eq!(jitter.0(Duration::ZERO), Duration::ZERO);
    }
}
