//! A run and its tasks, as the API answers them.

mod failure;
mod output;
mod state;

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use failure::{RunFailure, TaskFailure};
pub(crate) use output::is_loop;
pub use output::{ExportedView, NotebookOutput, RunOutput, TaskOutput, ViewsToExport};
pub use state::{LegacyState, RunOutcome, RunState, RunStatus, TerminationDetails};

use crate::settings::TaskDependency;
use crate::wire::records;
use crate::{JobId, RepairId, RunId};

/// Declares a run or a task's run: its own fields, what both have, and `extra` for the fields that this crate does not know.
macro_rules! standing {
    ($(#[$about:meta])* $name:ident { $( $(#[$meta:meta])* $field:ident : $ty:ty ),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$meta])* pub $field: $ty, )*
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
            /// What else the server said.
            #[serde(flatten)]
            pub extra: Map<String, Value>,
        }

        impl $name {
            /// Where it is in its life.
            pub fn state(&self) -> RunState {
                state::read(self.status.as_ref(), self.legacy_state.as_ref())
            }

            /// How and why it ended, once it has.
            pub fn termination(&self) -> Option<&TerminationDetails> {
                self.status.as_ref()?.termination_details.as_ref()
            }

            /// What the server says about how it stands.
            pub fn message(&self) -> Option<&str> {
                let new = self.termination().and_then(|details| details.message.as_deref());
                let old = self.legacy_state.as_ref().and_then(|legacy| legacy.state_message.as_deref());
                new.filter(|text| !text.is_empty()).or(old.filter(|text| !text.is_empty()))
            }
        }
    };
}

standing! {
    /// A run of a job.
    Run {
        /// Its id.
        run_id: RunId,
        /// The job it is a run of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<JobId>,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_name: Option<String>,
        /// How it came about: `JOB_RUN`, `SUBMIT_RUN` or `WORKFLOW_RUN`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_type: Option<String>,
        /// Its tasks, every attempt. A list of runs has them only when it was asked to expand them.
        #[serde(default, deserialize_with = "null_is_none_of_them")]
        tasks: Vec<RunTask>,
        /// The iterations, when it is the run of a for-each task.
        #[serde(default, deserialize_with = "null_is_none_of_them", skip_serializing_if = "Vec::is_empty")]
        iterations: Vec<RunTask>,
        /// The original run and its repairs, oldest first, when they were asked for.
        #[serde(default, deserialize_with = "null_is_none_of_them", skip_serializing_if = "Vec::is_empty")]
        repair_history: Vec<RepairHistoryItem>,
    }
}

standing! {
    /// A task of a run.
    RunTask {
        /// Its name in the job.
        task_key: String,
        /// Its own run id, which its output is asked for with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_id: Option<RunId>,
        /// Which attempt this is, from 0.
        #[serde(default, deserialize_with = "null_is_none_of_them")]
        attempt_number: i32,
        /// The tasks it waits for.
        #[serde(default, deserialize_with = "null_is_none_of_them", skip_serializing_if = "Vec::is_empty")]
        depends_on: Vec<TaskDependency>,
    }
}

records! {
    /// The original run, or one of its repairs.
    RepairHistoryItem() {
        /// `ORIGINAL` or `REPAIR`.
        bare r#type: String,
        /// The repair; the original run has none.
        bare id: RepairId,
        /// When it began, in milliseconds since 1970 (UTC).
        bare start_time: i64,
        /// When it ended, in milliseconds since 1970 (UTC); 0 while it runs.
        bare end_time: i64,
        /// How it stands; [`state()`](Self::state) reads this and the older field.
        bare status: RunStatus,
        /// How it stands, in the older words.
        #[serde(rename = "state")]
        bare legacy_state: LegacyState,
        /// The runs of the tasks that belong to it.
        bare task_run_ids: Vec<RunId>,
    }
}

impl RepairHistoryItem {
    /// Where it is in its life.
    pub fn state(&self) -> RunState {
        state::read(self.status.as_ref(), self.legacy_state.as_ref())
    }
}

/// Lists of a run that come in pages and have no type here.
const PAGED: [&str; 2] = ["job_clusters", "job_parameters"];

