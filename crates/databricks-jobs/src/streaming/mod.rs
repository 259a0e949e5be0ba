//! Structured Streaming jobs: from a source over SQL into a Delta table, without a notebook of one's own.

mod check;
mod notebook;
mod python;

use std::time::Duration;

use crate::settings::{ClusterSpec, Continuous, JobSettings, PauseStatus, Task, TaskRetryMode};
use crate::{JobId, JobsClient, Language, Result, RunId};

/// The folder of the generated notebooks, unless the job names another path.
const FOLDER: &str = "/Shared/databricks-jobs/streams";

/// A stream from a source into a Delta table, as a job: its notebook is generated, uploaded and run.
///
/// ```
/// use databricks_jobs::StreamingJob;
///
/// # fn main() -> databricks_jobs::Result<()> {
/// let job = StreamingJob::from_kafka("orders", "broker-1:9092", ["orders", "returns"])
///     .transform("SELECT CAST(value AS STRING) AS body, timestamp FROM {input}")
///     .transform("SELECT body:id::BIGINT AS id, body, timestamp FROM {input} WHERE body IS NOT NULL")
///     .to_delta("main.sales.orders")
///     .checkpoint("/Volumes/main/ops/checkpoints/orders")
///     .trigger_available_now();
/// let notebook = job.notebook_source()?;
/// assert!(notebook.contains(r#".option("subscribe", "orders,returns")"#));
/// # Ok(()) }
/// ```
///
/// [`create`](Self::create) makes a job of it, [`submit`](Self::submit) one run. How it stands is told by its runs:
/// `jobs.list_runs().job(job_id).active_only()`, and [`wait`](JobsClient::wait).
#[derive(Clone, Debug, PartialEq)]
#[must_use = "nothing is made before `create` or `submit`"]
pub struct StreamingJob {
    name: String,
    source: Source,
    options: Vec<(String, OptionValue)>,
    steps: Vec<String>,
    sink: Option<String>,
    sink_options: Vec<(String, OptionValue)>,
    trigger: Trigger,
    checkpoint: Option<String>,
    compute: Compute,
    notebook_path: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Delta { table: String },
    Kafka { servers: String, topics: Vec<String> },
    Files { path: String, format: String },
}

