//! Waiting through what goes wrong: throttling, outages, resets, timeouts, and many runs at once.

use std::time::Duration;

use databricks_jobs::{ForEachTask, JobError, JobSettings, RunId, RunOutcome, RunState, Task, WaitConfig};
use databricks_testkit::{Fault, FaultRule};
use futures::{StreamExt, TryStreamExt};
use http::{Method, StatusCode};
use tokio::time::{Instant, sleep, timeout};

use crate::world::World;

const GET: &str = "/api/2.2/jobs/runs/get";
const HOUR: Duration = Duration::from_secs(3600);

fn notebook() -> [Task; 1] {
    [Task::notebook("work", "/etl/work")]
}

async fn started(world: &World, takes: Duration) -> RunId {
    world.script.on_task("work").duration(takes).succeeds();
    world.jobs.submit_run(notebook()).send().await.unwrap()
}

fn is_look(method: &Method, path: &str) -> bool {
    method == Method::GET && path.starts_with(GET)
}

/// Everything fails while the outage lasts.
fn outage(from: Duration, lasts: Duration, fault: Fault) -> FaultRule {
    let start = Instant::now() + from;
    FaultRule::when(move |_, _| (start..start + lasts).contains(&Instant::now()), fault).always()
}

#[tokio::test(start_paused = true)]
async fn a_run_of_an_hour_is_waited_for_through_throttling_resets_and_an_outage() {
    let limited = Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(3));
    let unavailable = Fault::status(StatusCode::SERVICE_UNAVAILABLE);
    for down in [unavailable.clone(), Fault::ResetBefore, Fault::ResetAfter] {
        let world = World::new();
        let run_id = started(&world, HOUR).await;
        let faults = world.workspace.faults();
        faults.add(outage(Duration::from_secs(1700), Duration::from_secs(300), down.clone()));
        for (fault, seed) in [(limited.clone(), 1), (unavailable.clone(), 2), (Fault::ResetAfter, 3)] {
            faults.add(FaultRule::when(is_look, fault).rate(0.1, seed).unwrap());
        }
        let start = Instant::now();
        let looks: Vec<_> = world.jobs.wait(run_id).timeout(2 * HOUR).watch().try_collect().await.unwrap();
        let last = looks.last().unwrap();
        assert_eq!(last.state, RunState::Terminated(RunOutcome::Success));
        assert!(start.elapsed() < HOUR + Duration::from_secs(60), "{down:?}: {:?}", start.elapsed());
        // 1, 2, 4, 8, 16, then every 30 s of the hour.
        assert!((100..=5 + 121).contains(&last.looks), "{down:?}: {} looks", last.looks);
        assert!(faults.fired() > 20, "{}", faults.fired());
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_does_not_end_ends_the_wait_and_names_the_run() {
    let world = World::new();
    let run_id = started(&world, HOUR).await;
    let down = Fault::status(StatusCode::SERVICE_UNAVAILABLE);
    world.workspace.faults().add(outage(Duration::from_secs(600), 10 * HOUR, down));
    let start = Instant::now();
    let error = world.jobs.wait(run_id).no_timeout().send().await.unwrap_err();
    let JobError::LostSight { last_state, .. } = &error else { panic!("{error}") };
    assert_eq!((error.run_id(), last_state), (Some(run_id), &Some(RunState::Running)));
    let lasted = start.elapsed().as_secs() - 600;
    assert!((600..1800).contains(&lasted), "the outage was borne for {lasted} s");
    world.workspace.faults().clear();
    world.jobs.wait(run_id).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_to_cancel_does_and_says_how_it_ended() {
    let world = World::new();
    let run_id = started(&world, 2 * HOUR).await;
    let wait = world.jobs.wait(run_id).timeout(Duration::from_secs(600)).cancel_on_timeout();
    let error = wait.send().await.unwrap_err();
    let JobError::WaitTimeout { elapsed, last_state, .. } = &error else { panic!("{error}") };
    assert_eq!(elapsed.as_secs(), 600);
    assert_eq!(last_state, &Some(RunState::Terminated(RunOutcome::Canceled)));
    let run = world.jobs.get_run(run_id).await.unwrap();
    assert_eq!(run.state(), RunState::Terminated(RunOutcome::Canceled));
    assert_eq!(world.requests("/api/2.2/jobs/runs/cancel"), 1);
    assert_eq!(
        error.to_string(),
        format!("run {run_id} took longer than 600.0 s and was cancelled: it is TERMINATED (CANCELED)")
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_sent_until_an_outage_is_over() {
    let world = World::new();
    let run_id = started(&world, 4 * HOUR).await;
    let from = Duration::from_secs(590);
    world.workspace.faults().add(outage(from, Duration::from_secs(300), Fault::ResetBefore));
    let start = Instant::now();
    let wait = world.jobs.wait(run_id).timeout(Duration::from_secs(600)).cancel_on_timeout();
    let error = wait.send().await.unwrap_err();
    let JobError::WaitTimeout { last_state, .. } = &error else { panic!("{error}") };
    assert_eq!(last_state, &Some(RunState::Terminated(RunOutcome::Canceled)));
    assert!((890..1000).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_that_fails_is_told() {
    let world = World::new();
    let run_id = started(&world, 2 * HOUR).await;
    let denied = Fault::status(StatusCode::FORBIDDEN);
    world.workspace.faults().add(FaultRule::on(Method::POST, "/api/2.2/jobs/runs/cancel", denied).always());
    let wait = world.jobs.wait(run_id).timeout(Duration::from_secs(60)).cancel_on_timeout();
    let error = wait.send().await.unwrap_err();
    assert!(matches!(&error, JobError::NotCanceled { .. }), "{error}");
    assert_eq!(error.run_id(), Some(run_id));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_leaves_nothing_behind() {
    let world = World::new();
    let run_id = started(&world, HOUR).await;
    timeout(Duration::from_secs(100), world.jobs.wait(run_id).send()).await.unwrap_err();
    let asked = world.workspace.requests().len();
    sleep(HOUR).await;
    assert_eq!(world.workspace.requests().len(), asked);
    // Taken up again by the id alone.
    world.jobs.clone().wait(run_id).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waits_that_are_dropped_in_the_queue_hold_nobody_up() {
    let world = World::new();
    let run_id = started(&world, HOUR).await;
    let many = world.jobs.wait_all(std::iter::repeat_n(run_id, 500)).send();
    timeout(Duration::from_secs(3), many).await.unwrap_err();
    let start = Instant::now();
    let look = world.jobs.wait(run_id).watch().next().await.unwrap().unwrap();
    assert_eq!(look.state, RunState::Running);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn five_hundred_waits_stay_below_the_limit_of_the_server() {
    const RUNS: usize = 500;
    let world = World::of(|builder| builder.rate_limit("/api/2.2/jobs/runs/get", 10, Duration::from_secs(1)));
    world.script.on_task("work").duration(Duration::from_secs(600)).succeeds();
    let settings = JobSettings::named("many").tasks(notebook()).max_concurrent_runs(1000);
    let job_id = world.jobs.create(&settings).await.unwrap();
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(world.jobs.run_now(job_id).send().await.unwrap());
    }
    world.workspace.clear_requests();
    let start = Instant::now();
    let ended = world.jobs.wait_all(runs.clone()).config(WaitConfig::default()).send().await;
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(ended.iter().map(|(run_id, _)| *run_id).collect::<Vec<_>>(), runs);
    assert!(ended.iter().all(|(_, result)| result.is_ok()));
    let asked = world.workspace.requests();
    let throttled =
        asked.iter().filter(|request| request.status == Some(StatusCode::TOO_MANY_REQUESTS)).count();
    assert_eq!(throttled, 0);
    assert!(asked.len() as f64 / seconds <= 8.1, "{} requests in {seconds} s", asked.len());
    // Each is seen to be over within one round of looks.
    assert!(seconds < 600.0 + 2.0 * RUNS as f64 / 8.0, "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn many_waits_are_watched_together_and_one_failure_is_its_own() {
    let world = World::new();
    let good = started(&world, Duration::from_secs(50)).await;
    world.script.on_task("bad").fails("boom");
    let bad = world.jobs.submit_run([Task::notebook("bad", "/etl/bad")]).send().await.unwrap();
    let looks: Vec<_> = world.jobs.wait_all([good, bad]).watch().collect().await;
    let ends = |id| looks.iter().rfind(|(run, _)| *run == id).unwrap().1.as_ref();
    assert!(ends(good).is_ok_and(|look| look.state.is_terminal() && look.run.run_page_url.is_some()));
    assert!(matches!(ends(bad), Err(JobError::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn pages_and_outputs_of_many_failed_runs_keep_the_pace_too() {
    const RUNS: usize = 10;
    let world = World::of(|builder| builder.rate_limit("/api/2.2/jobs/", 10, Duration::from_secs(1)));
    world
        .script
        .on_matching(|call| call.task_key.starts_with("bad"))
        .duration(Duration::from_secs(60))
        .fails("boom");
    let items = serde_json::to_string(&(0..150).collect::<Vec<_>>()).unwrap();
    let tasks = || {
        let small = (0..120).map(|n| Task::notebook(format!("t{n}"), "/etl/t"));
        let bad = (0..5).map(|n| Task::notebook(format!("bad_{n}"), "/etl/bad"));
        let each = ForEachTask::new(items.clone(), Task::notebook("bad_item", "/etl/bad")).concurrency(100);
        let each = Task::new("each", each);
        small.chain(bad).chain([each])
    };
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(world.jobs.submit_run(tasks()).send().await.unwrap());
    }
    // The starts had their share of the server's quota.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.workspace.clear_requests();
    let start = Instant::now();
    let ended = world.jobs.wait_all(runs).send().await;
    let seconds = start.elapsed().as_secs_f64();
    for (_, result) in ended {
        let error = result.unwrap_err();
        assert!(matches!(&error, JobError::Failed(failure) if failure.failed_tasks.len() == 6), "{error}");
    }
    let asked = world.workspace.requests();
    let refused: Vec<_> = asked.iter().filter(|request| request.status != Some(StatusCode::OK)).collect();
    assert!(refused.is_empty(), "{} of {}, the first: {:?}", refused.len(), asked.len(), refused[0]);
    assert!(asked.len() as f64 / seconds <= 8.1, "{} requests in {seconds} s", asked.len());
}
