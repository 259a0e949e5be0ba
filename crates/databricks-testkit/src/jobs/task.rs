//! What a script sees of a task, and what it answers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::scalar_text;

/// Bytes of a result or of logs that are kept.
const KEPT: usize = 5 * 1024 * 1024;

/// One attempt of a task, as a script sees it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskCall {
    /// The user whose run it is.
    pub user: String,
    /// The job; a submitted run has one too, which no call can get.
    pub job_id: i64,
    /// The run of the job.
    pub job_run_id: i64,
    /// The run of this attempt of the task.
    pub run_id: i64,
    /// The task's name; for an iteration the name of the nested task.
    pub task_key: String,
    /// The field that says what the task is: `notebook_task`.
    pub kind: String,
    /// What stands in that field, with the run's own parameters put in and references resolved.
    pub task: Value,
    /// Which attempt this is, from 0.
    pub attempt: u32,
    /// The job's parameters in this run.
    pub job_parameters: BTreeMap<String, String>,
    /// The element an iteration of a for-each task works on.
    pub input: Option<Value>,
}

impl TaskCall {
    /// A parameter by name: the job's, else the task's own (`base_parameters`, `named_parameters`, `parameters`).
    pub fn parameter(&self, name: &str) -> Option<String> {
        let own = || {
            let maps = ["base_parameters", "named_parameters", "parameters", "job_parameters"];
            maps.iter().find_map(|map| self.task.get(map)?.get(name)).and_then(scalar_text)
        };
        self.job_parameters.get(name).cloned().or_else(own)
    }

    /// The path of a notebook task.
    pub fn notebook_path(&self) -> Option<&str> {
        self.task.get("notebook_path").and_then(Value::as_str).filter(|_| self.kind == "notebook_task")
    }
}

/// How an attempt of a task ends.
///
/// ```
/// use databricks_testkit::TaskOutcome;
///
/// let loaded = TaskOutcome::success().with_result("42 rows").with_value("rows", 42);
/// let broken = TaskOutcome::failure("ZeroDivisionError: division by zero").with_trace("line 1, in <module>");
/// # let _ = (loaded, broken);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct TaskOutcome {
    pub(super) result: Option<String>,
    pub(super) logs: Option<String>,
    pub(super) values: BTreeMap<String, Value>,
    pub(super) failure: Option<TaskFailure>,
    pub(super) sql: Option<Value>,
    pub(super) truncated: bool,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TaskFailure {
    pub(super) code: String,
    pub(super) kind: String,
    pub(super) error: String,
    pub(super) trace: Option<String>,
    /// The state's message, where it says more than that the workload failed.
    pub(super) message: Option<String>,
}

impl TaskOutcome {
    /// The task did its work.
    pub fn success() -> Self {
        Self::default()
    }

    /// The task's code failed with this error: `RUN_EXECUTION_ERROR`, `CLIENT_ERROR`.
    pub fn failure(error: impl Into<String>) -> Self {
        Self::failed("RUN_EXECUTION_ERROR", "CLIENT_ERROR", error.into(), None)
    }

    /// Databricks failed, not the task: `INTERNAL_ERROR`.
    pub fn internal_error(error: impl Into<String>) -> Self {
        let error = error.into();
        Self::failed("INTERNAL_ERROR", "INTERNAL_ERROR", error.clone(), Some(error))
    }

    /// The task's settings turned out to be wrong.
    pub(super) fn misconfigured(error: impl Into<String>) -> Self {
        let error = error.into();
        Self::failed("INVALID_RUN_CONFIGURATION", "CLIENT_ERROR", error.clone(), Some(error))
    }

    fn failed(code: &str, kind: &str, error: String, message: Option<String>) -> Self {
        let (code, kind) = (code.to_owned(), kind.to_owned());
        let failure = TaskFailure { code, kind, error, trace: None, message };
        Self { failure: Some(failure), ..Self::default() }
    }

    /// As much of result and logs as the service keeps: the first 5 MB of the one, the last 5 MB of the other.
    pub(super) fn bounded(mut self) -> Self {
        if let Some(result) = &mut self.result
            && result.len() > KEPT
        {
            result.truncate(boundary(result, KEPT));
            self.truncated = true;
        }
        if let Some(logs) = &mut self.logs
            && logs.len() > KEPT
        {
            logs.drain(..boundary(logs, logs.len() - KEPT));
            self.truncated = true;
        }
        self
    }

    /// Sets what a notebook gives to `dbutils.notebook.exit`. Of other kinds of task it becomes the last line of
    /// the logs. 5 MB are kept.
    pub fn with_result(mut self, result: impl Into<String>) -> Self {
        self.result = Some(result.into());
        self
    }

    /// Sets what the task wrote to its standard streams. The last 5 MB are kept.
    pub fn with_logs(mut self, logs: impl Into<String>) -> Self {
        self.logs = Some(logs.into());
        self
    }

    /// Sets a task value, which later tasks read as `{{tasks.<task>.values.<name>}}`.
    pub fn with_value(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Sets the stack trace of a failure.
    pub fn with_trace(mut self, trace: impl Into<String>) -> Self {
        if let Some(failure) = &mut self.failure {
            failure.trace = Some(trace.into());
        }
        self
    }

    /// Sets termination code and type of a failure, such as `CLUSTER_ERROR` and `CLOUD_FAILURE`; its error becomes
    /// the message of the state too.
    pub fn with_code(mut self, code: impl Into<String>, kind: impl Into<String>) -> Self {
        if let Some(failure) = &mut self.failure {
            failure.code = code.into();
            failure.kind = kind.into();
            failure.message = Some(failure.error.clone());
        }
        self
    }
}

/// The last boundary of a character at or before a place.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_of_a_result_and_the_last_of_logs_are_kept() {
        let outcome = TaskOutcome::success()
            .with_result("é".repeat(KEPT))
            .with_logs(format!("{}end", "é".repeat(KEPT)));
        let bounded = outcome.bounded();
        let (result, logs) = (bounded.result.unwrap(), bounded.logs.unwrap());
        assert!(result.len() <= KEPT && result.len() > KEPT - 4);
        assert!(logs.len() <= KEPT + 4 && logs.ends_with("éend") && bounded.truncated);
    }

    #[test]
    fn job_parameters_win_over_the_tasks_own() {
        let call = TaskCall {
            user: String::new(),
            job_id: 1,
            job_run_id: 2,
            run_id: 3,
            task_key: "a".to_owned(),
            kind: "notebook_task".to_owned(),
            task: json!({"notebook_path": "/n", "base_parameters": {"day": "own", "n": 3}}),
            attempt: 0,
            job_parameters: [("day".to_owned(), "job".to_owned())].into(),
            input: None,
        };
        assert_eq!(call.parameter("day").as_deref(), Some("job"));
        assert_eq!(call.parameter("n").as_deref(), Some("3"));
        assert_eq!((call.parameter("absent"), call.notebook_path()), (None, Some("/n")));
    }
}
