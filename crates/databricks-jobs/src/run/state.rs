//! How a run stands: the new `status` and the old `state` of the API, read as one.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where a run or a task is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunState {
    /// Waiting for a task it depends on.
    Blocked,
    /// Waiting for resources.
    Pending,
    /// Waiting for other runs of the job.
    Queued,
    /// At work.
    Running,
    /// Done with its work, cleaning up.
    Terminating,
    /// Failed, and about to be tried again.
    WaitingForRetry,
    /// Over.
    Terminated(RunOutcome),
    /// A state this crate does not know; taken as not over.
    Unknown(String),
}

impl RunState {
    /// How the run ended; `None` while it has not.
    pub fn outcome(&self) -> Option<&RunOutcome> {
        match self {
            Self::Terminated(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether the run is over.
    pub fn is_terminal(&self) -> bool {
        self.outcome().is_some()
    }
}

/// The API's word for it: `RUNNING`, `TERMINATED (FAILED)`.
impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked => f.write_str("BLOCKED"),
            Self::Pending => f.write_str("PENDING"),
            Self::Queued => f.write_str("QUEUED"),
            Self::Running => f.write_str("RUNNING"),
            Self::Terminating => f.write_str("TERMINATING"),
            Self::WaitingForRetry => f.write_str("WAITING_FOR_RETRY"),
            Self::Terminated(outcome) => write!(f, "TERMINATED ({outcome})"),
            Self::Unknown(state) => f.write_str(state),
        }
    }
}

/// How a run or a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunOutcome {
    /// All of it worked.
    Success,
    /// The run worked although some of its tasks failed, as its job allows.
    SuccessWithFailures,
    /// It failed.
    Failed,
    /// Someone cancelled it.
    Canceled,
    /// It took longer than its job allows.
    TimedOut,
    /// It never started: a limit on concurrent or queued runs, a disabled task, a condition not met.
    Skipped,
    /// A task did not start because one it depends on failed or was cancelled.
    UpstreamFailed,
    /// Databricks failed, not the job.
    InternalError,
    /// An ending this crate does not know; taken as a failure.
    Unknown(String),
}

impl RunOutcome {
    /// Whether the run did what it was to do.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Success | Self::SuccessWithFailures)
    }
}

impl fmt::Display for RunOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "SUCCESS",
            Self::SuccessWithFailures => "SUCCESS_WITH_FAILURES",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
            Self::TimedOut => "TIMEDOUT",
            Self::Skipped => "SKIPPED",
            Self::UpstreamFailed => "UPSTREAM_FAILED",
            Self::InternalError => "INTERNAL_ERROR",
            Self::Unknown(outcome) => outcome,
        })
    }
}

/// The API's `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunStatus {
    /// `BLOCKED`, `PENDING`, `QUEUED`, `RUNNING`, `TERMINATING`, `TERMINATED`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How and why it ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_details: Option<TerminationDetails>,
    /// What else the server said, `queue_details` for instance.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How and why a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TerminationDetails {
    /// `SUCCESS`, `RUN_EXECUTION_ERROR`, `USER_CANCELED`, `CLUSTER_ERROR`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whose fault it was: `SUCCESS`, `CLIENT_ERROR`, `INTERNAL_ERROR`, `CLOUD_FAILURE`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What happened, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The API's older `state`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LegacyState {
    /// `PENDING`, `RUNNING`, `TERMINATED`, `SKIPPED`, `INTERNAL_ERROR`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_cycle_state: Option<String>,
    /// `SUCCESS`, `FAILED`, `TIMEDOUT`, `CANCELED`, ... once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_state: Option<String>,
    /// What happened, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_message: Option<String>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Reads `status`, and `state` where that is missing, says less, or says what this crate does not know.
pub(crate) fn read(status: Option<&RunStatus>, legacy: Option<&LegacyState>) -> RunState {
    let known = status.and_then(|status| Some((status.state.as_deref()?, status)));
    let old = || legacy.map(from_legacy).filter(|state| !matches!(state, RunState::Unknown(_)));
    match known {
        Some(("TERMINATED", status)) => RunState::Terminated(ending(status, legacy)),
        Some((word, _)) => match living(word) {
            RunState::Unknown(word) => old().unwrap_or(RunState::Unknown(word)),
            state => state,
        },
        None => legacy.map_or_else(|| RunState::Unknown(NO_STATE.into()), from_legacy),
    }
}

