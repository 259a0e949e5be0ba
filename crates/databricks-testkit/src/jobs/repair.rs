//! Repairs: some tasks of a run that is over run again, as a part of that run.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::core::{Core, State};
use super::drive;
use super::ending::Life;
use super::fields::Fields;
use super::parameters;
use super::plan::JobPlan;
use super::record::{Control, Repair, RunOrigin, RunRecord};
use super::stale::StaleView;
use super::start::add_tasks;
use crate::api_error::{Answer, ApiFailure, json_response};

/// What a call wants repaired.
struct Wanted {
    run_id: i64,
    tasks: Option<Vec<String>>,
    all_failed: bool,
    dependents: bool,
    latest: Option<i64>,
    job_parameters: BTreeMap<String, String>,
    overrides: Map<String, Value>,
}

impl Wanted {
    fn read(body: Map<String, Value>) -> Result<Self, ApiFailure> {
        let mut fields = Fields::new(body);
        let wanted = Self {
            run_id: fields.id("run_id")?,
            tasks: fields.texts("rerun_tasks")?.filter(|tasks| !tasks.is_empty()),
            all_failed: fields.flag("rerun_all_failed_tasks")?,
            dependents: fields.flag("rerun_dependent_tasks")?,
            latest: fields.optional_id("latest_repair_id")?,
            job_parameters: fields.text_map("job_parameters")?.unwrap_or_default(),
            overrides: parameters::overrides(&mut fields)?,
        };
        for name in ["performance_target", "duration_target"] {
            fields.take(name);
        }
        fields.nothing_else("jobs/runs/repair")?;
        match (&wanted.tasks, wanted.all_failed) {
            (Some(_), true) => {
                let message = "Only one of rerun_tasks and rerun_all_failed_tasks can be used.";
                Err(ApiFailure::invalid(message))
            }
            (None, false) => {
                let message = "One of rerun_tasks and rerun_all_failed_tasks must say what to repair.";
                Err(ApiFailure::invalid(message))
            }
            _ => Ok(wanted),
        }
    }
}

/// `POST jobs/runs/repair`.
pub(super) fn repair(core: &Arc<Core>, user: &str, body: Map<String, Value>) -> Answer {
    let wanted = Wanted::read(body)?;
    let (run_id, repair_id) = {
        let mut state = core.lock();
        let (record, attempt) = state.run_of(user, wanted.run_id)?;
        if attempt.is_some() {
            let message = format!("Run {} is a task of a run: repair the run.", wanted.run_id);
            return Err(ApiFailure::invalid(message));
        }
        check(record, wanted.latest)?;
        let plan = current_plan(&state, record);
        let keys = tasks_to_run(record, &plan, &wanted)?;
        (wanted.run_id, begin(core, &mut state, plan, &keys, wanted)?)
    };
    drive::spawn(core, run_id);
    json_response(&json!({ "repair_id": repair_id }))
}

/// Only what is over is repaired, and only by who knows of the latest repair.
fn check(record: &RunRecord, latest: Option<i64>) -> Result<(), ApiFailure> {
    let run_id = record.run_id;
    if !record.life.is_over() {
        let message = format!("Run {run_id} is in progress: it can be repaired once it is over.");
        return Err(ApiFailure::invalid(message));
    }
    if record.attempts.is_empty() {
        return Err(ApiFailure::invalid(format!("Run {run_id} never began: start another.")));
    }
    let message = match (record.repairs.last().map(|repair| repair.id), latest) {
        (known, given) if known == given => return Ok(()),
        (Some(known), Some(given)) => {
            format!("latest_repair_id {given} is not the latest repair of run {run_id}, which is {known}.")
        }
        (Some(known), None) => {
            format!("Run {run_id} was repaired before: latest_repair_id must be {known}.")
        }
        (None, given) => {
            format!(
                "Run {run_id} was not repaired before: latest_repair_id {} is unknown.",
                given.unwrap_or(0)
            )
        }
    };
    Err(ApiFailure::invalid(message))
}

