//! Waiting for runs to be over: how often they are looked at, for how long, through which failures.

mod config;
mod details;
mod many;
mod schedule;
mod watch;

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tracing::Instrument;

pub use config::WaitConfig;
pub use many::WaitAll;
use watch::Watch;

use crate::run::{Run, RunState};
use crate::{JobError, JobsClient, RepairId, Result, RunId};

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
    repair: Option<RepairId>,
    config: WaitConfig,
}

impl Wait {
    pub(crate) fn new(jobs: JobsClient, run_id: RunId) -> Self {
        Self { jobs, run_id, repair: None, config: WaitConfig::default() }
    }

    /// Waits for this repair of the run. Right after a repair began, the service may still answer how the run ended before
    /// it: an end is passed over while the run's history does not have the repair or shows it at work. A repair that is none
    /// of the run's is waited for until the time is up.
    pub fn of_repair(mut self, repair_id: RepairId) -> Self {
        self.repair = Some(repair_id);
        self
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
