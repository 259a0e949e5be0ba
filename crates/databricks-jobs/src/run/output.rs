//! What tasks leave behind: results, logs, errors; and exported views.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Run;
use crate::RunId;
use crate::wire::{records, words};

/// What one task's run left behind. The service keeps outputs for 60 days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunOutput {
    /// What a notebook gave to `dbutils.notebook.exit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notebook_output: Option<NotebookOutput>,
    /// What code wrote to its standard streams: the last 5 MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<String>,
    /// Whether there were more logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_truncated: Option<bool>,
    /// Why it failed, or why there is no output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The stack trace of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_trace: Option<String>,
    /// A note of the service, for instance of a library that is out of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// The run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Run>,
    /// What else there is: `sql_output`, `dbt_output`, `run_job_output`, ...
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

records! {
    /// What a notebook gave to `dbutils.notebook.exit`.
    NotebookOutput() {
        /// The value: the first 5 MB.
        bare result: String,
        /// Whether there was more.
        bare truncated: bool,
    }

    /// A notebook or dashboard, as the user interface shows it.
    ExportedView() {
        /// The page as HTML.
        bare content: String,
        /// The notebook's or the dashboard's name.
        bare name: String,
        /// `NOTEBOOK` or `DASHBOARD`.
        bare r#type: String,
    }
}

words! {
    /// What of a run is exported.
    ViewsToExport {
        /// Its notebook.
        Code = "CODE",
        /// Its dashboards.
        Dashboards = "DASHBOARDS",
        /// Both.
        All = "ALL",
    }
}

impl RunOutput {
    /// What a notebook gave to `dbutils.notebook.exit`.
    pub fn result(&self) -> Option<&str> {
        self.notebook_output.as_ref()?.result.as_deref()
    }

    /// Whether the service cut logs or result.
    pub fn is_truncated(&self) -> bool {
        let result_cut = self.notebook_output.as_ref().and_then(|output| output.truncated);
        self.logs_truncated == Some(true) || result_cut == Some(true)
    }

    /// The run that a run-job task started.
    pub fn started_run(&self) -> Option<RunId> {
        self.extra.get("run_job_output")?.get("run_id")?.as_i64().map(RunId::new)
    }

    /// Where the cluster of the task delivers the whole of its logs, if that is a volume: the folder of the driver's
    /// standard streams, such as `/Volumes/main/ops/logs/0131-abc/driver`.
    pub fn log_folder(&self) -> Option<String> {
        let run = self.metadata.as_ref()?;
        let task = run.tasks.first()?;
        let cluster = task.extra.get("cluster_instance").or(run.extra.get("cluster_instance"))?;
        let cluster_id = cluster.get("cluster_id")?.as_str().filter(|id| !id.is_empty())?;
        let shared = || {
            let key = task.extra.get("job_cluster_key")?;
            let clusters = run.extra.get("job_clusters")?.as_array()?;
            clusters.iter().find(|cluster| cluster.get("job_cluster_key") == Some(key))?.get("new_cluster")
        };
        let spec = task.extra.get("new_cluster").or_else(shared)?;
        let destination = spec.get("cluster_log_conf")?.get("volumes")?.get("destination")?.as_str()?;
        Some(format!("{}/{cluster_id}/driver", destination.trim_end_matches('/')))
    }
}

/// The output of one task of a run, or of one iteration.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskOutput {
    /// The task.
    pub task_key: String,
    /// Its own run.
    pub run_id: RunId,
    /// The run it belongs to: the one asked about, or one that a run-job task started.
    pub job_run_id: RunId,
    /// Whether it is an iteration of a for-each task; `task_key` is then the one of the nested task.
    pub is_iteration: bool,
    /// What it left behind.
    pub output: RunOutput,
}

/// Whether a task's settings, as an answer repeats them, are a loop.
pub(crate) fn is_loop(task: &super::RunTask) -> bool {
    task.kind() == Some("for_each_task")
}
