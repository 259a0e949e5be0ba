//! What settings must keep to, and what of them is not simulated.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::plan::{Kind, TaskPlan};
use super::plan_read as read;
use crate::api_error::ApiFailure;

/// The kinds of task that are documented; the first eleven do something here without a script.
const KINDS: [&str; 20] = [
    "notebook_task",
    "spark_jar_task",
    "spark_python_task",
    "spark_submit_task",
    "python_wheel_task",
    "dbt_task",
    "pipeline_task",
    "sql_task",
    "condition_task",
    "for_each_task",
    "run_job_task",
    "ai_runtime_task",
    "alert_task",
    "clean_rooms_notebook_task",
    "dashboard_task",
    "dbt_cloud_task",
    "dbt_platform_task",
    "gen_ai_compute_task",
    "power_bi_task",
    "python_operator_task",
];

/// What would start runs by itself.
const TRIGGERS: [&str; 4] = ["schedule", "trigger", "triggers", "continuous"];

/// Refuses what belongs into `tasks`, and what would start runs by itself.
pub(super) fn top_level(settings: &Map<String, Value>, triggers_rest: bool) -> Result<(), ApiFailure> {
    let misplaced = |name: &&String| name.ends_with("_task") || name.ends_with("_cluster");
    if let Some(name) = settings.keys().find(misplaced) {
        let message = format!("'{name}' belongs to a task: put it into an entry of 'tasks'.");
        return Err(ApiFailure::invalid(message));
    }
    if read::list(settings, "access_control_list")?.iter().any(|entry| !entry.is_null()) {
        let message = "'access_control_list' is not simulated: jobs and runs are their user's own.";
        return Err(ApiFailure::invalid(message));
    }
    if let Some(run_as) = read::present(settings, "run_as") {
        let message = format!("'run_as' {run_as} is not simulated: jobs and runs are their user's own.");
        return Err(ApiFailure::invalid(message));
    }
    let active = |name: &&&str| read::present(settings, name).is_some_and(|trigger| !rests(trigger));
    match TRIGGERS.iter().find(active) {
        Some(name) if !triggers_rest => Err(ApiFailure::invalid(format!(
            "'{name}' would start runs, which is not simulated: set its pause_status to PAUSED and start runs \
             with run-now, or keep triggers idle with JobsScript::idle_triggers."
        ))),
        _ => Ok(()),
    }
}

fn rests(trigger: &Value) -> bool {
    match trigger {
        Value::Array(triggers) => triggers.iter().all(rests),
        trigger => trigger.get("pause_status").and_then(Value::as_str) == Some("PAUSED"),
    }
}

/// A task's key: letters, digits, `-` and `_`, at most 100 of them.
pub(super) fn task_key(settings: &Map<String, Value>) -> Result<String, ApiFailure> {
    let key = read::required_text(settings, "task_key")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if key.is_empty() || key.len() > 100 || !key.chars().all(allowed) {
        let message =
            format!("The task_key {key:?} is not 1 to 100 letters, digits, hyphens and underscores.");
        return Err(ApiFailure::invalid(message));
    }
    Ok(key)
}

/// The one field that says what a task is.
pub(super) fn kind_field(settings: &Map<String, Value>) -> Result<String, ApiFailure> {
    let mut fields = settings
        .iter()
        .filter(|(name, value)| name.ends_with("_task") && !value.is_null())
        .map(|(name, _)| name);
    let message = match (fields.next(), fields.next()) {
        (Some(field), None) if KINDS.contains(&field.as_str()) => return Ok(field.clone()),
        (Some(field), None) => format!("'{field}' is no kind of task that databricks-testkit knows."),
        (Some(first), Some(second)) => format!("A task is of one kind, not both '{first}' and '{second}'."),
        (None, _) => "It says not what it is: a field such as 'notebook_task' is missing.".to_owned(),
    };
    Err(ApiFailure::invalid(message))
}

/// Fields of a task whose meaning is not simulated.
pub(super) fn task_fields(settings: &Map<String, Value>) -> Result<(), ApiFailure> {
    if read::flag(settings, "disabled")? {
        return Err(ApiFailure::invalid("'disabled' is not simulated: leave the task out."));
    }
    Ok(())
}

