//! What can go wrong with a job.

use std::fmt;
use std::time::Duration;

use crate::run::Run;
use crate::state::{RunOutcome, RunState};
use crate::{JobId, RunId};

/// The result of everything in this crate.
pub type Result<T, E = JobError> = std::result::Result<T, E>;

/// A run that did not succeed, or a call that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The run failed.
    #[error("{0}")]
    Failed(Box<RunFailure>),
    /// The run was cancelled.
    #[error("{0}")]
    Canceled(Box<RunFailure>),
    /// The run took longer than its job allows.
    #[error("{0}")]
    TimedOut(Box<RunFailure>),
    /// Databricks failed, not the job.
    #[error("{0}")]
    InternalError(Box<RunFailure>),
    /// The run never started: too many runs at once, or its job is disabled.
    #[error("{0}")]
    Skipped(Box<RunFailure>),
    /// The run was still going when the wait was over. It goes on: wait again, or cancel it.
    #[error(
        "run {run_id} was still {} after {:.1} s; it goes on: wait longer or cancel it",
        last(last_state), elapsed.as_secs_f64()
    )]
    WaitTimeout {
        /// The run.
        run_id: RunId,
        /// How long was waited.
        elapsed: Duration,
        /// How it stood when last seen; `None` if the server never told.
        last_state: Option<RunState>,
    },
    /// A setting of the call makes no sense.
    #[error("invalid {name} `{value}`: {remedy}")]
    InvalidSetting {
        /// The setting.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What would be right.
        remedy: &'static str,
    },
    /// The call failed.
    #[error(transparent)]
    Transport(#[from] databricks_transport::Error),
}

fn last(state: &Option<RunState>) -> String {
    state.as_ref().map_or_else(|| "in an unknown state".to_owned(), ToString::to_string)
}

impl JobError {
    /// The failed run, if this is about one.
    pub fn failure(&self) -> Option<&RunFailure> {
        match self {
            Self::Failed(failure)
            | Self::Canceled(failure)
            | Self::TimedOut(failure)
            | Self::InternalError(failure)
            | Self::Skipped(failure) => Some(failure),
            _ => None,
        }
    }

    /// The error for a run that ended like this, which is not a success.
    pub(crate) fn ended(run: Run, outcome: RunOutcome) -> Self {
        let failure = Box::new(RunFailure::new(run, outcome));
        match failure.outcome {
            RunOutcome::Canceled => Self::Canceled(failure),
            RunOutcome::TimedOut => Self::TimedOut(failure),
            RunOutcome::InternalError => Self::InternalError(failure),
            RunOutcome::Skipped => Self::Skipped(failure),
            _ => Self::Failed(failure),
        }
    }
}

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
    /// What the server says about it.
    pub message: Option<String>,
    /// The tasks that failed; those that failed only because of others come last.
    pub failed_tasks: Vec<TaskFailure>,
    /// All that is known of the run.
    pub run: Run,
}

impl RunFailure {
    fn new(run: Run, outcome: RunOutcome) -> Self {
        let details = run.status.as_ref().and_then(|status| status.termination_details.as_ref());
        Self {
            run_id: run.run_id,
            job_id: run.job_id,
            outcome,
            code: details.and_then(|details| details.code.clone()),
            message: run.message().map(str::to_owned),
            failed_tasks: run.failed_tasks(),
            run,
        }
    }
}

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
        for task in &self.failed_tasks {
            write!(f, "; {task}")?;
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
    /// What the server says about it.
    pub message: Option<String>,
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task `{}` {}", self.task_key, self.outcome)?;
        if let Some(run_id) = self.run_id {
            write!(f, " (run {run_id})")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {}", one_line(message)),
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
    use super::*;

    #[test]
    fn error_is_small_enough_for_results_that_are_passed_around() {
        assert!(size_of::<JobError>() <= 96, "{}", size_of::<JobError>());
    }

    #[test]
    fn long_messages_are_cut_and_kept_on_one_line() {
        let failure = TaskFailure {
            task_key: "load".into(),
            run_id: None,
            outcome: RunOutcome::Failed,
            message: Some(format!("Traceback:\n  é{}", "x".repeat(1000))),
        };
        let text = failure.to_string();
        assert!(text.starts_with("task `load` FAILED: Traceback: éxxx") && text.ends_with('…'), "{text}");
        assert!(text.chars().count() < 330, "{text}");
    }
}
