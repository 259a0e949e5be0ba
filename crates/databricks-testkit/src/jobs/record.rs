//! What is known of a job, a run and the attempts of its tasks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::ending::{Ending, Life};
use super::permissions::Given;
use super::plan::{JobPlan, TaskPlan};
use super::references::Budget;
use super::stale::StaleView;
use super::task::TaskOutcome;

/// A job.
#[derive(Debug)]
pub(super) struct JobRecord {
    pub(super) job_id: i64,
    pub(super) seq: u64,
    pub(super) user: String,
    pub(super) created: i64,
    pub(super) plan: Arc<JobPlan>,
    /// What others than its user may do.
    pub(super) access: Vec<Given>,
    /// Runs that are neither queued nor over.
    pub(super) active: usize,
    /// Runs that wait, oldest first.
    pub(super) queue: VecDeque<i64>,
}

/// A run of a job, or a submitted one.
#[derive(Debug)]
pub(super) struct RunRecord {
    pub(super) run_id: i64,
    pub(super) seq: u64,
    pub(super) job_id: i64,
    pub(super) user: String,
    pub(super) plan: Arc<JobPlan>,
    pub(super) origin: RunOrigin,
    pub(super) parameters: Vec<RunParameter>,
    /// Parameters of tasks that the call which started the run set.
    pub(super) overrides: Arc<Map<String, Value>>,
    /// `Queued`, `Running` for whatever is going on, or `Over`; what is going on follows from the attempts.
    pub(super) life: Life,
    pub(super) times: RunTimes,
    /// Every attempt of every task and iteration, in the order they came to be.
    pub(super) attempts: Vec<Attempt>,
    pub(super) repairs: Vec<Repair>,
    /// What looks that come too early after a repair see.
    pub(super) stale: Option<StaleView>,
    pub(super) control: Control,
    /// For the resolved texts of this run and of those it starts.
    pub(super) texts: Budget,
    /// Its job is gone: so is the run for everyone, once it is over.
    pub(super) orphan: bool,
}

/// How a run came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunOrigin {
    RunNow,
    Submit,
    /// A run-job task: the run of that task, and how many such tasks deep this run is.
    RunJobTask {
        task_run_id: i64,
        depth: u32,
    },
}

impl RunOrigin {
    pub(super) fn run_type(self) -> &'static str {
        match self {
            Self::Submit => "SUBMIT_RUN",
            Self::RunNow | Self::RunJobTask { .. } => "JOB_RUN",
        }
    }

    pub(super) fn trigger(self) -> &'static str {
        match self {
            Self::RunJobTask { .. } => "RUN_JOB_TASK",
            Self::RunNow | Self::Submit => "ONE_TIME",
        }
    }

    pub(super) fn depth(self) -> u32 {
        match self {
            Self::RunJobTask { depth, .. } => depth,
            Self::RunNow | Self::Submit => 0,
        }
    }
}

/// A job parameter in a run.
#[derive(Clone, Debug)]
pub(super) struct RunParameter {
    pub(super) name: String,
    pub(super) default: Option<String>,
    pub(super) value: String,
}

/// Times of a run, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunTimes {
    pub(super) created: i64,
    /// When it left the queue, if it was in one.
    pub(super) dequeued: Option<i64>,
    /// When the part now running, the original or a repair, began.
    pub(super) began: i64,
    pub(super) ended: i64,
    /// What all parts that are over took.
    pub(super) worked: i64,
}

/// What stops a run and tells of its end.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) cancel: CancellationToken,
    pub(super) task: Option<AbortHandle>,
    /// Wakes the run when its timeout was changed.
    pub(super) changed: Arc<Notify>,
    pub(super) timeout: Option<Duration>,
    /// Whether the run is over.
    pub(super) over: watch::Sender<bool>,
}

impl Control {
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        Self {
            cancel: CancellationToken::new(),
            task: None,
            changed: Arc::default(),
            timeout,
            over: watch::Sender::new(false),
        }
    }
}

/// One repair of a run.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    pub(super) id: i64,
    /// How the part before it ended, and when it began and ended.
    pub(super) before: (Life, i64, i64),
}

