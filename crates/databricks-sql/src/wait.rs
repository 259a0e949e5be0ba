//! Waiting for a statement's end: polling with backoff, within a deadline.

use std::time::Duration;

use databricks_transport::{Error, ErrorKind};
use tokio::time::Instant;
use tracing::Instrument;

use crate::api::Api;
use crate::cancel::{CancelGuard, Submission, cancel_quietly};
use crate::progress::Meter;
use crate::wire::{ServiceError, StatementResponse};
use crate::{Result, SqlError, StatementFailure, StatementId, StatementState};

/// How long the server may hold back the answer to a submission. The API takes none, or 5 to 50 s.
const MAX_HELD: Duration = Duration::from_secs(30);
const MIN_HELD: Duration = Duration::from_secs(5);

const FIRST_POLL: Duration = Duration::from_millis(200);
const MAX_POLL: Duration = Duration::from_secs(5);
/// How long polls, each already retried by the transport, may fail in a row before the wait gives up. The statement
/// runs on through an outage of the API.
const OUTAGE: Duration = Duration::from_secs(5 * 60);
/// How many refusals in a row, such as of a credential that is being renewed, are asked again.
const REFUSALS: u32 = 3;
/// How much later than the deadline the answer to a submission may come.
const ANSWER_GRACE: Duration = Duration::from_secs(5);
/// What telling the server to cancel may take once the time is over.
const CANCEL_TIME: Duration = Duration::from_secs(10);

/// The time that a statement has, counted from its submission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    limit: Option<(Instant, Duration)>,
}

impl Deadline {
    pub(crate) fn after(timeout: Option<Duration>) -> Self {
        let limit = timeout.and_then(|timeout| Some((Instant::now().checked_add(timeout)?, timeout)));
        Self { limit }
    }

    /// The `wait_timeout` to ask for: a fast statement then takes one round trip, and a short deadline still has
    /// a statement id to cancel by. So has a client whose calls may take no longer than `call`: an answer that is held
    /// as long would be lost, and the id with it.
    pub(crate) fn held(timeout: Option<Duration>, call: Duration) -> Duration {
        match timeout.unwrap_or(MAX_HELD).min(MAX_HELD).min(call / 2) {
            held if held < MIN_HELD => Duration::ZERO,
            held => Duration::from_secs(held.as_secs()),
        }
    }

    /// Waits for the answer to a submission. It should come by the deadline, as the server was asked not to hold it
    /// longer. What has not been sent by then is not sent; for what has, the caller is kept a little longer.
    ///
    /// # Errors
    /// A timeout of what was not sent, or an ambiguous one: the statement has no id yet. Its answer, if one comes, cancels
    /// it.
    pub(crate) async fn bound_submission(
        &self,
        mut submission: Submission,
    ) -> Result<(StatementResponse, CancelGuard)> {
        let Some((at, timeout)) = self.limit else { return submission.await };
        if let Ok(answer) = tokio::time::timeout_at(at, &mut submission).await {
            return answer;
        }
        submission.call_off();
        let patience = at.checked_add(ANSWER_GRACE).unwrap_or(at);
        tokio::time::timeout_at(patience, submission).await.unwrap_or_else(|_| {
            let message = format!("the server did not answer the submission within {timeout:?}");
            Err(SqlError::Transport(Error::new(ErrorKind::Timeout, message).with_ambiguous(true)))
        })
    }

    /// Runs `work` while there is time, else `None`.
    async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.limit {
            Some((at, _)) => tokio::time::timeout_at(at, work).await.ok(),
            None => Some(work.await),
        }
    }
}

/// Polls until the statement has ended well, and returns the answer that says so. `first` is an answer that is there
/// already.
///
/// # Errors
/// The statement's own end, or [`SqlError::Unsettled`] when the server does not say how it ended.
pub(crate) async fn until_success(
    api: &Api,
    id: &StatementId,
    first: Option<StatementResponse>,
    deadline: Deadline,
    meter: &Meter,
) -> Result<StatementResponse> {
    match deadline.bound(poll_until_success(api, id, first, meter)).await {
        Some(outcome) => outcome.map_err(|error| error.after_acceptance(id)),
        None => Err(time_is_up(api, id.clone(), deadline).await),
    }
}

