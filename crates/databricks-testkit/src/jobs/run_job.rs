//! Run-job tasks: a run of another job, waited for, and cancelled with its task.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::attempt::{Done, Runner};
use super::core::Core;
use super::ending::Ending;
use super::fields::{Fields, as_id};
use super::record::RunOrigin;
use super::start::{self, Start};
use super::task::TaskOutcome;
use crate::api_error::ApiFailure;

/// How deep run-job tasks may start each other, as documented.
const DEPTH: u32 = 3;

/// A run that is cancelled unless it has ended.
struct Child {
    core: Arc<Core>,
    run_id: i64,
}

impl Drop for Child {
    fn drop(&mut self) {
        self.core.cancel_run(self.run_id);
    }
}

/// Starts the other job's run and ends as it ends.
pub(super) async fn run(runner: &Runner, id: i64, resolved: &Value) -> Done {
    let core = &runner.core;
    let started = match begin(runner, id, resolved) {
        Ok(run_id) => run_id,
        Err(failure) => {
            let message = failure.body().get("message").and_then(Value::as_str).map(str::to_owned);
            return Done::ended(Ending::misconfigured(message.unwrap_or_default()));
        }
    };
    let child = Child { core: core.clone(), run_id: started };
    core.with_attempt(id, |attempt| attempt.child = Some(started));
    let over = core.with_run(started, |record| record.control.over.subscribe());
    if let Some(mut over) = over {
        // A run that was deleted meanwhile has no sender left; it reads as gone below.
        let _ = over.wait_for(|over| *over).await;
    }
    let ending = core.with_run(started, |record| record.life.ending().cloned()).flatten();
    drop(child);
    let failure = match ending {
        Some(ending) if ending.result.is_success() => return Done::ended(Ending::success()),
        Some(ending) => format!("Run {started} ended {}: {}", ending.result.name(), ending.message),
        None => format!("Run {started} is gone."),
    };
    let outcome = Some(TaskOutcome::failure(failure.clone()));
    Done { outcome, ..Done::ended(Ending::failed("RUN_EXECUTION_ERROR", failure)) }
}

fn begin(runner: &Runner, task_run_id: i64, resolved: &Value) -> Result<i64, ApiFailure> {
    let given = runner.core.with_run(runner.run_id, |record| (record.user.clone(), record.origin.depth()));
    let (user, depth) = given.ok_or_else(|| ApiFailure::internal("The run is gone."))?;
    if depth >= DEPTH {
        let message = format!("Run-job tasks start each other at most {DEPTH} deep.");
        return Err(ApiFailure::invalid(message));
    }
    let mut map = resolved.as_object().cloned().unwrap_or_default();
    let job_id = as_id("job_id", map.get("job_id").unwrap_or(&Value::Null))?;
    map.remove("job_id");
    let mut fields = Fields::new(map);
    let job_parameters: BTreeMap<String, String> = fields.text_map("job_parameters")?.unwrap_or_default();
    let overrides: Map<String, Value> = super::parameters::overrides(&mut fields)?;
    fields.nothing_else("run_job_task")?;
    let origin = RunOrigin::RunJobTask { task_run_id, depth: depth + 1 };
    let start = Start { user: &user, token: None, job_parameters, overrides, queue: None, origin };
    start::job_run(&runner.core, job_id, start)
}