const NO_STATE: &str = "no state in the answer";

fn living(state: &str) -> RunState {
    match state {
        "BLOCKED" => RunState::Blocked,
        "PENDING" => RunState::Pending,
        "QUEUED" => RunState::Queued,
        "RUNNING" => RunState::Running,
        "TERMINATING" => RunState::Terminating,
        "WAITING" | "WAITING_FOR_RETRY" => RunState::WaitingForRetry,
        other => RunState::Unknown(other.to_owned()),
    }
}

fn from_legacy(legacy: &LegacyState) -> RunState {
    match legacy.life_cycle_state.as_deref() {
        Some("TERMINATED") => RunState::Terminated(legacy_result(legacy)),
        Some("SKIPPED") => RunState::Terminated(RunOutcome::Skipped),
        Some("INTERNAL_ERROR") => RunState::Terminated(RunOutcome::InternalError),
        Some(state) => living(state),
        None => RunState::Unknown(NO_STATE.into()),
    }
}

/// The termination code tells most; what it has no word for (a timeout, a failed upstream task), or a word that this crate
/// does not know, the old state tells.
fn ending(status: &RunStatus, legacy: Option<&LegacyState>) -> RunOutcome {
    let legacy = legacy.map(legacy_result);
    if let Some(outcome @ (RunOutcome::TimedOut | RunOutcome::UpstreamFailed)) = legacy {
        return outcome;
    }
    let details = status.termination_details.as_ref();
    let kind = details.and_then(|details| details.kind.as_deref());
    match details.and_then(|details| details.code.as_deref()) {
        Some("SUCCESS") => RunOutcome::Success,
        Some("SUCCESS_WITH_FAILURES") => RunOutcome::SuccessWithFailures,
        Some("CANCELED" | "USER_CANCELED") => RunOutcome::Canceled,
        Some("SKIPPED" | "DISABLED" | "MAX_CONCURRENT_RUNS_EXCEEDED" | "MAX_JOB_QUEUE_SIZE_EXCEEDED") => {
            RunOutcome::Skipped
        }
        Some("INTERNAL_ERROR") => RunOutcome::InternalError,
        Some(_) if kind == Some("INTERNAL_ERROR") => RunOutcome::InternalError,
        Some(_) => legacy.filter(|old| !matches!(old, RunOutcome::Unknown(_))).unwrap_or(RunOutcome::Failed),
        None => legacy.unwrap_or_else(|| RunOutcome::Unknown("no termination code in the answer".into())),
    }
}

