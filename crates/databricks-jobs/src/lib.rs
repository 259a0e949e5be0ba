//! Databricks jobs: define them, start runs, wait for them, understand how they ended, repair them.
//!
//! ```no_run
//! use databricks_jobs::{ClusterSpec, JobCluster, JobSettings, JobsClient, Task};
//! use databricks_transport::{Client, DatabricksConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let jobs = JobsClient::new(&Client::new(DatabricksConfig::from_env()?)?);
//! let settings = JobSettings::named("nightly")
//!     .job_clusters([JobCluster::new("small", ClusterSpec::small())])
//!     .parameters([("day", "{{job.start_time.iso_date}}")])
//!     .tasks([
//!         Task::notebook("fetch", "/Shared/fetch").job_cluster_key("small").max_retries(2),
//!         Task::sql_file("totals", "4f9a2b7c01d3e685", "/Shared/totals.sql").depends_on(["fetch"]),
//!     ]);
//! let job_id = jobs.create(&settings).await?;
//! let run_id = jobs.run_now(job_id).parameter("day", "2024-01-31").send().await?;
//! match jobs.wait(run_id).send().await {
//!     Ok(run) => println!("{}", run.run_page_url.unwrap_or_default()),
//!     Err(error) if error.failure().is_some() => {
//!         eprintln!("{error}"); // the failed tasks, with code and error
//!         jobs.repair_failed(run_id).send_and_wait(Default::default()).await?;
//!     }
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(()) }
//! ```
//!
//! Settings keep what this crate does not know (`extra`), so that reading, changing and writing a job loses nothing. Nothing
//! here knows SQL, tables or Arrow.

mod error;
mod ids;
mod wire;

mod settings;

mod run;

mod client;
mod pages;
mod token;
mod wait;

mod streaming;

pub use client::{
    ChangePermissions, Job, JobsClient, Language, ListJobs, ListRuns, RepairRun, RunNow, RunParameters,
    SubmitRun, SubmitSettings, UpdateJob, UploadSource,
};
pub use error::{JobError, Result};
pub use ids::{JobId, RepairId, RunId};
pub use run::{
    ExportedView, LegacyState, NotebookOutput, RepairHistoryItem, Run, RunFailure, RunOutcome, RunOutput,
    RunState, RunStatus, RunTask, TaskFailure, TaskOutput, TerminationDetails, ViewsToExport,
};
pub use settings::{
    AccessControl, AiRuntimeCompute, AiRuntimeDeployment, AiRuntimeTask, AlertTask, AutoScale, AwsAttributes,
    AwsAvailability, AzureAttributes, AzureAvailability, Cloud, ClusterLogConf, ClusterSpec, ConditionOp,
    ConditionTask, Continuous, CranLibrary, CronSchedule, DashboardSubscription, DashboardTask,
    DataSecurityMode, DbtTask, Defect, DirtyState, EditMode, EmailNotifications, Environment,
    FileArrivalTrigger, ForEachTask, GcpAttributes, GcpAvailability, GitProvider, GitSnapshot, GitSource,
    GrantedAccess, GrantedPermission, HealthMetric, HealthOperator, HealthRule, HealthRules, InitScript,
    JobCluster, JobDeployment, JobDeploymentKind, JobEnvironment, JobParameter, JobPermissions, JobSettings,
    JobSource, Library, MavenLibrary, NotebookTask, NotificationSettings, PauseStatus, PerformanceTarget,
    PeriodicTrigger, PeriodicUnit, PermissionChoice, PermissionLevel, PipelineParams, PipelineTask,
    PypiLibrary, PythonWheelTask, QueueSettings, RunAs, RunIf, RunJobTask, RuntimeEngine, Source,
    SparkJarTask, SparkPythonTask, SparkSubmitTask, SparseCheckout, SqlTask, SqlTaskAlert, SqlTaskDashboard,
    SqlTaskFile, SqlTaskQuery, SqlTaskSubscription, StoragePath, Subscriber, TableUpdateCondition,
    TableUpdateTrigger, Task, TaskDependency, TaskKind, TaskRetryMode, TriggerSettings, Webhook,
    WebhookNotifications,
};
pub use streaming::StreamingJob;
pub use wait::{Look, Wait, WaitAll, WaitConfig};
