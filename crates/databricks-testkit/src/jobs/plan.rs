//! What a job's settings mean: the tasks, what each depends on, when it runs and what it is.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::condition::Operator;
use super::plan_check;
use super::plan_read as read;
use crate::api_error::ApiFailure;

/// The most tasks a job may have.
const TASKS: usize = 1_000;
/// The most runs of a job that may be active at once.
const CONCURRENT_RUNS: u64 = 1_000;
/// The most iterations of a for-each task that may run at once.
const CONCURRENT_ITERATIONS: u64 = 100;

/// A job's settings, understood.
#[derive(Debug)]
pub(super) struct JobPlan {
    /// The settings as they were sent; fields without meaning here stay in them.
    pub(super) settings: Map<String, Value>,
    pub(super) name: String,
    pub(super) tasks: IndexMap<String, Arc<TaskPlan>>,
    pub(super) max_concurrent_runs: usize,
    pub(super) queues: bool,
    pub(super) timeout: Option<Duration>,
    /// Job parameters: name and default.
    pub(super) parameters: Vec<(String, String)>,
}

/// A task's settings, understood.
#[derive(Debug)]
pub(super) struct TaskPlan {
    pub(super) key: String,
    pub(super) settings: Map<String, Value>,
    /// The field that says what the task is: `notebook_task`.
    pub(super) field: String,
    pub(super) kind: Kind,
    pub(super) depends_on: Vec<Dependency>,
    pub(super) run_if: RunIf,
    pub(super) retry: Retry,
    pub(super) timeout: Option<Duration>,
}

/// What a task is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Work this workspace cannot do: a script says what comes of it.
    Opaque,
    /// Work that only a script can answer for.
    ScriptedOnly,
    Sql,
    Condition {
        operator: Operator,
    },
    ForEach {
        concurrency: usize,
        nested: Arc<TaskPlan>,
    },
    RunJob,
}

/// One entry of `depends_on`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) task_key: String,
    /// The outcome of a condition task that this branch belongs to.
    pub(super) outcome: Option<bool>,
}

/// When a task runs, given how its dependencies ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunIf {
    AllSuccess,
    AtLeastOneSuccess,
    NoneFailed,
    AllDone,
    AtLeastOneFailed,
    AllFailed,
}

/// When a task is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retry {
    /// How often at most; `None` is without end.
    pub(super) most: Option<u32>,
    /// From the start of one attempt to the start of the next, at least.
    pub(super) interval: Duration,
    pub(super) on_timeout: bool,
}

impl JobPlan {
    /// Reads settings as `create`, `reset`, `update` and `submit` take them.
    ///
    /// # Errors
    /// 400 naming the field and its value.
    pub(super) fn read(settings: Map<String, Value>, triggers_rest: bool) -> Result<Self, ApiFailure> {
        plan_check::top_level(&settings, triggers_rest)?;
        let tasks = read_tasks(&settings)?;
        plan_check::graph(&tasks)?;
        plan_check::job_clusters(&settings, &tasks)?;
        let concurrent = read::number(&settings, "max_concurrent_runs", 0..=CONCURRENT_RUNS)?.unwrap_or(1);
        Ok(Self {
            name: read::text(&settings, "name")?.unwrap_or_else(|| "Untitled".to_owned()),
            tasks,
            max_concurrent_runs: usize::try_from(concurrent).unwrap_or(usize::MAX),
            queues: queue_enabled(settings.get("queue"))?.unwrap_or(false),
            timeout: read::seconds(&settings, "timeout_seconds")?,
            parameters: plan_check::parameters(&settings)?,
            settings,
        })
    }

    /// Whether another task depends on this one.
    pub(super) fn has_dependents(&self, key: &str) -> bool {
        self.tasks.values().any(|task| task.depends_on.iter().any(|dependency| dependency.task_key == key))
    }
}

/// `queue.enabled`, of a job or of a call that overrides it.
pub(super) fn queue_enabled(queue: Option<&Value>) -> Result<Option<bool>, ApiFailure> {
    match queue {
        None | Some(Value::Null) => Ok(None),
        Some(queue) => queue
            .get("enabled")
            .and_then(Value::as_bool)
            .map(Some)
            .ok_or_else(|| super::fields::wrong("queue", "an object with the flag `enabled`", queue)),
    }
}

fn read_tasks(settings: &Map<String, Value>) -> Result<IndexMap<String, Arc<TaskPlan>>, ApiFailure> {
    let list = read::list(settings, "tasks")?;
    if list.len() > TASKS {
        let message = format!("A job has at most {TASKS} tasks, not {}.", list.len());
        return Err(ApiFailure::invalid(message));
    }
    let mut tasks = IndexMap::with_capacity(list.len());
    for value in list {
        let task = TaskPlan::read(value)?;
        if let Some(twice) = tasks.insert(task.key.clone(), Arc::new(task)) {
            let message = format!("Found duplicate task_key '{}' in tasks.", twice.key);
            return Err(ApiFailure::invalid(message));
        }
    }
    Ok(tasks)
}

