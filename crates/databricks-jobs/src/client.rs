//! The client: plain calls here, calls with options in files of their own.

use std::collections::HashSet;

use databricks_transport::{ApiRequest, Client, Error, ErrorKind, Operation};
use serde::{Deserialize, Serialize};

use crate::run::{Run, RunTask};
use crate::{JobId, ListRuns, Result, RunId, RunNow, Wait};

const GET_RUN: Operation = Operation::new("jobs.get_run").idempotent();
// A run that is cancelled already stays so.
const CANCEL_RUN: Operation = Operation::new("jobs.cancel_run").idempotent();

/// Starts runs of jobs, looks at them, waits for them.
#[derive(Clone, Debug)]
pub struct JobsClient {
    pub(crate) client: Client,
}

/// One page of a run: the run itself and some of its tasks.
#[derive(Deserialize)]
pub(crate) struct RunPage {
    #[serde(flatten)]
    pub(crate) run: Run,
    #[serde(default)]
    pub(crate) next_page_token: Option<String>,
}

impl RunPage {
    /// The token of the next page, if there is one.
    pub(crate) fn take_token(&mut self) -> Option<String> {
        self.next_page_token.take().filter(|token| !token.is_empty())
    }
}

impl JobsClient {
    /// A client on this connection.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// Starts a run of a job. Set options on what this gives, then `send()`.
    pub fn run_now(&self, job_id: JobId) -> RunNow {
        RunNow::new(self.client.clone(), job_id)
    }

    /// Waits until a run is over. Set options on what this gives, then `send()`.
    pub fn wait(&self, run_id: RunId) -> Wait {
        Wait::new(self.clone(), run_id)
    }

    /// Runs, newest first. Set filters on what this gives, then `send()` for a stream.
    pub fn list_runs(&self) -> ListRuns {
        ListRuns::new(self.client.clone())
    }

    /// A run with all its tasks, however many pages they take.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport) of kind `NotFound` when there is no such run.
    pub async fn get_run(&self, run_id: RunId) -> Result<Run> {
        let mut page = self.run_page(run_id, None).await?;
        let token = page.take_token();
        self.with_all_tasks(page.run, token).await
    }

    /// Asks for a run to be cancelled. It is over only once a [`wait`](Self::wait) says so.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn cancel_run(&self, run_id: RunId) -> Result<()> {
        #[derive(Serialize)]
        struct Cancel {
            run_id: RunId,
        }
        let request = ApiRequest::post("/api/2.2/jobs/runs/cancel").json(&Cancel { run_id })?;
        let _: serde_json::Value = self.client.call(CANCEL_RUN, request).await?;
        Ok(())
    }

    /// The run and up to 100 of its tasks.
    pub(crate) async fn run_page(&self, run_id: RunId, token: Option<&str>) -> Result<RunPage, Error> {
        let request = ApiRequest::get("/api/2.2/jobs/runs/get").query("run_id", run_id);
        let request = match token {
            Some(token) => request.query("page_token", token),
            None => request,
        };
        self.client.call(GET_RUN, request).await
    }

    /// The run with the tasks of the pages from `token` on.
    pub(crate) async fn with_all_tasks(&self, mut run: Run, mut token: Option<String>) -> Result<Run> {
        let mut asked = HashSet::new();
        while let Some(next) = token {
            let mut page = self.run_page(run.run_id, Some(&next)).await?;
            let tasks: Vec<RunTask> = page.run.tasks.drain(..).collect();
            run.tasks.extend(tasks);
            token = page.take_token();
            if !asked.insert(next) {
                let message = format!("the pages of run {} lead back to each other", run.run_id);
                return Err(Error::new(ErrorKind::Decode, message).into());
            }
        }
        Ok(run)
    }
}
