//! A task of a job: what it is, what it waits for, what it runs on.

mod ai_runtime;
pub(crate) mod kind;
mod kinds;
mod told;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use ai_runtime::{AiRuntimeCompute, AiRuntimeDeployment, AiRuntimeTask};
pub use kind::TaskKind;
pub use kinds::{
    ConditionOp, ConditionTask, DbtTask, ForEachTask, NotebookTask, PipelineParams, PipelineTask,
    PythonWheelTask, RunJobTask, Source, SparkJarTask, SparkPythonTask, SparkSubmitTask, SqlTask,
    SqlTaskAlert, SqlTaskDashboard, SqlTaskFile, SqlTaskQuery, SqlTaskSubscription,
};
pub use told::{AlertTask, DashboardSubscription, DashboardTask, Subscriber};

use super::{
    ClusterSpec, EmailNotifications, HealthRules, Library, NotificationSettings, WebhookNotifications,
};
use crate::wire::{records, setter, words};

/// Declares [`Task`]: a record like the others, and the field that says what it is.
macro_rules! task {
    ($( $(#[$doc:meta])* $kind:ident $field:ident : $ty:ty ),* $(,)?) => {
        /// A task of a job or of a submitted run.
        ///
        /// ```
        /// use databricks_jobs::{NotebookTask, Task};
        ///
        /// let load = Task::new("load", NotebookTask::new("/Shared/load").base_parameters([("day", "2024-01-31")]))
        ///     .depends_on(["fetch"])
        ///     .max_retries(2);
        /// # assert_eq!(load.task_key, "load");
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub struct Task {
            /// Its name in the job: 1 to 100 letters, digits, `-` and `_`.
            pub task_key: String,
            /// What it is. `None` when this crate has no record for it: then the field stands in `extra`.
            #[serde(flatten, deserialize_with = "kind::deserialize")]
            pub kind: Option<TaskKind>,
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<crate::wire::field!($kind $ty)>,
            )*
            /// Fields that this crate does not know, as they are.
            #[serde(flatten)]
            pub extra: Map<String, Value>,
        }

        impl Task {
            /// A task of a name and a kind.
            pub fn new(task_key: impl Into<String>, kind: impl Into<TaskKind>) -> Self {
                Self {
                    task_key: task_key.into(),
                    kind: Some(kind.into()),
                    $( $field: None, )*
                    extra: Map::new(),
                }
            }

            $( setter! { $(#[$doc])* $kind $field : $ty } )*
        }
    };
}

task! {
    /// What it is for, in words.
    opt description: String,
    /// The tasks it waits for; `outcome` also names the branch of a condition.
    list depends_on: TaskDependency,
    /// When it runs, given how they ended: when all succeeded, unless set.
    val run_if: RunIf,
    /// A cluster that is there already.
    opt existing_cluster_id: String,
    /// A cluster of its own.
    opt new_cluster: ClusterSpec,
    /// A cluster of the job's that tasks share.
    opt job_cluster_key: String,
    /// An environment of the job's, for serverless compute.
    opt environment_key: String,
    /// Libraries to install on its cluster.
    list libraries: Library,
    /// How often it is tried again, -1 for without end; never unless set.
    val max_retries: i32,
    /// Milliseconds from the start of a failed attempt to the next; see [`retry_interval`](Self::retry_interval).
    bare min_retry_interval_millis: i64,
    /// Whether it is tried again after its timeout.
    val retry_on_timeout: bool,
    /// Seconds that an attempt may take, 0 for without end; see [`timeout`](Self::timeout).
    bare timeout_seconds: i64,
    /// Who gets mail about it.
    opt email_notifications: EmailNotifications,
    /// Which destinations are told about it.
    opt webhook_notifications: WebhookNotifications,
    /// What they are not told.
    opt notification_settings: NotificationSettings,
    /// When it counts as unwell.
    opt health: HealthRules,
    /// Whether it is left out of runs.
    val disabled: bool,
    /// Whether serverless compute may not try again and optimize by itself.
    val disable_auto_optimization: bool,
}

records! {
    /// A task that another one waits for.
    TaskDependency(
        /// Its name.
        task_key: String,
    ) {
        /// `true` or `false`, when it is a condition.
        opt outcome: String,
    }
}

words! {
    /// When a task runs, given how those it depends on ended.
    RunIf {
        /// All succeeded.
        AllSuccess = "ALL_SUCCESS",
        /// One succeeded.
        AtLeastOneSuccess = "AT_LEAST_ONE_SUCCESS",
        /// None failed, and one was not skipped.
        NoneFailed = "NONE_FAILED",
        /// All ended, in whatever way.
        AllDone = "ALL_DONE",
        /// One failed.
        AtLeastOneFailed = "AT_LEAST_ONE_FAILED",
        /// All failed.
        AllFailed = "ALL_FAILED",
    }
}

impl Task {
    /// A notebook of the workspace.
    pub fn notebook(task_key: impl Into<String>, notebook_path: impl Into<String>) -> Self {
        Self::new(task_key, NotebookTask::new(notebook_path))
    }

    /// The main class of a JAR; add the JAR with [`libraries`](Self::libraries), and a cluster.
    pub fn spark_jar(task_key: impl Into<String>, main_class_name: impl Into<String>) -> Self {
        Self::new(task_key, SparkJarTask::new().main_class_name(main_class_name))
    }

    /// A Python file; it needs a cluster or an environment.
    pub fn spark_python(task_key: impl Into<String>, python_file: impl Into<String>) -> Self {
        Self::new(task_key, SparkPythonTask::new(python_file))
    }

    /// A call of `spark-submit`; it needs a new cluster of its own.
    pub fn spark_submit(
        task_key: impl Into<String>,
        parameters: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self::new(task_key, SparkSubmitTask::new().parameters(parameters))
    }

    /// An entry point of a Python wheel; it needs a cluster with the wheel, or an environment.
    pub fn python_wheel(
        task_key: impl Into<String>,
        package_name: impl Into<String>,
        entry_point: impl Into<String>,
    ) -> Self {
        Self::new(task_key, PythonWheelTask::new(package_name, entry_point))
    }

    /// A saved query on a warehouse.
    pub fn sql_query(
        task_key: impl Into<String>,
        warehouse_id: impl Into<String>,
        query_id: impl Into<String>,
    ) -> Self {
        Self::new(task_key, SqlTask::of_query(warehouse_id, query_id))
    }

    /// A file of SQL statements on a warehouse.
    pub fn sql_file(
        task_key: impl Into<String>,
        warehouse_id: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        Self::new(task_key, SqlTask::of_file(warehouse_id, path))
    }

    /// A legacy alert, evaluated on a warehouse.
    pub fn sql_alert(
        task_key: impl Into<String>,
        warehouse_id: impl Into<String>,
        alert_id: impl Into<String>,
    ) -> Self {
        Self::new(task_key, SqlTask::of_alert(warehouse_id, alert_id))
    }

    /// A dashboard to refresh, and to send to those who subscribe to it.
    pub fn dashboard(task_key: impl Into<String>, dashboard_id: impl Into<String>) -> Self {
        Self::new(task_key, DashboardTask::new().dashboard_id(dashboard_id))
    }

    /// An alert, evaluated on a warehouse.
    pub fn alert(
        task_key: impl Into<String>,
        warehouse_id: impl Into<String>,
        alert_id: impl Into<String>,
    ) -> Self {
        Self::new(task_key, AlertTask::new().warehouse_id(warehouse_id).alert_id(alert_id))
    }

    /// dbt commands; they need a cluster or an environment.
    pub fn dbt(task_key: impl Into<String>, commands: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let commands: Vec<String> = commands.into_iter().map(Into::into).collect();
        Self::new(task_key, DbtTask::new(commands))
    }

    /// An update of a pipeline.
    pub fn pipeline(task_key: impl Into<String>, pipeline_id: impl Into<String>) -> Self {
        Self::new(task_key, PipelineTask::new(pipeline_id))
    }

    /// A run of another job.
    pub fn run_job(task_key: impl Into<String>, job_id: crate::JobId) -> Self {
        Self::new(task_key, RunJobTask::new(job_id))
    }

    /// A comparison.
    pub fn condition(
        task_key: impl Into<String>,
        left: impl Into<String>,
        op: ConditionOp,
        right: impl Into<String>,
    ) -> Self {
        Self::new(task_key, ConditionTask::new(op, left, right))
    }

    /// A task once for each element of a JSON array; see [`ForEachTask`].
    pub fn for_each(task_key: impl Into<String>, inputs: impl Into<String>, task: Task) -> Self {
        Self::new(task_key, ForEachTask::new(inputs, task))
    }

    /// Waits for one more task.
    pub fn after(mut self, task: impl Into<TaskDependency>) -> Self {
        self.depends_on.get_or_insert_default().push(task.into());
        self
    }

    /// Runs only when a condition task found this.
    pub fn after_outcome(self, condition: impl Into<String>, outcome: bool) -> Self {
        self.after(TaskDependency::new(condition).outcome(outcome.to_string()))
    }

    /// How long an attempt may take, in whole seconds (rounded up); zero is without end.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_seconds = Some(super::whole_seconds(timeout));
        self
    }

    /// The least time from the start of a failed attempt to the next one.
    pub fn retry_interval(mut self, interval: Duration) -> Self {
        self.min_retry_interval_millis = Some(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX));
        self
    }
}

/// A dependency on a task of this name.
impl<T: Into<String>> From<T> for TaskDependency {
    fn from(task_key: T) -> Self {
        Self::new(task_key)
    }
}
