//! Jobs, runs and attempts as the API answers them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::ending::{Life, Outcome};
use super::plan::{Kind, RunIf};
use super::record::{Attempt, JobRecord, RunOrigin, RunRecord};
use super::scope::is_active;
use crate::workspace::SimulatedWorkspace;

/// Arrays of a job's settings that come in pages.
pub(super) const JOB_ARRAYS: [&str; 4] = ["tasks", "job_clusters", "parameters", "environments"];
/// Arrays of a run that come in pages.
pub(super) const RUN_ARRAYS: [&str; 5] =
    ["tasks", "iterations", "job_clusters", "job_parameters", "repair_history"];
/// What a run shows of the settings it runs with.
const SHOWN_SETTINGS: [&str; 6] =
    ["job_clusters", "git_source", "description", "environments", "performance_target", "schedule"];

/// What a call asks for beside the run itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    pub(super) history: bool,
    pub(super) resolved_values: bool,
}

/// A job with all its settings.
pub(super) fn job(job: &JobRecord) -> Map<String, Value> {
    object(json!({
        "job_id": job.job_id,
        "creator_user_name": job.user,
        "run_as_user_name": job.user,
        "run_as_owner": true,
        "created_time": job.created,
        "settings": job.plan.settings,
    }))
}

/// A run of a job, or a submitted one, without its tasks.
pub(super) fn run(record: &RunRecord, extras: Extras) -> Map<String, Value> {
    let life = record.shown_life();
    let times = &record.times;
    let over = life.is_over();
    let mut run = object(json!({
        "job_id": record.job_id,
        "run_id": record.run_id,
        "number_in_job": record.run_id,
        "job_run_id": record.run_id,
        "original_attempt_run_id": record.run_id,
        "creator_user_name": record.user,
        "run_as_user_name": record.user,
        "run_name": record.plan.name,
        "run_page_url": page_url(record.job_id, record.run_id),
        "run_type": record.origin.run_type(),
        "trigger": record.origin.trigger(),
        "format": "MULTI_TASK",
        "attempt_number": 0,
        "state": life.state(),
        "status": life.status(),
        "start_time": times.created,
        "end_time": if over { times.ended } else { 0 },
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "run_duration": times.worked,
        "queue_duration": times.dequeued.map_or(0, |at| at - times.created),
        "job_parameters": job_parameters(record),
    }));
    let settings = SHOWN_SETTINGS.iter().filter_map(|name| record.plan.settings.get_key_value(*name));
    run.extend(settings.map(|(name, value)| (name.clone(), value.clone())));
    if !record.overrides.is_empty() {
        run.insert("overriding_parameters".to_owned(), json!(*record.overrides));
    }
    if let RunOrigin::RunJobTask { task_run_id, .. } = record.origin {
        run.insert("trigger_info".to_owned(), json!({ "run_id": task_run_id }));
    }
    if extras.history {
        run.insert("repair_history".to_owned(), json!(repair_history(record)));
    }
    run
}

/// A run with its tasks.
pub(super) fn run_with_tasks(record: &RunRecord, extras: Extras) -> Map<String, Value> {
    let mut run = run(record, extras);
    run.insert("tasks".to_owned(), json!(tasks(record, extras)));
    run
}

/// The tasks of a run: every attempt, in the order they came to be.
fn tasks(record: &RunRecord, extras: Extras) -> Vec<Value> {
    // One pass over all attempts, however many for-each tasks there are.
    let mut iterations: HashMap<i64, Vec<&Attempt>> = HashMap::new();
    for attempt in &record.attempts {
        if let Some(parent) = attempt.parent {
            iterations.entry(parent).or_default().push(attempt);
        }
    }
    let task = |attempt: &Attempt| {
        let iterations = iterations.get(&attempt.run_id).map_or(&[][..], Vec::as_slice);
        self::task(record, attempt, iterations, extras)
    };
    record.tasks().map(task).collect()
}

