//! What dynamic value references mean in a run, a task, an iteration.

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde_json::Value;

use super::ending::Life;
use super::fields::scalar_text;
use super::record::{Attempt, RunRecord};
use super::references::Found;

/// Answers a reference for an attempt of a task; for the run alone where there is none.
pub(super) fn lookup(record: &RunRecord, attempt: Option<&Attempt>, path: &[&str]) -> Found {
    match path {
        ["job", rest @ ..] => job(record, rest),
        ["task", rest @ ..] => attempt.map_or_else(no_task, |attempt| task(attempt, rest)),
        ["tasks", key, rest @ ..] => attempt.map_or_else(no_task, |_| of_task(record, key, rest)),
        ["input", rest @ ..] => input(attempt, rest),
        ["workspace", ..] => Found::Invalid("is not simulated by databricks-testkit".to_owned()),
        [name] => old_name(record, attempt, name),
        _ => Found::Literal,
    }
}

fn unknown() -> Found {
    Found::Invalid("is not known".to_owned())
}

fn no_task() -> Found {
    Found::Invalid("belongs to a task and has no value in job parameters".to_owned())
}

fn job(record: &RunRecord, path: &[&str]) -> Found {
    Found::Value(match path {
        ["id"] => record.job_id.to_string(),
        ["name"] => record.plan.name.clone(),
        ["run_id"] => record.run_id.to_string(),
        ["repair_count"] => record.repairs.len().to_string(),
        ["trigger", "type"] => match record.origin.trigger() {
            "RUN_JOB_TASK" => "run_job_task".to_owned(),
            _ => "one_time".to_owned(),
        },
        ["start_time", argument] => return time(record.times.created, argument),
        ["parameters", name] => return parameter(record, name),
        _ => return unknown(),
    })
}

fn parameter(record: &RunRecord, name: &str) -> Found {
    match record.parameters.iter().find(|parameter| parameter.name == name) {
        Some(parameter) => Found::Value(parameter.value.clone()),
        None => Found::Invalid(format!("names the job parameter '{name}', which this run has not")),
    }
}

fn task(attempt: &Attempt, path: &[&str]) -> Found {
    Found::Value(match path {
        ["name"] => attempt.key().to_owned(),
        ["run_id"] => attempt.run_id.to_string(),
        ["execution_count"] => (attempt.number + 1).to_string(),
        _ => return unknown(),
    })
}

fn of_task(record: &RunRecord, key: &str, path: &[&str]) -> Found {
    let Some(attempt) = record.latest().get(key).copied() else {
        return Found::Invalid(format!("names '{key}', which is no task of this run"));
    };
    let ending = attempt.life.ending();
    match (path, ending) {
        (["run_id"], _) => Found::Value(attempt.run_id.to_string()),
        (["execution_count"], _) => Found::Value((attempt.number + 1).to_string()),
        (["values", name], _) => value(attempt, name),
        (["result_state"], Some(ending)) => Found::Value(ending.result.name().to_ascii_lowercase()),
        (["error_code"], Some(ending)) => Found::Value(ending.code.clone()),
        (["result_state" | "error_code"], None) => {
            Found::Invalid(format!("asks how '{key}' ended, which it has not: depend on it"))
        }
        (["output", ..], _) => Found::Invalid("is not simulated by databricks-testkit".to_owned()),
        _ => unknown(),
    }
}

fn value(attempt: &Attempt, name: &str) -> Found {
    match attempt.value(name) {
        Some(value) => Found::Value(text(value)),
        None => {
            Found::Invalid(format!("names the task value '{name}', which '{}' has not set", attempt.key()))
        }
    }
}

/// The element of an iteration, or a field of it.
fn input(attempt: Option<&Attempt>, path: &[&str]) -> Found {
    let Some((_, element)) = attempt.and_then(|attempt| attempt.input.as_ref()) else {
        return Found::Invalid("has a value only inside a for-each task".to_owned());
    };
    let mut value = element;
    for name in path {
        match value.get(name) {
            Some(inner) => value = inner,
            None => return Found::Invalid(format!("asks for '{name}', which the element has not")),
        }
    }
    Found::Value(text(value))
}

/// The names references had before they had namespaces.
fn old_name(record: &RunRecord, attempt: Option<&Attempt>, name: &str) -> Found {
    match (name, attempt) {
        ("job_id", _) => job(record, &["id"]),
        ("parent_run_id", _) => job(record, &["run_id"]),
        ("run_id", None) => job(record, &["run_id"]),
        ("run_id", Some(attempt)) => task(attempt, &["run_id"]),
        ("task_key", Some(attempt)) => task(attempt, &["name"]),
        ("task_retry_count", Some(attempt)) => Found::Value(attempt.number.to_string()),
        ("start_date", _) => time(record.times.created, "iso_date"),
        ("start_time", _) => time(record.times.created, "timestamp_ms"),
        _ => Found::Literal,
    }
}

fn time(millis: i64, argument: &str) -> Found {
    let at = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default();
    Found::Value(match argument {
        "iso_date" => at.format("%Y-%m-%d").to_string(),
        "iso_datetime" => at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "year" => at.format("%Y").to_string(),
        "month" => at.format("%m").to_string(),
        "day" => at.format("%d").to_string(),
        "hour" => at.format("%H").to_string(),
        "minute" => at.format("%M").to_string(),
        "second" => at.format("%S").to_string(),
        "timestamp_ms" => millis.to_string(),
        "is_weekday" => (at.weekday().number_from_monday() < 6).to_string(),
        "iso_weekday" => at.weekday().number_from_monday().to_string(),
        _ => return unknown(),
    })
}

fn text(value: &Value) -> String {
    scalar_text(value).unwrap_or_else(|| value.to_string())
}

/// Whether an attempt has begun and is not over.
pub(super) fn is_active(life: &Life) -> bool {
    matches!(life, Life::Pending | Life::Running | Life::Terminating | Life::WaitingForRetry)
}
