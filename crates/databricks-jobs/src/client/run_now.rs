//! Starting a run of a job.

use databricks_transport::{ApiRequest, Operation};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use super::JobsClient;
use crate::settings::{PerformanceTarget, PipelineParams, QueueSettings};
use crate::token::IdempotencyToken;
use crate::wait::WaitConfig;
use crate::wire::records;
use crate::{JobError, JobId, Result, Run, RunId};

// Every request carries an idempotency token: the server answers a second one with the run of the first.
const RUN_NOW: Operation = Operation::new("jobs.run_now").idempotent();

records! {
    /// What a run or a repair is given instead of what its job says.
    RunParameters() {
        /// Parameters of the job.
        map job_parameters: String,
        /// Parameters of notebook tasks; deprecated in favour of job parameters, as the fields below.
        map notebook_params: String,
        /// Parameters of JAR tasks.
        list jar_params: String,
        /// Parameters of Python tasks.
        list python_params: String,
        /// Named parameters of wheel tasks.
        map python_named_params: String,
        /// Parameters of spark-submit tasks.
        list spark_submit_params: String,
        /// Parameters of SQL tasks.
        map sql_params: String,
        /// Commands of dbt tasks.
        list dbt_commands: String,
        /// Parameters of pipeline tasks.
        opt pipeline_params: PipelineParams,
        /// Whether a serverless run is to be fast or cheap.
        val performance_target: PerformanceTarget,
    }
}

impl RunParameters {
    /// Sets one parameter of the job, beside those that are there.
    pub fn with_job_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.job_parameters.get_or_insert_default().insert(name.into(), value.into());
        self
    }
}

/// A run about to be started; [`JobsClient::run_now`] makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `send`"]
pub struct RunNow {
    jobs: JobsClient,
    body: Body,
    token: IdempotencyToken,
}

#[derive(Clone, Debug, Serialize)]
struct Body {
    job_id: JobId,
    #[serde(flatten)]
    parameters: RunParameters,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    only: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<QueueSettings>,
    idempotency_token: String,
}

#[derive(Deserialize)]
struct Started {
    run_id: RunId,
}

impl RunNow {
    pub(super) fn new(jobs: JobsClient, job_id: JobId) -> Self {
        let parameters = RunParameters::new();
        let body =
            Body { job_id, parameters, only: Vec::new(), queue: None, idempotency_token: String::new() };
        Self { jobs, body, token: IdempotencyToken::default() }
    }

    /// Sets a job parameter; a later value for the same name wins.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.body.parameters = self.body.parameters.with_job_parameter(name, value);
        self
    }

    /// Sets all that the run is given instead of what its job says.
    pub fn parameters(mut self, parameters: RunParameters) -> Self {
        self.body.parameters = parameters;
        self
    }

    /// Runs only these tasks of the job.
    pub fn only(mut self, tasks: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.body.only = tasks.into_iter().map(Into::into).collect();
        self
    }

    /// Lets the run wait when there are too many, or not, whatever its job says.
    pub fn queued(mut self, enabled: bool) -> Self {
        self.body.queue = Some(QueueSettings::new(enabled));
        self
    }

    /// Starts at most one run for this token (1 to 64 characters), however often it is sent, also by other
    /// processes. Without one, a random token guards the retries of this call.
    pub fn idempotency_token(mut self, token: impl Into<String>) -> Self {
        self.token.set(token);
        self
    }

    /// Starts the run, or finds the one its token has started.
    ///
    /// # Errors
    /// [`JobError::InvalidSetting`] for a token that is empty or too long, [`JobError::MayHaveStarted`] when no answer says
    /// whether it was started, else [`JobError::Transport`].
    pub async fn send(self) -> Result<RunId> {
        let span =
            tracing::info_span!("databricks.job.submit", job_type = "job_run", job_id = %self.body.job_id);
        counted("job_run", self.start().instrument(span).await)
    }

    /// Starts the run and waits for it.
    ///
    /// # Errors
    /// As [`send`](Self::send) and [`Wait::send`](crate::Wait::send).
    pub async fn send_and_wait(self, config: WaitConfig) -> Result<Run> {
        let jobs = self.jobs.clone();
        let run_id = self.send().await?;
        jobs.wait(run_id).config(config).send().await
    }

    async fn start(mut self) -> Result<RunId> {
        self.body.idempotency_token = self.token.filled()?;
        let request = ApiRequest::post("/api/2.2/jobs/run-now").json(&self.body)?;
        let answer = self.jobs.client.call(RUN_NOW, request).await;
        let started: Started = answer.map_err(|e| JobError::not_started(e, self.body.idempotency_token))?;
        tracing::info!(run_id = %started.run_id, "run started");
        Ok(started.run_id)
    }
}

/// Counts a start that went well or did not.
pub(super) fn counted<T>(job_type: &'static str, result: Result<T>) -> Result<T> {
    let status = if result.is_ok() { "ok" } else { "error" };
    metrics::counter!("databricks_jobs_submitted_total", "job_type" => job_type, "status" => status)
        .increment(1);
    result
}
