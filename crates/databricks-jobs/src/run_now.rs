//! Starting a run of a job.

use std::collections::BTreeMap;

use databricks_transport::{ApiRequest, Client, Operation};
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::{JobError, JobId, Result, RunId};

// Every request carries an idempotency token: the server answers a second one with the run of the first.
const RUN_NOW: Operation = Operation::new("jobs.run_now").idempotent();

/// The longest idempotency token the API takes, in characters.
const LONGEST_TOKEN: usize = 64;

/// A run about to be started; [`JobsClient::run_now`](crate::JobsClient::run_now) makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `send`"]
pub struct RunNow {
    client: Client,
    body: Body,
}

#[derive(Clone, Debug, Serialize)]
struct Body {
    job_id: JobId,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    job_parameters: BTreeMap<String, String>,
    idempotency_token: Option<String>,
}

#[derive(Deserialize)]
struct Started {
    run_id: RunId,
}

impl RunNow {
    pub(crate) fn new(client: Client, job_id: JobId) -> Self {
        Self { client, body: Body { job_id, job_parameters: BTreeMap::new(), idempotency_token: None } }
    }

    /// Sets a job parameter; a later value for the same name wins.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.body.job_parameters.insert(name.into(), value.into());
        self
    }

    /// Starts at most one run for this token (1 to 64 characters), however often it is sent, also by other
    /// processes. Without one, a random token guards the retries of this call.
    pub fn idempotency_token(mut self, token: impl Into<String>) -> Self {
        self.body.idempotency_token = Some(token.into());
        self
    }

    /// Starts the run, or finds the one its token has started.
    ///
    /// # Errors
    /// [`JobError::InvalidSetting`] for a token that is empty or too long, else [`JobError::Transport`].
    pub async fn send(self) -> Result<RunId> {
        let span =
            tracing::info_span!("databricks.job.submit", job_type = "run_now", job_id = %self.body.job_id);
        let result = self.start().instrument(span).await;
        let status = if result.is_ok() { "ok" } else { "error" };
        metrics::counter!("databricks_jobs_submitted_total", "job_type" => "run_now", "status" => status)
            .increment(1);
        result
    }

    async fn start(mut self) -> Result<RunId> {
        let token = self.body.idempotency_token.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
        if token.is_empty() || token.chars().count() > LONGEST_TOKEN {
            let value = std::mem::take(token);
            return Err(JobError::InvalidSetting {
                name: "idempotency token",
                value,
                remedy: "use 1 to 64 characters",
            });
        }
        let request = ApiRequest::post("/api/2.2/jobs/run-now").json(&self.body)?;
        let started: Started = self.client.call(RUN_NOW, request).await?;
        Ok(started.run_id)
    }
}
