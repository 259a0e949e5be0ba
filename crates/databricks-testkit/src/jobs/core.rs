//! Jobs and runs of a workspace, and the small steps that change them. Each step holds the lock once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::ending::{Ending, Life};
use super::plan::{JobPlan, TaskPlan};
use super::record::{
    Attempt, AttemptTimes, Control, JobRecord, RunOrigin, RunParameter, RunRecord, RunTimes,
};
use super::script::JobsScript;
use super::sql::SqlTasks;
use crate::api_error::ApiFailure;
use crate::clock::Clock;
use crate::ids::Ids;

/// Runs remembered once they are over.
const RUNS: usize = 10_000;
/// Attempts of tasks remembered, over all runs.
const ATTEMPTS: usize = 200_000;
/// Idempotency tokens remembered, those of forgotten runs included.
const TOKENS: usize = 100_000;
/// Runs of one job that may wait.
const QUEUE: usize = 10_000;

/// What the jobs service of a workspace is made of.
pub(super) struct Core {
    pub(super) script: JobsScript,
    pub(super) sql: SqlTasks,
    clock: Clock,
    ids: Ids,
    state: Mutex<State>,
}

/// Jobs and runs.
#[derive(Default)]
pub(super) struct State {
    pub(super) jobs: IndexMap<i64, JobRecord>,
    /// Oldest first.
    pub(super) runs: BTreeMap<u64, RunRecord>,
    /// Where a run or an attempt is found by its id.
    places: HashMap<i64, Place>,
    /// The run a user's idempotency token started.
    pub(super) tokens: IndexMap<(String, String), i64>,
    attempts: usize,
    next_seq: u64,
    /// Set when the workspace is gone: nothing starts any more.
    pub(super) closed: bool,
}

/// Where a run id leads: to a run, or to one of its attempts.
#[derive(Clone, Copy, Debug)]
struct Place {
    seq: u64,
    attempt: Option<usize>,
}

/// A run about to start.
pub(super) struct NewRun {
    pub(super) user: String,
    pub(super) job_id: i64,
    pub(super) plan: Arc<JobPlan>,
    pub(super) origin: RunOrigin,
    pub(super) parameters: Vec<RunParameter>,
    pub(super) overrides: Map<String, Value>,
    pub(super) queues: bool,
}

/// An attempt about to come to be.
pub(super) struct NewAttempt {
    pub(super) plan: Arc<TaskPlan>,
    pub(super) number: u32,
    pub(super) original: Option<i64>,
    pub(super) parent: Option<i64>,
    pub(super) input: Option<(usize, Value)>,
    pub(super) life: Life,
    pub(super) cancel: CancellationToken,
}