/// A task's run asked for by its own id.
pub(super) fn task_run(record: &RunRecord, attempt: &Attempt, extras: Extras) -> Map<String, Value> {
    let iterations: Vec<&Attempt> = record.iterations(attempt.run_id).collect();
    let task = object(self::task(record, attempt, &iterations, extras));
    let mut run = self::run(record, Extras::default());
    for name in [
        "state",
        "status",
        "start_time",
        "end_time",
        "setup_duration",
        "execution_duration",
        "cleanup_duration",
        "run_duration",
        "run_id",
        "run_page_url",
        "attempt_number",
    ] {
        if let Some(value) = task.get(name) {
            run.insert(name.to_owned(), value.clone());
        }
    }
    run.insert("number_in_job".to_owned(), json!(attempt.run_id));
    run.insert("original_attempt_run_id".to_owned(), json!(attempt.original));
    run.insert("run_name".to_owned(), json!(attempt.key()));
    run.insert("tasks".to_owned(), json!([task]));
    if matches!(attempt.plan.kind, Kind::ForEach { .. }) {
        let iterations: Vec<Value> =
            iterations.iter().map(|attempt| self::task(record, attempt, &[], extras)).collect();
        run.insert("iterations".to_owned(), json!(iterations));
    }
    run
}

/// One attempt of a task.
fn task(record: &RunRecord, attempt: &Attempt, iterations: &[&Attempt], extras: Extras) -> Value {
    let Attempt { run_id, plan, number, life, .. } = attempt;
    let mut task = plan.settings.clone();
    let (setup, execution, cleanup) = durations(attempt);
    task.extend(object(json!({
        "run_id": run_id,
        "attempt_number": number,
        "state": life.state(),
        "status": life.status(),
        "run_if": run_if_name(plan.run_if),
        "run_page_url": page_url(record.job_id, *run_id),
        "start_time": attempt.times.began,
        "end_time": attempt.times.ended,
        "setup_duration": setup,
        "execution_duration": execution,
        "cleanup_duration": cleanup,
        "run_duration": setup + execution + cleanup,
    })));
    if let (Some(found), Some(condition)) = (attempt.condition, inner(&mut task, "condition_task")) {
        condition.insert("outcome".to_owned(), json!(found.to_string()));
    }
    if let Some(for_each) = inner(&mut task, "for_each_task") {
        for_each.insert("stats".to_owned(), stats(attempt.iterations, iterations));
    }
    if let (true, Some(resolved)) = (extras.resolved_values, &attempt.resolved) {
        task.insert("resolved_values".to_owned(), json!({ plan.field.as_str(): **resolved }));
    }
    Value::Object(task)
}

fn inner<'a>(task: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    task.get_mut(name).and_then(Value::as_object_mut)
}

/// Setup, execution and clean-up in milliseconds, as far as they are done.
fn durations(attempt: &Attempt) -> (i64, i64, i64) {
    let times = attempt.times;
    let worked_until = if times.cleaning > 0 { times.cleaning } else { times.ended };
    let span = |from: i64, to: i64| if from > 0 && to > 0 { to - from } else { 0 };
    if times.running == 0 {
        return (span(times.began, worked_until), 0, span(times.cleaning, times.ended));
    }
    let setup = span(times.began, times.running);
    (setup, span(times.running, worked_until), span(times.cleaning, times.ended))
}

/// What a for-each task tells of its iterations; of each only the latest attempt counts.
fn stats(total: usize, attempts: &[&Attempt]) -> Value {
    let latest: HashMap<usize, &Attempt> =
        attempts.iter().filter_map(|a| Some((a.input.as_ref()?.0, *a))).collect();
    let count = |of: &dyn Fn(&Attempt) -> bool| latest.values().filter(|attempt| of(attempt)).count();
    let ended = |attempt: &Attempt| attempt.life.ending().map(|ending| ending.result);
    let succeeded = count(&|a| ended(a).is_some_and(Outcome::is_success));
    let completed = count(&|a| ended(a).is_some());
    let mut messages: HashMap<(&str, &str), usize> = HashMap::new();
    for ending in latest.values().filter_map(|attempt| attempt.life.ending()) {
        if !ending.result.is_success() {
            *messages.entry((&ending.message, &ending.code)).or_default() += 1;
        }
    }
    let mut messages: Vec<_> = messages.into_iter().collect();
    messages.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let messages: Vec<Value> = messages
        .into_iter()
        .take(3)
        .map(|((message, code), count)| json!({ "error_message": message, "termination_category": code, "count": count }))
        .collect();
    json!({
        "error_message_stats": messages,
        "task_run_stats": {
            "total_iterations": total,
            "scheduled_iterations": latest.len(),
            "active_iterations": count(&|a| is_active(&a.life)),
            "completed_iterations": completed,
            "succeeded_iterations": succeeded,
            "failed_iterations": completed - succeeded,
        },
    })
}

