//! Lists of jobs and of runs, as streams.

use databricks_transport::{Client, Operation};
use futures::stream::BoxStream;

use super::Job;
use crate::pages::Listing;
use crate::{JobId, Result, Run};

const LIST_JOBS: Operation = Operation::new("jobs.list").idempotent();
const LIST_RUNS: Operation = Operation::new("jobs.list_runs").idempotent();

/// A list of jobs; [`JobsClient::list`](crate::JobsClient::list) makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for before `send`"]
pub struct ListJobs(Listing);

impl ListJobs {
    pub(super) fn new(client: Client) -> Self {
        Self(Listing::new(client, LIST_JOBS, "/api/2.2/jobs/list", "jobs"))
    }

    /// Only jobs of exactly this name, in whatever case.
    pub fn name(self, name: &str) -> Self {
        Self(self.0.with("name", name))
    }

    /// With tasks and clusters, up to 100 of each; [`get`](crate::JobsClient::get) has them all.
    pub fn expand_tasks(self) -> Self {
        Self(self.0.with("expand_tasks", true))
    }

    /// How many jobs a page holds: 1 to 100, 20 unless set.
    pub fn page_size(self, jobs: u32) -> Self {
        Self(self.0.with("limit", jobs))
    }

    /// The jobs; pages are asked for as the stream is read.
    ///
    /// # Errors
    /// Items are [`JobError::Transport`](crate::JobError::Transport) when a page cannot be had; the stream ends there.
    pub fn send(self) -> BoxStream<'static, Result<Job>> {
        self.0.stream()
    }
}

/// A list of runs; [`JobsClient::list_runs`](crate::JobsClient::list_runs) makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for before `send`"]
pub struct ListRuns(Listing);

impl ListRuns {
    pub(super) fn new(client: Client) -> Self {
        Self(Listing::new(client, LIST_RUNS, "/api/2.2/jobs/runs/list", "runs"))
    }

    /// Only runs of this job.
    pub fn job(self, job_id: JobId) -> Self {
        Self(self.0.with("job_id", job_id))
    }

    /// Only runs that are not over.
    pub fn active_only(self) -> Self {
        Self(self.0.with("active_only", true))
    }

    /// Only runs that are over.
    pub fn completed_only(self) -> Self {
        Self(self.0.with("completed_only", true))
    }

    /// Only runs that started at this time or later, in milliseconds since 1970 (UTC).
    pub fn started_from(self, millis: i64) -> Self {
        Self(self.0.with("start_time_from", millis))
    }

    /// Only runs that started at this time or before, in milliseconds since 1970 (UTC).
    pub fn started_to(self, millis: i64) -> Self {
        Self(self.0.with("start_time_to", millis))
    }

    /// Only runs that came about like this: `JOB_RUN`, `SUBMIT_RUN` or `WORKFLOW_RUN`.
    pub fn run_type(self, run_type: &str) -> Self {
        Self(self.0.with("run_type", run_type))
    }

    /// With the tasks of each run, up to 100; [`get_run`](crate::JobsClient::get_run) has them all.
    pub fn expand_tasks(self) -> Self {
        Self(self.0.with("expand_tasks", true))
    }

    /// How many runs a page holds: 1 to 24, 20 unless set.
    pub fn page_size(self, runs: u32) -> Self {
        Self(self.0.with("limit", runs))
    }

    /// The runs; pages are asked for as the stream is read.
    ///
    /// # Errors
    /// Items are [`JobError::Transport`](crate::JobError::Transport) when a page cannot be had; the stream ends there.
    pub fn send(self) -> BoxStream<'static, Result<Run>> {
        self.0.stream()
    }
}
