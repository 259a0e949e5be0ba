//! One task from its first attempt to its last: compute, work, clean-up, and trying again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::core::{Core, NewAttempt};
use super::drive::TaskEnd;
use super::ending::{Ending, Life, Outcome};
use super::parameters;
use super::plan::{Kind, Retry, TaskPlan};
use super::references;
use super::scope;
use super::task::{TaskCall, TaskOutcome};
use super::{for_each, run_job, sql};

/// How often a task without a limit is tried again.
const RETRIES: u32 = 1_000;
/// The least time between attempts without a limit, so that time goes on whatever is scripted.
const BREATH: Duration = Duration::from_millis(1);

/// A run, for the parts that work on it.
#[derive(Clone)]
pub(super) struct Runner {
    pub(super) core: Arc<Core>,
    pub(super) run_id: i64,
}

/// What came of an attempt's work.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) ending: Ending,
    pub(super) outcome: Option<TaskOutcome>,
    pub(super) condition: Option<bool>,
}

impl Done {
    pub(super) fn ended(ending: Ending) -> Self {
        Self { ending, outcome: None, condition: None }
    }

    fn of(outcome: TaskOutcome) -> Self {
        let ending = match &outcome.failure {
            None => Ending::success(),
            Some(failure) => {
                let message =
                    failure.message.as_deref().unwrap_or("Workload failed, see run output for details");
                Ending::failed_as(&failure.code, &failure.kind, message)
            }
        };
        Self { ending, outcome: Some(outcome), condition: None }
    }
}

/// Runs a task, beginning with an attempt that stands ready, until it needs no other.
pub(super) fn run_task(runner: Runner, task: Arc<TaskPlan>, first: i64) -> BoxFuture<'static, TaskEnd> {
    async move {
        let (mut id, mut tried) = (first, 0);
        loop {
            let began = Instant::now();
            let end = runner.attempt(&task, id).await;
            if !tries_again(&task.retry, tried, end.ending.result) {
                return end;
            }
            tried += 1;
            let wait = pause(&task.retry, began);
            let Some(next) = runner.again(id, wait) else { return end };
            id = next;
            if runner.interrupted(id, wait).await {
                let ending = Ending::canceled();
                runner.core.move_attempt(id, Life::Over(ending.clone()));
                return TaskEnd { ending, condition: None };
            }
        }
    }
    .boxed()
}

fn tries_again(retry: &Retry, tried: u32, result: Outcome) -> bool {
    let wanted = match result {
        Outcome::Failed => true,
        Outcome::TimedOut => retry.on_timeout,
        _ => false,
    };
    wanted && tried < retry.most.unwrap_or(RETRIES)
}

/// What is left of the interval, which counts from the start of the failed attempt.
fn pause(retry: &Retry, began: Instant) -> Duration {
    let left = retry.interval.saturating_sub(began.elapsed());
    if retry.most.is_none() { left.max(BREATH) } else { left }
}

impl Runner {
    /// Adds the attempt after this one.
    fn again(&self, failed: i64, wait: Duration) -> Option<i64> {
        let before = self.core.with_attempt(failed, |attempt| attempt.clone())?;
        let mut state = self.core.lock();
        let record = state.run(self.run_id)?;
        let above = before.parent.and_then(|parent| record.attempts.iter().find(|a| a.run_id == parent));
        let cancel = above.map_or(&record.control.cancel, |above| &above.cancel).child_token();
        let new = NewAttempt {
            plan: before.plan,
            number: before.number + 1,
            original: Some(before.original),
            parent: before.parent,
            input: before.input,
            life: if wait > Duration::ZERO { Life::WaitingForRetry } else { Life::Pending },
            cancel,
        };
        self.core.add_attempt(&mut state, self.run_id, new)
    }

    /// Waits; true when the attempt was cancelled before its time.
    async fn interrupted(&self, id: i64, wait: Duration) -> bool {
        let Some(cancel) = self.core.with_attempt(id, |attempt| attempt.cancel.clone()) else { return true };
        tokio::select! {
            biased;
            () = cancel.cancelled() => true,
            () = sleep(wait) => false,
        }
    }

    /// One attempt, to its end.
    async fn attempt(&self, task: &Arc<TaskPlan>, id: i64) -> TaskEnd {
        let Some(cancel) = self.core.with_attempt(id, |attempt| attempt.cancel.clone()) else {
            return TaskEnd { ending: Ending::canceled(), condition: None };
        };
        self.core.move_attempt(id, Life::Pending);
        let done = tokio::select! {
            biased;
            () = cancel.cancelled() => Done::ended(Ending::canceled()),
            done = self.within_time(task, id) => done,
        };
        if matches!(task.kind, Kind::ForEach { .. }) {
            self.cancel_iterations(id);
        }
        if needs_compute(&task.kind) {
            self.core.move_attempt(id, Life::Terminating);
            sleep(self.core.script.timing().cleanup).await;
        }
        self.finish(id, done)
    }

    async fn within_time(&self, task: &Arc<TaskPlan>, id: i64) -> Done {
        let work = self.work(task, id);
        match task.timeout {
            None => work.await,
            Some(limit) => {
                timeout(limit, work).await.unwrap_or_else(|_| Done::ended(Ending::timed_out(limit.as_secs())))
            }
        }
    }