/// What a SQL task names: one of query, file, alert, dashboard.
pub(super) fn sql(inner: &Map<String, Value>) -> Result<Kind, ApiFailure> {
    read::required_text(inner, "warehouse_id")?;
    let subjects: Vec<&str> = ["query", "file", "alert", "dashboard"]
        .into_iter()
        .filter(|name| read::present(inner, name).is_some())
        .collect();
    match subjects.as_slice() {
        ["query" | "file"] => Ok(Kind::Sql),
        ["alert" | "dashboard"] => Ok(Kind::ScriptedOnly),
        _ => Err(ApiFailure::invalid("A sql_task names one of query, file, alert and dashboard.")),
    }
}

/// Job parameters, each with its default.
pub(super) fn parameters(settings: &Map<String, Value>) -> Result<Vec<(String, String)>, ApiFailure> {
    let mut names = HashSet::new();
    let mut parameters = Vec::new();
    for value in read::list(settings, "parameters")? {
        let parameter = read::object(value, "A job parameter")?;
        let name = read::required_text(&parameter, "name")?;
        if !names.insert(name.clone()) {
            return Err(ApiFailure::invalid(format!("The job parameter '{name}' is defined twice.")));
        }
        parameters.push((name, read::required_text(&parameter, "default")?));
    }
    Ok(parameters)
}

/// Every `job_cluster_key` names a cluster of `job_clusters`.
pub(super) fn job_clusters(
    settings: &Map<String, Value>,
    tasks: &IndexMap<String, Arc<TaskPlan>>,
) -> Result<(), ApiFailure> {
    let clusters = read::list(settings, "job_clusters")?;
    let known =
        |key: &str| clusters.iter().any(|c| c.get("job_cluster_key").and_then(Value::as_str) == Some(key));
    for task in tasks.values() {
        if let Some(key) = read::text(&task.settings, "job_cluster_key")?
            && !known(&key)
        {
            let message =
                format!("Task '{}' names the job cluster '{key}', which job_clusters has not.", task.key);
            return Err(ApiFailure::invalid(message));
        }
    }
    Ok(())
}

/// Dependencies name tasks, outcomes belong to conditions, and nothing waits for itself.
pub(super) fn graph(tasks: &IndexMap<String, Arc<TaskPlan>>) -> Result<(), ApiFailure> {
    for task in tasks.values() {
        for dependency in &task.depends_on {
            let (key, on) = (&task.key, &dependency.task_key);
            let Some(upstream) = tasks.get(on) else {
                return Err(ApiFailure::invalid(format!(
                    "Task '{key}' depends on '{on}', which is no task."
                )));
            };
            if dependency.outcome.is_some() && !matches!(upstream.kind, Kind::Condition { .. }) {
                let message =
                    format!("Task '{key}' asks for an outcome of '{on}', which is no condition task.");
                return Err(ApiFailure::invalid(message));
            }
        }
    }
    acyclic(tasks)
}

/// Takes away tasks that wait for nothing left; what then remains goes round.
fn acyclic(tasks: &IndexMap<String, Arc<TaskPlan>>) -> Result<(), ApiFailure> {
    let mut waiting: IndexMap<&str, HashSet<&str>> = tasks
        .values()
        .map(|task| (task.key.as_str(), task.depends_on.iter().map(|on| on.task_key.as_str()).collect()))
        .collect();
    let mut free: Vec<&str> = waiting.iter().filter(|(_, on)| on.is_empty()).map(|(key, _)| *key).collect();
    let mut dependents: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for (key, on) in &waiting {
        on.iter().for_each(|on| dependents.entry(on).or_default().push(key));
    }
    while let Some(done) = free.pop() {
        waiting.swap_remove(done);
        for key in dependents.get(done).into_iter().flatten() {
            if let Some(on) = waiting.get_mut(key) {
                on.remove(done);
                if on.is_empty() {
                    free.push(key);
                }
            }
        }
    }
    let mut cycle: Vec<&str> = waiting.keys().copied().take(10).collect();
    cycle.sort_unstable();
    if cycle.is_empty() {
        return Ok(());
    }
    let message = format!("Tasks depend on each other in a circle; among them: {}.", cycle.join(", "));
    Err(ApiFailure::invalid(message))
}