/// One attempt of a task or of an iteration.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) run_id: i64,
    pub(super) plan: Arc<TaskPlan>,
    pub(super) number: u32,
    /// The first attempt of the task in this run.
    pub(super) original: i64,
    /// The for-each task's run it is an iteration of.
    pub(super) parent: Option<i64>,
    /// Which element of the for-each task it works on, and the element itself.
    pub(super) input: Option<(usize, Value)>,
    /// 0 for the original run, n for the nth repair.
    pub(super) generation: usize,
    pub(super) life: Life,
    pub(super) times: AttemptTimes,
    pub(super) cancel: CancellationToken,
    pub(super) resolved: Option<Arc<Value>>,
    pub(super) outcome: Option<Arc<TaskOutcome>>,
    /// What a condition task found.
    pub(super) condition: Option<bool>,
    /// The run a run-job task started.
    pub(super) child: Option<i64>,
    /// How many elements a for-each task has.
    pub(super) iterations: usize,
}

/// Times of an attempt, in milliseconds since 1970; 0 is not yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AttemptTimes {
    pub(super) began: i64,
    pub(super) running: i64,
    pub(super) cleaning: i64,
    pub(super) ended: i64,
}

impl Attempt {
    pub(super) fn key(&self) -> &str {
        &self.plan.key
    }

    /// Moves on and notes when. What is over stays so.
    pub(super) fn move_to(&mut self, life: Life, now: i64) {
        if self.life.is_over() {
            return;
        }
        match &life {
            Life::Pending => self.times.began = now,
            Life::Running => {
                self.times.running = now;
                if self.times.began == 0 {
                    self.times.began = now;
                }
            }
            Life::Terminating => self.times.cleaning = now,
            Life::Over(_) => {
                self.times.ended = now;
                if self.times.began == 0 {
                    self.times.began = now;
                }
            }
            Life::Blocked | Life::Queued | Life::WaitingForRetry => {}
        }
        self.life = life;
    }

    /// A task value that the attempt set.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.outcome.as_ref()?.values.get(name)
    }
}

impl RunRecord {
    /// Where the run is, as the API tells it.
    pub(super) fn shown_life(&self) -> Life {
        match &self.life {
            Life::Running => self.going_on(),
            other => other.clone(),
        }
    }

    fn going_on(&self) -> Life {
        if self.control.cancel.is_cancelled() {
            return Life::Terminating;
        }
        let tasks = || self.current_attempts();
        let begun = |a: &Attempt| !matches!(a.life, Life::Blocked | Life::Pending);
        if !tasks().any(begun) {
            return Life::Pending;
        }
        let ending = |a: &Attempt| a.life == Life::Terminating || a.life.is_over();
        if tasks().all(ending) && tasks().any(|a| a.life == Life::Terminating) {
            return Life::Terminating;
        }
        Life::Running
    }

    /// The attempts of tasks, not of iterations, that the original run or its latest repair made.
    fn current_attempts(&self) -> impl Iterator<Item = &Attempt> {
        let generation = self.repairs.len();
        self.tasks().filter(move |attempt| attempt.generation == generation)
    }

    /// The attempts of tasks, not of iterations.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.parent.is_none())
    }

    /// The attempts of the iterations of a for-each task's run.
    pub(super) fn iterations(&self, parent: i64) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.parent == Some(parent))
    }

    /// The latest attempt of each task, in the order of the first ones.
    pub(super) fn latest(&self) -> indexmap::IndexMap<&str, &Attempt> {
        self.tasks().map(|attempt| (attempt.key(), attempt)).collect()
    }

    /// Job parameters by name.
    pub(super) fn parameter_map(&self) -> BTreeMap<String, String> {
        self.parameters.iter().map(|p| (p.name.clone(), p.value.clone())).collect()
    }

    /// Ends the part now running, and whatever of it is not over.
    pub(super) fn end(&mut self, ending: Ending, now: i64) {
        for attempt in &mut self.attempts {
            attempt.move_to(Life::Over(Ending::canceled()), now);
        }
        self.life = Life::Over(ending);
        self.times.ended = now;
        self.times.worked += now - self.times.began;
        self.control.over.send_replace(true);
    }
}
