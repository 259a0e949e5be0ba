//! The layer that sends a request again: it waits and resends, and leaves the decision to others.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::time::Instant;

use super::RetryPolicy;
use super::budget::Reserved;
use super::decision::{Cost, Counts, Outcome, decide};
use super::plan::{Stop, Wait};
use crate::auth::Refused;
use crate::body::Body;
use crate::error::{ApiError, ErrorKind};
use crate::operation::Operation;
use crate::service::{Answered as Answer, Exchange, Outgoing};
use crate::stack::CallState;

/// In an answer's extensions: why it was not asked for again although that might have helped. A hint for its error.
#[derive(Clone, Debug)]
pub(crate) struct NotRepeated(pub(crate) String);

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
    async fn send(&self, request: Outgoing) -> Answer {
        let mut call = Call::new(&self.policy, &request);
        let mut next = request;
        loop {
            let again = try_clone(&next);
            let result = self.inner.send(next).await;
            match call.after(result, again).await {
                ControlFlow::Continue(again) => next = again,
                ControlFlow::Break(result) => return result,
            }
        }
    }
}

/// One call, as it goes from attempt to attempt.
struct Call<'p> {
    policy: &'p RetryPolicy,
    operation: Operation,
    state: Arc<CallState>,
    counts: Counts,
    signed_again: bool,
    /// What is taken from the budget for the next attempt, and how many were sent before it.
    reserved: Option<(Reserved, u32)>,
    /// What the last repetition took from the budget.
    spent: Option<u32>,
    /// How the attempt before this one ended.
    previous: Option<Answer>,
}

impl<'p> Call<'p> {
    fn new(policy: &'p RetryPolicy, request: &Request<Body>) -> Self {
        Self {
            policy,
            operation: Operation::of(request),
            state: CallState::of(request),
            counts: Counts::default(),
            signed_again: false,
            reserved: None,
            spent: None,
            previous: None,
        }
    }

    /// What follows an attempt: another one after its wait, or the end of the call. `again` is the request once more,
    /// unless its body is a stream.
    async fn after(&mut self, result: Answer, again: Option<Outgoing>) -> ControlFlow<Answer, Outgoing> {
        self.pay();
        if let Err(refusal) = &result
            && refusal.kind() == ErrorKind::CircuitOpen
        {
            return ControlFlow::Break(self.before_the_refusal(result));
        }
        let result = self.refused_its_turn(result);
        let outcome = self.judge(&result);
        // Even a call that cannot be sent again shall not leave the next one with a token that was refused.
        let renews = !self.signed_again && forget_refused(&result);
        let Some(again) = again else { return ControlFlow::Break(result) };
        if renews {
            self.signed_again = true;
            self.note(&result, Duration::ZERO);
        } else {
            match self.plan(&result, outcome) {
                Ok(Duration::ZERO) => {}
                Ok(wait) => tokio::time::sleep(wait).await,
                Err(None) => return ControlFlow::Break(result),
                Err(Some(why)) => return ControlFlow::Break(explained(result, &why.to_string())),
            }
        }
        self.previous = Some(result);
        ControlFlow::Continue(again)
    }

    /// An open circuit kept this attempt from being sent: what was answered before, if anything was, says more.
    fn before_the_refusal(&mut self, refused: Answer) -> Answer {
        match (self.previous.take(), &refused) {
            (Some(previous), Err(refusal)) => {
                explained(previous, &format!("It was not sent again: {}.", refusal.message()))
            }
            _ => refused,
        }
    }

    /// The rate limit kept this attempt from being sent: what became of the one before is told with it.
    fn refused_its_turn(&self, result: Answer) -> Answer {
        match (&self.previous, self.state.last_failure(), result) {
            (Some(_), Some(failure), Err(error)) if error.kind() == ErrorKind::RateLimited => explained(
                Err(error),
                &format!("The attempt before it failed with: {}.", failure.trim_end_matches('.')),
            ),
            (_, _, result) => result,
        }
    }

