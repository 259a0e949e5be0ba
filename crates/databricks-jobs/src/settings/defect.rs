//! What can be wrong with settings, and what to do about it.

use std::fmt;

/// The most tasks of a job.
pub(super) const TASKS: usize = 1_000;

/// Something that makes settings unfit to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// A `task_key` that the service would refuse.
    TaskKey {
        /// The key.
        task: String,
    },
    /// Two tasks of one name.
    DuplicateTask {
        /// The name.
        task: String,
    },
    /// A task that waits for one that is not there.
    UnknownDependency {
        /// The task.
        task: String,
        /// What it waits for.
        on: String,
    },
    /// Tasks that wait for each other.
    Cycle {
        /// They, each waiting for the next, and the last for the first.
        tasks: Vec<String>,
    },
    /// A task that wants the outcome of something that has none: outcomes are those of conditions.
    OutcomeOfNoCondition {
        /// The task.
        task: String,
        /// What it waits for.
        on: String,
    },
    /// A task that says not what it is, or says two things.
    Kind {
        /// The task.
        task: String,
        /// The fields that say it.
        fields: Vec<String>,
    },
    /// A task whose code has nothing to run on.
    NoCompute {
        /// The task.
        task: String,
        /// What it is, such as `spark_python_task`.
        kind: &'static str,
    },
    /// A task with several things to run on.
    TooMuchCompute {
        /// The task.
        task: String,
        /// The fields that name them.
        fields: Vec<&'static str>,
    },
    /// A task on a shared cluster that the job lacks.
    UnknownJobCluster {
        /// The task.
        task: String,
        /// The cluster.
        job_cluster_key: String,
    },
    /// A task in an environment that the job lacks.
    UnknownEnvironment {
        /// The task.
        task: String,
        /// The environment.
        environment_key: String,
    },
    /// Two entries of one name among clusters, environments or parameters.
    Duplicate {
        /// The list: `job_clusters`, `environments` or `parameters`.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// A loop in a loop, or one whose task waits for others.
    Loop {
        /// The task.
        task: String,
    },
    /// More tasks than a job may have.
    TooManyTasks {
        /// How many there are.
        tasks: usize,
    },
    /// No task at all, in a run that is submitted.
    NoTasks,
    /// A setting that only jobs have, in a run that is submitted.
    OnlyInJobs {
        /// The task.
        task: String,
        /// The field.
        field: &'static str,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TaskKey { task } => {
                write!(f, "task_key {task:?} must be 1 to 100 letters, digits, `-` and `_`")
            }
            Self::DuplicateTask { task } => {
                write!(f, "task `{task}` is there twice: give each its own task_key")
            }
            Self::UnknownDependency { task, on } => {
                write!(f, "task `{task}` depends on `{on}`, which is no task of the job")
            }
            Self::Cycle { tasks } => {
                write!(f, "tasks wait for each other: `{}`", tasks.join("` -> `"))?;
                tasks.first().map_or(Ok(()), |first| write!(f, " -> `{first}`"))
            }
            Self::OutcomeOfNoCondition { task, on } => {
                write!(f, "task `{task}` wants the outcome of `{on}`, which is no condition task")
            }
            Self::Kind { task, fields } if fields.is_empty() => {
                write!(f, "task `{task}` says not what it is: it needs a field such as `notebook_task`")
            }
            Self::Kind { task, fields } => {
                write!(f, "task `{task}` is one of `{}`, not all of them", fields.join("`, `"))
            }
            Self::NoCompute { task, kind } => write!(
                f,
                "task `{task}` is a {kind} and has nothing to run on: name a new_cluster, a job_cluster_key, an \
                 existing_cluster_id, or an environment_key for serverless compute"
            ),
            Self::TooMuchCompute { task, fields } => {
                write!(f, "task `{task}` runs on one of `{}`, not on all of them", fields.join("`, `"))
            }
            Self::UnknownJobCluster { task, job_cluster_key } => {
                write!(f, "task `{task}` runs on `{job_cluster_key}`, which job_clusters lacks")
            }
            Self::UnknownEnvironment { task, environment_key } => {
                write!(f, "task `{task}` runs in `{environment_key}`, which environments lacks")
            }
            Self::Duplicate { list, name } => write!(f, "`{name}` is there twice in {list}"),
            Self::Loop { task } => write!(
                f,
                "the task inside the for_each_task `{task}` must be no for_each_task and must depend on nothing"
            ),
            Self::TooManyTasks { tasks } => write!(f, "a job has at most {TASKS} tasks, not {tasks}"),
            Self::NoTasks => f.write_str("there is nothing to run: add a task"),
            Self::OnlyInJobs { task, field } => write!(
                f,
                "task `{task}` has a {field}, which only jobs have: give it a cluster or an environment of its own"
            ),
        }
    }
}
