//! Waiting for runs to be over: how often they are looked at, for how long, through which failures.

mod details;
mod many;
mod schedule;

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::time::timeout_at;
use tracing::Instrument;

pub use many::WaitAll;
use schedule::Schedule;

use crate::run::{Run, RunFailure, RunOutcome, RunState};
use crate::{JobError, JobsClient, Result, RunId};

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
    /// How many looks in a row may fail for a passing reason before the wait does. 20 by default: an outage of some ten
    /// minutes.
    pub max_poll_errors: u32,
    /// Whether a run that takes longer than the wait is cancelled. Not by default.
    pub cancel_on_timeout: bool,
}

impl Default for WaitConfig {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            timeout: Duration::from_secs(3600),
            max_poll_errors: 20,
            cancel_on_timeout: false,
        }
    }
}

impl WaitConfig {
    /// How long to wait in all.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Waits for as long as the run takes.
    #[must_use]
    pub fn no_timeout(self) -> Self {
        self.with_timeout(Duration::MAX)
    }

    /// Cancels a run that takes longer than the wait.
    #[must_use]
    pub fn cancel_on_timeout(mut self) -> Self {
        self.cancel_on_timeout = true;
        self
    }

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

/// How a run stood at one look.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Look {
    /// The run with its URL and its tasks: the first 100 while it is going on, all of them once it is over.
    pub run: Run,
    /// Where it is in its life.
    pub state: RunState,
    /// How long the wait has taken.
    pub elapsed: Duration,
    /// How many looks there have been, those that failed included.
    pub looks: u64,
}

/// A wait about to begin; [`JobsClient::wait`] makes one.
///
/// All waits of a client share one pace ([`JobsClient::with_looks_per_second`]), so that hundreds of them do not flood the
/// service. A look that fails for a passing reason (the service is down, throttles, or the connection broke) does not end
/// the wait; too many in a row do. Nothing is left behind when a wait is dropped, and it can be taken up again by the run's
/// id, in another process too.
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

    /// Waits for as long as the run takes.
    pub fn no_timeout(self) -> Self {
        self.timeout(Duration::MAX)
    }

    /// Cancels the run when it takes longer than the wait, and stays until it is over: up to two minutes, and in an outage
    /// for as many tries as looks may fail.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.config.cancel_on_timeout = true;
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
    /// Dropping the future, or running out of time unless told to cancel, leaves the run alone.
    ///
    /// # Errors
    /// [`JobError::Failed`], [`JobError::Canceled`], [`JobError::TimedOut`], [`JobError::InternalError`] and
    /// [`JobError::Skipped`] say how the run ended otherwise, and name its failed tasks with code, error and trace;
    /// [`JobError::WaitTimeout`] when it did not end in time, [`JobError::NotCanceled`] when it could not be cancelled then
    /// as it should; [`JobError::LostSight`] when it could not be looked at.
    pub async fn send(self) -> Result<Run> {
        let run_id = self.run_id;
        let mut looks = self.watch();
        let mut last = None;
        while let Some(look) = looks.try_next().await? {
            last = Some(look.run);
        }
        // The stream ends after a look at a run that succeeded, or with an error.
        last.ok_or(JobError::WaitTimeout { run_id, elapsed: Duration::ZERO, last_state: None })
    }

    /// The looks of the wait, for a progress bar: the last one is of the run that succeeded, or an error as those of
    /// [`send`](Self::send). Waiting goes on only while the stream is read.
    ///
    /// ```no_run
    /// use futures::TryStreamExt;
    ///
    /// # async fn run(jobs: databricks_jobs::JobsClient, run_id: databricks_jobs::RunId) -> databricks_jobs::Result<()> {
    /// let mut looks = jobs.wait(run_id).watch();
    /// while let Some(look) = looks.try_next().await? {
    ///     let over = look.run.latest_attempts().iter().filter(|task| task.state().is_terminal()).count();
    ///     println!("{} {over}/{}", look.state, look.run.latest_attempts().len());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn watch(self) -> BoxStream<'static, Result<Look>> {
        let span = tracing::info_span!(
            "databricks.job.wait",
            run_id = %self.run_id,
            polls = tracing::field::Empty,
            duration = tracing::field::Empty
        );
        let looks = stream::try_unfold(Watch::new(self), move |watch| {
            let span = span.clone();
            async move { watch.next().await }.instrument(span)
        });
        looks.boxed()
    }
}

/// A wait under way.
enum Watch {
    /// Nothing was looked at, not even the configuration.
    New(Wait),
    Waiting(Wait, Schedule),
    Over,
}

impl Watch {
    fn new(wait: Wait) -> Self {
        Self::New(wait)
    }

