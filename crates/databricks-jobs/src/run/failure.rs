//! How a run failed: which tasks, with what code, error and trace.

use std::fmt;

use super::{Run, RunOutcome};
use crate::{JobId, RunId};

/// A run that ended without success, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunFailure {
    /// The run.
    pub run_id: RunId,
    /// The job it was a run of.
    pub job_id: Option<JobId>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The termination code, for example `RUN_EXECUTION_ERROR`.
    pub code: Option<String>,
    /// Whose fault it was: `CLIENT_ERROR`, `INTERNAL_ERROR` or `CLOUD_FAILURE`.
    pub kind: Option<String>,
    /// What the server says about it.
    pub message: Option<String>,
    /// The tasks that failed; those that failed only because of others come last.
    pub failed_tasks: Vec<TaskFailure>,
    /// All that is known of the run.
    pub run: Run,
}

impl RunFailure {
    pub(crate) fn new(run: Run, outcome: RunOutcome) -> Self {
        let details = run.termination();
        Self {
            run_id: run.run_id,
            job_id: run.job_id,
            outcome,
            code: details.and_then(|details| details.code.clone()),
            kind: details.and_then(|details| details.kind.clone()),
            message: run.message().map(str::to_owned),
            failed_tasks: run.failed_tasks(),
            run,
        }
    }
}

/// How many failed tasks a message names.
const SHOWN: usize = 10;

/// `run 7 FAILED (RUN_EXECUTION_ERROR): message; task `a` FAILED (run 8): message; https://..`
impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} {}", self.run_id, self.outcome)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {}", one_line(message))?;
        }
        for task in self.failed_tasks.iter().take(SHOWN) {
            write!(f, "; {task}")?;
        }
        if let Some(more) = self.failed_tasks.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            write!(f, "; and {more} more")?;
        }
        match &self.run.run_page_url {
            Some(url) => write!(f, "; {url}"),
            None => Ok(()),
        }
    }
}

/// A task that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFailure {
    /// Its name in the job.
    pub task_key: String,
    /// Its own run id.
    pub run_id: Option<RunId>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The termination code, for example `RUN_EXECUTION_ERROR`.
    pub code: Option<String>,
    /// Whose fault it was: `CLIENT_ERROR`, `INTERNAL_ERROR` or `CLOUD_FAILURE`.
    pub kind: Option<String>,
    /// What the server says about it.
    pub message: Option<String>,
    /// The error in its output, which a wait asks for; `None` when there is none or it could not be had.
    pub error: Option<String>,
    /// The stack trace in its output.
    pub error_trace: Option<String>,
    /// The iterations that failed, of a for-each task: the first ten.
    pub iterations: Vec<TaskFailure>,
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task `{}` {}", self.task_key, self.outcome)?;
        if let Some(run_id) = self.run_id {
            write!(f, " (run {run_id})")?;
        }
        if let Some(text) = self.error.as_ref().or(self.message.as_ref()) {
            write!(f, ": {}", one_line(text))?;
        }
        match self.iterations.first() {
            Some(first) => write!(f, ", for example {first}"),
            None => Ok(()),
        }
    }
}

/// The message on one line and not too long: some are whole stack traces.
fn one_line(message: &str) -> String {
    const LONGEST: usize = 300;
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches('.');
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", line.get(..cut).unwrap_or(line)),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_message_names_the_first_tasks_and_counts_the_others() {
        let task = |n: usize| {
            serde_json::json!({"task_key": format!("t{n}"), "state": {
            "life_cycle_state": "TERMINATED", "result_state": "FAILED"}})
        };
        let told = |tasks: usize| {
            let tasks: Vec<_> = (0..tasks).map(task).collect();
            let run = serde_json::from_value(serde_json::json!({"run_id": 7, "tasks": tasks}));
            RunFailure::new(run.unwrap(), RunOutcome::Failed).to_string()
        };
        assert!(told(10).ends_with("; task `t9` FAILED"), "{}", told(10));
        assert!(told(120).ends_with("; task `t9` FAILED; and 110 more"), "{}", told(120));
    }

    #[test]
    fn long_messages_are_cut_and_kept_on_one_line() {
        let failure = TaskFailure {
            task_key: "load".into(),
            run_id: None,
            outcome: RunOutcome::Failed,
            code: None,
            kind: None,
            message: Some(format!("Traceback:\n  é{}", "x".repeat(1000))),
            error: None,
            error_trace: None,
            iterations: Vec::new(),
        };
        let text = failure.to_string();
        assert!(text.starts_with("task `load` FAILED: Traceback: éxxx") && text.ends_with('…'), "{text}");
        assert!(text.chars().count() < 330, "{text}");
    }
}