/// An option of a source or sink: a text, or a secret that the run reads.
#[derive(Clone, Debug, PartialEq)]
enum OptionValue {
    Text(String),
    Secret { scope: String, key: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Trigger {
    /// What is there is worked off, in as many batches as it takes; then the run ends.
    AvailableNow,
    /// What is there is worked off in one batch; then the run ends.
    Once,
    /// A batch each time this has passed; the run does not end.
    Interval(Duration),
    /// A batch after the other; the run does not end.
    Continuous,
}

#[derive(Clone, Debug, PartialEq)]
enum Compute {
    Serverless,
    Existing(String),
    New(Box<ClusterSpec>),
}

impl StreamingJob {
    /// A stream of the rows that are added to a Delta table. The name is the job's; it names the notebook too.
    pub fn from_delta(name: impl Into<String>, table: impl Into<String>) -> Self {
        Self::of(name, Source::Delta { table: table.into() })
    }

    /// A stream of Kafka topics, with the columns `key` and `value` (bytes), `topic`, `partition`, `offset`, `timestamp`.
    pub fn from_kafka(
        name: impl Into<String>,
        servers: impl Into<String>,
        topics: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        Self::of(name, Source::Kafka { servers: servers.into(), topics })
    }

    /// A stream of files that arrive below a path, by Auto Loader. `format` is `json`, `csv`, `parquet`, `avro`, `text`, ..
    pub fn from_files(name: impl Into<String>, path: impl Into<String>, format: impl Into<String>) -> Self {
        Self::of(name, Source::Files { path: path.into(), format: format.into() })
    }

    fn of(name: impl Into<String>, source: Source) -> Self {
        Self {
            name: name.into(),
            source,
            options: Vec::new(),
            steps: Vec::new(),
            sink: None,
            sink_options: Vec::new(),
            trigger: Trigger::AvailableNow,
            checkpoint: None,
            compute: Compute::Serverless,
            notebook_path: None,
        }
    }

    /// Sets an option of the source, such as `startingOffsets` or `cloudFiles.inferColumnTypes`. Secrets do not belong here:
    /// the notebook shows them.
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), OptionValue::Text(value.into())));
        self
    }

    /// Sets an option of the source to a secret that the run reads from a scope, such as `kafka.sasl.jaas.config`.
    pub fn option_from_secret(
        mut self,
        name: impl Into<String>,
        scope: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        self.options.push((name.into(), OptionValue::Secret { scope: scope.into(), key: key.into() }));
        self
    }

    /// Adds a query; `{input}` in it stands for the step before, the first time for the source.
    pub fn transform(mut self, sql: impl Into<String>) -> Self {
        self.steps.push(sql.into());
        self
    }

    /// The Delta table that rows are added to; it is made if it is not there.
    pub fn to_delta(mut self, table: impl Into<String>) -> Self {
        self.sink = Some(table.into());
        self
    }

    /// Sets an option of the sink, such as `mergeSchema`.
    pub fn sink_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.sink_options.push((name.into(), OptionValue::Text(value.into())));
        self
    }

    /// Where the stream keeps how far it came: a folder of its own, in a volume. A stream that is run again with it goes on
    /// where it ended, and adds no row twice.
    pub fn checkpoint(mut self, folder: impl Into<String>) -> Self {
        self.checkpoint = Some(folder.into());
        self
    }

    /// Works off what is there, in as many batches as it takes, and ends. This is what it does unless told otherwise.
    pub fn trigger_available_now(mut self) -> Self {
        self.trigger = Trigger::AvailableNow;
        self
    }

    /// Works off what is there in one batch, however large, and ends.
    pub fn trigger_once(mut self) -> Self {
        self.trigger = Trigger::Once;
        self
    }

    /// Looks for new rows each time this has passed, without end. It needs a cluster.
    pub fn trigger_interval(mut self, interval: Duration) -> Self {
        self.trigger = Trigger::Interval(interval);
        self
    }

    /// Works off rows as they come, without end. It needs a cluster. (Batches follow each other at once; Spark's continuous
    /// processing, an experiment, writes no Delta tables.)
    pub fn continuous(mut self) -> Self {
        self.trigger = Trigger::Continuous;
        self
    }

    /// Runs on a cluster that is there already.
    pub fn on_existing_cluster(mut self, cluster_id: impl Into<String>) -> Self {
        self.compute = Compute::Existing(cluster_id.into());
        self
    }

    /// Runs on a cluster of its own. Without this, and without a cluster that is there, it runs on serverless compute.
    pub fn on_cluster(mut self, cluster: ClusterSpec) -> Self {
        self.compute = Compute::New(Box::new(cluster));
        self
    }

    /// Where the notebook is put, instead of `/Shared/databricks-jobs/streams/<name>`. What is there is replaced.
    pub fn notebook_path(mut self, path: impl Into<String>) -> Self {
        self.notebook_path = Some(path.into());
        self
    }

    /// The Python notebook of the stream. All values stand in it as literals that no text can break out of.
    ///
    /// # Errors
    /// [`JobError::InvalidSetting`](crate::JobError::InvalidSetting) naming what is missing or cannot be.
    pub fn notebook_source(&self) -> Result<String> {
        self.check()?;
        Ok(notebook::source(self))
    }

    /// The job: one task that runs the notebook. A stream without end is a continuous job, whose task is tried again when it
    /// fails; one with an end is a job to which [`schedule`](JobSettings::schedule) may be added.
    ///
    /// # Errors
    /// As [`notebook_source`](Self::notebook_source).
    pub fn settings(&self) -> Result<JobSettings> {
        self.check()?;
        let settings = JobSettings::named(&self.name).max_concurrent_runs(1).task(self.task());
        Ok(match self.ends() {
            true => settings,
            false => settings.continuous(
                Continuous::new()
                    .pause_status(PauseStatus::Unpaused)
                    .task_retry_mode(TaskRetryMode::OnFailure),
            ),
        })
    }

    /// Uploads the notebook and makes the job.
    ///
    /// # Errors
    /// As [`notebook_source`](Self::notebook_source) and [`JobsClient::create`].
    pub async fn create(&self, jobs: &JobsClient) -> Result<JobId> {
        let settings = self.settings()?;
        self.upload(jobs).await?;
        jobs.create(&settings).await
    }

    /// Uploads the notebook and starts one run of it, which belongs to no job.
    ///
    /// # Errors
    /// As [`notebook_source`](Self::notebook_source) and [`SubmitRun::send`](crate::SubmitRun::send).
    pub async fn submit(&self, jobs: &JobsClient) -> Result<RunId> {
        self.upload(jobs).await?;
        jobs.submit_run([self.task()]).run_name(&self.name).send().await
    }

    /// Uploads the notebook alone, for a job that runs it already.
    ///
    /// # Errors
    /// As [`notebook_source`](Self::notebook_source) and [`UploadSource::send`](crate::UploadSource::send).
    pub async fn upload(&self, jobs: &JobsClient) -> Result<()> {
        let source = self.notebook_source()?;
        jobs.upload_source(self.path(), Language::Python, source).overwrite().send().await
    }

    fn path(&self) -> String {
        self.notebook_path.clone().unwrap_or_else(|| format!("{FOLDER}/{}", self.name))
    }

    fn task(&self) -> Task {
        let task = Task::notebook("stream", self.path());
        match &self.compute {
            Compute::Serverless => task,
            Compute::Existing(cluster_id) => task.existing_cluster_id(cluster_id),
            Compute::New(cluster) => task.new_cluster(cluster.as_ref().clone()),
        }
    }

    fn ends(&self) -> bool {
        matches!(self.trigger, Trigger::AvailableNow | Trigger::Once)
    }
}