    async fn next(self) -> Result<Option<(Look, Self)>> {
        let (wait, mut schedule, mut rested) = match self {
            Self::New(wait) => {
                wait.config.check()?;
                let schedule = Schedule::new(&wait.config);
                (wait, schedule, true)
            }
            Self::Waiting(wait, schedule) => (wait, schedule, false),
            Self::Over => return Ok(None),
        };
        loop {
            if !rested && !schedule.pause().await {
                return wait.out_of_time(schedule).await;
            }
            rested = false;
            match timeout_at(schedule.end_of_look(), wait.look(&schedule)).await {
                Ok(Ok(run)) => {
                    let look = schedule.seen(run);
                    return match look.state.clone() {
                        RunState::Terminated(outcome) => wait.over(look, outcome).await,
                        _ => Ok(Some((look, Self::Waiting(wait, schedule)))),
                    };
                }
                Ok(Err(error)) => schedule.failed(wait.run_id, error)?,
                Err(_) => return wait.out_of_time(schedule).await,
            }
        }
    }
}

impl Wait {
    /// The run as it stands. All its tasks are asked for only once it is over.
    async fn look(&self, schedule: &Schedule) -> Result<Run, databricks_transport::Error> {
        let span = tracing::debug_span!(
            "databricks.job.status",
            run_id = %self.run_id,
            state = tracing::field::Empty,
            duration = tracing::field::Empty
        );
        let elapsed = schedule.elapsed().as_secs_f64();
        async {
            let run = self.jobs.paced_run(self.run_id, false).await?;
            let span = tracing::Span::current();
            span.record("state", tracing::field::display(run.state()));
            span.record("duration", elapsed);
            Ok(run)
        }
        .instrument(span)
        .await
    }

    /// Asks for the run to be cancelled, through as many passing failures as looks are allowed.
    async fn cancel(&self, schedule: Schedule) -> Result<Schedule, databricks_transport::Error> {
        let mut attempts = schedule.without_end();
        loop {
            self.jobs.pace.acquire(None).await?.served();
            match self.jobs.ask_to_cancel(self.run_id).await {
                Ok(()) => return Ok(attempts),
                Err(error) => attempts.borne(self.run_id, error)?,
            }
            attempts.pause().await;
        }
    }

    /// Counts a run that is over.
    fn ended(&self, look: &Look) {
        let took = look.run.duration().unwrap_or(look.elapsed).as_secs_f64();
        let span = tracing::Span::current();
        span.record("polls", look.looks);
        span.record("duration", look.elapsed.as_secs_f64());
        let job_type = look.run.metric_type();
        metrics::histogram!("databricks_job_duration_seconds", "job_type" => job_type).record(took);
    }

    /// What there is to say of a run that is over.
    async fn over(self, look: Look, outcome: RunOutcome) -> Result<Option<(Look, Watch)>> {
        self.ended(&look);
        if outcome.is_success() {
            tracing::info!(run_id = %self.run_id, %outcome, "run is over");
            return Ok(Some((look, Watch::Over)));
        }
        let mut failure = RunFailure::new(look.run, outcome);
        self.jobs.add_details(&mut failure).await;
        let error = JobError::ended(failure);
        tracing::error!(%error, "run is over");
        Err(error)
    }

    /// The time is up: cancels the run if it is to be, and stays until it is over then.
    async fn out_of_time(self, schedule: Schedule) -> Result<Option<(Look, Watch)>> {
        let (run_id, elapsed) = (self.run_id, schedule.elapsed());
        if !self.config.cancel_on_timeout {
            return Err(JobError::WaitTimeout { run_id, elapsed, last_state: schedule.last_state });
        }
        tracing::warn!(%run_id, "the wait is over; cancelling the run");
        let mut rest = match self.cancel(schedule).await {
            Ok(schedule) => schedule.rest(),
            Err(source) => return Err(JobError::NotCanceled { run_id, elapsed, source }),
        };
        loop {
            match timeout_at(rest.end_of_look(), self.look(&rest)).await {
                Ok(Ok(run)) => {
                    let look = rest.seen(run);
                    match look.state.clone() {
                        RunState::Terminated(RunOutcome::Canceled) => {
                            self.ended(&look);
                            break;
                        }
                        // It was over before it could be cancelled.
                        RunState::Terminated(outcome) => return self.over(look, outcome).await,
                        _ => {}
                    }
                }
                Ok(Err(error)) => rest.failed(run_id, error)?,
                Err(_) => break,
            }
            if !rest.pause().await {
                break;
            }
        }
        Err(JobError::WaitTimeout { run_id, elapsed, last_state: rest.last_state })
    }
}