/// Repairs use the job's settings of now; a submitted run has only its own.
fn current_plan(state: &State, record: &RunRecord) -> Arc<JobPlan> {
    let job = state.jobs.get(&record.job_id).filter(|_| record.origin != RunOrigin::Submit);
    job.map_or_else(|| record.plan.clone(), |job| job.plan.clone())
}

fn tasks_to_run(record: &RunRecord, plan: &JobPlan, wanted: &Wanted) -> Result<Vec<String>, ApiFailure> {
    let latest = record.latest();
    let mut keys: HashSet<String> = match &wanted.tasks {
        Some(tasks) => tasks.iter().cloned().collect(),
        None => latest
            .values()
            .filter(|a| a.life.ending().is_some_and(|ending| !ending.result.is_success()))
            .map(|attempt| attempt.key().to_owned())
            .filter(|key| plan.tasks.contains_key(key))
            .collect(),
    };
    if let Some(unknown) = keys.iter().filter(|key| !plan.tasks.contains_key(*key)).min() {
        return Err(ApiFailure::invalid(format!("Task '{unknown}' is no task of the job.")));
    }
    if keys.is_empty() {
        return Err(ApiFailure::invalid(format!("Run {} has no failed tasks to repair.", record.run_id)));
    }
    if wanted.dependents {
        add_dependents(plan, &mut keys);
    }
    let wanted_keys = plan.tasks.keys().filter(|key| keys.contains(*key)).cloned().collect();
    // A task can only wait for what has run or runs now.
    for task in plan.tasks.values().filter(|task| keys.contains(&task.key)) {
        let missing = |key: &str| !keys.contains(key) && !latest.contains_key(key);
        if let Some(on) = task.depends_on.iter().find(|on| missing(&on.task_key)) {
            let message = format!(
                "Task '{}' depends on '{}', which has not run: add it to rerun_tasks.",
                task.key, on.task_key
            );
            return Err(ApiFailure::invalid(message));
        }
    }
    Ok(wanted_keys)
}

/// Adds everything that depends on what is there, to any depth.
fn add_dependents(plan: &JobPlan, keys: &mut HashSet<String>) {
    loop {
        let more: Vec<String> = plan
            .tasks
            .values()
            .filter(|task| !keys.contains(&task.key))
            .filter(|task| task.depends_on.iter().any(|on| keys.contains(&on.task_key)))
            .map(|task| task.key.clone())
            .collect();
        if more.is_empty() {
            return;
        }
        keys.extend(more);
    }
}

fn begin(
    core: &Core,
    state: &mut State,
    plan: Arc<JobPlan>,
    keys: &[String],
    wanted: Wanted,
) -> Result<i64, ApiFailure> {
    let (repair_id, now) = (core.new_id(state), core.now());
    let Some(record) = state.run_mut(wanted.run_id) else {
        return Err(ApiFailure::invalid(format!("Run {} does not exist.", wanted.run_id)));
    };
    let before = (record.life.clone(), record.times.began, record.times.ended);
    record.stale = StaleView::of(record, core.script.stale_looks());
    record.repairs.push(Repair { id: repair_id, before });
    for parameter in &mut record.parameters {
        if let Some(value) = wanted.job_parameters.get(&parameter.name) {
            parameter.value.clone_from(value);
        }
    }
    if !wanted.overrides.is_empty() {
        record.overrides = Arc::new(wanted.overrides);
    }
    let over = std::mem::replace(&mut record.control, Control::new(plan.timeout)).over;
    over.send_replace(false);
    record.control.over = over;
    record.plan = plan.clone();
    record.life = Life::Running;
    record.times.began = now;
    let job_id = record.job_id;
    if let Some(job) = state.jobs.get_mut(&job_id) {
        job.active += 1;
    }
    let tasks: Vec<_> = keys.iter().filter_map(|key| plan.tasks.get(key)).collect();
    add_tasks(core, state, wanted.run_id, tasks.into_iter());
    Ok(repair_id)
}
