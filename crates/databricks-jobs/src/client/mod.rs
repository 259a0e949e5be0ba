//! The client: what it is made of, and the way into each of its calls.

mod definitions;
mod lists;
mod output;
mod permissions;
mod repair;
mod run_now;
mod runs;
mod submit;
mod upload;

use databricks_transport::{Client, FixedRate, Rate, RateLimiter};

pub use definitions::{Job, UpdateJob};
pub use lists::{ListJobs, ListRuns};
pub use permissions::ChangePermissions;
pub use repair::RepairRun;
pub use run_now::{RunNow, RunParameters};
pub use submit::{SubmitRun, SubmitSettings};
pub use upload::{Language, UploadSource};

use crate::wait::{Wait, WaitAll, WaitConfig};
use crate::{JobId, Result, Run, RunId};

/// How many looks at runs all waits of a client take in a second: half of what the service lets one client ask.
const LOOKS_PER_SECOND: f64 = 8.0;

/// Defines jobs, starts runs of them, looks at runs, waits for them. Cheap to clone.
///
/// ```no_run
/// use databricks_jobs::{JobSettings, JobsClient, Task};
/// use databricks_transport::{Client, DatabricksConfig};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let jobs = JobsClient::new(&Client::new(DatabricksConfig::from_env()?)?);
/// let job_id = jobs.create(&JobSettings::named("nightly").task(Task::notebook("load", "/Shared/load"))).await?;
/// let run_id = jobs.run_now(job_id).parameter("day", "2024-01-31").send().await?;
/// let run = jobs.wait(run_id).send().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct JobsClient {
    pub(crate) client: Client,
    /// Shared by all waits of this client and its clones.
    pub(crate) pace: RateLimiter,
}

impl JobsClient {
    /// A client on this connection.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), pace: pace(LOOKS_PER_SECOND) }
    }

    /// Sets how many looks at runs all waits of this client and its later clones take in a second, 8 unless set. With more
    /// runs than that leaves time for, each is looked at less often.
    #[must_use]
    pub fn with_looks_per_second(mut self, looks: f64) -> Self {
        self.pace = pace(looks);
        self
    }

    /// Starts a run of a job. Set options on what this gives, then `send()`.
    pub fn run_now(&self, job_id: JobId) -> RunNow {
        RunNow::new(self.clone(), job_id)
    }

    /// Starts a run that belongs to no job. Set options on what this gives, then `send()`.
    pub fn submit_run(&self, tasks: impl IntoIterator<Item = crate::Task>) -> SubmitRun {
        SubmitRun::new(self.clone(), SubmitSettings::new().tasks(tasks))
    }

    /// Starts a run that belongs to no job, and waits for it.
    ///
    /// # Errors
    /// As [`SubmitRun::send`] and [`Wait::send`].
    pub async fn submit_and_wait(
        &self,
        tasks: impl IntoIterator<Item = crate::Task>,
        config: WaitConfig,
    ) -> Result<Run> {
        self.submit_run(tasks).send_and_wait(config).await
    }

    /// Runs some tasks of a run again, as part of it. Set options on what this gives, then `send()`.
    pub fn repair_run(&self, run_id: RunId, tasks: impl IntoIterator<Item = impl Into<String>>) -> RepairRun {
        RepairRun::of_tasks(self.clone(), run_id, tasks.into_iter().map(Into::into).collect())
    }

    /// Runs the tasks of a run that failed again, as part of it. Set options on what this gives, then `send()`.
    pub fn repair_failed(&self, run_id: RunId) -> RepairRun {
        RepairRun::of_failed(self.clone(), run_id)
    }

    /// Waits until a run is over, started here or anywhere. Set options on what this gives, then `send()`.
    pub fn wait(&self, run_id: RunId) -> Wait {
        Wait::new(self.clone(), run_id)
    }

    /// Waits until a run is over, looking ever less often: [`wait`](Self::wait) under the name of the specification.
    ///
    /// # Errors
    /// As [`Wait::send`].
    pub async fn wait_for_completion_adaptive(&self, run_id: RunId, config: WaitConfig) -> Result<Run> {
        self.wait(run_id).config(config).send().await
    }

    /// Waits until all these runs are over. Set options on what this gives, then `send()`.
    pub fn wait_all(&self, runs: impl IntoIterator<Item = RunId>) -> WaitAll {
        WaitAll::new(self.clone(), runs.into_iter().collect())
    }

    /// Jobs, newest first. Set filters on what this gives, then `send()` for a stream.
    pub fn list(&self) -> ListJobs {
        ListJobs::new(self.client.clone())
    }

    /// Runs, newest first. Set filters on what this gives, then `send()` for a stream.
    pub fn list_runs(&self) -> ListRuns {
        ListRuns::new(self.client.clone())
    }

    /// Puts a source file, such as a notebook, into the workspace. Set options on what this gives, then `send()`.
    pub fn upload_source(
        &self,
        path: impl Into<String>,
        language: Language,
        source: impl Into<String>,
    ) -> UploadSource {
        UploadSource::new(self.client.clone(), path.into(), language, source.into())
    }
}

fn pace(looks_per_second: f64) -> RateLimiter {
    RateLimiter::with_policy(Rate::per_second(looks_per_second).with_burst(1), FixedRate)
}