/// The output of one task's run. The run's own details stand beside it.
pub(super) fn output(record: &RunRecord, attempt: &Attempt) -> Value {
    let metadata = task_run(record, attempt, Extras::default());
    let mut output = object(json!({ "metadata": metadata }));
    if let Some(child) = attempt.child {
        output.insert("run_job_output".to_owned(), json!({ "run_id": child }));
    }
    match (&attempt.outcome, &attempt.life) {
        (Some(outcome), _) => output.extend(work_output(&attempt.plan.field, outcome)),
        (None, Life::Over(ending)) if !ending.result.is_success() => {
            output.insert("error".to_owned(), json!(ending.message));
        }
        _ => {}
    }
    Value::Object(output)
}

/// What the task's work left behind, in the field of its kind.
fn work_output(field: &str, outcome: &super::task::TaskOutcome) -> Map<String, Value> {
    let mut output = Map::new();
    let mut put = |name: &str, value: Value| output.insert(name.to_owned(), value);
    match field {
        "notebook_task" => {
            let mut notebook = json!({ "truncated": outcome.truncated });
            if let Some(result) = &outcome.result {
                notebook["result"] = json!(result);
            }
            put("notebook_output", notebook);
        }
        _ => {
            let lines: Vec<&str> =
                [&outcome.logs, &outcome.result].into_iter().flatten().map(String::as_str).collect();
            put("logs", json!(lines.join("\n")));
            put("logs_truncated", json!(outcome.truncated));
        }
    }
    if let Some(sql) = &outcome.sql {
        put("sql_output", sql.clone());
    }
    if let Some(failure) = &outcome.failure {
        put("error", json!(failure.error));
        if let Some(trace) = &failure.trace {
            put("error_trace", json!(trace));
        }
    }
    output
}

/// The original run and its repairs.
pub(super) fn repair_history(record: &RunRecord) -> Vec<Value> {
    let part = |generation: usize| {
        let (life, began, ended) = match record.repairs.get(generation) {
            Some(next) => next.before.clone(),
            None => {
                let life = record.shown_life();
                let ended = if life.is_over() { record.times.ended } else { 0 };
                (life, record.times.began, ended)
            }
        };
        let ids: Vec<i64> =
            record.tasks().filter(|a| a.generation == generation).map(|attempt| attempt.run_id).collect();
        let mut item = json!({
            "type": if generation == 0 { "ORIGINAL" } else { "REPAIR" },
            "start_time": began,
            "end_time": ended,
            "state": life.state(),
            "status": life.status(),
            "task_run_ids": ids,
        });
        if let Some(repair) = generation.checked_sub(1).and_then(|index| record.repairs.get(index)) {
            item["id"] = json!(repair.id);
        }
        item
    };
    (0..=record.repairs.len()).map(part).collect()
}

fn job_parameters(record: &RunRecord) -> Vec<Value> {
    let parameter = |p: &super::record::RunParameter| {
        let mut parameter = json!({ "name": p.name, "value": p.value });
        if let Some(default) = &p.default {
            parameter["default"] = json!(default);
        }
        parameter
    };
    record.parameters.iter().map(parameter).collect()
}

fn run_if_name(run_if: RunIf) -> &'static str {
    match run_if {
        RunIf::AllSuccess => "ALL_SUCCESS",
        RunIf::AtLeastOneSuccess => "AT_LEAST_ONE_SUCCESS",
        RunIf::NoneFailed => "NONE_FAILED",
        RunIf::AllDone => "ALL_DONE",
        RunIf::AtLeastOneFailed => "AT_LEAST_ONE_FAILED",
        RunIf::AllFailed => "ALL_FAILED",
    }
}

fn page_url(job_id: i64, run_id: i64) -> String {
    format!("{}/#job/{job_id}/run/{run_id}", SimulatedWorkspace::HOST)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
