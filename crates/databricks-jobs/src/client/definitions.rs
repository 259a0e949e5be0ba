//! Jobs as definitions: create, get, update, reset, edit, delete.

use databricks_transport::{ApiRequest, Error, Operation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::JobsClient;
use crate::pages::{self, Tokens};
use crate::settings::{AccessControl, JobSettings};
use crate::{JobError, JobId, Result};

// Two requests are two jobs, so one is never sent twice.
const CREATE: Operation = Operation::new("jobs.create");
const GET: Operation = Operation::new("jobs.get").idempotent();
// Sent twice, these leave what they leave when sent once.
const UPDATE: Operation = Operation::new("jobs.update").idempotent();
const RESET: Operation = Operation::new("jobs.reset").idempotent();
const DELETE: Operation = Operation::new("jobs.delete");

/// Lists of a job's settings that come in pages, but for the tasks.
const PAGED: [&str; 4] = ["tasks", "job_clusters", "parameters", "environments"];

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub job_id: JobId,
    /// What it is. A list of jobs leaves its tasks out unless it was asked to expand them.
    #[serde(default)]
    pub settings: JobSettings,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator_user_name: Option<String>,
    /// Who its runs act as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user_name: Option<String>,
    /// When it was made, in milliseconds since 1970 (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_time: Option<i64>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct Created {
    job_id: JobId,
}

impl JobsClient {
    /// Makes a job. A failure that leaves open whether it was made ([`Error::is_ambiguous`]) is not tried again, since the
    /// service would make two: look for it with [`list`](Self::list).
    ///
    /// # Errors
    /// [`JobError::Defective`] for settings that cannot be right, before anything is sent; else [`JobError::Transport`].
    pub async fn create(&self, settings: &JobSettings) -> Result<JobId> {
        self.create_with(settings, &[]).await
    }

    /// Makes a job that these may see, run or change.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_with(&self, settings: &JobSettings, access: &[AccessControl]) -> Result<JobId> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(flatten)]
            settings: &'a JobSettings,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            access_control_list: &'a [AccessControl],
        }
        JobError::unless_sound(settings.defects())?;
        let body = Body { settings, access_control_list: access };
        let request = ApiRequest::post("/api/2.2/jobs/create").json(&body)?;
        let created: Created = self.client.call(CREATE, request).await?;
        tracing::info!(job_id = %created.job_id, "job created");
        Ok(created.job_id)
    }

    /// A job with all its tasks, clusters, environments and parameters, however many pages they take.
    ///
    /// # Errors
    /// [`JobError::Transport`] of kind `NotFound` when there is no such job.
    pub async fn get(&self, job_id: JobId) -> Result<Job> {
        let mut job = self.job_page(job_id, None).await?;
        let mut tokens = Tokens::default();
        while let Some(token) = next_token(&mut job) {
            tokens.follow(&token, format_args!("job {job_id}"))?;
            let mut page = self.job_page(job_id, Some(&token)).await?;
            if let (Some(Value::Object(settings)), Some(Value::Object(more))) =
                (job.get_mut("settings"), page.remove("settings"))
            {
                pages::append(settings, more, &PAGED);
            }
            job.extend(page.remove_entry("next_page_token"));
        }
        job.remove("has_more");
        Ok(pages::read(Value::Object(job), "jobs/get")?)
    }

    async fn job_page(&self, job_id: JobId, token: Option<&str>) -> Result<Map<String, Value>, Error> {
        let request = ApiRequest::get("/api/2.2/jobs/get").query("job_id", job_id);
        let request = match token {
            Some(token) => request.query("page_token", token),
            None => request,
        };
        self.client.call(GET, request).await
    }

    /// Changes some settings of a job and leaves the others. Say which on what this gives, then `send()`.
    pub fn update(&self, job_id: JobId) -> UpdateJob {
        UpdateJob { jobs: self.clone(), job_id, new_settings: None, fields_to_remove: Vec::new() }
    }

    /// Replaces all settings of a job. Runs under way keep those they began with.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn reset(&self, job_id: JobId, settings: &JobSettings) -> Result<()> {
        JobError::unless_sound(settings.defects())?;
        let body = json!({ "job_id": job_id, "new_settings": settings });
        let request = ApiRequest::post("/api/2.2/jobs/reset").json(&body)?;
        Ok(self.client.call(RESET, request).await?)
    }

    /// Reads a job's settings, lets the closure change them, and writes them back: all of them, those that this crate does
    /// not know included. Nothing is sent when nothing was changed. Of two edits at one time the later one wins.
    ///
    /// ```no_run
    /// # async fn run(jobs: databricks_jobs::JobsClient) -> databricks_jobs::Result<()> {
    /// let job_id = databricks_jobs::JobId::new(42);
    /// let settings = jobs.edit(job_id, |settings| settings.max_concurrent_runs = Some(3)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`reset`](Self::reset).
    pub async fn edit(&self, job_id: JobId, change: impl FnOnce(&mut JobSettings)) -> Result<JobSettings> {
        let before = self.get(job_id).await?.settings;
        let mut settings = before.clone();
        change(&mut settings);
        if settings != before {
            self.reset(job_id, &settings).await?;
        }
        Ok(settings)
    }

    /// Deletes a job; its runs under way are cancelled.
    ///
    /// # Errors
    /// [`JobError::Transport`] of kind `NotFound` when there is no such job.
    pub async fn delete(&self, job_id: JobId) -> Result<()> {
        let request = ApiRequest::post("/api/2.2/jobs/delete").json(&json!({ "job_id": job_id }))?;
        Ok(self.client.call(DELETE, request).await?)
    }
}

fn next_token(job: &mut Map<String, Value>) -> Option<String> {
    match job.remove("next_page_token") {
        Some(Value::String(token)) if !token.is_empty() => Some(token),
        _ => None,
    }
}

/// A change of some settings of a job; [`JobsClient::update`] makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is changed before `send`"]
pub struct UpdateJob {
    jobs: JobsClient,
    job_id: JobId,
    new_settings: Option<JobSettings>,
    fields_to_remove: Vec<String>,
}

impl UpdateJob {
    /// Settings to change. A field that is set here replaces the job's, but tasks and job clusters are merged: those with a
    /// key that is there replace it, others come in addition.
    pub fn settings(mut self, settings: JobSettings) -> Self {
        self.new_settings = Some(settings);
        self
    }

    /// A field to remove: `schedule`, or one task or cluster, as `tasks/load` or `job_clusters/small`.
    pub fn remove(mut self, field: impl Into<String>) -> Self {
        self.fields_to_remove.push(field.into());
        self
    }

    /// Sends the change. What it refers to in the job as it is cannot be checked before.
    ///
    /// # Errors
    /// [`JobError::Transport`].
    pub async fn send(self) -> Result<()> {
        #[derive(Serialize)]
        struct Body {
            job_id: JobId,
            #[serde(skip_serializing_if = "Option::is_none")]
            new_settings: Option<JobSettings>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            fields_to_remove: Vec<String>,
        }
        let Self { jobs, job_id, new_settings, fields_to_remove } = self;
        let body = Body { job_id, new_settings, fields_to_remove };
        let request = ApiRequest::post("/api/2.2/jobs/update").json(&body)?;
        Ok(jobs.client.call(UPDATE, request).await?)
    }
}
