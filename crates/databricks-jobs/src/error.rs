//! What can go wrong with a job.

use std::time::Duration;

use databricks_transport::ErrorKind;

use crate::RunId;
use crate::run::{RunFailure, RunOutcome, RunState};
use crate::settings::Defect;

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
    ///
    /// A wait that is to cancel it then does so; `last_state` says whether it is over.
    #[error("{}", timed_out(*run_id, *elapsed, last_state))]
    WaitTimeout {
        /// The run.
        run_id: RunId,
        /// How long was waited.
        elapsed: Duration,
        /// How it stood when last seen; `None` if the server never told.
        last_state: Option<RunState>,
    },
    /// The run went on past the wait, and could not be cancelled as the wait was told to.
    #[error("run {run_id} goes on after {:.1} s, and could not be cancelled: {source}", elapsed.as_secs_f64())]
    NotCanceled {
        /// The run.
        run_id: RunId,
        /// How long was waited.
        elapsed: Duration,
        /// Why it could not be cancelled.
        source: databricks_transport::Error,
    },
    /// The run could not be looked at any more, and may go on; wait again by its id. Or there is no such run, which the
    /// kind of its source tells ([`ErrorKind::NotFound`](databricks_transport::ErrorKind::NotFound)).
    #[error("{}: {source}", lost_sight(*run_id, source))]
    LostSight {
        /// The run.
        run_id: RunId,
        /// How it stood when last seen; `None` if the server never told.
        last_state: Option<RunState>,
        /// Why it could not be looked at.
        source: databricks_transport::Error,
    },
    /// No answer says whether the run was started. Starting it again with this token starts it once: the run is found if it
    /// was started.
    #[error(
        "the run may have been started: {source}; start it again with the idempotency token `{idempotency_token}`, which \
         finds it if it was"
    )]
    MayHaveStarted {
        /// The token that it was sent with.
        idempotency_token: String,
        /// What was answered instead.
        source: databricks_transport::Error,
    },
    /// The settings have defects that the service would refuse or run into. Nothing was sent.
    #[error("the job cannot be sent: {}", listed(defects))]
    Defective {
        /// What is wrong with them.
        defects: Vec<Defect>,
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

fn timed_out(run_id: RunId, elapsed: Duration, last: &Option<RunState>) -> String {
    let seconds = elapsed.as_secs_f64();
    match last {
        Some(state) if state.is_terminal() => {
            format!("run {run_id} took longer than {seconds:.1} s and was cancelled: it is {state}")
        }
        Some(state) => {
            format!(
                "run {run_id} was still {state} after {seconds:.1} s; it goes on: wait longer or cancel it"
            )
        }
        None => format!(
            "nothing was heard of run {run_id} in {seconds:.1} s; it may go on: wait longer or cancel it"
        ),
    }
}

fn lost_sight(run_id: RunId, source: &databricks_transport::Error) -> String {
    match source.kind() {
        ErrorKind::NotFound => format!("there is no run {run_id} in this workspace, or not any more"),
        _ => format!("run {run_id} could not be looked at, and may go on"),
    }
}

fn listed(defects: &[Defect]) -> String {
    defects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl JobError {
    /// The run it is about, if it is about one.
    pub fn run_id(&self) -> Option<RunId> {
        match self {
            Self::WaitTimeout { run_id, .. }
            | Self::NotCanceled { run_id, .. }
            | Self::LostSight { run_id, .. } => Some(*run_id),
            error => error.failure().map(|failure| failure.run_id),
        }
    }

    /// The failed call behind it, if there is one.
    pub fn transport(&self) -> Option<&databricks_transport::Error> {
        match self {
            Self::Transport(error) => Some(error),
            Self::NotCanceled { source, .. }
            | Self::LostSight { source, .. }
            | Self::MayHaveStarted { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The failure of a start that was sent with a token.
    pub(crate) fn not_started(source: databricks_transport::Error, idempotency_token: String) -> Self {
        match source.is_ambiguous() {
            true => Self::MayHaveStarted { idempotency_token, source },
            false => Self::Transport(source),
        }
    }

    /// An error unless there are no defects.
    pub(crate) fn unless_sound(defects: Vec<Defect>) -> Result<()> {
        if defects.is_empty() { Ok(()) } else { Err(Self::Defective { defects }) }
    }

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

    /// The error for a run that ended without success.
    pub(crate) fn ended(failure: RunFailure) -> Self {
        let failure = Box::new(failure);
        match failure.outcome {
            RunOutcome::Canceled => Self::Canceled(failure),
            RunOutcome::TimedOut => Self::TimedOut(failure),
            RunOutcome::InternalError => Self::InternalError(failure),
            RunOutcome::Skipped => Self::Skipped(failure),
            _ => Self::Failed(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_small_enough_for_results_that_are_passed_around() {
        assert!(size_of::<JobError>() <= 96, "{}", size_of::<JobError>());
    }
}
