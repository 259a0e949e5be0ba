//! The example `run_job` as a user meets it: what it prints, and its exit codes.

use std::net::SocketAddr;
use std::process::Output;
use std::time::Duration;

use databricks_jobs::{JobSettings, JobsClient, Task};
use databricks_testkit::{JobsScript, SimulatedWorkspace, TaskOutcome};
use databricks_transport::{Client, DatabricksConfig};
use futures::{StreamExt, TryStreamExt};
use tokio::process::Command;

/// A workspace that listens, and where.
struct Served {
    url: String,
    jobs: JobsClient,
}

impl Served {
    /// The program with these arguments, free of the environment's settings.
    fn run_job(&self, arguments: &[&str]) -> impl Future<Output = Output> + use<> {
        let tests = std::env::current_exe().unwrap();
        let program = tests.ancestors().nth(2).unwrap().join("examples/run_job");
        assert!(
            program.exists(),
            "{} is missing: `cargo test` without `--test` builds it",
            program.display()
        );
        let mut command = Command::new(program);
        command.env_clear().env("DATABRICKS_HOST", &self.url).args(arguments);
        command.env("DATABRICKS_TOKEN", SimulatedWorkspace::DEFAULT_TOKEN).kill_on_drop(true);
        let output = command.output();
        async move { output.await.unwrap() }
    }

    /// Cancels the run of this name once it is there.
    async fn cancel(&self, name: &str) {
        loop {
            let mut runs = self.jobs.list_runs().send();
            while let Some(run) = runs.try_next().await.unwrap() {
                if run.run_name.as_deref() == Some(name) {
                    return self.jobs.cancel_run(run.run_id).await.unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn ended(output: &Output, code: i32, says: &[&str]) {
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(says.iter().all(|text| told.contains(text)), "{says:?} in {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_says_how_the_run_ended() {
    let script = JobsScript::new();
    script.on_notebook("/etl/good").returns("42 rows");
    script
        .on_notebook("/etl/bad")
        .runs(|_| async { TaskOutcome::failure("KeyError: 7").with_trace("line 3") });
    script.on_notebook("/etl/long").duration(Duration::from_secs(3600)).succeeds();
    script.setup(Duration::ZERO).execution(Duration::ZERO).cleanup(Duration::ZERO);
    let workspace = SimulatedWorkspace::builder().jobs(script).build();
    let server = workspace.serve(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap();
    let config = config.with_token(SimulatedWorkspace::DEFAULT_TOKEN.to_owned());
    let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
    let served = Served { url: server.url(), jobs: JobsClient::new(&client) };
    let limited = JobSettings::named("limited").task(Task::notebook("long", "/etl/long"));
    let limited = served.jobs.create(&limited.timeout(Duration::from_secs(1))).await.unwrap().to_string();

    let long = ["--notebook", "/etl/long"];
    let (good, bad, nothing, unknown, cancelled, _, given_up, timed_out) = tokio::join!(
        served.run_job(&["--notebook", "/etl/good", "--parameter", "day=2024-01-31"]),
        served.run_job(&["--notebook", "/etl/bad"]),
        served.run_job(&["--notebook"]),
        served.run_job(&["--job", "1"]),
        served.run_job(&[&long[..], &["--name", "cancelled"]].concat()),
        served.cancel("cancelled"),
        served.run_job(&[&long[..], &["--name", "given up", "--timeout", "1", "--cancel"]].concat()),
        served.run_job(&["--job", &limited]),
    );
    ended(&good, 0, &["notebook: 42 rows", "notebook: TERMINATED (SUCCESS)"]);
    ended(&bad, 1, &["notebook: TERMINATED (FAILED)", "KeyError: 7", "notebook:\nline 3"]);
    ended(&nothing, 2, &["--notebook needs a value", "usage: run_job"]);
    ended(&cancelled, 3, &["CANCELED"]);
    ended(&given_up, 4, &["took longer than 1.", "was cancelled"]);
    ended(&timed_out, 4, &["TIMEDOUT"]);
    ended(&unknown, 5, &["Job 1 does not exist"]);
    let active: Vec<_> = served.jobs.list_runs().active_only().send().collect().await;
    assert!(active.is_empty(), "{active:?}");
    server.shutdown().await;
}