impl Core {
    pub(super) fn new(script: JobsScript, sql: SqlTasks, clock: Clock, seed: Option<u64>) -> Self {
        // A stream of its own: how many statements ran does not change the ids of runs.
        let ids = Ids::new(seed.map(|seed| seed.wrapping_add(0x6a6f_6273)));
        Self { script, sql, clock, ids, state: Mutex::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    /// A new id of 15 digits, as jobs and runs have.
    pub(super) fn new_id(&self, state: &State) -> i64 {
        const FIRST: u128 = 100_000_000_000_000;
        loop {
            let id = FIRST + self.ids.key().as_u128() % (9 * FIRST);
            let id = i64::try_from(id).unwrap_or(i64::MAX);
            if !state.places.contains_key(&id) && !state.jobs.contains_key(&id) {
                return id;
            }
        }
    }

    /// Adds a run: at work, in the queue, or skipped. Gives its id and whether it is to be driven now.
    pub(super) fn add_run(&self, state: &mut State, new: NewRun) -> (i64, bool) {
        let NewRun { user, job_id, plan, origin, parameters, overrides, queues } = new;
        let (run_id, seq, now) = (self.new_id(state), state.next_seq(), self.now());
        let texts = match origin {
            RunOrigin::RunJobTask { task_run_id, .. } => state.run(task_run_id).map(|run| run.texts.clone()),
            RunOrigin::RunNow | RunOrigin::Submit => None,
        };
        let mut record = RunRecord {
            run_id,
            seq,
            job_id,
            user,
            control: Control::new(plan.timeout),
            plan,
            origin,
            parameters,
            overrides: Arc::new(overrides),
            life: Life::Running,
            times: RunTimes { created: now, began: now, ..RunTimes::default() },
            attempts: Vec::new(),
            repairs: Vec::new(),
            stale: None,
            texts: texts.unwrap_or_default(),
            orphan: false,
        };
        let admitted = state.admit(&mut record, queues, now);
        state.places.insert(run_id, Place { seq, attempt: None });
        state.runs.insert(seq, record);
        state.make_room();
        (run_id, admitted)
    }

    /// Adds an attempt of a task. `None` when the run is gone.
    pub(super) fn add_attempt(&self, state: &mut State, run_id: i64, new: NewAttempt) -> Option<i64> {
        let (id, now) = (self.new_id(state), self.now());
        let place = *state.places.get(&run_id)?;
        let record = state.runs.get_mut(&place.seq)?;
        let NewAttempt { plan, number, original, parent, input, life, cancel } = new;
        let mut attempt = Attempt {
            run_id: id,
            plan,
            number,
            original: original.unwrap_or(id),
            parent,
            input,
            generation: record.repairs.len(),
            life: Life::Blocked,
            times: AttemptTimes::default(),
            cancel,
            resolved: None,
            outcome: None,
            condition: None,
            child: None,
            iterations: 0,
        };
        attempt.move_to(life, now);
        record.attempts.push(attempt);
        let index = record.attempts.len() - 1;
        state.places.insert(id, Place { seq: place.seq, attempt: Some(index) });
        state.attempts += 1;
        Some(id)
    }

    /// Changes an attempt.
    pub(super) fn with_attempt<T>(&self, id: i64, change: impl FnOnce(&mut Attempt) -> T) -> Option<T> {
        let mut state = self.lock();
        let (record, index) = state.attempt_place(id)?;
        record.attempts.get_mut(index).map(change)
    }

    /// Moves an attempt on, unless it is over.
    pub(super) fn move_attempt(&self, id: i64, life: Life) {
        let now = self.now();
        self.with_attempt(id, |attempt| attempt.move_to(life, now));
    }

    /// Changes a run.
    pub(super) fn with_run<T>(&self, run_id: i64, change: impl FnOnce(&mut RunRecord) -> T) -> Option<T> {
        self.lock().run_mut(run_id).map(change)
    }

    /// Stops everything that runs, for good.
    pub(super) fn abort_all(&self) {
        let tasks: Vec<AbortHandle> = {
            let mut state = self.lock();
            state.closed = true;
            state.runs.values_mut().filter_map(|record| record.control.task.take()).collect()
        };
        // Without the lock: what is dropped with a task may want it.
        tasks.into_iter().for_each(|task| task.abort());
    }

    /// Ends a run, its attempts included, and gives the runs of its job that may start now.
    pub(super) fn end_run(&self, run_id: i64, ending: Ending) -> Vec<i64> {
        self.lock().end_run(run_id, ending, self.now())
    }

    /// Cancels a run that is not over. One that waits in a queue ends at once.
    pub(super) fn cancel_run(&self, run_id: i64) {
        let mut state = self.lock();
        let Some(record) = state.run_mut(run_id).filter(|record| !record.life.is_over()) else { return };
        let cancel = record.control.cancel.clone();
        if record.life == Life::Queued {
            state.end_run(run_id, Ending::canceled(), self.now());
        }
        drop(state);
        cancel.cancel();
    }
}

impl State {
    pub(super) fn next_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq
    }

    /// A run of a user's by id.
    ///
    /// # Errors
    /// As the service answers: 400 `INVALID_PARAMETER_VALUE`. Runs of others do not exist either.
    pub(super) fn run_of(&self, user: &str, id: i64) -> Result<(&RunRecord, Option<&Attempt>), ApiFailure> {
        let found = self.places.get(&id).and_then(|place| {
            let record = self.runs.get(&place.seq)?;
            let attempt = place.attempt.map(|index| record.attempts.get(index));
            Some((record, attempt.flatten()))
        });
        let visible = found.filter(|(record, _)| record.user == user && !record.orphan);
        visible.ok_or_else(|| ApiFailure::invalid(format!("Run {id} does not exist.")))
    }

    /// A job of a user's by id.
    ///
    /// # Errors
    /// As [`run_of`](Self::run_of).
    pub(super) fn job_of(&self, user: &str, id: i64) -> Result<&JobRecord, ApiFailure> {
        let job = self.jobs.get(&id).filter(|job| job.user == user);
        job.ok_or_else(|| ApiFailure::invalid(format!("Job {id} does not exist.")))
    }

    /// The runs of a job, oldest first.
    pub(super) fn runs_of(&self, job_id: i64) -> impl Iterator<Item = &RunRecord> {
        self.runs.values().filter(move |run| run.job_id == job_id)
    }

    pub(super) fn run(&self, run_id: i64) -> Option<&RunRecord> {
        self.runs.get(&self.places.get(&run_id)?.seq)
    }

    pub(super) fn run_mut(&mut self, run_id: i64) -> Option<&mut RunRecord> {
        self.runs.get_mut(&self.places.get(&run_id)?.seq)
    }

    /// The run and the index of an attempt by its id.
    fn attempt_place(&mut self, id: i64) -> Option<(&mut RunRecord, usize)> {
        let place = *self.places.get(&id)?;
        Some((self.runs.get_mut(&place.seq)?, place.attempt?))
    }

    /// Counts a run as active, puts it into the queue, or ends it at once.
    fn admit(&mut self, record: &mut RunRecord, queues: bool, now: i64) -> bool {
        let limit = record.plan.max_concurrent_runs;
        let Some(job) = self.jobs.get_mut(&record.job_id) else { return true };
        if job.active < limit {
            job.active += 1;
            return true;
        }
        if queues && limit > 0 && job.queue.len() < QUEUE {
            record.life = Life::Queued;
            job.queue.push_back(record.run_id);
            return false;
        }
        let full = queues && limit > 0;
        record.end(if full { Ending::queue_full(QUEUE) } else { Ending::too_many_runs(limit) }, now);
        false
    }

    /// Ends a run, and gives the queued ones that may start now.
    fn end_run(&mut self, run_id: i64, ending: Ending, now: i64) -> Vec<i64> {
        let Some(record) = self.run_mut(run_id).filter(|record| !record.life.is_over()) else {
            return Vec::new();
        };
        let was_queued = record.life == Life::Queued;
        record.end(ending, now);
        record.control.task = None;
        let (seq, job_id, orphan) = (record.seq, record.job_id, record.orphan);
        if orphan {
            self.forget(seq);
        }
        let admitted = if was_queued { self.unqueue(job_id, run_id) } else { self.leave(job_id, now) };
        self.make_room();
        admitted
    }

    /// Takes a run out of its job's queue.
    fn unqueue(&mut self, job_id: i64, run_id: i64) -> Vec<i64> {
        if let Some(job) = self.jobs.get_mut(&job_id) {
            job.queue.retain(|queued| *queued != run_id);
        }
        Vec::new()
    }

    /// A run of this job is over: gives the queued ones that may start.
    fn leave(&mut self, job_id: i64, now: i64) -> Vec<i64> {
        let mut admitted = Vec::new();
        let Some(job) = self.jobs.get_mut(&job_id) else { return admitted };
        job.active = job.active.saturating_sub(1);
        while job.active < job.plan.max_concurrent_runs {
            let Some(next) = job.queue.pop_front() else { break };
            job.active += 1;
            admitted.push(next);
        }
        for run_id in &admitted {
            if let Some(record) = self.run_mut(*run_id) {
                record.life = Life::Running;
                record.times.dequeued = Some(now);
                record.times.began = now;
            }
        }
        admitted
    }

    /// Forgets a run, its attempts included. Its idempotency token stays taken.
    pub(super) fn forget(&mut self, seq: u64) {
        let Some(record) = self.runs.remove(&seq) else { return };
        self.places.remove(&record.run_id);
        for attempt in &record.attempts {
            self.places.remove(&attempt.run_id);
        }
        self.attempts = self.attempts.saturating_sub(record.attempts.len());
    }

    /// Forgets the oldest runs that are over while there are too many, or too many attempts.
    fn make_room(&mut self) {
        while self.runs.len() > RUNS || self.attempts > ATTEMPTS {
            let oldest = self.runs.iter().find(|(_, record)| record.life.is_over());
            let Some(seq) = oldest.map(|(seq, _)| *seq) else { break };
            self.forget(seq);
        }
        if self.tokens.len() > TOKENS {
            self.tokens.drain(..TOKENS / 10);
        }
    }
}

/// How long a timeout still has, from the moment its clock began.
pub(super) fn remaining(timeout: Option<Duration>, since: tokio::time::Instant) -> Option<Duration> {
    timeout.map(|timeout| timeout.saturating_sub(since.elapsed()))
}
