//! Runs a notebook or a file of SQL as a job of one task, shows how its tasks stand, and ends as the run does.
//!
//! ```text
//! DATABRICKS_HOST=.. DATABRICKS_TOKEN=.. \
//!     cargo run -p databricks-jobs --example run_job -- --notebook /Shared/report --parameter day=2024-01-31
//!     cargo run -p databricks-jobs --example run_job -- --sql totals.sql --warehouse 4f9a2b7c01d3e685
//!     cargo run -p databricks-jobs --example run_job -- --job 42 --timeout 600 --cancel
//!     cargo run -p databricks-jobs --example run_job -- --run 7     # waits for a run that goes on
//! ```
//!
//! `--sql` takes a file of this machine, which is uploaded first (`--to PATH`, else below `/Shared`). On a terminal the
//! tasks are drawn again at each look; elsewhere a line is written when something changes.
//!
//! Exit codes: 0 when the run succeeded, 1 when it failed, 2 for wrong arguments or a wrong configuration, 3 when it was
//! cancelled, 4 when it took too long, 5 when it could not be started or looked at.

mod arguments;
mod tree;

use std::process::ExitCode;

use databricks_jobs::{JobError, JobsClient, Language, NotebookTask, Result, Run, RunId, SqlTask, Task};
use databricks_transport::{Client, DatabricksConfig};
use futures::TryStreamExt;

use arguments::{Arguments, Work};
use tree::Tree;

#[tokio::main]
async fn main() -> ExitCode {
    let prepared = Arguments::read(std::env::args().skip(1)).and_then(|arguments| {
        let client = DatabricksConfig::from_env().and_then(Client::new).map_err(|error| error.to_string())?;
        Ok((arguments, JobsClient::new(&client)))
    });
    let (arguments, jobs) = match prepared {
        Ok(prepared) => prepared,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match run(&jobs, arguments).await {
        Ok(run) => {
            print_results(&jobs, &run).await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            print_traces(&error);
            ExitCode::from(code(&error))
        }
    }
}

/// Starts what is to run and shows it until it is over.
async fn run(jobs: &JobsClient, arguments: Arguments) -> Result<Run> {
    let run_id = start(jobs, &arguments).await?;
    eprintln!("run {run_id}");
    let mut looks = jobs.wait(run_id).config(arguments.wait).watch();
    let mut tree = Tree::new();
    let mut last = None;
    loop {
        match looks.try_next().await {
            Ok(Some(look)) => {
                tree.show(&look.run);
                last = Some(look.run);
            }
            Ok(None) => break,
            Err(error) => {
                if let Some(failure) = error.failure() {
                    tree.show(&failure.run);
                }
                return Err(error);
            }
        }
    }
    match last {
        Some(run) => Ok(run),
        None => jobs.get_run(run_id).await,
    }
}

async fn start(jobs: &JobsClient, arguments: &Arguments) -> Result<RunId> {
    let task = match &arguments.work {
        Work::Run(run_id) => return Ok(*run_id),
        Work::Job(job_id) => {
            let run = arguments.parameters.iter();
            let run = run.fold(jobs.run_now(*job_id), |run, (name, value)| run.parameter(name, value));
            return run.send().await;
        }
        Work::Notebook { path } => {
            let notebook = NotebookTask::new(path).base_parameters(arguments.parameters.clone());
            Task::new("notebook", notebook)
        }
        Work::Sql { text, path, warehouse } => {
            jobs.upload_source(path, Language::Sql, text).plain_file().overwrite().send().await?;
            let sql = SqlTask::of_file(warehouse, path).parameters(arguments.parameters.clone());
            Task::new("sql", sql)
        }
    };
    let task = match &arguments.cluster {
        Some(cluster) => task.existing_cluster_id(cluster),
        None => task,
    };
    jobs.submit_run([task]).run_name(&arguments.name).send().await
}

async fn print_results(jobs: &JobsClient, run: &Run) {
    let mut outputs = jobs.output(run.run_id);
    while let Ok(Some(task)) = outputs.try_next().await {
        let text = task.output.result().or(task.output.logs.as_deref());
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            println!("{}: {text}", task.task_key);
        }
    }
}

fn print_traces(error: &JobError) {
    for task in error.failure().iter().flat_map(|failure| &failure.failed_tasks) {
        if let Some(trace) = &task.error_trace {
            eprintln!("\n{}:\n{trace}", task.task_key);
        }
    }
}

fn code(error: &JobError) -> u8 {
    match error {
        JobError::Canceled(_) => 3,
        JobError::WaitTimeout { .. } | JobError::TimedOut(_) | JobError::NotCanceled { .. } => 4,
        JobError::InvalidSetting { .. } | JobError::Defective { .. } => 2,
        error if error.failure().is_some() => 1,
        _ => 5,
    }
}
