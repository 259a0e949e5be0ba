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
    for (tasks, whole, torn) in [(1, 3, 0), (150, 3, 0), (1, 0, 2), (150, 1, 2)] {
        let world = World::new();
        world.script.stale_looks_after_repair(whole).torn_looks_after_repair(torn);
        let run_id = failed_run(&world, tasks).await;
        world.script.on_task("last").duration(Duration::from_secs(60)).succeeds();
        let run = world.jobs.repair_failed(run_id).send_and_wait(WaitConfig::default()).await.unwrap();
        assert_eq!(run.latest_attempts().len(), tasks);
        assert_eq!(run.state(), RunState::Terminated(RunOutcome::Success));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_of_a_repair_is_waited_for_past_the_end_of_the_first() {
    let world = World::new();
    let slow = Duration::from_secs(60);
    world.script.stale_looks_after_repair(1).torn_looks_after_repair(2);
    world.script.on_task("last").times(2).duration(slow).fails("Connection reset");
    world.script.on_task("last").duration(slow).succeeds();
    let job_id =
        world.jobs.create(&JobSettings::named("j").task(Task::notebook("last", "/l"))).await.unwrap();
    let run_id = world.jobs.run_now(job_id).send().await.unwrap();
    world.jobs.wait(run_id).send().await.unwrap_err();
    let first = world.jobs.repair_failed(run_id).send().await.unwrap();
    let error = world.jobs.wait(run_id).of_repair(first).send().await.unwrap_err();
    let attempts = |error: &JobError| error.failure().map(|failure| failure.run.tasks.len());
    assert_eq!(attempts(&error), Some(2), "{error}");
    let second = world.jobs.repair_failed(run_id).latest_repair(first).send().await.unwrap();
    let run = world.jobs.wait(run_id).of_repair(second).send().await.unwrap();
    assert_eq!(run.tasks.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_takes_too_long_is_cancelled_and_not_taken_for_the_run_before_it() {
    let world = World::new();
    world.script.torn_looks_after_repair(3);
    world.script.on_task("last").never();
    let job_id =
        world.jobs.create(&JobSettings::named("j").task(Task::notebook("last", "/l"))).await.unwrap();
    let run_id = world.jobs.run_now(job_id).send().await.unwrap();
    let config = WaitConfig::default().with_timeout(Duration::from_secs(2)).cancel_on_timeout();
    world.jobs.wait(run_id).config(config.clone()).send().await.unwrap_err();
    // The first end was a cancellation too, and the looks after 0, 1 and 2 s show that one.
    let error = world.jobs.repair_failed(run_id).send_and_wait(config).await.unwrap_err();
    let canceled = RunState::Terminated(RunOutcome::Canceled);
    assert!(
        matches!(&error, JobError::WaitTimeout { last_state: Some(state), .. } if *state == canceled),
        "{error}"
    );
    let run = world.jobs.get_run(run_id).await.unwrap();
    assert_eq!((run.state(), run.tasks.len()), (canceled, 2));
    assert_eq!(world.requests("/api/2.2/jobs/runs/cancel"), 2);
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
