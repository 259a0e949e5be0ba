//! One call between its attempts: what the last one means for the next.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::Instant;

use super::RetryPolicy;
use super::budget::Reserved;
use super::decision::{Cost, Counts, Outcome, decide};
use super::plan::{Stop, Wait};
use crate::auth::Refused;
use crate::error::{ApiError, ErrorKind};
use crate::operation::Operation;
use crate::service::{Answered, Outgoing};
use crate::stack::CallState;

/// In an answer's extensions: why it was not asked for again although that might have helped. A hint for its error.
#[derive(Clone, Debug)]
pub(crate) struct NotRepeated(pub(crate) String);

/// One call, as it goes from attempt to attempt.
pub(super) struct Call<'c> {
    policy: &'c RetryPolicy,
    operation: &'c Operation,
    state: &'c CallState,
    counts: Counts,
    signed_again: bool,
    /// What is taken from the budget for the next attempt, and how many were sent before it.
    reserved: Option<(Reserved, u32)>,
    /// What the last repetition took from the budget.
    spent: Option<u32>,
    /// How the attempt before this one ended.
    previous: Option<Answered>,
}

impl<'c> Call<'c> {
    pub(super) fn new(policy: &'c RetryPolicy, request: &Outgoing<'c>) -> Self {
        Self {
            policy,
            operation: request.operation,
            state: request.call,
            counts: Counts::default(),
            signed_again: false,
            reserved: None,
            spent: None,
            previous: None,
        }
    }

    /// What follows an attempt: another one after its wait, or the end of the call. `again` is the request once more,
    /// unless its body is a stream.
    pub(super) async fn after(
        &mut self,
        result: Answered,
        again: Option<Outgoing<'c>>,
    ) -> ControlFlow<Answered, Outgoing<'c>> {
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
        let Some(again) = again.filter(|_| !self.state.is_called_off()) else {
            return ControlFlow::Break(result);
        };
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
    fn before_the_refusal(&mut self, refused: Answered) -> Answered {
        match (self.previous.take(), &refused) {
            (Some(previous), Err(refusal)) => {
                explained(previous, &format!("It was not sent again: {}.", refusal.message()))
            }
            _ => refused,
        }
    }

    /// The rate limit kept this attempt from being sent: what became of the one before is told with it.
    fn refused_its_turn(&self, result: Answered) -> Answered {
        match (&self.previous, self.state.last_failure(), result) {
            (Some(_), Some(failure), Err(error)) if error.kind() == ErrorKind::RateLimited => explained(
                Err(error),
                &format!("The attempt before it failed with: {}.", failure.trim_end_matches('.')),
            ),
            (_, _, result) => result,
        }
    }

    /// How the attempt ended, as far as sending again is concerned; noted where it is needed later.
    fn judge(&self, result: &Answered) -> Outcome {
        let outcome = Outcome::of(result);
        self.state.settled(outcome.is_unknown());
        // A token that was refused says nothing about the request: what is answered to the next one pays back.
        if outcome == Outcome::Final && result.is_ok() && refused_token(result).is_none() {
            self.policy.budget.succeeded(self.spent);
        }
        outcome
    }

    /// How long to sleep before the next attempt, when there is to be one; what it costs is reserved.
    fn plan(&mut self, result: &Answered, outcome: Outcome) -> Result<Duration, Option<Stop>> {
        let RetryPolicy { config, jitter, budget } = self.policy;
        let idempotent = self.operation.is_idempotent();
        let again = decide(config, &mut self.counts, outcome, idempotent).ok_or(None)?;
        let wait = Wait::new(result, jitter, again.longest_wait);
        wait.check(self.state, Instant::now())?;
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

    fn note(&self, result: &Answered, wait: Duration) {
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
fn forget_refused(result: &Answered) -> bool {
    refused_token(result).is_some_and(Refused::forget)
}

fn refused_token(result: &Answered) -> Option<&Refused> {
    result.as_ref().ok()?.extensions().get()
}

/// The same with a sentence about why that is the end.
fn explained(result: Answered, why: &str) -> Answered {
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
