//! Jobs as definitions: create, get, list, update, reset, delete.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::core::Core;
use super::fields::Fields;
use super::paging;
use super::permissions::{self, Given};
use super::plan::JobPlan;
use super::record::JobRecord;
use super::view::{self, JOB_ARRAYS};
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;

/// Jobs a workspace may have.
const JOBS: usize = 12_000;
/// Arrays of settings that `update` merges, each by the field that names an entry.
const MERGED: [(&str, &str); 4] = [
    ("tasks", "task_key"),
    ("job_clusters", "job_cluster_key"),
    ("parameters", "name"),
    ("environments", "environment_key"),
];

/// `POST jobs/create`.
pub(super) fn create(core: &Core, user: &str, version: &str, mut settings: Map<String, Value>) -> Answer {
    let access = permissions::entries(&settings, user)?;
    settings.remove("access_control_list");
    let plan = Arc::new(read_plan(core, with_defaults(settings, version))?);
    let (now, mut state) = (core.now(), core.lock());
    if state.jobs.len() >= JOBS {
        let message = format!("The workspace has {JOBS} jobs, which is as many as it takes.");
        return Err(ApiFailure::new(http::StatusCode::TOO_MANY_REQUESTS, "QUOTA_EXCEEDED", message));
    }
    let (job_id, seq) = (core.new_id(&state), state.next_seq());
    let record = JobRecord {
        job_id,
        seq,
        user: user.to_owned(),
        created: now,
        plan,
        access: access.into_iter().filter(Given::is_not_owner).collect(),
        active: 0,
        queue: Default::default(),
    };
    state.jobs.insert(job_id, record);
    drop(state);
    json_response(&json!({ "job_id": job_id }))
}

fn read_plan(core: &Core, settings: Map<String, Value>) -> Result<JobPlan, ApiFailure> {
    JobPlan::read(settings, core.script.keeps_triggers_idle())
}

/// What the service writes into settings that leave it out. From 2.2 on, runs are queued unless told otherwise.
fn with_defaults(mut settings: Map<String, Value>, version: &str) -> Map<String, Value> {
    settings.retain(|_, value| !value.is_null());
    let defaults = [
        ("name", json!("Untitled")),
        ("email_notifications", json!({})),
        ("timeout_seconds", json!(0)),
        ("max_concurrent_runs", json!(1)),
    ];
    for (name, value) in defaults {
        settings.entry(name).or_insert(value);
    }
    settings.insert("format".to_owned(), json!("MULTI_TASK"));
    if version == "2.2" {
        settings.entry("queue").or_insert(json!({ "enabled": true }));
    }
    settings
}

/// `GET jobs/get`.
pub(super) fn get(core: &Core, call: &Call<'_>) -> Answer {
    let job_id = query_id(call, "job_id")?;
    let offset = paging::offset(call.query.get("page_token"))?;
    let mut job = view::job(core.lock().job_of(call.user, job_id)?);
    if let Some(settings) = job.get_mut("settings").and_then(Value::as_object_mut)
        && let Some(next) = paging::cut(settings, &JOB_ARRAYS, offset)
    {
        job.insert("next_page_token".to_owned(), json!(next));
        job.insert("has_more".to_owned(), json!(true));
    }
    json_response(&job)
}

/// An id in the query.
pub(super) fn query_id(call: &Call<'_>, name: &str) -> Result<i64, ApiFailure> {
    let text = call.query.required(name)?;
    text.parse().map_err(|_| ApiFailure::invalid(format!("'{name}' is a whole number, not '{text}'.")))
}

/// `GET jobs/list`.
pub(super) fn list(core: &Core, call: &Call<'_>) -> Answer {
    let limit = limit(call, 20, 100, false)?;
    let expand = call.query.flag("expand_tasks")?;
    let name = call.query.get("name").map(str::to_lowercase);
    let state = core.lock();
    let named = |job: &JobRecord| name.as_ref().is_none_or(|name| job.plan.name.to_lowercase() == *name);
    let jobs = state.jobs.values().rev().filter(|job| job.user == call.user && named(job));
    let jobs = jobs.map(|job| (job.seq, job)).collect();
    let page = paging::page(jobs, limit, skip(call)?, call.query.get("page_token"))?;
    let items = page.items.into_iter().map(|job| listed(job, expand)).collect();
    let page = paging::Page { items, next: page.next, previous: page.previous };
    json_response(&paging::answer("jobs", page))
}

fn listed(job: &JobRecord, expand: bool) -> Value {
    let mut answer = view::job(job);
    let mut more = false;
    if let Some(settings) = answer.get_mut("settings").and_then(Value::as_object_mut) {
        if expand {
            more = paging::cut(settings, &JOB_ARRAYS, 0).is_some();
        } else {
            JOB_ARRAYS.iter().for_each(|name| drop(settings.remove(*name)));
        }
    }
    answer.insert("has_more".to_owned(), json!(more));
    Value::Object(answer)
}