impl Run {
    /// Adds what a further page holds.
    pub(crate) fn append(&mut self, page: Run) {
        // The run of a for-each task has its one task on every page.
        let fresh = |task: &RunTask| {
            task.run_id.is_none() || !self.tasks.iter().any(|known| known.run_id == task.run_id)
        };
        let tasks: Vec<RunTask> = match self.iterations.is_empty() {
            true => page.tasks,
            false => page.tasks.into_iter().filter(fresh).collect(),
        };
        self.tasks.extend(tasks);
        self.iterations.extend(page.iterations);
        self.repair_history.extend(page.repair_history);
        crate::pages::append(&mut self.extra, page.extra, &PAGED);
    }

    /// How long it took, all repairs and waits included; `None` while it runs.
    pub fn duration(&self) -> Option<Duration> {
        let (start, end) = (self.start_time?, self.end_time.filter(|end| *end > 0)?);
        Some(Duration::from_millis(u64::try_from(end.checked_sub(start)?).ok()?))
    }

    /// The latest attempt of each task, in the order of their first ones.
    pub fn latest_attempts(&self) -> Vec<&RunTask> {
        latest(&self.tasks)
    }

    /// Whether an end that this answer shows is one that came after the repair began: the history, which must have been
    /// asked for, has the repair, and does not show it at work. A history that lags behind says nothing against an end that
    /// is later than the repair's beginning.
    pub(crate) fn has_ended_since(&self, repair: RepairId) -> bool {
        let Some(item) = self.repair_history.iter().find(|item| item.id == Some(repair)) else {
            return false;
        };
        let at_work = match item.state() {
            RunState::Terminated(_) => false,
            RunState::Unknown(_) => item.end_time == Some(0),
            _ => true,
        };
        let began = item.start_time.filter(|began| *began > 0);
        !at_work || began.zip(self.end_time).is_some_and(|(began, ended)| ended > began)
    }

    /// The latest repair, when the history was asked for and there is one.
    pub fn latest_repair_id(&self) -> Option<RepairId> {
        self.repair_history.iter().rev().find_map(|item| item.id)
    }

    /// The tasks that failed, each by its last attempt; those that failed only because of others come last.
    pub fn failed_tasks(&self) -> Vec<TaskFailure> {
        let mut failed: Vec<TaskFailure> =
            self.latest_attempts().into_iter().filter_map(RunTask::failure).collect();
        failed.sort_by_key(|task| task.outcome == RunOutcome::UpstreamFailed);
        failed
    }

    /// How it came about, for metrics: one of few words, whatever a server says.
    pub(crate) fn metric_type(&self) -> &'static str {
        match self.run_type.as_deref() {
            Some("JOB_RUN") => "job_run",
            Some("SUBMIT_RUN") => "submit_run",
            Some("WORKFLOW_RUN") => "workflow_run",
            _ => "unknown",
        }
    }
}

impl RunTask {
    /// The field that says what it is, such as `notebook_task`.
    pub fn kind(&self) -> Option<&str> {
        self.extra.keys().map(String::as_str).find(|field| field.ends_with("_task"))
    }

    /// Whether this attempt came after that one of the same task, which stands before it. When they began tells it, where
    /// both have: an attempt of a repair need not go on counting where the run before it ended.
    fn came_after(&self, other: &Self) -> bool {
        let began = |task: &Self| task.start_time.filter(|began| *began > 0);
        match (began(self), began(other)) {
            (Some(this), Some(that)) if this != that => this > that,
            _ => self.attempt_number >= other.attempt_number,
        }
    }

    /// Its failure, if it ended in one. A skipped task is not one: its job told it to skip.
    pub(crate) fn failure(&self) -> Option<TaskFailure> {
        let RunState::Terminated(outcome) = self.state() else { return None };
        if outcome.is_success() || outcome == RunOutcome::Skipped {
            return None;
        }
        let details = self.termination();
        Some(TaskFailure {
            task_key: self.task_key.clone(),
            run_id: self.run_id,
            outcome,
            code: details.and_then(|details| details.code.clone()),
            kind: details.and_then(|details| details.kind.clone()),
            message: self.message().map(str::to_owned),
            error: None,
            error_trace: None,
            iterations: Vec::new(),
        })
    }
}

