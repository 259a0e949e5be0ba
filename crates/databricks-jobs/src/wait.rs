//! Waiting for a run to be over.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use crate::run::Run;
use crate::state::{RunOutcome, RunState};
use crate::{JobError, JobsClient, Result, RunId};

/// What a look that begins at the end of the wait may take, so that a run that is over is not reported as going.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// How to wait for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitConfig {
    /// The pause after the first look; each one after is twice as long. 1 s by default.
    pub initial_interval: Duration,
    /// The longest pause. 30 s by default.
    pub max_interval: Duration,
    /// How long to wait in all. 1 h by default. The run is looked at once more at the end, which may take up to 10 s.
    pub timeout: Duration,
    /// How many looks in a row may fail for a passing reason before the wait does. 10 by default.
    pub max_poll_errors: u32,
}

impl Default for WaitConfig {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            timeout: Duration::from_secs(3600),
            max_poll_errors: 10,
        }
    }
}

impl WaitConfig {
    /// A pause of nothing would ask as fast as the server answers.
    fn check(&self) -> Result<()> {
        let invalid = |name, value: Duration, remedy| {
            Err(JobError::InvalidSetting { name, value: format!("{value:?}"), remedy })
        };
        if self.initial_interval.is_zero() {
            return invalid("initial interval", self.initial_interval, "use more than zero, for example 1 s");
        }
        if self.max_interval < self.initial_interval {
            return invalid("longest interval", self.max_interval, "use at least the initial interval");
        }
        Ok(())
    }
}

/// A wait about to begin; [`JobsClient::wait`] makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for before `send`"]
pub struct Wait {
    jobs: JobsClient,
    run_id: RunId,
    config: WaitConfig,
}

impl Wait {
    pub(crate) fn new(jobs: JobsClient, run_id: RunId) -> Self {
        Self { jobs, run_id, config: WaitConfig::default() }
    }

    /// Sets everything at once.
    pub fn config(mut self, config: WaitConfig) -> Self {
        self.config = config;
        self
    }

    /// How long to wait in all.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// The pause after the first look; each one after is twice as long.
    pub fn initial_interval(mut self, interval: Duration) -> Self {
        self.config.initial_interval = interval;
        self
    }

    /// The longest pause.
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.config.max_interval = interval;
        self
    }

    /// How many looks in a row may fail for a passing reason before the wait does.
    pub fn max_poll_errors(mut self, errors: u32) -> Self {
        self.config.max_poll_errors = errors;
        self
    }

    /// Waits until the run is over; gives it, with all its tasks, when it succeeded.
    ///
    /// Dropping the future, or running out of time, leaves the run alone.
    ///
    /// # Errors
    /// [`JobError::Failed`], [`JobError::Canceled`], [`JobError::TimedOut`], [`JobError::InternalError`] and
    /// [`JobError::Skipped`] say how the run ended otherwise, and name its failed tasks; [`JobError::WaitTimeout`]
    /// when it did not end in time; [`JobError::Transport`] when it could not be looked at.
    pub async fn send(self) -> Result<Run> {
        self.config.check()?;
        let span = tracing::info_span!(
            "databricks.job.wait",
            run_id = %self.run_id,
            polls = tracing::field::Empty,
            duration = tracing::field::Empty
        );
        self.run().instrument(span).await
    }

    async fn run(self) -> Result<Run> {
        let mut progress = Progress::new(&self.config);
        loop {
            match timeout_at(progress.end_of_look(), self.look()).await {
                Ok(Ok(run)) => {
                    let state = run.state();
                    progress.seen(self.run_id, &state);
                    if let RunState::Terminated(outcome) = state {
                        return finish(run, outcome, &progress);
                    }
                }
                Ok(Err(error)) => progress.failed(error)?,
                Err(_) => return Err(self.out_of_time(progress)),
            }
            if !progress.pause().await {
                return Err(self.out_of_time(progress));
            }
        }
    }

    /// The run as it stands. All its tasks are asked for only once it is over.
    async fn look(&self) -> Result<Run> {
        let mut page = self.jobs.run_page(self.run_id, None).await?;
        if !page.run.state().is_terminal() {
            return Ok(page.run);
        }
        let token = page.take_token();
        self.jobs.with_all_tasks(page.run, token).await
    }

    fn out_of_time(&self, progress: Progress) -> JobError {
        JobError::WaitTimeout {
            run_id: self.run_id,
            elapsed: progress.elapsed(),
            last_state: progress.last_state,
        }
    }
}

fn finish(run: Run, outcome: RunOutcome, progress: &Progress) -> Result<Run> {
    let elapsed = progress.elapsed().as_secs_f64();
    let span = tracing::Span::current();
    span.record("polls", progress.polls);
    span.record("duration", elapsed);
    metrics::histogram!("databricks_job_duration_seconds", "job_type" => run.metric_type()).record(elapsed);
    if outcome.is_success() {
        tracing::info!(run_id = %run.run_id, %outcome, "run is over");
        return Ok(run);
    }
    let error = JobError::ended(run, outcome);
    tracing::error!(%error, "run is over");
    Err(error)
}

/// What a wait remembers between two looks.
struct Progress {
    started: Instant,
    deadline: Instant,
    interval: Duration,
    max_interval: Duration,
    errors_left: u32,
    max_errors: u32,
    polls: u64,
    last_state: Option<RunState>,
}

impl Progress {
    fn new(config: &WaitConfig) -> Self {
        let started = Instant::now();
        // What the clock cannot hold is as good as never: thirty years.
        let never = started + Duration::from_secs(30 * 365 * 86_400);
        Self {
            started,
            deadline: started.checked_add(config.timeout).unwrap_or(never),
            interval: config.initial_interval,
            max_interval: config.max_interval,
            errors_left: config.max_poll_errors,
            max_errors: config.max_poll_errors,
            polls: 0,
            last_state: None,
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn seen(&mut self, run_id: RunId, state: &RunState) {
        self.polls += 1;
        self.errors_left = self.max_errors;
        if self.last_state.as_ref() != Some(state) {
            tracing::debug!(%run_id, %state, "databricks.job.status");
            self.last_state = Some(state.clone());
        }
    }

    /// A passing error costs one of those allowed in a row; any other ends the wait.
    fn failed(&mut self, error: JobError) -> Result<()> {
        self.polls += 1;
        let passing = matches!(&error, JobError::Transport(error) if error.is_retryable());
        if !passing || self.errors_left == 0 {
            return Err(error);
        }
        self.errors_left -= 1;
        tracing::warn!(%error, errors_left = self.errors_left, "could not look at the run; trying again");
        Ok(())
    }

    /// Until when the next look may take.
    fn end_of_look(&self) -> Instant {
        self.deadline.max(Instant::now() + LAST_LOOK)
    }

    /// Sleeps, but not past the deadline, where the last look is taken; `false` when that was it.
    async fn pause(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(self.interval.min(left)).await;
        self.interval = self.interval.saturating_mul(2).min(self.max_interval);
        true
    }
}