impl TaskPlan {
    fn read(value: &Value) -> Result<Self, ApiFailure> {
        let settings = read::object(value, "A task")?;
        let key = plan_check::task_key(&settings)?;
        let within = |failure: ApiFailure| failure.within(&format!("Task '{key}'"));
        let field = plan_check::kind_field(&settings).map_err(within)?;
        plan_check::task_fields(&settings).map_err(within)?;
        let kind = Kind::read(&field, &settings).map_err(within)?;
        let retry = Retry::read(&settings).map_err(within)?;
        if retry.most != Some(0) && matches!(kind, Kind::Condition { .. }) {
            return Err(within(ApiFailure::invalid("A condition task takes no max_retries.")));
        }
        Ok(Self {
            depends_on: read_dependencies(&settings).map_err(within)?,
            run_if: RunIf::read(&settings).map_err(within)?,
            timeout: read::seconds(&settings, "timeout_seconds").map_err(within)?,
            retry,
            kind,
            field,
            key,
            settings,
        })
    }
}

impl Kind {
    fn read(field: &str, settings: &Map<String, Value>) -> Result<Self, ApiFailure> {
        let inner = read::object(settings.get(field).unwrap_or(&Value::Null), &format!("'{field}'"))?;
        match field {
            "condition_task" => Self::condition(&inner),
            "for_each_task" => Self::for_each(&inner),
            "run_job_task" => read::required(&inner, "job_id").map(|_| Self::RunJob),
            "sql_task" => plan_check::sql(&inner),
            "notebook_task" => read::required_text(&inner, "notebook_path").map(|_| Self::Opaque),
            "spark_jar_task" | "spark_python_task" | "spark_submit_task" | "python_wheel_task"
            | "dbt_task" | "pipeline_task" => Ok(Self::Opaque),
            _ => Ok(Self::ScriptedOnly),
        }
    }

    fn condition(inner: &Map<String, Value>) -> Result<Self, ApiFailure> {
        let operator = read::required_text(inner, "op")?;
        let operator = Operator::named(&operator).ok_or_else(|| {
            ApiFailure::invalid(format!("'{operator}' is no operator of a condition task."))
        })?;
        read::required_text(inner, "left")?;
        read::required_text(inner, "right")?;
        Ok(Self::Condition { operator })
    }

    fn for_each(inner: &Map<String, Value>) -> Result<Self, ApiFailure> {
        let concurrency = read::number(inner, "concurrency", 1..=CONCURRENT_ITERATIONS)?.unwrap_or(1);
        read::required_text(inner, "inputs")?;
        let nested = TaskPlan::read(read::required(inner, "task")?)?;
        if matches!(nested.kind, Kind::ForEach { .. }) || !nested.depends_on.is_empty() {
            let message = "The task inside a for_each_task is no for_each_task and depends on nothing.";
            return Err(ApiFailure::invalid(message));
        }
        Ok(Self::ForEach { concurrency: usize::try_from(concurrency).unwrap_or(1), nested: Arc::new(nested) })
    }
}

impl Retry {
    fn read(settings: &Map<String, Value>) -> Result<Self, ApiFailure> {
        let most = match settings.get("max_retries") {
            Some(value) if value.as_i64() == Some(-1) => None,
            _ => Some(read::number(settings, "max_retries", 0..=u64::from(u32::MAX))?.unwrap_or(0)),
        };
        let interval = read::number(settings, "min_retry_interval_millis", 0..=read::LONGEST_MILLIS)?;
        Ok(Self {
            most: most.map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
            interval: Duration::from_millis(interval.unwrap_or(0)),
            on_timeout: read::flag(settings, "retry_on_timeout")?,
        })
    }
}

impl RunIf {
    fn read(settings: &Map<String, Value>) -> Result<Self, ApiFailure> {
        let name = read::text(settings, "run_if")?;
        Ok(match name.as_deref() {
            None | Some("ALL_SUCCESS") => Self::AllSuccess,
            Some("AT_LEAST_ONE_SUCCESS") => Self::AtLeastOneSuccess,
            Some("NONE_FAILED") => Self::NoneFailed,
            Some("ALL_DONE") => Self::AllDone,
            Some("AT_LEAST_ONE_FAILED") => Self::AtLeastOneFailed,
            Some("ALL_FAILED") => Self::AllFailed,
            Some(other) => return Err(ApiFailure::invalid(format!("'{other}' is no value of run_if."))),
        })
    }
}

