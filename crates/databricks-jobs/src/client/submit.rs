//! Starting a run that belongs to no job.

use std::time::Duration;

use databricks_transport::{ApiRequest, Operation};
use serde::{Deserialize, Serialize};
use tracing::{Instrument, Span, field};

use super::JobsClient;
use super::run_now::counted;
use crate::settings::{
    AccessControl, EmailNotifications, GitSource, HealthRules, JobEnvironment, NotificationSettings,
    PerformanceTarget, QueueSettings, RunAs, Task, TaskKind, WebhookNotifications, submit_defects,
    whole_seconds,
};
use crate::token::IdempotencyToken;
use crate::wait::WaitConfig;
use crate::wire::records;
use crate::{JobError, Result, Run, RunId};

// Every request carries an idempotency token: the server answers a second one with the run of the first.
const SUBMIT: Operation = Operation::new("jobs.submit_run").idempotent();

records! {
    /// What a run that belongs to no job is.
    SubmitSettings() {
        /// Its name.
        opt run_name: String,
        /// Its tasks. They have clusters or environments of their own, none that they share.
        list tasks: Task,
        /// Environments for serverless compute.
        list environments: JobEnvironment,
        /// Seconds that it may take, 0 for without end; see [`timeout`](Self::timeout).
        bare timeout_seconds: i64,
        /// Whether it waits when there are too many runs.
        opt queue: QueueSettings,
        /// Who gets mail about it.
        opt email_notifications: EmailNotifications,
        /// Which destinations are told about it.
        opt webhook_notifications: WebhookNotifications,
        /// What they are not told.
        opt notification_settings: NotificationSettings,
        /// When it counts as unwell.
        opt health: HealthRules,
        /// The repository its tasks take their files from.
        opt git_source: GitSource,
        /// Who it acts as.
        opt run_as: RunAs,
        /// Who else may see or cancel it.
        list access_control_list: AccessControl,
        /// Whether it is to be fast or cheap on serverless compute.
        val performance_target: PerformanceTarget,
        /// The budget policy that it is charged to.
        opt budget_policy_id: String,
    }
}

impl SubmitSettings {
    /// How long the run may take, in whole seconds (rounded up); zero is without end.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_seconds = Some(whole_seconds(timeout));
        self
    }
}

/// A run about to be started; [`JobsClient::submit_run`] makes one.
///
/// ```no_run
/// use databricks_jobs::{JobsClient, Task, WaitConfig};
///
/// # async fn run(jobs: JobsClient) -> databricks_jobs::Result<()> {
/// let task = Task::sql_file("totals", "4f9a2b7c01d3e685", "/Shared/totals.sql");
/// let run = jobs.submit_run([task]).run_name("totals").send_and_wait(WaitConfig::default()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `send`"]
pub struct SubmitRun {
    jobs: JobsClient,
    settings: SubmitSettings,
    token: IdempotencyToken,
}

#[derive(Deserialize)]
struct Started {
    run_id: RunId,
}

impl SubmitRun {
    pub(super) fn new(jobs: JobsClient, settings: SubmitSettings) -> Self {
        Self { jobs, settings, token: IdempotencyToken::default() }
    }

    /// The run's name.
    pub fn run_name(mut self, name: impl Into<String>) -> Self {
        self.settings = self.settings.run_name(name);
        self
    }

    /// How long the run may take, in whole seconds (rounded up); zero is without end.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings = self.settings.timeout(timeout);
        self
    }

    /// Changes any of its settings.
    pub fn with_settings(mut self, change: impl FnOnce(SubmitSettings) -> SubmitSettings) -> Self {
        self.settings = change(self.settings);
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
    /// [`JobError::Defective`] for tasks that cannot be right, [`JobError::InvalidSetting`] for a token that is empty or too
    /// long, both before anything is sent; [`JobError::MayHaveStarted`] when no answer says whether it was started, else
    /// [`JobError::Transport`].
    pub async fn send(self) -> Result<RunId> {
        let span = tracing::info_span!(
            "databricks.job.submit",
            job_type = "submit_run",
            cluster_id = field::Empty,
            notebook_path = field::Empty
        );
        self.describe(&span);
        counted("submit_run", self.start().instrument(span).await)
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

    /// Tells the span where the run works and on what, by its first task that says so.
    fn describe(&self, span: &Span) {
        let mut tasks = self.settings.tasks.iter().flatten();
        if let Some(cluster) = tasks.clone().find_map(|task| task.existing_cluster_id.as_deref()) {
            span.record("cluster_id", cluster);
        }
        let notebook = |task: &Task| match &task.kind {
            Some(TaskKind::Notebook(notebook)) => Some(notebook.notebook_path.clone()),
            _ => None,
        };
        if let Some(path) = tasks.find_map(notebook) {
            span.record("notebook_path", path);
        }
    }

    async fn start(self) -> Result<RunId> {
        #[derive(Serialize)]
        struct Body {
            #[serde(flatten)]
            settings: SubmitSettings,
            idempotency_token: String,
        }
        let environments = self.settings.environments.iter().flatten();
        let environments: Vec<&str> = environments.map(|known| known.environment_key.as_str()).collect();
        let tasks = self.settings.tasks.as_deref().unwrap_or_default();
        JobError::unless_sound(submit_defects(tasks, &environments))?;
        let body = Body { settings: self.settings, idempotency_token: self.token.filled()? };
        let request = ApiRequest::post("/api/2.2/jobs/runs/submit").json(&body)?;
        let answer = self.jobs.client.call(SUBMIT, request).await;
        let started: Started = answer.map_err(|e| JobError::not_started(e, body.idempotency_token))?;
        tracing::info!(run_id = %started.run_id, "run started");
        Ok(started.run_id)
    }
}
