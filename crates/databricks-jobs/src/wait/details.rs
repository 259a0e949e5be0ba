//! Why tasks failed: the errors and traces of their outputs.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::run::{RunFailure, RunOutcome, RunTask, TaskFailure, is_loop};
use crate::{JobsClient, RunId};

/// How many failed tasks, and iterations of each, are asked for their output.
const MOST: usize = 10;

/// How many are asked at once.
const AT_ONCE: usize = 4;

/// How long asking may take in all. What is not known by then stays unknown: the run is over all the same.
const LONGEST: Duration = Duration::from_secs(30);

impl JobsClient {
    /// Adds what the outputs of the failed tasks say.
    pub(crate) async fn add_details(&self, failure: &mut RunFailure) {
        let until = Instant::now() + LONGEST;
        let loops: Vec<RunId> =
            failure.run.tasks.iter().filter(|task| is_loop(task)).filter_map(|task| task.run_id).collect();
        let causes = failure.failed_tasks.iter_mut().filter(|task| is_cause(task)).take(MOST);
        let asking = causes.map(|task| {
            let is_loop = task.run_id.is_some_and(|id| loops.contains(&id));
            self.add_details_of(task, is_loop, until).boxed()
        });
        all(asking.collect()).await;
    }

    async fn add_details_of(&self, task: &mut TaskFailure, is_loop: bool, until: Instant) {
        if is_loop {
            task.iterations = self.failed_iterations(task, until).await;
        }
        self.add_output(task, until).await;
    }

    async fn add_output(&self, task: &mut TaskFailure, until: Instant) {
        let Some(run_id) = task.run_id else { return };
        let asked = async {
            self.pace.acquire(None).await?.served();
            self.task_output(run_id).await
        };
        match timeout_at(until, asked).await {
            Ok(Ok(output)) => {
                task.error = output.error.filter(|error| !error.is_empty());
                task.error_trace = output.error_trace.filter(|trace| !trace.is_empty());
            }
            Ok(Err(error)) => tracing::debug!(%run_id, %error, "the failed task's output cannot be had"),
            Err(_) => tracing::debug!(%run_id, "the failed task's output takes too long"),
        }
    }

    /// The first iterations of a for-each task that failed, with what their outputs say.
    async fn failed_iterations(&self, task: &TaskFailure, until: Instant) -> Vec<TaskFailure> {
        let Some(run_id) = task.run_id else { return Vec::new() };
        let iterations = match timeout_at(until, self.paced_whole(run_id)).await {
            Ok(Ok(run)) => run.iterations,
            Ok(Err(_)) | Err(_) => return Vec::new(),
        };
        let failed = iterations.iter().filter_map(RunTask::failure).filter(is_cause);
        let mut failed: Vec<TaskFailure> = failed.take(MOST).collect();
        all(failed.iter_mut().map(|iteration| self.add_output(iteration, until).boxed()).collect()).await;
        failed
    }
}

/// Does all of it, a few at once. (Boxed: the compiler cannot see otherwise that what they borrow may cross threads.)
async fn all(asking: Vec<BoxFuture<'_, ()>>) {
    stream::iter(asking).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Whether a task failed by itself and ran, so that its output may say why.
fn is_cause(task: &TaskFailure) -> bool {
    !matches!(task.outcome, RunOutcome::UpstreamFailed | RunOutcome::Canceled)
}
