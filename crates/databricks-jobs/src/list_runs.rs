//! Listing runs.

use databricks_transport::{ApiRequest, Client, Error, ErrorKind, Operation};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::Deserialize;

use crate::run::Run;
use crate::{JobError, JobId, Result};

const LIST_RUNS: Operation = Operation::new("jobs.list_runs").idempotent();

/// A list of runs; [`JobsClient::list_runs`](crate::JobsClient::list_runs) makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for before `send`"]
pub struct ListRuns {
    client: Client,
    query: Vec<(&'static str, String)>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    runs: Vec<Run>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// What to ask for next.
enum Next {
    First,
    After(String),
    Nothing,
}

impl ListRuns {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, query: Vec::new() }
    }

    /// Only runs of this job.
    pub fn job(self, job_id: JobId) -> Self {
        self.with("job_id", job_id)
    }

    /// Only runs that are not over.
    pub fn active_only(self) -> Self {
        self.with("active_only", true)
    }

    /// Only runs that are over.
    pub fn completed_only(self) -> Self {
        self.with("completed_only", true)
    }

    /// Only runs that started at this time or later, in milliseconds since 1970 (UTC).
    pub fn started_from(self, millis: i64) -> Self {
        self.with("start_time_from", millis)
    }

    /// With the tasks of each run (up to 100).
    pub fn expand_tasks(self) -> Self {
        self.with("expand_tasks", true)
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.retain(|(set, _)| *set != name);
        self.query.push((name, value.to_string()));
        self
    }

    /// The runs; pages are asked for as the stream is read.
    ///
    /// # Errors
    /// Items are [`JobError::Transport`] when a page cannot be had; the stream ends there.
    pub fn send(self) -> BoxStream<'static, Result<Run>> {
        let pages = stream::try_unfold((self, Next::First), |(list, next)| async move {
            let token = match next {
                Next::First => None,
                Next::After(token) => Some(token),
                Next::Nothing => return Ok(None),
            };
            let page: Page = list.client.call(LIST_RUNS, list.page(token.as_deref())).await?;
            let next = match page.next_page_token.filter(|next| !next.is_empty()) {
                Some(next) if token.as_ref() == Some(&next) => return Err(repeated(&next)),
                Some(next) => Next::After(next),
                None => Next::Nothing,
            };
            Ok::<_, JobError>(Some((stream::iter(page.runs.into_iter().map(Ok)), (list, next))))
        });
        pages.try_flatten().boxed()
    }

    fn page(&self, token: Option<&str>) -> ApiRequest {
        let request = ApiRequest::get("/api/2.2/jobs/runs/list");
        let request = self.query.iter().fold(request, |request, (name, value)| request.query(name, value));
        match token {
            Some(token) => request.query("page_token", token),
            None => request,
        }
    }
}

/// Following such a token would never end.
fn repeated(token: &str) -> JobError {
    let message = format!("runs/list answered page token `{token}` to a request with that same token");
    Error::new(ErrorKind::Decode, message).into()
}
