//! Where a run or a task stands, and how it ended, in the words of the API: the old `state` and the new `status`.

use serde_json::{Value, json};

/// Where a run or a task is in its life.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Life {
    /// Waits for tasks it depends on.
    Blocked,
    /// Waits for other runs of its job.
    Queued,
    Pending,
    Running,
    Terminating,
    WaitingForRetry,
    Over(Ending),
}

/// How something ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ending {
    pub(super) result: Outcome,
    pub(super) code: String,
    pub(super) kind: String,
    pub(super) message: String,
    /// The old life cycle state: `TERMINATED`, `SKIPPED` or `INTERNAL_ERROR`.
    pub(super) life_cycle: &'static str,
}

/// The old `result_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    SuccessWithFailures,
    Failed,
    TimedOut,
    Canceled,
    Excluded,
    UpstreamFailed,
    UpstreamCanceled,
    MaxConcurrentRuns,
}

impl Outcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::SuccessWithFailures => "SUCCESS_WITH_FAILURES",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMEDOUT",
            Self::Canceled => "CANCELED",
            Self::Excluded => "EXCLUDED",
            Self::UpstreamFailed => "UPSTREAM_FAILED",
            Self::UpstreamCanceled => "UPSTREAM_CANCELED",
            Self::MaxConcurrentRuns => "MAXIMUM_CONCURRENT_RUNS_REACHED",
        }
    }

    /// Whether it counts as done well: what was excluded does, as documented.
    pub(super) fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::SuccessWithFailures | Self::Excluded)
    }

    pub(super) fn is_canceled(self) -> bool {
        matches!(self, Self::Canceled | Self::UpstreamCanceled)
    }
}

impl Ending {
    fn new(result: Outcome, code: &str, kind: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { result, code: code.to_owned(), kind: kind.to_owned(), message, life_cycle: "TERMINATED" }
    }

    pub(super) fn success() -> Self {
        Self::new(Outcome::Success, "SUCCESS", "SUCCESS", "")
    }

    pub(super) fn success_with_failures() -> Self {
        Self::new(Outcome::SuccessWithFailures, "SUCCESS_WITH_FAILURES", "SUCCESS", "")
    }

    /// A failure of the caller's making: the code, or its settings.
    pub(super) fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, code, "CLIENT_ERROR", message)
    }

    /// A failure with a code and a type of the script's choosing.
    pub(super) fn failed_as(code: &str, kind: &str, message: impl Into<String>) -> Self {
        let ending = Self::new(Outcome::Failed, code, kind, message);
        if kind == "INTERNAL_ERROR" { Self { life_cycle: "INTERNAL_ERROR", ..ending } } else { ending }
    }

    /// A run is an `INTERNAL_ERROR` in the old words when one of its tasks failed; the new words are exact.
    pub(super) fn run_failed(code: &str, kind: &str, message: impl Into<String>) -> Self {
        Self { life_cycle: "INTERNAL_ERROR", ..Self::new(Outcome::Failed, code, kind, message) }
    }

    /// Settings that could not be known to be wrong before the run.
    pub(super) fn misconfigured(message: impl Into<String>) -> Self {
        Self::failed("INVALID_RUN_CONFIGURATION", message)
    }

    pub(super) fn canceled() -> Self {
        Self::new(Outcome::Canceled, "USER_CANCELED", "SUCCESS", "Run cancelled.")
    }

    /// The platform's own cancellation, as the codes have no word for a timeout.
    pub(super) fn timed_out(seconds: u64) -> Self {
        let message =
            format!("Run was cancelled because it ran longer than its timeout of {seconds} seconds.");
        Self::new(Outcome::TimedOut, "CANCELED", "CLIENT_ERROR", message)
    }

    pub(super) fn excluded() -> Self {
        let message = "The task was skipped because its conditions were not met.";
        Self { life_cycle: "SKIPPED", ..Self::new(Outcome::Excluded, "SKIPPED", "SUCCESS", message) }
    }

    pub(super) fn upstream_failed() -> Self {
        Self::new(Outcome::UpstreamFailed, "SKIPPED", "CLIENT_ERROR", "An upstream task failed.")
    }

    pub(super) fn upstream_canceled() -> Self {
        Self::new(Outcome::UpstreamCanceled, "SKIPPED", "CLIENT_ERROR", "An upstream task was cancelled.")
    }

    pub(super) fn too_many_runs(limit: usize) -> Self {
        let message = format!("The job has reached its limit of {limit} concurrent runs and does not queue.");
        let code = "MAX_CONCURRENT_RUNS_EXCEEDED";
        let ending = Self::new(Outcome::MaxConcurrentRuns, code, "CLIENT_ERROR", message);
        Self { life_cycle: "SKIPPED", ..ending }
    }

    pub(super) fn queue_full(limit: usize) -> Self {
        let message = format!("The job's queue holds {limit} runs and is full.");
        let code = "MAX_JOB_QUEUE_SIZE_EXCEEDED";
        let ending = Self::new(Outcome::MaxConcurrentRuns, code, "CLIENT_ERROR", message);
        Self { life_cycle: "SKIPPED", ..ending }
    }
}

impl Life {
    pub(super) fn ending(&self) -> Option<&Ending> {
        match self {
            Self::Over(ending) => Some(ending),
            _ => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ending().is_some()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Blocked => "BLOCKED",
            Self::Queued => "QUEUED",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Terminating => "TERMINATING",
            Self::WaitingForRetry => "WAITING_FOR_RETRY",
            Self::Over(ending) => ending.life_cycle,
        }
    }

    /// The old `state`.
    pub(super) fn state(&self) -> Value {
        let mut state = json!({
            "life_cycle_state": self.name(),
            "state_message": self.message(),
            "user_cancelled_or_timedout": false,
        });
        if let Some(ending) = self.ending() {
            state["result_state"] = json!(ending.result.name());
            let stopped = matches!(ending.result, Outcome::Canceled | Outcome::TimedOut);
            state["user_cancelled_or_timedout"] = json!(stopped);
        }
        if *self == Self::Queued {
            state["queue_reason"] = json!(QUEUED);
        }
        state
    }

    /// The new `status`.
    pub(super) fn status(&self) -> Value {
        match self {
            Self::Over(Ending { code, kind, message, .. }) => json!({
                "state": "TERMINATED",
                "termination_details": { "code": code, "type": kind, "message": message },
            }),
            Self::Queued => json!({
                "state": "QUEUED",
                "queue_details": { "code": "MAX_CONCURRENT_RUNS_REACHED", "message": QUEUED },
            }),
            Self::WaitingForRetry => json!({ "state": "WAITING" }),
            other => json!({ "state": other.name() }),
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Pending => "Waiting for cluster",
            Self::Running => "In run",
            Self::Queued => QUEUED,
            Self::Over(ending) => &ending.message,
            _ => "",
        }
    }
}

const QUEUED: &str = "Queued: the job has reached its maximum of concurrent runs.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_told_in_the_old_and_the_new_words() {
        let lives = [
            Life::Blocked,
            Life::Queued,
            Life::Running,
            Life::WaitingForRetry,
            Life::Over(Ending::success()),
            Life::Over(Ending::run_failed("RUN_EXECUTION_ERROR", "CLIENT_ERROR", "Task a failed.")),
            Life::Over(Ending::timed_out(60)),
            Life::Over(Ending::excluded()),
            Life::Over(Ending::too_many_runs(1)),
        ];
        let told: Vec<String> =
            lives.iter().map(|life| format!("{}\n  {}", life.state(), life.status())).collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
