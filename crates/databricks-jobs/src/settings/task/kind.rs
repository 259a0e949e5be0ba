//! The one field that says what a task is.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserializer, EnumAccess, Error, VariantAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ai_runtime::AiRuntimeTask;
use super::kinds::{
    ConditionTask, DbtTask, ForEachTask, NotebookTask, PipelineTask, PythonWheelTask, RunJobTask,
    SparkJarTask, SparkPythonTask, SparkSubmitTask, SqlTask,
};
use super::told::{AlertTask, DashboardTask};

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident($record:ty) = $field:literal ),* $(,)?) => {
        /// What a task is. Kinds that this crate has no record for stand in the `extra` of their
        /// [`Task`](crate::Task).
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum TaskKind {
            $( $(#[$doc])* #[serde(rename = $field)] $variant($record), )*
        }

        /// The fields of the kinds that have a record.
        const FIELDS: &[&str] = &[$($field),*];

        impl TaskKind {
            /// The field it stands in, such as `notebook_task`.
            pub fn field(&self) -> &'static str {
                match self {
                    $( Self::$variant(_) => $field, )*
                }
            }
        }

        $(
            impl From<$record> for TaskKind {
                fn from(record: $record) -> Self {
                    Self::$variant(record)
                }
            }
        )*
    };
}

kinds! {
    /// A notebook.
    Notebook(NotebookTask) = "notebook_task",
    /// The main class of a JAR.
    SparkJar(SparkJarTask) = "spark_jar_task",
    /// A Python file.
    SparkPython(SparkPythonTask) = "spark_python_task",
    /// A call of `spark-submit`.
    SparkSubmit(SparkSubmitTask) = "spark_submit_task",
    /// An entry point of a Python wheel.
    PythonWheel(PythonWheelTask) = "python_wheel_task",
    /// SQL on a warehouse.
    Sql(SqlTask) = "sql_task",
    /// dbt commands.
    Dbt(DbtTask) = "dbt_task",
    /// An update of a pipeline.
    Pipeline(PipelineTask) = "pipeline_task",
    /// A run of another job.
    RunJob(RunJobTask) = "run_job_task",
    /// A comparison.
    Condition(ConditionTask) = "condition_task",
    /// The same task once for each element of a list.
    ForEach(ForEachTask) = "for_each_task",
    /// A dashboard to refresh.
    Dashboard(DashboardTask) = "dashboard_task",
    /// An alert to evaluate.
    Alert(AlertTask) = "alert_task",
    /// A command on GPUs of the service.
    AiRuntime(AiRuntimeTask) = "ai_runtime_task",
}

impl TaskKind {
    /// Whether it runs code that needs a cluster, or an environment for serverless compute.
    pub(crate) fn needs_compute(&self) -> bool {
        matches!(
            self,
            Self::SparkJar(_)
                | Self::SparkPython(_)
                | Self::SparkSubmit(_)
                | Self::PythonWheel(_)
                | Self::Dbt(_)
        )
    }
}

/// Takes the kind out of the fields of a task. No kind is `None`; one that cannot be read is an error, since serde's own
/// `Option` would drop it in silence.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TaskKind>, D::Error> {
    struct Finder<'a>(&'a Cell<bool>);

    impl<'de> Visitor<'de> for Finder<'_> {
        type Value = Option<TaskKind>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a field that says what the task is")
        }

        fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Self::Value, A::Error> {
            self.0.set(true);
            let (field, content): (String, _) = data.variant()?;
            match content.newtype_variant()? {
                // As everywhere in this API: the same as the field's absence.
                Value::Null => Ok(None),
                value => {
                    let kind = Value::Object([(field, value)].into_iter().collect());
                    TaskKind::deserialize(kind).map(Some).map_err(A::Error::custom)
                }
            }
        }
    }

    let found = Cell::new(false);
    match deserializer.deserialize_enum("TaskKind", FIELDS, Finder(&found)) {
        Err(_) if !found.get() => Ok(None),
        kind => kind,
    }
}
