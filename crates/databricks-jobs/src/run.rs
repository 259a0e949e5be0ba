//! A run and its tasks, as the API answers them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::TaskFailure;
use crate::state::{LegacyState, RunOutcome, RunState, RunStatus, read};
use crate::{JobId, RunId};

/// A run of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Its id.
    pub run_id: RunId,
    /// The job it is a run of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_name: Option<String>,
    /// How it came about: `JOB_RUN`, `SUBMIT_RUN` or `WORKFLOW_RUN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_type: Option<String>,
    /// Where a person can look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_page_url: Option<String>,
    /// When it started, in milliseconds since 1970 (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<i64>,
    /// When it ended, in milliseconds since 1970 (UTC); 0 while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// How it stands; [`state()`](Self::state) reads this and the older field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// How it stands, in the older words.
    #[serde(default, rename = "state", skip_serializing_if = "Option::is_none")]
    pub legacy_state: Option<LegacyState>,
    /// Its tasks. A list of runs has them only when it was asked to expand them.
    #[serde(default)]
    pub tasks: Vec<RunTask>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Run {
    /// Where it is in its life.
    pub fn state(&self) -> RunState {
        read(self.status.as_ref(), self.legacy_state.as_ref())
    }

    /// What the server says about how it stands.
    pub fn message(&self) -> Option<&str> {
        message(self.status.as_ref(), self.legacy_state.as_ref())
    }

    /// The tasks that failed, each by its last attempt; those that failed only because of others come last.
    pub fn failed_tasks(&self) -> Vec<TaskFailure> {
        let is_last = |task: &&RunTask| {
            !self
                .tasks
                .iter()
                .any(|other| other.task_key == task.task_key && other.attempt_number > task.attempt_number)
        };
        let mut failed: Vec<TaskFailure> =
            self.tasks.iter().filter(is_last).filter_map(RunTask::failure).collect();
        failed.sort_by_key(|task| task.outcome == RunOutcome::UpstreamFailed);
        failed
    }

    /// `job_run`, `submit_run` or `workflow_run`, for metrics.
    pub(crate) fn metric_type(&self) -> String {
        self.run_type.as_deref().unwrap_or("unknown").to_ascii_lowercase()
    }
}

/// A task of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunTask {
    /// Its name in the job.
    pub task_key: String,
    /// Its own run id, which its output is asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Which attempt this is, from 0.
    #[serde(default)]
    pub attempt_number: i32,
    /// How it stands; [`state()`](Self::state) reads this and the older field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// How it stands, in the older words.
    #[serde(default, rename = "state", skip_serializing_if = "Option::is_none")]
    pub legacy_state: Option<LegacyState>,
    /// What else the server said: what the task runs, on which cluster, ...
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl RunTask {
    /// Where it is in its life.
    pub fn state(&self) -> RunState {
        read(self.status.as_ref(), self.legacy_state.as_ref())
    }

    /// What the server says about how it stands.
    pub fn message(&self) -> Option<&str> {
        message(self.status.as_ref(), self.legacy_state.as_ref())
    }

    /// Its failure, if it ended in one. A skipped task is not one: its job told it to skip.
    fn failure(&self) -> Option<TaskFailure> {
        let RunState::Terminated(outcome) = self.state() else { return None };
        if outcome.is_success() || outcome == RunOutcome::Skipped {
            return None;
        }
        Some(TaskFailure {
            task_key: self.task_key.clone(),
            run_id: self.run_id,
            outcome,
            message: self.message().map(str::to_owned),
        })
    }
}

fn message<'a>(status: Option<&'a RunStatus>, legacy: Option<&'a LegacyState>) -> Option<&'a str> {
    let details = status.and_then(|status| status.termination_details.as_ref());
    let new = details.and_then(|details| details.message.as_deref());
    let old = legacy.and_then(|legacy| legacy.state_message.as_deref());
    new.filter(|text| !text.is_empty()).or(old.filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn task(key: &str, attempt: i32, result: &str) -> Value {
        json!({"task_key": key, "attempt_number": attempt, "run_id": 7,
               "state": {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": "why"}})
    }

    #[test]
    fn causes_come_before_what_they_brought_down() {
        let run: Run = serde_json::from_value(json!({"run_id": 1, "tasks": [
            task("after", 0, "UPSTREAM_FAILED"),
            task("retried", 0, "FAILED"),
            task("retried", 1, "SUCCESS"),
            task("optional", 0, "EXCLUDED"),
            task("cause", 0, "FAILED"),
        ]}))
        .unwrap();
        let failed: Vec<String> = run.failed_tasks().iter().map(ToString::to_string).collect();
        assert_eq!(failed, ["task `cause` FAILED (run 7): why", "task `after` UPSTREAM_FAILED (run 7): why"]);
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let value = json!({"run_id": 1, "tasks": [], "job_parameters": [{"name": "day"}]});
        let run: Run = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&run).unwrap(), value);
    }
}
