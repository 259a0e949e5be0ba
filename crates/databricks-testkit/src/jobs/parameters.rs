//! Parameters of a run: the job's, and those a call sets for tasks of one kind.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{Fields, wrong};
use super::plan::{JobPlan, Kind, TaskPlan};
use super::record::{RunParameter, RunRecord};
use crate::api_error::ApiFailure;

/// Which parameters of a call go to which field of which tasks, and whether they add to what stands there.
const OVERRIDES: [(&str, &str, &str, bool); 8] = [
    ("notebook_params", "notebook_task", "base_parameters", true),
    ("jar_params", "spark_jar_task", "parameters", false),
    ("python_params", "spark_python_task", "parameters", false),
    ("python_params", "python_wheel_task", "parameters", false),
    ("python_named_params", "python_wheel_task", "named_parameters", true),
    ("spark_submit_params", "spark_submit_task", "parameters", false),
    ("sql_params", "sql_task", "parameters", true),
    ("dbt_commands", "dbt_task", "commands", false),
];

/// Takes the parameters for tasks out of a call.
///
/// # Errors
/// 400 for what is no list or map of texts, and for parameters that exclude each other.
pub(super) fn overrides(fields: &mut Fields) -> Result<Map<String, Value>, ApiFailure> {
    let mut overrides = Map::new();
    for (name, _, _, is_map) in OVERRIDES {
        let Some(value) = fields.take(name) else { continue };
        if is_map && !value.is_object() {
            return Err(wrong(name, "a map of strings", &value));
        }
        if !is_map && !value.as_array().is_some_and(|items| items.iter().all(Value::is_string)) {
            return Err(wrong(name, "a list of strings", &value));
        }
        overrides.insert(name.to_owned(), value);
    }
    if let Some(value) = fields.object("pipeline_params")? {
        overrides.insert("pipeline_params".to_owned(), Value::Object(value));
    }
    if overrides.contains_key("notebook_params") && overrides.contains_key("jar_params") {
        let message = "notebook_params cannot be specified in conjunction with jar_params.";
        return Err(ApiFailure::invalid(message));
    }
    Ok(overrides)
}

/// The job's parameters in a run: as given, else by default; names the job does not define are added.
pub(super) fn job_parameters(plan: &JobPlan, mut given: BTreeMap<String, String>) -> Vec<RunParameter> {
    let mut parameters: Vec<RunParameter> = plan
        .parameters
        .iter()
        .map(|(name, default)| RunParameter {
            value: given.remove(name).unwrap_or_else(|| default.clone()),
            name: name.clone(),
            default: Some(default.clone()),
        })
        .collect();
    let added = given.into_iter().map(|(name, value)| RunParameter { name, default: None, value });
    parameters.extend(added);
    parameters
}

/// What a task says it is, with the run's parameters put in.
pub(super) fn task_with_parameters(task: &TaskPlan, record: &RunRecord) -> Value {
    let mut inner = task.settings.get(&task.field).cloned().unwrap_or_default();
    let Some(map) = inner.as_object_mut() else { return inner };
    if matches!(task.kind, Kind::ForEach { .. }) {
        // The nested task has references of its own, which wait for their iteration.
        map.remove("task");
    }
    for (name, field, into, adds) in OVERRIDES {
        if let Some(value) = record.overrides.get(name).filter(|_| field == task.field) {
            put(map, into, value, adds);
        }
    }
    if let (Some(value), "pipeline_task") = (record.overrides.get("pipeline_params"), task.field.as_str()) {
        map.extend(value.as_object().cloned().unwrap_or_default());
    }
    push_down(task, record, map);
    inner
}

fn put(map: &mut Map<String, Value>, into: &str, value: &Value, adds: bool) {
    match (map.get_mut(into).and_then(Value::as_object_mut), value.as_object()) {
        (Some(present), Some(more)) if adds => present.extend(more.clone()),
        _ => {
            map.insert(into.to_owned(), value.clone());
        }
    }
}

/// Job parameters reach tasks that take parameters by name, and win over the task's own.
fn push_down(task: &TaskPlan, record: &RunRecord, map: &mut Map<String, Value>) {
    let into = match task.field.as_str() {
        "notebook_task" => "base_parameters",
        "python_wheel_task" if !map.contains_key("parameters") => "named_parameters",
        _ => return,
    };
    if record.parameters.is_empty() {
        return;
    }
    let parameters = record.parameters.iter().map(|p| (p.name.clone(), Value::String(p.value.clone())));
    put(map, into, &Value::Object(parameters.collect()), true);
}
