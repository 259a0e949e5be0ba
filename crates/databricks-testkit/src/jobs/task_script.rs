//! One script of a task: what it answers, while it is written and when its turn comes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use super::script::{JobsScript, Rule};
use super::task::{TaskCall, TaskOutcome};

pub(super) type Predicate = Arc<dyn Fn(&TaskCall) -> bool + Send + Sync>;
type Closure = Arc<dyn Fn(TaskCall) -> BoxFuture<'static, TaskOutcome> + Send + Sync>;

/// What a script answers.
#[derive(Clone)]
pub(super) struct ScriptedTask {
    duration: Option<Duration>,
    reply: Reply,
}

#[derive(Clone)]
enum Reply {
    Ends(Box<TaskOutcome>),
    Runs(Closure),
    Never,
}

impl ScriptedTask {
    /// Does what is written, after the time written, else after `default` where the answer takes no time itself.
    pub(super) async fn run(self, call: TaskCall, default: Duration) -> TaskOutcome {
        let duration = match (&self.reply, self.duration) {
            (_, Some(duration)) => duration,
            (Reply::Runs(_), None) => Duration::ZERO,
            (_, None) => default,
        };
        if duration > Duration::ZERO {
            tokio::time::sleep(duration).await;
        }
        match self.reply {
            Reply::Ends(outcome) => *outcome,
            Reply::Runs(closure) => closure(call).await,
            Reply::Never => std::future::pending().await,
        }
    }
}

/// A script being written. It takes effect with its answer: `succeeds`, `returns`, `fails`, `runs`, ...
#[must_use = "a script takes effect with its answer: succeeds, returns, fails, runs, ..."]
pub struct TaskScript<'a> {
    script: &'a JobsScript,
    name: String,
    matches: Predicate,
    turns: Option<u64>,
    duration: Option<Duration>,
}

impl fmt::Debug for TaskScript<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { script: _, name, matches: _, turns, duration } = self;
        let mut out = f.debug_struct("TaskScript");
        out.field("name", name).field("turns", turns).field("duration", duration).finish_non_exhaustive()
    }
}

impl<'a> TaskScript<'a> {
    pub(super) fn new(script: &'a JobsScript, name: String, matches: Predicate) -> Self {
        Self { script, name, matches, turns: None, duration: None }
    }

    /// Answers only so many attempts; then the next script that matches has its turn.
    pub fn times(mut self, turns: u64) -> Self {
        self.turns = Some(turns);
        self
    }

    /// Is `RUNNING` this long, on tokio's clock. A closure begins after it.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Succeeds, without a result.
    pub fn succeeds(self) {
        self.ends(TaskOutcome::success());
    }

    /// Succeeds with a result: a string as it is, anything else as its JSON text.
    pub fn returns(self, result: impl Into<Value>) {
        let text = match result.into() {
            Value::String(text) => text,
            other => other.to_string(),
        };
        self.ends(TaskOutcome::success().with_result(text));
    }

    /// Fails with this error.
    pub fn fails(self, error: impl Into<String>) {
        self.ends(TaskOutcome::failure(error));
    }

    /// Ends with an outcome of the test's own making.
    pub fn ends(self, outcome: TaskOutcome) {
        self.reply(Reply::Ends(Box::new(outcome)));
    }

    /// Runs a closure; a panic in it fails its attempt only. It is dropped when the attempt is cancelled or times
    /// out. One that holds the workspace keeps it alive, and its runs with it.
    pub fn runs<F, R>(self, closure: F)
    where
        F: Fn(TaskCall) -> R + Send + Sync + 'static,
        R: Future<Output = TaskOutcome> + Send + 'static,
    {
        self.reply(Reply::Runs(Arc::new(move |call| closure(call).boxed())));
    }

    /// Never ends on its own: for cancels and timeouts.
    pub fn never(self) {
        self.reply(Reply::Never);
    }

    fn reply(self, reply: Reply) {
        let Self { script, name, matches, turns: left, duration } = self;
        let answer = ScriptedTask { duration, reply };
        script.add(Rule { name, matches, left, taken: 0, answer });
    }
}
