//! Runs: run-now, submit, get, output, list, cancel, delete.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::core::Core;
use super::definitions::{limit, query_id, skip};
use super::ending::Life;
use super::fields::Fields;
use super::paging;
use super::parameters;
use super::plan::{JobPlan, queue_enabled};
use super::record::{RunOrigin, RunRecord};
use super::start::{self, Start};
use super::view::{self, Extras, RUN_ARRAYS};
use crate::api_error::{Answer, ApiFailure, json_response};
use crate::route::Call;

/// `POST jobs/run-now`.
pub(super) fn run_now(core: &Arc<Core>, user: &str, body: Map<String, Value>) -> Answer {
    let mut fields = Fields::new(body);
    let job_id = fields.id("job_id")?;
    let start = Start {
        user,
        token: fields.text("idempotency_token")?,
        job_parameters: fields.text_map("job_parameters")?.unwrap_or_default(),
        overrides: parameters::overrides(&mut fields)?,
        queue: queue_enabled(fields.take("queue").as_ref())?,
        origin: RunOrigin::RunNow,
    };
    // They choose compute, not results.
    for name in ["performance_target", "duration_target"] {
        fields.take(name);
    }
    fields.nothing_else("jobs/run-now")?;
    let run_id = start::job_run(core, job_id, start)?;
    json_response(&json!({ "run_id": run_id, "number_in_job": run_id }))
}

/// `POST jobs/runs/submit`.
pub(super) fn submit(core: &Arc<Core>, user: &str, mut settings: Map<String, Value>) -> Answer {
    settings.retain(|_, value| !value.is_null());
    let mut token = Fields::new(settings.remove_entry("idempotency_token").into_iter().collect());
    let token = token.text("idempotency_token")?;
    let name = settings.remove("run_name").unwrap_or_else(|| json!("Untitled"));
    settings.insert("name".to_owned(), name);
    let plan = JobPlan::read(settings, false)?;
    let start = Start {
        user,
        token,
        job_parameters: Default::default(),
        overrides: Map::new(),
        queue: None,
        origin: RunOrigin::Submit,
    };
    let run_id = start::submitted_run(core, plan, start)?;
    json_response(&json!({ "run_id": run_id }))
}

/// `GET jobs/runs/get`: of a run, or of one of its tasks.
pub(super) fn get(core: &Core, call: &Call<'_>) -> Answer {
    let run_id = query_id(call, "run_id")?;
    let offset = paging::offset(call.query.get("page_token"))?;
    let extras = Extras {
        history: call.query.flag("include_history")?,
        resolved_values: call.query.flag("include_resolved_values")?,
    };
    let mut run = shown(core, call.user, run_id, extras, offset)?;
    let is_task = run.get("job_run_id") != run.get("run_id");
    // The one task of a for-each task's run stands on every page; its iterations are what comes in pages.
    let arrays = if is_task { RUN_ARRAYS.get(1..).unwrap_or_default() } else { &RUN_ARRAYS[..] };
    if let Some(next) = paging::cut(&mut run, arrays, offset) {
        run.insert("next_page_token".to_owned(), json!(next));
    }
    json_response(&run)
}

/// The run with all its tasks as this look finds it.
fn shown(
    core: &Core,
    user: &str,
    run_id: i64,
    extras: Extras,
    offset: usize,
) -> Result<Map<String, Value>, ApiFailure> {
    let mut state = core.lock();
    let is_run = match state.run_of(user, run_id)? {
        (record, Some(attempt)) => return Ok(view::task_run(record, attempt, extras)),
        (_, None) => state.run_mut(run_id),
    };
    let stale = is_run.and_then(|record| record.stale.as_mut()?.look(extras, offset));
    let (record, _) = state.run_of(user, run_id)?;
    let Some(mut run) = stale else { return Ok(view::run_with_tasks(record, extras)) };
    if extras.history {
        run.entry("repair_history").or_insert_with(|| json!(view::repair_history(record)));
    }
    Ok(run)
}

