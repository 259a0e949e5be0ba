//! The layer that sends a request again: it waits and resends, and leaves the decision to others.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::RetryPolicy;
use super::call::Call;
use crate::service::{Answered, Exchange, Outgoing};

/// Sends a request again when that is safe and worth it.
///
/// An open circuit is not waited for: the call ends at once, with the failure that it has met itself, if it has, and
/// with [`ErrorKind::CircuitOpen`] if nothing was sent.
#[derive(Clone, Debug)]
pub(crate) struct Retry<S> {
    inner: S,
    policy: Arc<RetryPolicy>,
}

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, policy: Arc<RetryPolicy>) -> Self {
        Self { inner, policy }
    }
}

impl<S: Exchange> Exchange for Retry<S> {
    async fn send(&self, request: Outgoing<'_>) -> Answered {
        let mut call = Call::new(&self.policy, &request);
        let mut next = request;
        loop {
            let again = next.try_clone();
            let result = self.inner.send(next).await;
            match call.after(result, again).await {
                ControlFlow::Continue(again) => next = again,
                ControlFlow::Break(result) => return result,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::call::NotRepeated;
    use super::super::jitter::Jitter;
    use super::*;
    use crate::auth::{Auth, Authorization, Authorize, source};
    use crate::body::Body;
    use crate::config::{DatabricksConfig, RetryBudget, RetryConfig};
    use crate::error::Error;
    use crate::error::ErrorKind;
    use crate::operation::Operation;
    use crate::service::enter;
    use crate::stack::CallState;
    use http::{Request, Response};
    use std::sync::Mutex;
    use std::time::Duration;
    use tokio::time::Instant;

    const ONCE: Operation = Operation::new("once");
    const MANY: Operation = Operation::new("many").idempotent();

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Status(u16),
        After(u16, &'static str),
        Fails(ErrorKind),
    }
    use Step::{After, Fails, Status};

    fn policy(config: RetryConfig) -> Arc<RetryPolicy> {
        RetryPolicy::new(config, Jitter::none())
    }

    /// Plays the steps, one per attempt, and counts them; the last one repeats.
    async fn play(
        steps: &'static [Step],
        operation: Operation,
        body: Body,
    ) -> (Result<u16, ErrorKind>, u32, f64) {
        let sent = Arc::default();
        let start = Instant::now();
        let result = run(&policy(RetryConfig::default()), steps, operation, body, &sent).await;
        let sent = *sent.lock().unwrap();
        let result = result.map(|response| response.status().as_u16()).map_err(|error| error.kind());
        (result, sent, start.elapsed().as_secs_f64())
    }

    async fn run(
        policy: &Arc<RetryPolicy>,
        steps: &'static [Step],
        operation: Operation,
        body: Body,
        sent: &Arc<Mutex<u32>>,
    ) -> Answered {
        let counter = Arc::clone(sent);
        let leaf = tower::service_fn(move |request: Request<Body>| {
            CallState::of(&request).sent();
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
        let state = CallState::start(&http::Method::POST, Duration::from_secs(300));
        request.extensions_mut().insert(Arc::new(state));
        enter(&Retry::new(leaf, Arc::clone(policy)), request).await
    }

    /// What a call ends with, and why it was not repeated.
    fn told(result: Answered) -> (String, String) {
        match result {
            Ok(mut response) => {
                let why = response.extensions_mut().remove::<NotRepeated>().map(|NotRepeated(why)| why);
                (response.status().as_u16().to_string(), why.unwrap_or_default())
            }
            Err(error) => (error.kind().as_str().to_owned(), error.hint().unwrap_or_default().to_owned()),
        }
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
        assert!((7.5..7.6).contains(&waited), "{waited}");
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

    #[tokio::test(start_paused = true)]
    async fn a_common_retry_after_brings_nobody_back_at_the_same_moment() {
        let policy = RetryPolicy::new(RetryConfig::default(), Jitter::seeded(7));
        let start = Instant::now();
        let calls = (0..20).map(|_| async {
            const STEPS: &[Step] = &[After(503, "10"), Status(200)];
            run(&policy, STEPS, MANY, Body::empty(), &Arc::default()).await.unwrap();
            start.elapsed()
        });
        let mut ends = futures::future::join_all(calls).await;
        assert!(ends.iter().all(|end| *end >= Duration::from_secs(10)));
        ends.sort_unstable();
        ends.dedup();
        assert!(ends.len() > 15, "{ends:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_share_a_budget_and_the_one_that_finds_it_spent_says_so() {
        let policy = policy(RetryConfig::default().with_budget(RetryBudget::default().with_capacity(12)));
        const BUSY: &[Step] = &[Status(503)];
        let mut sent = Vec::new();
        let mut why = String::new();
        for _ in 0..3 {
            let count = Arc::default();
            let (end, last) = told(run(&policy, BUSY, MANY, Body::empty(), &count).await);
            assert_eq!(end, "503");
            sent.push(*count.lock().unwrap());
            why = last;
        }
        assert_eq!(sent, [3, 1, 1], "two repetitions, and then there is no more for anybody");
        assert_eq!(
            why,
            "It was not sent again: too many calls were failing, and the client's retry budget is spent."
        );
        // What the server's quota governs costs nothing, and successes pay back one by one.
        let count = Arc::default();
        run(&policy, &[After(429, "1"), Status(200)], ONCE, Body::empty(), &count).await.unwrap();
        assert_eq!((*count.lock().unwrap(), policy.budget.tokens()), (2, 3));
        // A repetition that succeeds costs nothing in the end.
        policy.budget.succeeded(Some(9));
        run(&policy, &[Status(503), Status(200)], MANY, Body::empty(), &Arc::default()).await.unwrap();
        assert_eq!(policy.budget.tokens(), 12);
    }

    /// A credential that can always be had again.
    struct Renewing;

    impl Authorize for Renewing {
        async fn authorize(&self) -> Result<Authorization, Error> {
            Authorization::bearer("token".to_owned())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_repetition_is_paid_back_once_though_a_token_is_refused_after_it() {
        let policy = policy(RetryConfig::default());
        for _ in 0..20 {
            policy.budget.reserve(false).unwrap().spend();
        }
        assert_eq!(policy.budget.tokens(), 400);
        let sent = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&sent);
        let leaf = tower::service_fn(move |request: Request<Body>| {
            CallState::of(&request).sent();
            let mut sent = counter.lock().unwrap();
            *sent += 1;
            let status: u16 = [503, 401, 200][*sent - 1];
            let answer = Response::builder().status(status).body(Body::empty()).unwrap();
            futures::future::ready(Ok::<_, Error>(answer))
        });
        let config = DatabricksConfig::new("h.example").unwrap().with_authorize(Renewing);
        let source = source(&config, leaf.clone(), &Jitter::none()).unwrap();
        let mut request = Request::post("/x").body(Body::empty()).unwrap();
        request.extensions_mut().insert(MANY);
        let state = CallState::start(&http::Method::POST, Duration::from_secs(300));
        request.extensions_mut().insert(Arc::new(state));
        let stack = Retry::new(Auth::new(leaf, source), Arc::clone(&policy));
        let answer = enter(&stack, request).await.unwrap();
        assert_eq!((answer.status().as_u16(), *sent.lock().unwrap()), (200, 3));
        assert_eq!(policy.budget.tokens(), 400);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_costs_more_than_a_failure() {
        let policy = policy(RetryConfig::default());
        let steps = &[Fails(ErrorKind::Timeout), Status(503), Status(404)];
        let result = run(&policy, steps, MANY, Body::empty(), &Arc::default()).await;
        assert_eq!(told(result).0, "404");
        assert_eq!(policy.budget.tokens(), 490, "the last repetition is paid back, the timeout is not");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_while_it_waits_spends_nothing() {
        let policy = policy(RetryConfig::default());
        let sent = Arc::default();
        let call = run(&policy, &[Status(503)], MANY, Body::empty(), &sent);
        let limit = Duration::from_millis(499);
        tokio::time::timeout(limit, call).await.unwrap_err();
        assert_eq!((*sent.lock().unwrap(), policy.budget.tokens()), (1, 500));
        let call = run(&policy, &[Status(503)], MANY, Body::empty(), &sent);
        let limit = Duration::from_millis(501);
        tokio::time::timeout(limit, call).await.unwrap_err();
        assert_eq!((*sent.lock().unwrap(), policy.budget.tokens()), (3, 495), "what was sent is paid for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_circuit_that_opens_meanwhile_ends_the_call_with_what_it_has_met() {
        let steps = &[Status(503), Fails(ErrorKind::CircuitOpen)];
        let result = run(&policy(RetryConfig::default()), steps, MANY, Body::empty(), &Arc::default()).await;
        assert_eq!(told(result), ("503".to_owned(), "It was not sent again: failed.".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_did_not_take_up_is_sent_again_whatever_it_does() {
        let sent = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&sent);
        let leaf = tower::service_fn(move |_: Request<Body>| {
            *counter.lock().unwrap() += 1;
            futures::future::ready(Err::<Response<Body>, _>(
                Error::new(ErrorKind::Unavailable, "refused stream").with_unprocessed(),
            ))
        });
        let mut request = Request::post("/x").body(Body::empty()).unwrap();
        let state = Arc::new(CallState::start(&http::Method::POST, Duration::from_secs(300)));
        request.extensions_mut().insert(Arc::clone(&state));
        enter(&Retry::new(leaf, policy(RetryConfig::default())), request).await.unwrap_err();
        assert_eq!(*sent.lock().unwrap(), 3);
        assert!(!state.summary(&ONCE).ambiguous, "it was not run");
    }
}
