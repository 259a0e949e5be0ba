//! What is counted of runs: starts by how they went, durations by the run's own times.

use std::time::Duration;

use databricks_jobs::{JobId, JobSettings, Task, WaitConfig};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn starts_and_durations_are_counted_by_how_a_run_came_about() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    world.script.on_task("work").duration(Duration::from_secs(600)).succeeds();
    let task = || Task::notebook("work", "/etl/work");
    let job_id = world.jobs.create(&JobSettings::named("a").task(task())).await.unwrap();
    world.jobs.run_now(job_id).send_and_wait(WaitConfig::default()).await.unwrap();
    let run_id = world.jobs.submit_run([task()]).send().await.unwrap();
    // A wait that begins when the run is over counts what the run took.
    tokio::time::sleep(Duration::from_secs(5000)).await;
    world.jobs.wait(run_id).send().await.unwrap();
    world.jobs.run_now(JobId::new(1)).send().await.unwrap_err();
    drop(guard);

    let mut lines = Vec::new();
    for (key, _unit, _description, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<String> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(value) => value.to_string(),
            DebugValue::Histogram(values) => values
                .iter()
                .map(|value| format!("{:.0} s", value.into_inner()))
                .collect::<Vec<_>>()
                .join(" "),
        };
        lines.push(format!("{}{{{}}} {value}", key.key().name(), labels.join(",")));
    }
    lines.retain(|line| line.starts_with("databricks_job"));
    lines.sort();
    assert_eq!(
        lines,
        [
            "databricks_job_duration_seconds{job_type=job_run} 600 s",
            "databricks_job_duration_seconds{job_type=submit_run} 600 s",
            "databricks_jobs_submitted_total{job_type=job_run,status=error} 1",
            "databricks_jobs_submitted_total{job_type=job_run,status=ok} 1",
            "databricks_jobs_submitted_total{job_type=submit_run,status=ok} 1",
        ]
    );
}
