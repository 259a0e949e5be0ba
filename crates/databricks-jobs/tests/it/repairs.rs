//! Waiting for a repair of a run that the service still shows as it ended before.

use std::time::Duration;

use databricks_jobs::{JobError, JobSettings, RunId, RunOutcome, RunState, Task, WaitConfig};
use futures::TryStreamExt;

use crate::world::World;

/// A run of so many tasks over, the last of which failed and would succeed now.
async fn failed_run(world: &World, tasks: usize) -> RunId {
    world.script.on_task("last").times(1).fails("Connection reset");
    let others = (1..tasks).map(|n| Task::notebook(format!("t{n}"), "/etl/t"));
    let settings = JobSettings::named("nightly").tasks(others).task(Task::notebook("last", "/etl/last"));
    let job_id = world.jobs.create(&settings).await.unwrap();
    let run_id = world.jobs.run_now(job_id).send().await.unwrap();
    let error = world.jobs.wait(run_id).send().await.unwrap_err();
    assert!(matches!(error, JobError::Failed(_)), "{error}");
    run_id
}

#[tokio::test(start_paused = true)]
async fn a_repair_is_waited_for_past_looks_that_show_the_run_before_it() {
    for tasks in [1, 150] {
        let world = World::new();
        world.script.stale_looks_after_repair(3);
        let run_id = failed_run(&world, tasks).await;
        let run = world.jobs.repair_failed(run_id).send_and_wait(WaitConfig::default()).await.unwrap();
        assert_eq!(run.latest_attempts().len(), tasks);
        assert_eq!(run.state(), RunState::Terminated(RunOutcome::Success));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_name_the_repair_believes_the_first_look() {
    let world = World::new();
    world.script.stale_looks_after_repair(1);
    let run_id = failed_run(&world, 1).await;
    let repair_id = world.jobs.repair_failed(run_id).send().await.unwrap();
    let error = world.jobs.wait(run_id).send().await.unwrap_err();
    assert!(matches!(error, JobError::Failed(_)), "{error}");
    // The look that was too early is used up; the repair is waited for in another process too.
    world.jobs.wait(run_id).of_repair(repair_id).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn looks_that_come_too_early_are_not_told_and_count() {
    let world = World::new();
    world.script.stale_looks_after_repair(2);
    let run_id = failed_run(&world, 1).await;
    let repair_id = world.jobs.repair_failed(run_id).send().await.unwrap();
    let looks: Vec<_> = world.jobs.wait(run_id).of_repair(repair_id).watch().try_collect().await.unwrap();
    let states: Vec<_> = looks.iter().map(|look| (look.looks, look.state.is_terminal())).collect();
    // After 0 and 1 s it was too early; after 3 s the repair is over.
    assert_eq!(states, [(3, true)]);
    assert_eq!(looks[0].elapsed.as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_never_shows_is_a_timeout_and_no_failure() {
    let config = WaitConfig::default().with_timeout(Duration::from_secs(600));
    for config in [config.clone(), config.cancel_on_timeout()] {
        let world = World::new();
        world.script.stale_looks_after_repair(u32::MAX);
        let run_id = failed_run(&world, 1).await;
        let error = world.jobs.repair_failed(run_id).send_and_wait(config).await.unwrap_err();
        assert!(matches!(error, JobError::WaitTimeout { last_state: None, .. }), "{error}");
    }
}