fn read_dependencies(settings: &Map<String, Value>) -> Result<Vec<Dependency>, ApiFailure> {
    let read_one = |value: &Value| {
        let map = read::object(value, "An entry of depends_on")?;
        let outcome = match read::text(&map, "outcome")?.as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(other) => {
                let message = format!("The outcome of a dependency is \"true\" or \"false\", not '{other}'.");
                return Err(ApiFailure::invalid(message));
            }
        };
        Ok(Dependency { task_key: read::required_text(&map, "task_key")?, outcome })
    };
    read::list(settings, "depends_on")?.iter().map(read_one).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use serde_json::json;

    use super::*;

    fn refusal(settings: Value) -> String {
        let failure = JobPlan::read(settings.as_object().unwrap().clone(), false).unwrap_err();
        assert_eq!(failure.status(), 400);
        failure.body()["message"].as_str().unwrap().to_owned()
    }

    fn notebook(key: &str, more: Value) -> Value {
        let mut task = json!({"task_key": key, "notebook_task": {"notebook_path": "/n"}});
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        task
    }

    #[test]
    fn what_cannot_be_meant_or_is_not_simulated_is_refused_by_name() {
        let task = |more| json!({"tasks": [notebook("a", more)]});
        let each = |inner| json!({"tasks": [{"task_key": "a", "for_each_task": inner}]});
        let refusals: Vec<String> = [
            json!({"tasks": {}}),
            json!({"tasks": [3]}),
            json!({"tasks": [{"notebook_task": {}}]}),
            json!({"tasks": [{"task_key": "a b", "notebook_task": {}}]}),
            json!({"tasks": [{"task_key": "a"}]}),
            json!({"tasks": [{"task_key": "a", "notebook_task": {}}]}),
            json!({"tasks": [{"task_key": "a", "teleport_task": {}}]}),
            task(json!({"sql_task": {}})),
            task(json!({"max_retries": -2})),
            task(json!({"timeout_seconds": "soon"})),
            task(json!({"run_if": "SOMETIMES"})),
            task(json!({"disabled": true})),
            task(json!({"job_cluster_key": "missing"})),
            task(json!({"depends_on": [{"task_key": "nobody"}]})),
            task(json!({"depends_on": [{"task_key": "a"}]})),
            json!({"tasks": [notebook("a", json!({})), notebook("a", json!({}))]}),
            json!({"tasks": [
                notebook("a", json!({"depends_on": [{"task_key": "c"}]})),
                notebook("b", json!({"depends_on": [{"task_key": "a"}]})),
                notebook("c", json!({"depends_on": [{"task_key": "b"}]})),
            ]}),
            json!({"tasks": [
                notebook("a", json!({})),
                notebook("b", json!({"depends_on": [{"task_key": "a", "outcome": "true"}]})),
            ]}),
            json!({"tasks": [{"task_key": "a", "condition_task": {"op": "LIKE", "left": "", "right": ""}}]}),
            json!({"tasks": [{"task_key": "a", "sql_task": {"warehouse_id": "w"}}]}),
            each(json!({"inputs": "[]"})),
            each(json!({"inputs": "[]", "concurrency": 0, "task": notebook("n", json!({}))})),
            each(json!({"inputs": "[]", "task": {"task_key": "n", "for_each_task": {
                "inputs": "[]", "task": notebook("m", json!({}))}}})),
            json!({"notebook_task": {"notebook_path": "/n"}}),
            json!({"schedule": {"quartz_cron_expression": "0 0 0 * * ?", "timezone_id": "UTC"}}),
            json!({"continuous": {"pause_status": "UNPAUSED"}}),
            json!({"access_control_list": [{}]}),
            json!({"run_as": {"service_principal_name": "robot"}}),
            json!({"max_concurrent_runs": 1001}),
            json!({"queue": true}),
            json!({"parameters": [{"name": "p"}]}),
            json!({"parameters": [{"name": "p", "default": "1"}, {"name": "p", "default": "2"}]}),
        ]
        .into_iter()
        .map(refusal)
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }

    #[test]
    fn a_graph_of_a_thousand_tasks_in_a_row_is_read() {
        let tasks: Vec<Value> = (0..1000)
            .map(|n| match n {
                0 => notebook("t0", json!({})),
                n => notebook(&format!("t{n}"), json!({"depends_on": [{"task_key": format!("t{}", n - 1)}]})),
            })
            .collect();
        let settings = json!({ "tasks": tasks }).as_object().unwrap().clone();
        assert_eq!(JobPlan::read(settings, false).unwrap().tasks.len(), 1000);
        assert!(
            refusal(json!({"tasks": vec![notebook("a", json!({})); 1001]})).contains("at most 1000 tasks")
        );
    }

    #[test]
    fn resting_triggers_are_taken() {
        let cron =
            |status| json!({"schedule": {"quartz_cron_expression": "0 0 0 * * ?", "pause_status": status}});
        let read = |settings: Value, rest| JobPlan::read(settings.as_object().unwrap().clone(), rest);
        assert!(read(cron("PAUSED"), false).is_ok());
        assert!(read(cron("UNPAUSED"), false).is_err());
        assert!(read(cron("UNPAUSED"), true).is_ok());
    }
}