fn legacy_result(legacy: &LegacyState) -> RunOutcome {
    match legacy.result_state.as_deref() {
        Some("SUCCESS") => RunOutcome::Success,
        Some("SUCCESS_WITH_FAILURES") => RunOutcome::SuccessWithFailures,
        Some("FAILED") => RunOutcome::Failed,
        Some("CANCELED") => RunOutcome::Canceled,
        Some("TIMEDOUT") => RunOutcome::TimedOut,
        Some("MAXIMUM_CONCURRENT_RUNS_REACHED" | "EXCLUDED" | "DISABLED") => RunOutcome::Skipped,
        Some("UPSTREAM_FAILED" | "UPSTREAM_CANCELED") => RunOutcome::UpstreamFailed,
        Some(other) => RunOutcome::Unknown(other.to_owned()),
        None if legacy.life_cycle_state.as_deref() == Some("INTERNAL_ERROR") => RunOutcome::InternalError,
        None if legacy.life_cycle_state.as_deref() == Some("SKIPPED") => RunOutcome::Skipped,
        None => RunOutcome::Unknown("no result in the answer".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn state_of(value: Value) -> String {
        let status: Option<RunStatus> = serde_json::from_value(value["status"].clone()).unwrap();
        let legacy: Option<LegacyState> = serde_json::from_value(value["state"].clone()).unwrap();
        read(status.as_ref(), legacy.as_ref()).to_string()
    }

    fn ended(code: &str, kind: &str) -> Value {
        json!({"status": {"state": "TERMINATED", "termination_details": {"code": code, "type": kind}}})
    }

    #[test]
    fn status_is_read_first_and_state_fills_in() {
        for (value, state) in [
            (json!({"status": {"state": "RUNNING"}, "state": {"life_cycle_state": "PENDING"}}), "RUNNING"),
            (json!({"status": {"state": "QUEUED", "queue_details": {}}}), "QUEUED"),
            (json!({"status": {"state": "HIBERNATING"}}), "HIBERNATING"),
            (json!({"status": {"state": "WAKING"}, "state": {"life_cycle_state": "DREAMING"}}), "WAKING"),
            (
                json!({"status": {"state": "GONE"}, "state": {"life_cycle_state": "SKIPPED"}}),
                "TERMINATED (SKIPPED)",
            ),
            (
                json!({"status": {"state": "DONE"}, "state": {"life_cycle_state": "TERMINATED", "result_state": "FAILED"}}),
                "TERMINATED (FAILED)",
            ),
            (json!({"state": {"life_cycle_state": "WAITING_FOR_RETRY"}}), "WAITING_FOR_RETRY"),
            (json!({"status": {}, "state": {"life_cycle_state": "RUNNING"}}), "RUNNING"),
            (json!({}), "no state in the answer"),
            (ended("SUCCESS", "SUCCESS"), "TERMINATED (SUCCESS)"),
            (ended("SUCCESS_WITH_FAILURES", "SUCCESS"), "TERMINATED (SUCCESS_WITH_FAILURES)"),
            (ended("USER_CANCELED", "SUCCESS"), "TERMINATED (CANCELED)"),
            (ended("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR"), "TERMINATED (SKIPPED)"),
            (ended("RUN_EXECUTION_ERROR", "CLIENT_ERROR"), "TERMINATED (FAILED)"),
            (ended("DRIVER_ERROR", "INTERNAL_ERROR"), "TERMINATED (INTERNAL_ERROR)"),
            (ended("SOMETHING_NEW", "CLOUD_FAILURE"), "TERMINATED (FAILED)"),
            (
                json!({"state": {"life_cycle_state": "TERMINATED", "result_state": "FAILED"}}),
                "TERMINATED (FAILED)",
            ),
            (json!({"state": {"life_cycle_state": "INTERNAL_ERROR"}}), "TERMINATED (INTERNAL_ERROR)"),
            (json!({"state": {"life_cycle_state": "SKIPPED"}}), "TERMINATED (SKIPPED)"),
            (json!({"state": {"life_cycle_state": "TERMINATED", "result_state": "NEW"}}), "TERMINATED (NEW)"),
            (
                json!({"status": {"state": "TERMINATED"}, "state": {"result_state": "CANCELED"}}),
                "TERMINATED (CANCELED)",
            ),
        ] {
            assert_eq!(state_of(value.clone()), state, "{value}");
        }
    }

    #[test]
    fn a_code_of_a_newer_service_is_what_the_old_state_says() {
        let ended = |result: &str| {
            let mut value = ended("SOMETHING_NEW", "CLIENT_ERROR");
            value["state"] = json!({"life_cycle_state": "TERMINATED", "result_state": result});
            state_of(value)
        };
        assert_eq!(ended("SUCCESS"), "TERMINATED (SUCCESS)");
        assert_eq!(ended("CANCELED"), "TERMINATED (CANCELED)");
        assert_eq!(ended("NEW_TOO"), "TERMINATED (FAILED)");
    }

    #[test]
    fn a_timeout_is_known_from_the_old_state_alone() {
        let mut value = ended("RUN_EXECUTION_ERROR", "CLIENT_ERROR");
        value["state"] = json!({"life_cycle_state": "TERMINATED", "result_state": "TIMEDOUT"});
        assert_eq!(state_of(value), "TERMINATED (TIMEDOUT)");
    }
}