/// The latest attempt of each task, in the order of their first ones.
pub(crate) fn latest(attempts: &[RunTask]) -> Vec<&RunTask> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut latest: Vec<&RunTask> = Vec::new();
    for attempt in attempts {
        match places.get(attempt.task_key.as_str()).and_then(|place| latest.get_mut(*place)) {
            Some(known) if attempt.came_after(known) => *known = attempt,
            Some(_) => {}
            None => {
                places.insert(&attempt.task_key, latest.len());
                latest.push(attempt);
            }
        }
    }
    latest
}

/// Reads a field that may be `null`, which means the same as its absence.
fn null_is_none_of_them<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
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
    fn the_latest_attempt_of_a_task_is_the_one_that_began_last() {
        for (attempts, latest) in [
            ([(0, 10, "FAILED"), (1, 20, "FAILED"), (0, 30, "SUCCESS")], "SUCCESS"),
            ([(0, 10, "FAILED"), (2, 30, "SUCCESS"), (1, 20, "FAILED")], "SUCCESS"),
            // What has not begun has a number only.
            ([(0, 10, "FAILED"), (1, 20, "FAILED"), (2, 0, "CANCELED")], "CANCELED"),
            ([(0, 0, "FAILED"), (1, 0, "SUCCESS"), (0, 0, "FAILED")], "SUCCESS"),
        ] {
            let told = attempts.map(|(number, began, result)| {
                let mut told = task("a", number, result);
                told["start_time"] = json!(began);
                told
            });
            let run: Run = serde_json::from_value(json!({"run_id": 1, "tasks": told})).unwrap();
            let seen: Vec<String> =
                run.latest_attempts().iter().map(|task| task.state().to_string()).collect();
            assert_eq!(seen, [format!("TERMINATED ({latest})")], "{attempts:?}");
        }
    }

    #[test]
    fn odd_answers_are_read_without_harm() {
        let nulls = json!({"run_id": i64::MAX, "tasks": null, "iterations": null, "repair_history": null});
        let run: Run = serde_json::from_value(nulls).unwrap();
        assert_eq!((run.run_id, run.tasks.len()), (RunId::new(i64::MAX), 0));
        let task = json!({"task_key": "a", "attempt_number": null, "depends_on": null, "status": null});
        assert_eq!(serde_json::from_value::<RunTask>(task).unwrap().attempt_number, 0);
        let times = |start: i64, end: i64| {
            let run = json!({"run_id": 1, "start_time": start, "end_time": end, "run_type": "A\nB"});
            let run: Run = serde_json::from_value(run).unwrap();
            (run.duration(), run.metric_type())
        };
        assert_eq!(times(i64::MIN, i64::MAX), (None, "unknown"));
        assert_eq!(times(5, 1).0, None);
        assert_eq!(times(1, 1001).0, Some(Duration::from_secs(1)));
    }

    #[test]
    fn an_end_is_the_repair_s_own_unless_the_history_shows_it_at_work() {
        let new = |state: &str| json!({"status": {"state": state}});
        let old = |state: &str| json!({"state": {"life_cycle_state": state}});
        for (repair, ended, own) in [
            // The end of the run before, and a repair that is on its way.
            (new("PENDING"), 900, false),
            (new("RUNNING"), 900, false),
            (old("RUNNING"), 900, false),
            (old("WAITING_FOR_RETRY"), 1_000, false),
            (json!({"status": {"state": "WAKING"}, "end_time": 0}), 900, false),
            // Over, at once too; and what says nothing of how it stands.
            (new("TERMINATED"), 900, true),
            (old("INTERNAL_ERROR"), 1_000, true),
            (json!({"status": {"state": "WAKING"}, "end_time": 1_100}), 900, true),
            (json!({"status": null, "state": null}), 900, true),
            // The history lags behind the run.
            (new("RUNNING"), 1_001, true),
        ] {
            let mut item = json!({"type": "REPAIR", "id": 3, "start_time": 1_000});
            item.as_object_mut().unwrap().extend(repair.as_object().unwrap().clone());
            let history = json!([{"type": "ORIGINAL", "start_time": 1}, item]);
            let run = json!({"run_id": 1, "end_time": ended, "repair_history": history});
            let run: Run = serde_json::from_value(run).unwrap();
            assert_eq!(run.has_ended_since(RepairId::new(3)), own, "{run:?}");
            assert!(!run.has_ended_since(RepairId::new(4)), "{run:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let value = json!({"run_id": 1, "tasks": [], "job_parameters": [{"name": "day"}]});
        let run: Run = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&run).unwrap(), value);
    }
}
