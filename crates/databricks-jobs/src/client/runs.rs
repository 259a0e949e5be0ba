//! Runs as they are: get, cancel, delete, export.

use databricks_transport::{ApiRequest, Error, Operation, RateLimiter};
use serde::Deserialize;
use serde_json::{Value, json};

use super::JobsClient;
use crate::pages::Tokens;
use crate::run::{ExportedView, Run, ViewsToExport};
use crate::{JobId, Result, RunId};

const GET: Operation = Operation::new("jobs.get_run").idempotent();
// A run that is cancelled already stays so.
const CANCEL: Operation = Operation::new("jobs.cancel_run").idempotent();
// A second request might catch a run that started after the first.
const CANCEL_ALL: Operation = Operation::new("jobs.cancel_all_runs");
const DELETE: Operation = Operation::new("jobs.delete_run");
const EXPORT: Operation = Operation::new("jobs.export_run").idempotent();

/// One page of a run: the run itself and some of its tasks.
#[derive(Deserialize)]
struct RunPage {
    #[serde(flatten)]
    run: Run,
    #[serde(default)]
    next_page_token: Option<String>,
}

impl RunPage {
    /// The token of the next page, if there is one.
    fn take_token(&mut self) -> Option<String> {
        self.next_page_token.take().filter(|token| !token.is_empty())
    }
}

impl JobsClient {
    /// A run with all its tasks, however many pages they take; of a for-each task's run, with all its iterations.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport) of kind `NotFound` when there is no such run.
    pub async fn get_run(&self, run_id: RunId) -> Result<Run> {
        Ok(self.whole_run(run_id, false).await?)
    }

    /// A run with its tasks and its `repair_history`: the original run and its repairs.
    ///
    /// # Errors
    /// As [`get_run`](Self::get_run).
    pub async fn get_run_with_history(&self, run_id: RunId) -> Result<Run> {
        Ok(self.whole_run(run_id, true).await?)
    }

    async fn whole_run(&self, run_id: RunId, history: bool) -> Result<Run, Error> {
        let mut page = self.run_page(run_id, history, None).await?;
        let token = page.take_token();
        self.with_all_pages(page.run, history, token, None).await
    }

    /// The run and up to 100 of its tasks.
    async fn run_page(&self, run_id: RunId, history: bool, token: Option<&str>) -> Result<RunPage, Error> {
        let mut request = ApiRequest::get("/api/2.2/jobs/runs/get").query("run_id", run_id);
        if history {
            request = request.query("include_history", true);
        }
        if let Some(token) = token {
            request = request.query("page_token", token);
        }
        self.client.call(GET, request).await
    }

    /// The run as a wait asks for it: each page is a look that all waits share the pace of. Further pages are asked for only
    /// when the run is over.
    pub(crate) async fn paced_look(&self, run_id: RunId, history: bool) -> Result<Run, Error> {
        self.pace.acquire(None).await?.served();
        let mut page = self.run_page(run_id, history, None).await?;
        let token = page.take_token().filter(|_| page.run.state().is_terminal());
        self.with_all_pages(page.run, history, token, Some(&self.pace)).await
    }

    /// The run with all its pages, wherever it stands, at the pace of waits.
    pub(crate) async fn paced_whole(&self, run_id: RunId) -> Result<Run, Error> {
        self.pace.acquire(None).await?.served();
        let mut page = self.run_page(run_id, false, None).await?;
        let token = page.take_token();
        self.with_all_pages(page.run, false, token, Some(&self.pace)).await
    }

    /// The run with what the pages from `token` on hold, at a pace if there is one to keep.
    async fn with_all_pages(
        &self,
        mut run: Run,
        history: bool,
        mut token: Option<String>,
        pace: Option<&RateLimiter>,
    ) -> Result<Run, Error> {
        let mut tokens = Tokens::default();
        while let Some(next) = token {
            tokens.follow(&next, format_args!("run {}", run.run_id))?;
            if let Some(pace) = pace {
                pace.acquire(None).await?.served();
            }
            let mut page = self.run_page(run.run_id, history, Some(&next)).await?;
            token = page.take_token();
            run.append(page.run);
        }
        Ok(run)
    }

    /// Asks for a run to be cancelled. It is over only once a [`wait`](Self::wait) says so.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn cancel_run(&self, run_id: RunId) -> Result<()> {
        Ok(self.ask_to_cancel(run_id).await?)
    }

    pub(crate) async fn ask_to_cancel(&self, run_id: RunId) -> Result<(), Error> {
        let request = ApiRequest::post("/api/2.2/jobs/runs/cancel").json(&json!({ "run_id": run_id }))?;
        self.client.call(CANCEL, request).await
    }

    /// Asks for all active runs of a job to be cancelled, those that wait included.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn cancel_all_runs(&self, job_id: JobId) -> Result<()> {
        self.cancel_all(&json!({ "job_id": job_id })).await
    }

    /// Asks for the runs of a job that wait for others to be cancelled, and leaves those at work.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn cancel_queued_runs(&self, job_id: JobId) -> Result<()> {
        self.cancel_all(&json!({ "job_id": job_id, "all_queued_runs": true })).await
    }

    async fn cancel_all(&self, body: &Value) -> Result<()> {
        let request = ApiRequest::post("/api/2.2/jobs/runs/cancel-all").json(body)?;
        Ok(self.client.call(CANCEL_ALL, request).await?)
    }

    /// Deletes a run that is over, with its output.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn delete_run(&self, run_id: RunId) -> Result<()> {
        let request = ApiRequest::post("/api/2.2/jobs/runs/delete").json(&json!({ "run_id": run_id }))?;
        Ok(self.client.call(DELETE, request).await?)
    }

    /// The notebook or the dashboards of a task's run, as pages of HTML.
    ///
    /// # Errors
    /// [`JobError::Transport`](crate::JobError::Transport).
    pub async fn export_run(&self, run_id: RunId, views: ViewsToExport) -> Result<Vec<ExportedView>> {
        #[derive(Deserialize)]
        struct Exported {
            #[serde(default)]
            views: Vec<ExportedView>,
        }
        let request = ApiRequest::get("/api/2.2/jobs/runs/export")
            .query("run_id", run_id)
            .query("views_to_export", views);
        let exported: Exported = self.client.call(EXPORT, request).await?;
        Ok(exported.views)
    }
}