/// `GET jobs/runs/get-output`.
pub(super) fn output(core: &Core, call: &Call<'_>) -> Answer {
    let run_id = query_id(call, "run_id")?;
    match core.lock().run_of(call.user, run_id)? {
        (record, Some(attempt)) => json_response(&view::output(record, attempt)),
        (_, None) => Err(ApiFailure::invalid(
            "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of \
             each individual task run instead.",
        )),
    }
}

/// `GET jobs/runs/export`: the notebook of a task's run, as a page.
pub(super) fn export(core: &Core, call: &Call<'_>) -> Answer {
    let run_id = query_id(call, "run_id")?;
    let views = call.query.get("views_to_export").unwrap_or("CODE");
    if !["CODE", "ALL", "DASHBOARDS"].contains(&views) {
        return Err(ApiFailure::invalid(format!("'{views}' is no value of views_to_export.")));
    }
    let path = {
        let state = core.lock();
        let (record, attempt) = state.run_of(call.user, run_id)?;
        let mut tasks = record.tasks();
        let attempt = attempt.or_else(|| tasks.next().filter(|_| tasks.next().is_none()));
        let notebook =
            attempt.and_then(|attempt| attempt.plan.settings.get("notebook_task")?.get("notebook_path"));
        notebook.and_then(Value::as_str).map(str::to_owned)
    };
    let Some(path) = path else {
        let message = format!("Run {run_id} is no run of a notebook task: only those are exported.");
        return Err(ApiFailure::invalid(message));
    };
    // Dashboards of notebooks are not simulated: there are none.
    let source = core.sql.source(&path).unwrap_or_default();
    let escaped = source.replace('&', "&amp;").replace('<', "&lt;");
    let page = format!("<!DOCTYPE html>\n<html><body><pre>{escaped}</pre></body></html>\n");
    let name = path.rsplit('/').next().unwrap_or_default();
    let view = json!({ "content": page, "name": name, "type": "NOTEBOOK" });
    let views: Vec<Value> = Some(view).filter(|_| views != "DASHBOARDS").into_iter().collect();
    json_response(&json!({ "views": views }))
}

/// `GET jobs/runs/list`.
pub(super) fn list(core: &Core, call: &Call<'_>) -> Answer {
    let limit = limit(call, 20, 25, true)?;
    let expand = call.query.flag("expand_tasks")?;
    let filter = Filter::read(call)?;
    let state = core.lock();
    let runs = state.runs.values().rev().filter(|run| filter.takes(run)).map(|run| (run.seq, run)).collect();
    let page = paging::page(runs, limit, skip(call)?, call.query.get("page_token"))?;
    let items = page.items.into_iter().map(|run| listed(run, expand)).collect();
    let page = paging::Page { items, next: page.next, previous: page.previous };
    json_response(&paging::answer("runs", page))
}

fn listed(record: &RunRecord, expand: bool) -> Value {
    let mut run;
    let mut more = false;
    if expand {
        run = view::run_with_tasks(record, Extras::default());
        more = paging::cut(&mut run, &RUN_ARRAYS, 0).is_some();
    } else {
        run = view::run(record, Extras::default());
        run.remove("job_clusters");
    }
    run.insert("has_more".to_owned(), json!(more));
    Value::Object(run)
}

/// Which runs a list is of.
struct Filter<'a> {
    user: &'a str,
    job_id: Option<i64>,
    over: Option<bool>,
    run_type: Option<&'a str>,
    from: Option<i64>,
    to: Option<i64>,
}

