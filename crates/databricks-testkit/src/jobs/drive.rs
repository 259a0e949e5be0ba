//! One run from its start to its end: which task is next, and what the run comes to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{Runner, run_task};
use super::core::{Core, remaining};
use super::ending::{Ending, Life, Outcome};
use super::plan::{Dependency, JobPlan, RunIf, TaskPlan};

/// Drives a run in a task of its own, and the runs that its end lets out of the queue.
pub(super) fn spawn(core: &Arc<Core>, run_id: i64) {
    let driver = core.clone();
    let task = tokio::spawn(async move {
        let ending = drive(&driver, run_id).await;
        for next in driver.end_run(run_id, ending) {
            spawn(&driver, next);
        }
    });
    let handle = task.abort_handle();
    let closed = {
        let mut state = core.lock();
        if let Some(record) = state.run_mut(run_id).filter(|record| !record.life.is_over()) {
            record.control.task = Some(task.abort_handle());
        }
        state.closed
    };
    if closed {
        handle.abort();
    }
}

/// A run under way.
struct Drive {
    runner: Runner,
    plan: Arc<JobPlan>,
    cancel: CancellationToken,
    changed: Arc<Notify>,
    /// Tasks that have not begun, each with the attempt that stands for it.
    waiting: Vec<(Arc<TaskPlan>, i64)>,
    /// How tasks ended, those of earlier parts of the run included.
    ended: HashMap<String, TaskEnd>,
    active: FuturesUnordered<BoxFuture<'static, (String, TaskEnd)>>,
    started: Instant,
}

/// How a task ended, and what it found if it is a condition.
#[derive(Clone, Debug)]
pub(super) struct TaskEnd {
    pub(super) ending: Ending,
    pub(super) condition: Option<bool>,
}

async fn drive(core: &Arc<Core>, run_id: i64) -> Ending {
    let Some(mut drive) = Drive::new(core, run_id) else { return Ending::canceled() };
    drive.start_what_may();
    let timed_out = drive.work().await;
    let ending = drive.verdict();
    match timed_out {
        Some(timeout) => Ending::timed_out(timeout.as_secs()),
        None if drive.cancel.is_cancelled() => Ending::canceled(),
        None => ending,
    }
}

impl Drive {
    fn new(core: &Arc<Core>, run_id: i64) -> Option<Self> {
        let runner = Runner { core: core.clone(), run_id };
        core.with_run(run_id, |record| {
            let latest = record.latest();
            let mut waiting = Vec::new();
            let mut ended = HashMap::new();
            for (key, attempt) in latest {
                match attempt.life.ending() {
                    None => waiting.push((attempt.plan.clone(), attempt.run_id)),
                    Some(ending) => {
                        let end = TaskEnd { ending: ending.clone(), condition: attempt.condition };
                        ended.insert(key.to_owned(), end);
                    }
                }
            }
            Self {
                runner,
                plan: record.plan.clone(),
                cancel: record.control.cancel.clone(),
                changed: record.control.changed.clone(),
                waiting,
                ended,
                active: FuturesUnordered::new(),
                started: Instant::now(),
            }
        })
    }

    /// Works until nothing is left. Gives the timeout, if the run ran into it.
    async fn work(&mut self) -> Option<Duration> {
        let mut timed_out = None;
        let mut stopped = self.cancel.is_cancelled();
        if stopped {
            self.cancel_waiting();
        }
        while !self.active.is_empty() || !self.waiting.is_empty() {
            let timeout = self.runner.core.with_run(self.runner.run_id, |r| r.control.timeout).flatten();
            let left = remaining(timeout, self.started).filter(|_| !stopped);
            tokio::select! {
                biased;
                () = self.cancel.cancelled(), if !stopped => {
                    stopped = true;
                    self.cancel_waiting();
                }
                Some((key, end)) = self.active.next() => {
                    self.ended.insert(key, end);
                    if !stopped {
                        self.start_what_may();
                    }
                }
                () = elapsed(left) => {
                    timed_out = timeout;
                    self.cancel.cancel();
                }
                () = self.changed.notified(), if !stopped => {}
            }
        }
        timed_out
    }

    /// Starts or skips every task whose dependencies are all over, until none is left that may.
    fn start_what_may(&mut self) {
        loop {
            let (ready, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(task, _)| {
                task.depends_on.iter().all(|on| self.ended.contains_key(&on.task_key))
            });
            self.waiting = waiting;
            let ready: Vec<(Arc<TaskPlan>, i64)> = ready;
            if ready.is_empty() {
                return;
            }
            for (task, attempt) in ready {
                match decide(task.run_if, &self.standings(&task.depends_on)) {
                    None => self.start(task, attempt),
                    Some(ending) => self.settle(&task, attempt, ending),
                }
            }
        }
    }

    fn start(&self, task: Arc<TaskPlan>, attempt: i64) {
        let runner = self.runner.clone();
        self.active.push(Box::pin(async move {
            let end = run_task(runner, task.clone(), attempt).await;
            (task.key.clone(), end)
        }));
    }

    /// Ends a task that never begins.
    fn settle(&mut self, task: &TaskPlan, attempt: i64, ending: Ending) {
        self.runner.core.move_attempt(attempt, Life::Over(ending.clone()));
        self.ended.insert(task.key.clone(), TaskEnd { ending, condition: None });
    }

    fn cancel_waiting(&mut self) {
        for (task, attempt) in std::mem::take(&mut self.waiting) {
            self.settle(&task, attempt, Ending::canceled());
        }
    }

