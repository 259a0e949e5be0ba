//! What tasks do, written down beforehand.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stale::StaleLooks;
use super::task::TaskCall;
use super::task_script::{Predicate, ScriptedTask, TaskScript};
use crate::scripted::ScriptTurns;

/// The calls a script remembers.
const CALLS: usize = 10_000;

/// What the tasks of a [`SimulatedWorkspace`](crate::SimulatedWorkspace) do. Clones share the script.
///
/// The first script that matches an attempt and has turns left answers it, in the order written. Without one,
/// tasks that would run code (notebook, Spark JAR, Python file, wheel, spark-submit, dbt, pipeline) fail with a
/// message that names them, so that a mistyped path does not pass for work done; where only the ways of runs matter,
/// [`unscripted_tasks_succeed`](Self::unscripted_tasks_succeed) lets them pass. SQL tasks run on the workspace's
/// statement engine, their queries and files by [`query`](Self::query) and [`sql_file`](Self::sql_file); conditions,
/// for-each and run-job tasks do what they say. Other kinds of task are refused unless a script matches them.
///
/// ```
/// use std::time::Duration;
/// use databricks_testkit::{JobsScript, SimulatedWorkspace, TaskOutcome};
///
/// let script = JobsScript::new();
/// script.on_task("load").times(1).duration(Duration::from_secs(90)).fails("Connection reset");
/// script.on_task("load").returns("42 rows");
/// script.on_notebook("/etl/report").runs(|call| async move {
///     let day = call.parameter("day").unwrap_or_default();
///     TaskOutcome::success().with_result(format!("report of {day}"))
/// });
/// script.query("q-1", "SELECT count(*) FROM main.default.trips");
/// let workspace = SimulatedWorkspace::builder().jobs(script.clone()).build();
/// # let _ = workspace;
/// ```
#[derive(Clone, Default)]
pub struct JobsScript {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    calls: Vec<TaskCall>,
    queries: HashMap<String, String>,
    files: HashMap<String, Vec<String>>,
    timing: Timing,
    idle_triggers: bool,
    unscripted_succeed: bool,
    stale_looks: StaleLooks,
}

/// How long the parts of a task take where no script says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) setup: Duration,
    pub(super) execution: Duration,
    pub(super) cleanup: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            setup: Duration::from_millis(200),
            execution: Duration::from_millis(500),
            cleanup: Duration::from_millis(100),
        }
    }
}

/// A script that was written.
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) matches: Predicate,
    /// How often it may still answer; `None` is without end.
    pub(super) left: Option<u64>,
    pub(super) taken: u64,
    pub(super) answer: ScriptedTask,
}