impl<'a> Filter<'a> {
    fn read(call: &'a Call<'_>) -> Result<Self, ApiFailure> {
        let (active, completed) = (call.query.flag("active_only")?, call.query.flag("completed_only")?);
        if active && completed {
            let message = "active_only and completed_only cannot both be true.";
            return Err(ApiFailure::invalid(message));
        }
        let run_type = call.query.get("run_type");
        if let Some(unknown) = run_type.filter(|t| !["JOB_RUN", "SUBMIT_RUN", "WORKFLOW_RUN"].contains(t)) {
            return Err(ApiFailure::invalid(format!("'{unknown}' is no run_type.")));
        }
        let id = |name| call.query.get(name).map(|_| query_id(call, name)).transpose();
        Ok(Self {
            user: call.user,
            job_id: id("job_id")?,
            over: (active || completed).then_some(completed),
            run_type,
            from: id("start_time_from")?,
            to: id("start_time_to")?,
        })
    }

    fn takes(&self, run: &RunRecord) -> bool {
        run.user == self.user
            && !run.orphan
            && self.job_id.is_none_or(|job_id| run.job_id == job_id)
            && self.over.is_none_or(|over| run.life.is_over() == over)
            && self.run_type.is_none_or(|run_type| run.origin.run_type() == run_type)
            && self.from.is_none_or(|from| run.times.created >= from)
            && self.to.is_none_or(|to| run.times.created <= to)
    }
}

/// `POST jobs/runs/cancel`: of a run, or of one of its tasks. What is over stays as it is.
pub(super) fn cancel(core: &Core, user: &str, body: Map<String, Value>) -> Answer {
    let mut fields = Fields::new(body);
    let run_id = fields.id("run_id")?;
    fields.nothing_else("jobs/runs/cancel")?;
    let task = {
        let state = core.lock();
        let (_, attempt) = state.run_of(user, run_id)?;
        attempt.map(|attempt| attempt.cancel.clone())
    };
    match task {
        Some(task) => task.cancel(),
        None => core.cancel_run(run_id),
    }
    json_response(&json!({}))
}

/// `POST jobs/runs/cancel-all`: of a job, its queued ones alone, or all queued ones of the workspace.
pub(super) fn cancel_all(core: &Core, user: &str, body: Map<String, Value>) -> Answer {
    let mut fields = Fields::new(body);
    let (job_id, queued_only) = (fields.optional_id("job_id")?, fields.flag("all_queued_runs")?);
    fields.nothing_else("jobs/runs/cancel-all")?;
    if job_id.is_none() && !queued_only {
        return Err(ApiFailure::invalid("Missing required field: job_id"));
    }
    let runs: Vec<i64> = {
        let state = core.lock();
        if let Some(job_id) = job_id {
            state.job_of(user, job_id)?;
        }
        let wanted = |run: &&RunRecord| {
            run.user == user
                && job_id.is_none_or(|job_id| run.job_id == job_id)
                && !run.life.is_over()
                && (!queued_only || run.life == Life::Queued)
        };
        // Queued ones first, so that none of them takes the place of one that ends.
        let mut runs: Vec<&RunRecord> = state.runs.values().filter(wanted).collect();
        runs.sort_by_key(|run| run.life != Life::Queued);
        runs.into_iter().map(|run| run.run_id).collect()
    };
    runs.into_iter().for_each(|run_id| core.cancel_run(run_id));
    json_response(&json!({}))
}

/// `POST jobs/runs/delete`.
pub(super) fn delete(core: &Core, user: &str, body: Map<String, Value>) -> Answer {
    let mut fields = Fields::new(body);
    let run_id = fields.id("run_id")?;
    fields.nothing_else("jobs/runs/delete")?;
    let mut state = core.lock();
    let seq = match state.run_of(user, run_id)? {
        (_, Some(_)) => {
            return Err(ApiFailure::invalid(format!("Run {run_id} is a task of a run: delete the run.")));
        }
        (record, None) if !record.life.is_over() => {
            return Err(ApiFailure::invalid(format!(
                "Run {run_id} is active: cancel it before deleting it."
            )));
        }
        (record, None) => record.seq,
    };
    state.forget(seq);
    json_response(&json!({}))
}
