//! Starting runs: idempotency, parameters, the tasks that wait, and the task that drives it all.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::core::{Core, NewAttempt, NewRun, State};
use super::drive;
use super::ending::{Ending, Life};
use super::parameters;
use super::plan::{JobPlan, Kind, TaskPlan};
use super::record::RunOrigin;
use super::references::resolve_text;
use super::scope;
use super::task::TaskCall;
use crate::api_error::ApiFailure;

/// The longest idempotency token, in characters.
const LONGEST_TOKEN: usize = 64;

/// What a call says about the run it starts.
pub(super) struct Start<'a> {
    pub(super) user: &'a str,
    pub(super) token: Option<String>,
    pub(super) job_parameters: BTreeMap<String, String>,
    pub(super) overrides: Map<String, Value>,
    /// Whether the run may wait, where the call says so.
    pub(super) queue: Option<bool>,
    pub(super) origin: RunOrigin,
}

/// A run that was added, or found by its token.
struct Added {
    run_id: i64,
    /// Whether it is to be driven now.
    drive: bool,
    /// Why it cannot run, though it was added.
    broken: Option<String>,
}

/// Starts a run of a job, or finds the one its token has started.
///
/// # Errors
/// 400 for a job that is not there or has no tasks, and for what its tasks need and have not.
pub(super) fn job_run(core: &Arc<Core>, job_id: i64, start: Start<'_>) -> Result<i64, ApiFailure> {
    let plan = core.lock().job_of(start.user, job_id)?.plan.clone();
    add_and_drive(core, job_id, plan, start)
}

/// Starts a run without a job.
///
/// # Errors
/// As [`job_run`].
pub(super) fn submitted_run(core: &Arc<Core>, plan: JobPlan, start: Start<'_>) -> Result<i64, ApiFailure> {
    let job_id = core.new_id(&core.lock());
    add_and_drive(core, job_id, Arc::new(plan), start)
}

fn add_and_drive(
    core: &Arc<Core>,
    job_id: i64,
    plan: Arc<JobPlan>,
    start: Start<'_>,
) -> Result<i64, ApiFailure> {
    let token = checked_token(start.token.clone())?;
    can_run(core, start.user, job_id, &plan)?;
    let added = {
        let mut state = core.lock();
        if start.origin != RunOrigin::Submit {
            // It may have been deleted since it was looked at.
            state.job_of(start.user, job_id)?;
        }
        match known_run(&state, start.user, token.as_deref())? {
            Some(run_id) => return Ok(run_id),
            None => add(core, &mut state, job_id, plan, start, token),
        }
    };
    let Added { run_id, drive, broken } = added;
    if let Some(why) = broken {
        let ending = Ending::run_failed("INVALID_RUN_CONFIGURATION", "CLIENT_ERROR", why);
        core.end_run(run_id, ending).into_iter().for_each(|next| drive::spawn(core, next));
    } else if drive {
        drive::spawn(core, run_id);
    }
    Ok(run_id)
}

fn checked_token(token: Option<String>) -> Result<Option<String>, ApiFailure> {
    let token = token.filter(|token| !token.is_empty());
    match token.as_ref().map(|token| token.chars().count()) {
        Some(length) if length > LONGEST_TOKEN => Err(ApiFailure::invalid(format!(
            "The idempotency_token has {length} characters; it must have at most {LONGEST_TOKEN}."
        ))),
        _ => Ok(token),
    }
}

/// The run that a token has started. A token whose run was deleted cannot be used again, as documented.
fn known_run(state: &State, user: &str, token: Option<&str>) -> Result<Option<i64>, ApiFailure> {
    let Some(token) = token else { return Ok(None) };
    let Some(run_id) = state.tokens.get(&(user.to_owned(), token.to_owned())) else { return Ok(None) };
    match state.run_of(user, *run_id) {
        Ok(_) => Ok(Some(*run_id)),
        Err(_) => Err(ApiFailure::invalid(format!(
            "The run that the idempotency_token '{token}' started was deleted; use another token."
        ))),
    }
}

