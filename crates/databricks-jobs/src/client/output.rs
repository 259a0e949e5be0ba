//! What the tasks of a run left behind.

use std::collections::HashSet;

use databricks_transport::{ApiRequest, Error, Operation};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::JobsClient;
use crate::run::{RunOutcome, RunOutput, RunState, RunTask, TaskOutput, is_loop, latest};
use crate::{JobError, Result, RunId};

const GET_OUTPUT: Operation = Operation::new("jobs.get_output").idempotent();

/// How many outputs are asked for at once.
const AT_ONCE: usize = 4;

/// The runs whose tasks are to be read, and what is left of the one under way.
struct Walk {
    jobs: JobsClient,
    /// Runs to read, the next one last.
    runs: Vec<RunId>,
    /// Runs that were read: one that starts itself, by whatever way, is read once.
    seen: HashSet<RunId>,
    under_way: BoxStream<'static, Result<TaskOutput>>,
    /// Runs that its tasks started.
    started: Vec<RunId>,
}

impl JobsClient {
    /// The output of one task's run; [`output`](Self::output) finds those of a whole run.
    ///
    /// # Errors
    /// [`JobError::Transport`]: of kind `Invalid` for a run of several tasks, whose output is theirs.
    pub async fn get_output(&self, run_id: RunId) -> Result<RunOutput> {
        Ok(self.task_output(run_id).await?)
    }

    pub(crate) async fn task_output(&self, run_id: RunId) -> Result<RunOutput, Error> {
        let request = ApiRequest::get("/api/2.2/jobs/runs/get-output").query("run_id", run_id);
        self.client.call(GET_OUTPUT, request).await
    }

    /// The outputs of all tasks of a run that is over or not, each by its latest attempt: iterations of for-each tasks, and
    /// the tasks of runs that run-job tasks started, included. Tasks that did not start have none.
    ///
    /// What the service cut says so ([`RunOutput::is_truncated`]); [`full_logs`](Self::full_logs) has the whole of it where
    /// the cluster delivers its logs to a volume.
    ///
    /// ```no_run
    /// use futures::TryStreamExt;
    ///
    /// # async fn run(jobs: databricks_jobs::JobsClient, run_id: databricks_jobs::RunId) -> databricks_jobs::Result<()> {
    /// let mut outputs = jobs.output(run_id);
    /// while let Some(task) = outputs.try_next().await? {
    ///     println!("{}: {}", task.task_key, task.output.result().unwrap_or("no result"));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Items are [`JobError::Transport`]; the stream ends there.
    pub fn output(&self, run_id: RunId) -> BoxStream<'static, Result<TaskOutput>> {
        let walk = Walk {
            jobs: self.clone(),
            runs: vec![run_id],
            seen: HashSet::new(),
            under_way: stream::empty().boxed(),
            started: Vec::new(),
        };
        stream::try_unfold(
            walk,
            |mut walk| async move { Ok(walk.next().await?.map(|output| (output, walk))) },
        )
        .boxed()
    }

    /// The whole of what a task's driver wrote to its standard output and error, where its cluster delivers logs to a volume
    /// (`cluster_log_conf`); `None` where it does not, or has not yet: it delivers every five minutes and at its end.
    ///
    /// # Errors
    /// [`JobError::Transport`].
    pub async fn full_logs(&self, output: &RunOutput) -> Result<Option<String>> {
        const READ: Operation = Operation::new("files.read").idempotent();
        const LARGEST: usize = 512 * 1024 * 1024;
        let Some(folder) = output.log_folder() else { return Ok(None) };
        let mut logs = None;
        for name in ["stdout", "stderr"] {
            let path = databricks_transport::encode_path(&format!("{folder}/{name}"));
            match self.client.send(READ, ApiRequest::get(format!("/api/2.0/fs/files{path}"))).await {
                Ok(answer) => {
                    let bytes = answer.into_body().collect(LARGEST).await?;
                    logs.get_or_insert_with(String::new).push_str(&String::from_utf8_lossy(&bytes));
                }
                Err(error) if error.kind() == databricks_transport::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(logs)
    }
}

impl Walk {
    async fn next(&mut self) -> Result<Option<TaskOutput>> {
        loop {
            if let Some(task) = self.under_way.try_next().await? {
                // Behind the run under way, before what was to come after it, in the order of their tasks.
                self.started.extend(task.output.started_run());
                return Ok(Some(task));
            }
            self.runs.extend(self.started.drain(..).rev());
            let Some(run_id) = self.runs.pop() else { return Ok(None) };
            if self.seen.insert(run_id) {
                self.under_way = outputs_of(&self.jobs, run_id).await?;
            }
        }
    }
}

/// The outputs of the tasks of one run, in their order, iterations after their task. A few are asked for ahead.
async fn outputs_of(jobs: &JobsClient, run_id: RunId) -> Result<BoxStream<'static, Result<TaskOutput>>> {
    let run = jobs.get_run(run_id).await?;
    let mut wanted: Vec<(RunTask, bool)> = Vec::new();
    for task in latest(&run.tasks).into_iter().filter(|task| has_output(task)) {
        wanted.push((task.clone(), false));
        if let Some(loop_id) = task.run_id.filter(|_| is_loop(task)) {
            let iterations = match run.iterations.is_empty() {
                true => jobs.get_run(loop_id).await?.iterations,
                false => run.iterations.clone(),
            };
            wanted.extend(iterations.into_iter().filter(has_output).map(|iteration| (iteration, true)));
        }
    }
    let jobs = jobs.clone();
    let outputs = wanted.into_iter().filter_map(move |(task, is_iteration)| {
        let (jobs, id) = (jobs.clone(), task.run_id?);
        Some(async move {
            let output = jobs.task_output(id).await?;
            let task_key = task.task_key;
            Ok::<_, JobError>(TaskOutput { task_key, run_id: id, job_run_id: run_id, is_iteration, output })
        })
    });
    Ok(stream::iter(outputs).buffered(AT_ONCE).boxed())
}

/// Whether a task began, so that there is something to ask for.
fn has_output(task: &RunTask) -> bool {
    match task.state() {
        RunState::Terminated(outcome) => !matches!(outcome, RunOutcome::Skipped | RunOutcome::UpstreamFailed),
        state => !matches!(state, RunState::Blocked | RunState::Pending | RunState::Queued),
    }
}
