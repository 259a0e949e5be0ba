//! A wait under way: one look after the other, until the run is over or the time is up.

use tokio::time::timeout_at;
use tracing::Instrument;

use super::schedule::Schedule;
use super::{Look, Wait};
use crate::run::{Run, RunFailure, RunOutcome, RunState};
use crate::{JobError, Result};

/// A wait under way.
pub(super) enum Watch {
    /// Nothing was looked at, not even the configuration.
    New(Wait),
    Waiting(Wait, Schedule),
    Over,
}

impl Watch {
    pub(super) fn new(wait: Wait) -> Self {
        Self::New(wait)
    }

    /// The next look worth telling; `None` once the run has succeeded.
    pub(super) async fn next(self) -> Result<Option<(Look, Self)>> {
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
                Ok(Ok(run)) if wait.is_before_the_repair(&run) => schedule.seen_too_early(),
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
            let run = self.jobs.paced_look(self.run_id, self.repair.is_some()).await?;
            let span = tracing::Span::current();
            span.record("state", tracing::field::display(run.state()));
            span.record("duration", elapsed);
            Ok(run)
        }
        .instrument(span)
        .await
    }

    /// Whether the run is shown as it ended before the repair that is waited for.
    fn is_before_the_repair(&self, run: &Run) -> bool {
        self.repair.is_some_and(|repair| run.state().is_terminal() && !run.has_ended_since(repair))
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
                Ok(Ok(run)) if self.is_before_the_repair(&run) => rest.seen_too_early(),
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
