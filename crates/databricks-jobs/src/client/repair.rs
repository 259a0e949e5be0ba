//! Running tasks of a run again, as part of it.

use databricks_transport::{ApiRequest, Error, Operation};
use serde::{Deserialize, Serialize};

use super::{JobsClient, RunParameters};
use crate::wait::WaitConfig;
use crate::{JobError, RepairId, Result, Run, RunId};

// There is no token for it, so one is never sent twice unless the server did not run it.
const REPAIR: Operation = Operation::new("jobs.repair_run");

/// A repair about to begin; [`JobsClient::repair_failed`] and [`JobsClient::repair_run`] make one.
#[derive(Clone, Debug)]
#[must_use = "nothing is repaired before `send`"]
pub struct RepairRun {
    jobs: JobsClient,
    body: Body,
}

#[derive(Clone, Debug, Serialize)]
struct Body {
    run_id: RunId,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_repair_id: Option<RepairId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rerun_tasks: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    rerun_all_failed_tasks: bool,
    #[serde(skip_serializing_if = "is_false")]
    rerun_dependent_tasks: bool,
    #[serde(flatten)]
    parameters: RunParameters,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Deserialize)]
struct Repaired {
    repair_id: RepairId,
}

impl RepairRun {
    pub(super) fn of_tasks(jobs: JobsClient, run_id: RunId, tasks: Vec<String>) -> Self {
        let body = Body {
            run_id,
            latest_repair_id: None,
            rerun_all_failed_tasks: false,
            rerun_tasks: tasks,
            rerun_dependent_tasks: false,
            parameters: RunParameters::new(),
        };
        Self { jobs, body }
    }

    pub(super) fn of_failed(jobs: JobsClient, run_id: RunId) -> Self {
        let mut repair = Self::of_tasks(jobs, run_id, Vec::new());
        repair.body.rerun_all_failed_tasks = true;
        repair
    }

    /// Runs the tasks that depend on them again too, even those that succeeded.
    pub fn with_dependents(mut self) -> Self {
        self.body.rerun_dependent_tasks = true;
        self
    }

    /// Sets a job parameter; a later value for the same name wins.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.body.parameters = self.body.parameters.with_job_parameter(name, value);
        self
    }

    /// Sets all that the repair is given instead of what its job says.
    pub fn parameters(mut self, parameters: RunParameters) -> Self {
        self.body.parameters = parameters;
        self
    }

    /// Names the latest repair of the run, which a further one must. Without it the run is asked for it.
    pub fn latest_repair(mut self, repair_id: RepairId) -> Self {
        self.body.latest_repair_id = Some(repair_id);
        self
    }

    /// Begins the repair. When no answer says whether it began, the run's history is asked. To wait for it, name it
    /// ([`Wait::of_repair`](crate::Wait::of_repair)): the service may go on for a moment to answer how the run ended before.
    ///
    /// # Errors
    /// [`JobError::Transport`]: the run is not over, has no task that failed, or somebody else repaired it meanwhile.
    pub async fn send(mut self) -> Result<RepairId> {
        let run_id = self.body.run_id;
        if self.body.latest_repair_id.is_none() {
            self.body.latest_repair_id = self.latest().await?;
        }
        let request = ApiRequest::post("/api/2.2/jobs/runs/repair").json(&self.body)?;
        let sent: Result<Repaired, Error> = self.jobs.client.call(REPAIR, request).await;
        let repair_id = match sent {
            Ok(repaired) => repaired.repair_id,
            Err(error) if error.is_ambiguous() => self.begun_after_all(error).await?,
            Err(error) => return Err(error.into()),
        };
        tracing::info!(%run_id, %repair_id, "run is being repaired");
        Ok(repair_id)
    }

    /// Begins the repair and waits for the run.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`Wait::send`](crate::Wait::send).
    pub async fn send_and_wait(self, config: WaitConfig) -> Result<Run> {
        let (jobs, run_id) = (self.jobs.clone(), self.body.run_id);
        let repair_id = self.send().await?;
        jobs.wait(run_id).of_repair(repair_id).config(config).send().await
    }

    async fn latest(&self) -> Result<Option<RepairId>> {
        Ok(self.jobs.get_run_with_history(self.body.run_id).await?.latest_repair_id())
    }

    /// The service takes one repair after the one that was the latest. If there is one now, it is this one, or this one was
    /// refused because of it: either way the run is being repaired.
    async fn begun_after_all(&self, error: Error) -> Result<RepairId> {
        match self.latest().await {
            Ok(Some(latest)) if Some(latest) != self.body.latest_repair_id => Ok(latest),
            _ => Err(JobError::Transport(error)),
        }
    }
}