/// The size of a page; 0 is the largest where the service takes it so.
pub(super) fn limit(call: &Call<'_>, usual: usize, most: usize, zero: bool) -> Result<usize, ApiFailure> {
    match call.query.number("limit")? {
        None => Ok(usual),
        Some(0) if zero => Ok(most),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(limit) => {
            Err(ApiFailure::invalid(format!("'limit' is a number from 1 to {most}, not {limit}.")))
        }
    }
}

/// The deprecated `offset`.
pub(super) fn skip(call: &Call<'_>) -> Result<usize, ApiFailure> {
    Ok(call.query.number("offset")?.unwrap_or(0))
}

/// `POST jobs/update`.
pub(super) fn update(core: &Core, user: &str, body: Map<String, Value>) -> Answer {
    let mut fields = Fields::new(body);
    let job_id = fields.id("job_id")?;
    let (new, removed) = (fields.object("new_settings")?, fields.texts("fields_to_remove")?);
    fields.nothing_else("jobs/update")?;
    let mut settings = core.lock().job_of(user, job_id)?.plan.settings.clone();
    for field in removed.unwrap_or_default() {
        remove(&mut settings, &field)?;
    }
    merge(&mut settings, new.unwrap_or_default());
    replace(core, user, job_id, settings)
}

/// Removes a field, or one task or cluster (`tasks/load`).
fn remove(settings: &mut Map<String, Value>, field: &str) -> Result<(), ApiFailure> {
    let Some((array, key)) = field.split_once('/') else {
        settings.remove(field);
        return Ok(());
    };
    let Some((_, key_field)) = MERGED.iter().find(|(name, _)| *name == array) else {
        let message = format!("'{field}' cannot be removed: only tasks and clusters are removed one by one.");
        return Err(ApiFailure::invalid(message));
    };
    if let Some(Value::Array(items)) = settings.get_mut(array) {
        items.retain(|item| item.get(*key_field).and_then(Value::as_str) != Some(key));
    }
    Ok(())
}

/// Top-level fields are replaced; arrays with keys are merged, entry by entry.
fn merge(settings: &mut Map<String, Value>, new: Map<String, Value>) {
    for (name, value) in new.into_iter().filter(|(_, value)| !value.is_null()) {
        let key = MERGED.iter().find(|(array, _)| *array == name).map(|(_, key)| *key);
        match (key, settings.get_mut(&name), value) {
            (Some(key), Some(Value::Array(present)), Value::Array(more)) => merge_entries(present, more, key),
            (_, _, value) => {
                settings.insert(name, value);
            }
        }
    }
}

fn merge_entries(present: &mut Vec<Value>, more: Vec<Value>, key: &str) {
    for entry in more {
        match present.iter_mut().find(|old| old.get(key).is_some() && old.get(key) == entry.get(key)) {
            Some(old) => *old = entry,
            None => present.push(entry),
        }
    }
}

/// `POST jobs/reset`.
pub(super) fn reset(core: &Core, user: &str, version: &str, body: Map<String, Value>) -> Answer {
    let mut fields = Fields::new(body);
    let job_id = fields.id("job_id")?;
    let Some(new) = fields.object("new_settings")? else {
        return Err(ApiFailure::invalid("Missing required field: new_settings"));
    };
    fields.nothing_else("jobs/reset")?;
    core.lock().job_of(user, job_id)?;
    replace(core, user, job_id, with_defaults(new, version))
}

/// Puts new settings in place. Runs under way keep theirs, but for the timeout.
fn replace(core: &Core, user: &str, job_id: i64, settings: Map<String, Value>) -> Answer {
    let plan = Arc::new(read_plan(core, settings)?);
    let mut state = core.lock();
    state.job_of(user, job_id)?;
    let runs = state.runs.values_mut().filter(|run| run.job_id == job_id && !run.life.is_over());
    for run in runs.filter(|run| run.control.timeout != plan.timeout) {
        run.control.timeout = plan.timeout;
        run.control.changed.notify_one();
    }
    if let Some(job) = state.jobs.get_mut(&job_id) {
        job.plan = plan;
    }
    json_response(&json!({}))
}

/// `POST jobs/delete`: its runs are cancelled, and gone with it.
pub(super) fn delete(core: &Core, user: &str, body: Map<String, Value>) -> Answer {
    let mut fields = Fields::new(body);
    let job_id = fields.id("job_id")?;
    fields.nothing_else("jobs/delete")?;
    let active: Vec<i64> = {
        let mut state = core.lock();
        state.job_of(user, job_id)?;
        let over: Vec<u64> =
            state.runs_of(job_id).filter(|run| run.life.is_over()).map(|run| run.seq).collect();
        over.into_iter().for_each(|seq| state.forget(seq));
        state.runs.values_mut().filter(|run| run.job_id == job_id).for_each(|run| run.orphan = true);
        let active = state.runs_of(job_id).map(|run| run.run_id).collect();
        state.jobs.shift_remove(&job_id);
        active
    };
    active.into_iter().for_each(|run_id| core.cancel_run(run_id));
    json_response(&json!({}))
}