    /// How the attempt ended, as far as sending again is concerned; noted where it is needed later.
    fn judge(&self, result: &Answer) -> Outcome {
        let outcome = Outcome::of(result);
        self.state.settled(outcome.is_unknown());
        if outcome == Outcome::Final && result.is_ok() {
            self.policy.budget.succeeded(self.spent);
        }
        outcome
    }

    /// How long to sleep before the next attempt, when there is to be one; what it costs is reserved.
    fn plan(&mut self, result: &Answer, outcome: Outcome) -> Result<Duration, Option<Stop>> {
        let RetryPolicy { config, jitter, budget } = self.policy;
        let idempotent = self.operation.is_idempotent();
        let again = decide(config, &mut self.counts, outcome, idempotent).ok_or(None)?;
        let wait = Wait::new(result, jitter, again.longest_wait);
        wait.check(&self.state, Instant::now())?;
        let reserved = match again.cost {
            Cost::Nothing => None,
            cost => Some(budget.reserve(cost == Cost::AfterTimeout).ok_or(Stop::BudgetSpent)?),
        };
        self.reserved = reserved.map(|reserved| (reserved, self.state.attempts()));
        self.note(result, wait.time);
        Ok(if wait.is_elsewhere { Duration::ZERO } else { wait.time })
    }

    /// Pays for a repetition that was sent; for one that was given up before, nothing.
    fn pay(&mut self) {
        let Some((reserved, before)) = self.reserved.take() else { return };
        if self.state.attempts() > before {
            self.spent = Some(reserved.spend());
        }
    }

    fn note(&self, result: &Answer, wait: Duration) {
        let failure = match result {
            Ok(response) => match response.extensions().get::<ApiError>() {
                Some(api) => api.to_string(),
                None => response.status().to_string(),
            },
            Err(error) => error.to_string(),
        };
        let attempt = self.state.attempts();
        tracing::warn!(operation = self.operation.name(), attempt, ?wait, failure, "trying again");
        self.state.failed_with(failure);
    }
}

/// Dropped, the call is over, or was given up.
impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.pay();
    }
}

/// Gives up the token that the server refused, if it did and there may be another. The request was not run.
fn forget_refused(result: &Answer) -> bool {
    let Ok(response) = result else { return false };
    let Some(refused) = response.extensions().get::<Refused>() else { return false };
    refused.forget()
}

/// The same with a sentence about why that is the end.
fn explained(result: Answer, why: &str) -> Answer {
    match result {
        Ok(mut response) => {
            response.extensions_mut().insert(NotRepeated(why.to_owned()));
            Ok(response)
        }
        Err(error) => {
            let hint = error.hint().map_or_else(|| why.to_owned(), |hint| format!("{hint} {why}"));
            Err(error.with_hint(hint))
        }
    }
}

/// The same request again, unless its body is a stream.
fn try_clone(request: &Request<Body>) -> Option<Outgoing> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(Box::new(copy))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::jitter::Jitter;
    use super::*;
    use crate::config::{RetryBudget, RetryConfig};
    use crate::error::Error;
    use http::Response;
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
    ) -> Answer {
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
        request.extensions_mut().insert(CallState::start(&http::Method::POST, Duration::from_secs(300)));
        Retry::new(leaf, Arc::clone(policy)).send(Box::new(request)).await
    }

    /// What a call ends with, and why it was not repeated.
    fn told(result: Answer) -> (String, String) {
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
        let state = CallState::start(&http::Method::POST, Duration::from_secs(300));
        request.extensions_mut().insert(Arc::clone(&state));
        Retry::new(leaf, policy(RetryConfig::default())).send(Box::new(request)).await.unwrap_err();
        assert_eq!(*sent.lock().unwrap(), 3);
        assert!(!state.summary(&ONCE).ambiguous, "it was not run");
    }
}