async fn poll_until_success(
    api: &Api,
    id: &StatementId,
    first: Option<StatementResponse>,
    meter: &Meter,
) -> Result<StatementResponse> {
    let mut response = match first {
        Some(response) => response,
        None => poll(api, id).await?,
    };
    let mut delay = FIRST_POLL;
    loop {
        meter.state(&response.status.state);
        if has_succeeded(&response)? {
            return Ok(response);
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(MAX_POLL);
        response = poll(api, id).await?;
    }
}

/// One poll that passing faults do not end: the statement runs on, whatever happens to a question about it.
async fn poll(api: &Api, id: &StatementId) -> Result<StatementResponse> {
    let mut pause = FIRST_POLL;
    let (mut since, mut refusals) = (None, 0);
    loop {
        let error = match api.get(id).await {
            Err(SqlError::Transport(error)) => error,
            outcome => return outcome,
        };
        let again = if error.is_retryable() {
            since.get_or_insert_with(Instant::now).elapsed() < OUTAGE
        } else {
            refusals += 1;
            may_change(error.kind()) && refusals <= REFUSALS
        };
        if !again {
            return Err(error.into());
        }
        tracing::warn!(statement_id = %id, %error, ?pause, "poll failed; asking again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_POLL);
    }
}

/// Refusals that another answer may follow: of a token that is being replaced, of a server that does not know the
/// statement yet, of a proxy in between.
fn may_change(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Auth | ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::Decode)
}

async fn time_is_up(api: &Api, id: StatementId, deadline: Deadline) -> SqlError {
    let timeout = deadline.limit.map(|(_, timeout)| timeout).unwrap_or_default();
    tracing::warn!(statement_id = %id, ?timeout, "statement timed out; cancelling it");
    // The caller is not kept for longer, but the server is told as long as it can be.
    let (api, told) = (api.clone(), id.clone());
    let cancel = tokio::spawn(async move { cancel_quietly(&api, &told).await }.in_current_span());
    if tokio::time::timeout(CANCEL_TIME, cancel).await.is_err() {
        tracing::warn!(statement_id = %id, "the server did not confirm the cancellation");
    }
    SqlError::StatementTimeout { statement_id: id, timeout }
}

/// Whether the statement has ended well; an error if it ended otherwise.
pub(crate) fn has_succeeded(response: &StatementResponse) -> Result<bool> {
    match StatementState::parse(&response.status.state) {
        StatementState::Succeeded => Ok(true),
        // A result that came with its own closing is complete; without one it is gone.
        StatementState::Closed if response.result.is_some() || response.manifest.is_some() => Ok(true),
        StatementState::Pending | StatementState::Running | StatementState::Unknown(_) => Ok(false),
        state => Err(failure(response, &state)),
    }
}

fn failure(response: &StatementResponse, state: &StatementState) -> SqlError {
    let statement_id = response.statement_id.clone();
    let status = &response.status;
    let ServiceError { error_code, message } = status.error.clone().unwrap_or_default();
    let message = message.trim();
    match state {
        StatementState::Closed => SqlError::Closed { statement_id },
        StatementState::Canceled => {
            SqlError::Canceled { statement_id, message: (!message.is_empty()).then(|| message.into()) }
        }
        _ => {
            let mut failure = StatementFailure::parse(statement_id, error_code, message);
            failure.sql_state = status.sql_state.clone().or(failure.sql_state);
            SqlError::StatementFailed(Box::new(failure))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn response(json: serde_json::Value) -> StatementResponse {
        serde_json::from_value(json).unwrap()
    }

    fn outcome(status: serde_json::Value) -> Result<bool> {
        has_succeeded(&response(serde_json::json!({ "statement_id": "s1", "status": status })))
    }

    #[test]
    fn server_holds_an_answer_only_as_long_as_the_deadline_allows() {
        let seconds = Duration::from_secs;
        for (timeout, held) in [(None, 30), (Some(3), 0), (Some(5), 5), (Some(12), 12), (Some(600), 30)] {
            assert_eq!(Deadline::held(timeout.map(seconds), seconds(300)), seconds(held), "{timeout:?}");
        }
        assert_eq!(Deadline::held(Some(Duration::from_millis(7_900)), seconds(300)), seconds(7));
    }

    #[test]
    fn server_holds_an_answer_for_no_more_than_half_of_what_a_call_may_take() {
        let seconds = Duration::from_secs;
        for (call, held) in [(1, 0), (9, 0), (10, 5), (31, 15), (60, 30), (u64::MAX, 30)] {
            assert_eq!(Deadline::held(None, seconds(call)), seconds(held), "{call}");
        }
        assert_eq!(Deadline::held(Some(seconds(7)), seconds(40)), seconds(7));
    }

    #[test]
    fn state_decides_between_waiting_success_and_failure() {
        assert!(!outcome(serde_json::json!({"state": "PENDING"})).unwrap());
        assert!(!outcome(serde_json::json!({"state": "RUNNING"})).unwrap());
        assert!(!outcome(serde_json::json!({"state": "QUEUED_LATER"})).unwrap());
        assert!(outcome(serde_json::json!({"state": "SUCCEEDED"})).unwrap());
        assert!(matches!(outcome(serde_json::json!({"state": "CANCELED"})), Err(SqlError::Canceled { .. })));
        assert!(matches!(outcome(serde_json::json!({"state": "CLOSED"})), Err(SqlError::Closed { .. })));
    }

    #[test]
    fn closed_with_a_result_is_success() {
        let closed = response(serde_json::json!({
            "statement_id": "s1", "status": {"state": "CLOSED"},
            "manifest": {"schema": {"column_count": 0}}, "result": {},
        }));
        assert!(has_succeeded(&closed).unwrap());
    }

    #[test]
    fn failed_statement_names_class_state_code_and_text() {
        let error = outcome(serde_json::json!({"state": "FAILED", "error": {
            "error_code": "BAD_REQUEST",
            "message": "\n[TABLE_OR_VIEW_NOT_FOUND] No table `a`. SQLSTATE: 42P01\n",
        }}))
        .unwrap_err();
        assert_eq!(error.error_class(), Some("TABLE_OR_VIEW_NOT_FOUND"));
        assert_eq!(error.sql_state(), Some("42P01"));
        assert_eq!(error.position(), None);
        insta::assert_snapshot!(error, @"statement s1 failed: [TABLE_OR_VIEW_NOT_FOUND] No table `a`. SQLSTATE: 42P01");
    }

    #[test]
    fn state_of_the_status_wins_over_the_text() {
        let error = outcome(serde_json::json!({
            "state": "FAILED", "sql_state": "22012", "error": {"error_code": "BAD_REQUEST", "message": "x"},
        }))
        .unwrap_err();
        assert_eq!(error.sql_state(), Some("22012"));
    }
}