    async fn work(&self, task: &Arc<TaskPlan>, id: i64) -> Done {
        let resolved = match self.resolve(task, id) {
            Ok(resolved) => resolved,
            Err(message) => return Done::of(TaskOutcome::misconfigured(message)),
        };
        match &task.kind {
            Kind::Condition { operator } => {
                self.core.move_attempt(id, Life::Running);
                let side = |name| resolved.get(name).and_then(Value::as_str).unwrap_or_default();
                match operator.holds(side("left"), side("right")) {
                    Ok(found) => Done { condition: Some(found), ..Done::ended(Ending::success()) },
                    Err(why) => Done::of(TaskOutcome::misconfigured(format!("The condition fails: {why}."))),
                }
            }
            Kind::ForEach { concurrency, nested } => {
                self.core.move_attempt(id, Life::Running);
                for_each::run(self, id, &resolved, *concurrency, nested).await
            }
            Kind::RunJob => {
                self.core.move_attempt(id, Life::Running);
                run_job::run(self, id, &resolved).await
            }
            Kind::Sql | Kind::Opaque | Kind::ScriptedOnly => {
                let work = AssertUnwindSafe(self.leaf(task, id, resolved)).catch_unwind();
                Done::of(work.await.unwrap_or_else(|_| {
                    TaskOutcome::internal_error(format!("What ran the task '{}' panicked.", task.key))
                }))
            }
        }
    }

    /// Work that a script, the statement engine or nobody does.
    async fn leaf(&self, task: &TaskPlan, id: i64, resolved: Arc<Value>) -> TaskOutcome {
        let Some(call) = self.call(task, id, &resolved) else {
            return TaskOutcome::internal_error("The run is gone.");
        };
        let (script, timing) = (&self.core.script, self.core.script.timing());
        if needs_compute(&task.kind) {
            sleep(timing.setup).await;
        }
        self.core.move_attempt(id, Life::Running);
        let default = if needs_compute(&task.kind) { timing.execution } else { Duration::ZERO };
        match (script.next(&call), &task.kind) {
            (Some(scripted), _) => scripted.run(call, default).await,
            (None, Kind::Sql) => sql::run(&self.core, &call).await,
            (None, Kind::Opaque) if script.lets_unscripted_succeed() => {
                sleep(default).await;
                TaskOutcome::success()
            }
            (None, _) => TaskOutcome::misconfigured(unscripted(&call)),
        }
    }

    fn call(&self, task: &TaskPlan, id: i64, resolved: &Value) -> Option<TaskCall> {
        let state = self.core.lock();
        let record = state.run(self.run_id)?;
        let attempt = record.attempts.iter().find(|attempt| attempt.run_id == id)?;
        Some(TaskCall {
            user: record.user.clone(),
            job_id: record.job_id,
            job_run_id: record.run_id,
            run_id: id,
            task_key: task.key.clone(),
            kind: task.field.clone(),
            task: resolved.clone(),
            attempt: attempt.number,
            job_parameters: record.parameter_map(),
            input: attempt.input.as_ref().map(|(_, input)| input.clone()),
        })
    }

    /// What the task says it is, with the run's parameters put in and its references resolved.
    fn resolve(&self, task: &TaskPlan, id: i64) -> Result<Arc<Value>, String> {
        let mut state = self.core.lock();
        let record = state.run_mut(self.run_id).ok_or("The run is gone.")?;
        let index = record.attempts.iter().position(|attempt| attempt.run_id == id);
        let attempt = index.and_then(|index| record.attempts.get(index)).ok_or("The attempt is gone.")?;
        // Every attempt is told the job's parameters too.
        record.texts.take(record.parameters.iter().map(|parameter| parameter.value.len()).sum())?;
        let given = parameters::task_with_parameters(task, record);
        let lookup = |path: &[&str]| scope::lookup(record, Some(attempt), path);
        let resolved = references::resolve(&given, &lookup, &record.texts)?;
        let resolved = Arc::new(resolved);
        if let Some(attempt) = index.and_then(|index| record.attempts.get_mut(index)) {
            attempt.resolved = Some(resolved.clone());
        }
        Ok(resolved)
    }

    fn cancel_iterations(&self, parent: i64) {
        let now = self.core.now();
        self.core.with_run(self.run_id, |record| {
            for attempt in record.attempts.iter_mut().filter(|attempt| attempt.parent == Some(parent)) {
                attempt.move_to(Life::Over(Ending::canceled()), now);
            }
        });
    }

    fn finish(&self, id: i64, done: Done) -> TaskEnd {
        let Done { ending, outcome, condition } = done;
        let now = self.core.now();
        self.core.with_attempt(id, |attempt| {
            attempt.outcome = outcome.map(TaskOutcome::bounded).map(Arc::new);
            attempt.condition = condition;
            attempt.move_to(Life::Over(ending.clone()), now);
        });
        TaskEnd { ending, condition }
    }
}

/// What is said of a task that no script answers.
fn unscripted(call: &TaskCall) -> String {
    let TaskCall { task_key, kind, .. } = call;
    let path = call.notebook_path().map(|path| format!(" of '{path}'")).unwrap_or_default();
    format!(
        "The script has no answer for the task '{task_key}', a {kind}{path}, which is not simulated without one: \
         write one with JobsScript::on_task."
    )
}

/// Whether a task waits for compute and gives it back.
fn needs_compute(kind: &Kind) -> bool {
    matches!(kind, Kind::Opaque | Kind::ScriptedOnly)
}