/// Refuses, before anything starts, what could only fail.
fn can_run(core: &Core, user: &str, job_id: i64, plan: &JobPlan) -> Result<(), ApiFailure> {
    if plan.tasks.is_empty() {
        return Err(ApiFailure::invalid("There is nothing to run: 'tasks' is empty."));
    }
    plan.tasks.values().try_for_each(|task| task_can_run(core, user, job_id, task))
}

fn task_can_run(core: &Core, user: &str, job_id: i64, task: &TaskPlan) -> Result<(), ApiFailure> {
    match &task.kind {
        Kind::ForEach { nested, .. } => task_can_run(core, user, job_id, nested),
        Kind::ScriptedOnly if !core.script.knows(&unresolved_call(user, job_id, task)) => {
            Err(ApiFailure::invalid(format!(
                "Task '{}': a {} is not simulated; script it with JobsScript::on_task.",
                task.key, task.field
            )))
        }
        _ => Ok(()),
    }
}

fn unresolved_call(user: &str, job_id: i64, task: &TaskPlan) -> TaskCall {
    TaskCall {
        user: user.to_owned(),
        job_id,
        job_run_id: 0,
        run_id: 0,
        task_key: task.key.clone(),
        kind: task.field.clone(),
        task: task.settings.get(&task.field).cloned().unwrap_or_default(),
        attempt: 0,
        job_parameters: BTreeMap::new(),
        input: None,
    }
}

fn add(
    core: &Core,
    state: &mut State,
    job_id: i64,
    plan: Arc<JobPlan>,
    start: Start<'_>,
    token: Option<String>,
) -> Added {
    let Start { user, token: _, job_parameters, overrides, queue, origin } = start;
    let parameters = parameters::job_parameters(&plan, job_parameters);
    let new = NewRun {
        user: user.to_owned(),
        job_id,
        queues: queue.unwrap_or(plan.queues),
        plan: plan.clone(),
        origin,
        parameters,
        overrides,
    };
    let (run_id, drive) = core.add_run(state, new);
    if let Some(token) = token {
        state.tokens.insert((user.to_owned(), token), run_id);
    }
    let broken = resolve_parameters(state, run_id).err();
    if state.run(run_id).is_some_and(|record| !record.life.is_over()) {
        add_tasks(core, state, run_id, plan.tasks.values());
    } else {
        return Added { run_id, drive: false, broken: None };
    }
    Added { run_id, drive, broken }
}

/// Adds an attempt for each task: `BLOCKED` until its turn comes.
pub(super) fn add_tasks<'a>(
    core: &Core,
    state: &mut State,
    run_id: i64,
    tasks: impl Iterator<Item = &'a Arc<TaskPlan>>,
) {
    for task in tasks {
        let Some(record) = state.run(run_id) else { return };
        let before = record.latest().get(task.key.as_str()).map(|before| (before.number, before.original));
        let new = NewAttempt {
            plan: task.clone(),
            number: before.map_or(0, |(number, _)| number + 1),
            original: before.map(|(_, original)| original),
            parent: None,
            input: None,
            life: if task.depends_on.is_empty() { Life::Pending } else { Life::Blocked },
            cancel: record.control.cancel.child_token(),
        };
        core.add_attempt(state, run_id, new);
    }
}

/// Job parameters may refer to the job and to each other's final values, in their order.
fn resolve_parameters(state: &mut State, run_id: i64) -> Result<(), String> {
    let Some(record) = state.run_mut(run_id) else { return Ok(()) };
    for index in 0..record.parameters.len() {
        let Some(parameter) = record.parameters.get(index) else { break };
        let value = resolve_text(&parameter.value, &|path| scope::lookup(record, None, path), &record.texts)?;
        if let Some(parameter) = record.parameters.get_mut(index) {
            parameter.value = value;
        }
    }
    Ok(())
}