    fn standings(&self, depends_on: &[Dependency]) -> Vec<Standing> {
        let standing =
            |on: &Dependency| self.ended.get(&on.task_key).map(|end| Standing::of(end, on.outcome));
        depends_on.iter().filter_map(standing).collect()
    }

    /// What the run comes to: its leaf tasks decide, as documented.
    fn verdict(&self) -> Ending {
        let failed: Vec<(&String, &TaskEnd)> =
            self.in_order().filter(|(_, end)| !end.ending.result.is_success()).collect();
        let Some(cause) = cause(&failed) else { return Ending::success() };
        let leaf = |key: &str| !self.plan.has_dependents(key);
        let mut bad_leaves = failed.iter().filter(|(key, _)| leaf(key)).peekable();
        if bad_leaves.peek().is_none() {
            return Ending::success_with_failures();
        }
        if bad_leaves.all(|(_, end)| end.ending.result.is_canceled()) {
            return Ending::canceled();
        }
        let (key, TaskEnd { ending, .. }) = cause;
        let mut message = format!("Task {key} failed with message: {}", ending.message.trim_end_matches('.'));
        message.push('.');
        if !leaf(key) {
            message.push_str(" This caused all downstream tasks to get skipped.");
        }
        Ending::run_failed(&ending.code, &ending.kind, message)
    }

    /// The tasks of the plan that ended, in the plan's order.
    fn in_order(&self) -> impl Iterator<Item = (&String, &TaskEnd)> {
        self.plan.tasks.keys().filter_map(|key| Some((key, self.ended.get(key)?)))
    }
}

/// The first failure that is no consequence of another.
fn cause<'a>(failed: &[(&'a String, &'a TaskEnd)]) -> Option<(&'a String, &'a TaskEnd)> {
    let own = |end: &TaskEnd| matches!(end.ending.result, Outcome::Failed | Outcome::TimedOut);
    failed.iter().find(|(_, end)| own(end)).or(failed.first()).copied()
}

async fn elapsed(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

/// How a dependency stands for the task that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Standing {
    Succeeded,
    Failed,
    Canceled,
    /// It was excluded, or it is a condition that took the other branch.
    Excluded,
}

impl Standing {
    fn of(end: &TaskEnd, branch: Option<bool>) -> Self {
        match end.ending.result {
            Outcome::Success | Outcome::SuccessWithFailures => match (branch, end.condition) {
                (Some(wanted), Some(found)) if wanted != found => Self::Excluded,
                _ => Self::Succeeded,
            },
            Outcome::Excluded => Self::Excluded,
            Outcome::Canceled | Outcome::UpstreamCanceled => Self::Canceled,
            Outcome::Failed | Outcome::TimedOut | Outcome::UpstreamFailed | Outcome::MaxConcurrentRuns => {
                Self::Failed
            }
        }
    }
}

/// Whether a task runs: `None`, or how it ends without having run.
fn decide(run_if: RunIf, dependencies: &[Standing]) -> Option<Ending> {
    let seen: HashSet<Standing> = dependencies.iter().copied().collect();
    let has = |standing| seen.contains(&standing);
    if !dependencies.is_empty() && seen.len() == 1 && has(Standing::Excluded) {
        return Some(Ending::excluded());
    }
    let unsuccessful = has(Standing::Failed) || has(Standing::Canceled);
    let runs = match run_if {
        _ if dependencies.is_empty() => true,
        RunIf::AllDone => true,
        RunIf::AllSuccess => !unsuccessful,
        RunIf::AtLeastOneSuccess => has(Standing::Succeeded),
        RunIf::NoneFailed => !unsuccessful && has(Standing::Succeeded),
        RunIf::AtLeastOneFailed => unsuccessful,
        RunIf::AllFailed => !has(Standing::Succeeded) && !has(Standing::Excluded),
    };
    match run_if {
        _ if runs => None,
        RunIf::AtLeastOneFailed | RunIf::AllFailed => Some(Ending::excluded()),
        _ if has(Standing::Canceled) && !has(Standing::Failed) => Some(Ending::upstream_canceled()),
        _ => Some(Ending::upstream_failed()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn run_if_decides_by_how_dependencies_ended() {
        use RunIf::*;
        use Standing::{Canceled as C, Excluded as X, Failed as F, Succeeded as S};
        const ALL: [RunIf; 6] =
            [AllSuccess, AtLeastOneSuccess, NoneFailed, AllDone, AtLeastOneFailed, AllFailed];
        // r runs, f upstream failed, c upstream canceled, x excluded; in the order of ALL.
        for (dependencies, expected) in [
            (vec![], "rrrrrr"),
            (vec![S, S], "rrrrxx"),
            (vec![S, F], "frfrrx"),
            (vec![F, F], "fffrrr"),
            (vec![S, C], "crcrrx"),
            (vec![C], "cccrrr"),
            (vec![F, C], "fffrrr"),
            (vec![S, X], "rrrrxx"),
            (vec![X, X], "xxxxxx"),
            (vec![F, X], "fffrrx"),
        ] {
            let letters: String = ALL
                .iter()
                .map(|run_if| match decide(*run_if, &dependencies) {
                    None => 'r',
                    Some(ending) if ending == Ending::excluded() => 'x',
                    Some(ending) if ending == Ending::upstream_failed() => 'f',
                    Some(_) => 'c',
                })
                .collect();
            assert_eq!(letters, expected, "{dependencies:?}");
        }
    }
}
