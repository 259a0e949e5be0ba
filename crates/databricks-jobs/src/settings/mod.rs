//! What a job is: its settings, as `create` takes them and `get` answers them.

mod access;
mod check;
mod cluster;
mod defect;
mod libraries;
mod notifications;
mod source;
mod task;
mod triggers;

use std::time::Duration;

use crate::wire::{records, words};

pub use access::{
    AccessControl, GrantedAccess, GrantedPermission, JobPermissions, PermissionChoice, PermissionLevel, RunAs,
};
pub(crate) use check::submit_defects;
pub use cluster::{
    AutoScale, AwsAttributes, AwsAvailability, AzureAttributes, AzureAvailability, Cloud, ClusterLogConf,
    ClusterSpec, DataSecurityMode, GcpAttributes, GcpAvailability, InitScript, RuntimeEngine, StoragePath,
};
pub use defect::Defect;
pub use libraries::{CranLibrary, Environment, JobEnvironment, Library, MavenLibrary, PypiLibrary};
pub use notifications::{
    EmailNotifications, HealthMetric, HealthOperator, HealthRule, HealthRules, NotificationSettings, Webhook,
    WebhookNotifications,
};
pub use source::{
    DirtyState, GitProvider, GitSnapshot, GitSource, JobDeployment, JobDeploymentKind, JobSource,
    SparseCheckout,
};

pub use task::{
    AiRuntimeCompute, AiRuntimeDeployment, AiRuntimeTask, AlertTask, ConditionOp, ConditionTask,
    DashboardSubscription, DashboardTask, DbtTask, ForEachTask, NotebookTask, PipelineParams, PipelineTask,
    PythonWheelTask, RunIf, RunJobTask, Source, SparkJarTask, SparkPythonTask, SparkSubmitTask, SqlTask,
    SqlTaskAlert, SqlTaskDashboard, SqlTaskFile, SqlTaskQuery, SqlTaskSubscription, Subscriber, Task,
    TaskDependency, TaskKind,
};
pub use triggers::{
    Continuous, CronSchedule, FileArrivalTrigger, PauseStatus, PeriodicTrigger, PeriodicUnit,
    TableUpdateCondition, TableUpdateTrigger, TaskRetryMode, TriggerSettings,
};

records! {
    /// What a job is.
    ///
    /// ```
    /// use databricks_jobs::{ClusterSpec, JobCluster, JobSettings, Task};
    ///
    /// let settings = JobSettings::named("nightly")
    ///     .job_clusters([JobCluster::new("small", ClusterSpec::small())])
    ///     .tasks([
    ///         Task::notebook("fetch", "/Shared/fetch").job_cluster_key("small"),
    ///         Task::notebook("load", "/Shared/load").job_cluster_key("small").depends_on(["fetch"]),
    ///     ]);
    /// assert_eq!(settings.defects(), []);
    /// ```
    JobSettings() {
        /// Its name; several jobs may have the same.
        opt name: String,
        /// What it is for, in words.
        opt description: String,
        /// Labels; they go to its clusters too.
        map tags: String,
        /// Its tasks.
        list tasks: Task,
        /// Clusters that tasks share.
        list job_clusters: JobCluster,
        /// Environments for serverless compute.
        list environments: JobEnvironment,
        /// Parameters of its runs, with their defaults.
        list parameters: JobParameter,
        /// The calendar it runs by.
        opt schedule: CronSchedule,
        /// What else starts runs.
        opt trigger: TriggerSettings,
        /// Whether a run follows the other without end.
        opt continuous: Continuous,
        /// How many of its runs may be active at once, 1 unless set.
        val max_concurrent_runs: u32,
        /// Whether runs wait when there are too many.
        opt queue: QueueSettings,
        /// Seconds that a run may take, 0 for without end; see [`timeout`](Self::timeout).
        bare timeout_seconds: i64,
        /// Who gets mail about its runs.
        opt email_notifications: EmailNotifications,
        /// Which destinations are told about its runs.
        opt webhook_notifications: WebhookNotifications,
        /// What they are not told.
        opt notification_settings: NotificationSettings,
        /// When a run counts as unwell.
        opt health: HealthRules,
        /// The repository its tasks take their files from.
        opt git_source: GitSource,
        /// Who runs act as; the owner unless set.
        opt run_as: RunAs,
        /// Whether serverless runs are to be fast or cheap.
        val performance_target: PerformanceTarget,
        /// The budget policy that runs are charged to.
        opt budget_policy_id: String,
        /// The policy that usage of serverless compute is charged by.
        opt usage_policy_id: String,
        /// Who may do what with it. Only `create` takes it; afterwards see
        /// [`set_permissions`](crate::JobsClient::set_permissions).
        list access_control_list: AccessControl,
        /// What deployed it, if something did: such a job is changed there and not by hand.
        opt deployment: JobDeployment,
        /// Whether it can be changed by hand.
        val edit_mode: EditMode,
        /// `MULTI_TASK`; the service sets it.
        opt format: String,
    }

    /// A cluster that tasks of a job share.
    JobCluster(
        /// Its name in the job.
        job_cluster_key: String,
        /// What it is.
        new_cluster: ClusterSpec,
    ) {}

    /// A parameter of a job.
    JobParameter(
        /// Its name.
        name: String,
        /// Its value where a run gives none. It may refer to others: `{{job.start_time.iso_date}}`.
        default: String,
    ) {}

    /// Whether runs wait when there are too many.
    QueueSettings(
        /// Whether they do.
        enabled: bool,
    ) {}
}

words! {
    /// Whether serverless runs are to be fast or cheap.
    PerformanceTarget {
        /// Fast.
        PerformanceOptimized = "PERFORMANCE_OPTIMIZED",
        /// Cheap.
        Standard = "STANDARD",
    }

    /// Whether a job can be changed by hand.
    EditMode {
        /// It can.
        Editable = "EDITABLE",
        /// Not in the user interface.
        UiLocked = "UI_LOCKED",
    }
}

impl JobSettings {
    /// Settings of a job of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self::new().name(name)
    }

    /// Adds a task.
    pub fn task(mut self, task: Task) -> Self {
        self.tasks.get_or_insert_default().push(task);
        self
    }

    /// How long a run may take, in whole seconds (rounded up); zero is without end.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_seconds = Some(whole_seconds(timeout));
        self
    }

    /// Lets runs wait when there are too many, or not.
    pub fn queued(self, enabled: bool) -> Self {
        self.queue(QueueSettings::new(enabled))
    }
}

impl<N: Into<String>, D: Into<String>> From<(N, D)> for JobParameter {
    fn from((name, default): (N, D)) -> Self {
        Self::new(name, default)
    }
}

/// As the API counts: a part of a second is one more, so that no timeout becomes "without end".
pub(crate) fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_or_minute_is_a_whole_one_and_the_longest_time_is_no_overflow() {
        let task = |timeout| Task::notebook("a", "/a").timeout(timeout).timeout_seconds;
        assert_eq!(task(Duration::ZERO), Some(0));
        assert_eq!(task(Duration::from_millis(1)), Some(1));
        assert_eq!(task(Duration::from_millis(60_001)), Some(61));
        assert_eq!(task(Duration::MAX), Some(i64::MAX));
        let cluster = |idle| ClusterSpec::new().autotermination(idle).autotermination_minutes;
        assert_eq!(cluster(Duration::from_millis(1)), Some(1));
        assert_eq!(cluster(Duration::from_millis(60_001)), Some(2));
        assert!(cluster(Duration::MAX).is_some_and(|minutes| minutes > 0));
    }
}