impl JobsScript {
    /// A script that says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a script for the tasks of this name. An iteration has the name of the nested task.
    pub fn on_task(&self, task_key: impl Into<String>) -> TaskScript<'_> {
        let key = task_key.into();
        let name = format!("task '{key}'");
        self.begin(name, move |call| call.task_key == key)
    }

    /// Begins a script for the notebook tasks of this path.
    pub fn on_notebook(&self, path: impl Into<String>) -> TaskScript<'_> {
        let path = path.into();
        let name = format!("notebook '{path}'");
        self.begin(name, move |call| call.notebook_path() == Some(&path))
    }

    /// Begins a script for the attempts that satisfy a predicate.
    ///
    /// The predicate is also asked, with references not yet resolved, whether a kind of task that needs a script
    /// has one. Condition, for-each and run-job tasks are never asked for.
    pub fn on_matching(&self, matches: impl Fn(&TaskCall) -> bool + Send + Sync + 'static) -> TaskScript<'_> {
        let name = format!("script {}", self.lock().rules.len() + 1);
        self.begin(name, matches)
    }

    fn begin(
        &self,
        name: String,
        matches: impl Fn(&TaskCall) -> bool + Send + Sync + 'static,
    ) -> TaskScript<'_> {
        TaskScript::new(self, name, Arc::new(matches))
    }

    pub(super) fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Makes the SQL of a saved query known to SQL tasks.
    pub fn query(&self, query_id: impl Into<String>, sql: impl Into<String>) -> &Self {
        self.lock().queries.insert(query_id.into(), sql.into());
        self
    }

    /// Makes the statements of a SQL file known to SQL tasks; they run one after another.
    pub fn sql_file<S: Into<String>>(
        &self,
        path: impl Into<String>,
        statements: impl IntoIterator<Item = S>,
    ) -> &Self {
        let statements = statements.into_iter().map(Into::into).collect();
        self.lock().files.insert(path.into(), statements);
        self
    }

    /// How long a task that needs compute is `PENDING`. Default 200 ms.
    pub fn setup(&self, setup: Duration) -> &Self {
        self.lock().timing.setup = setup;
        self
    }

    /// How long a task that runs code is `RUNNING` where no script says so. Default 500 ms.
    pub fn execution(&self, execution: Duration) -> &Self {
        self.lock().timing.execution = execution;
        self
    }

    /// How long a task that needed compute is `TERMINATING`. Default 100 ms.
    pub fn cleanup(&self, cleanup: Duration) -> &Self {
        self.lock().timing.cleanup = cleanup;
        self
    }

    /// Takes jobs with schedules and triggers that are not paused, and keeps them idle: no run starts by itself.
    /// Without this such a job is refused.
    pub fn idle_triggers(&self) -> &Self {
        self.lock().idle_triggers = true;
        self
    }

    /// Lets tasks that would run code succeed after [`execution`](Self::execution) where no script has an answer for
    /// them. Without this they fail. For workspaces that clients reach over a socket, where no script can know what
    /// they run, and for tests of what happens around tasks.
    pub fn unscripted_tasks_succeed(&self) -> &Self {
        self.lock().unscripted_succeed = true;
        self
    }

    /// How many looks at a run (`runs/get`) after each of its repairs still find it as it ended before. Default 0.
    pub fn stale_looks_after_repair(&self, looks: u32) -> &Self {
        self.lock().stale_looks.whole = looks;
        self
    }

    /// How many looks after those find a torn answer: the repair is in the run's history, and all else is as it was before.
    /// Default 0.
    pub fn torn_looks_after_repair(&self, looks: u32) -> &Self {
        self.lock().stale_looks.torn = looks;
        self
    }

    /// The scripts in the order written, and how often each has answered.
    pub fn turns(&self) -> Vec<ScriptTurns> {
        let turns = |rule: &Rule| ScriptTurns { name: rule.name.clone(), taken: rule.taken, left: rule.left };
        self.lock().rules.iter().map(turns).collect()
    }

    /// The scripts that should have answered and did not: those that never had a turn, and those with counted turns
    /// of which some are left. A test that ends with `assert_eq!(script.unused(), [])` says that all it wrote was run.
    pub fn unused(&self) -> Vec<ScriptTurns> {
        self.turns().into_iter().filter(ScriptTurns::is_unused).collect()
    }

    /// The attempts that began their work, oldest first; the last 10,000 are kept.
    pub fn calls(&self) -> Vec<TaskCall> {
        self.lock().calls.clone()
    }

    pub(super) fn timing(&self) -> Timing {
        self.lock().timing
    }

    pub(super) fn keeps_triggers_idle(&self) -> bool {
        self.lock().idle_triggers
    }

    pub(super) fn lets_unscripted_succeed(&self) -> bool {
        self.lock().unscripted_succeed
    }

    pub(super) fn stale_looks(&self) -> StaleLooks {
        self.lock().stale_looks
    }

    pub(super) fn query_sql(&self, query_id: &str) -> Option<String> {
        self.lock().queries.get(query_id).cloned()
    }

    pub(super) fn file_sql(&self, path: &str) -> Option<Vec<String>> {
        self.lock().files.get(path).cloned()
    }

    /// Whether some script is about such a call, now or with its turns used up.
    pub(super) fn knows(&self, call: &TaskCall) -> bool {
        let predicates: Vec<Predicate> = self.lock().rules.iter().map(|rule| rule.matches.clone()).collect();
        predicates.iter().any(|matches| matches(call))
    }

    /// Notes the call and takes its turn from the script that answers it.
    pub(super) fn next(&self, call: &TaskCall) -> Option<ScriptedTask> {
        self.note(call);
        // Predicates are a caller's code: they run without the lock, which they may want themselves.
        let predicates: Vec<Predicate> = self.lock().rules.iter().map(|rule| rule.matches.clone()).collect();
        let matching = predicates.iter().enumerate().filter(|(_, matches)| matches(call));
        matching.map(|(index, _)| index).find_map(|index| self.take_turn(index))
    }

    fn take_turn(&self, index: usize) -> Option<ScriptedTask> {
        let mut state = self.lock();
        let rule = state.rules.get_mut(index).filter(|rule| rule.left != Some(0))?;
        rule.left = rule.left.map(|left| left - 1);
        rule.taken += 1;
        Some(rule.answer.clone())
    }

    fn note(&self, call: &TaskCall) {
        let mut state = self.lock();
        if state.calls.len() >= CALLS {
            state.calls.drain(..CALLS / 10);
        }
        state.calls.push(call.clone());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for JobsScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("JobsScript")
            .field("rules", &state.rules.len())
            .field("queries", &state.queries)
            .field("files", &state.files)
            .field("timing", &state.timing)
            .field("idle_triggers", &state.idle_triggers)
            .field("unscripted_succeed", &state.unscripted_succeed)
            .field("stale_looks", &state.stale_looks)
            .field("calls", &state.calls.len())
            .finish()
    }
}
