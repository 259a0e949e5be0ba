//! Every fault at every request of what starts something: it happens once or not at all.

use databricks_jobs::{JobError, JobSettings, RunId, Task, WaitConfig};
use databricks_testkit::{Fault, FaultRule, StallPoint, SweepReport, SweepRun, sweep};
use futures::TryStreamExt;
use http::{Method, StatusCode};
use std::time::Duration;

use crate::world::World;

fn every_fault() -> Vec<Fault> {
    let statuses =
        [StatusCode::SERVICE_UNAVAILABLE, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::GATEWAY_TIMEOUT];
    let limited = Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(2));
    let stalls =
        [StallPoint::BeforeEffect, StallPoint::BeforeAnswer, StallPoint::InBody(4)].map(Fault::stall);
    let others = [limited, Fault::ResetBefore, Fault::ResetAfter, Fault::truncated(0), Fault::truncated(7)];
    statuses.map(Fault::status).into_iter().chain(others).chain(stalls).collect()
}

/// Only requests whose path ends like this are broken.
fn at(end: &'static str) -> impl Fn(&Method, &str, &Fault) -> bool + Send + 'static {
    move |_, path, _| path.ends_with(end)
}

fn job() -> JobSettings {
    JobSettings::named("job").task(Task::notebook("work", "/etl/work"))
}

/// What a case led to.
struct Seen {
    /// Jobs, runs or repairs there are afterwards.
    effects: usize,
    /// How often they were asked for.
    sent: usize,
}

/// At most one effect, exactly one on success; failures with a token end in success too. What has no token is sent again
/// only when the service said that it did nothing.
fn check(report: &SweepReport<Seen>, has_token: bool) {
    report
        .check("once on success, else at most once", |case| {
            match (case.outcome().is_ok(), case.state().map(|seen| seen.effects)) {
                (true, Some(1)) => Ok(()),
                (false, Some(0 | 1)) if !has_token => Ok(()),
                (_, effects) => Err(format!("{:?}: {effects:?} effects", case.outcome())),
            }
        })
        .unwrap();
    report
        .law("sent once without a token", |case| {
            let refused = matches!(case.fault(), Fault::Status { status, .. } if status.as_u16() == 429);
            case.state().is_some_and(|seen| has_token || seen.sent == if refused { 2 } else { 1 })
        })
        .unwrap();
    report.orderly().unwrap();
    assert!(report.cases().iter().all(|case| case.fired()));
}

/// The runs that a workspace holds.
async fn runs(world: &World) -> Vec<RunId> {
    let runs: Vec<_> = world.jobs.list_runs().send().try_collect().await.unwrap();
    runs.into_iter().map(|run| run.run_id).collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_is_made_once_or_not_at_all() {
    let report = sweep(|run: SweepRun| async move {
        let world = World::swept(&run);
        let result = world.jobs.create(&job()).await;
        let jobs: Vec<_> = world.jobs.list().send().try_collect().await.unwrap();
        (result.map(drop), Seen { effects: jobs.len(), sent: world.requests("/api/2.2/jobs/create") })
    });
    check(&report.faults(every_fault()).filter(at("/create")).run().await, false);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_started_once_whatever_fails() {
    let submitted = sweep(|run: SweepRun| async move {
        let world = World::swept(&run);
        let result = world.jobs.submit_run([Task::notebook("work", "/etl/work")]).send().await;
        let effects = runs(&world).await.len();
        (result.map(drop), Seen { effects, sent: world.requests("/api/2.2/jobs/runs/submit") })
    });
    check(&submitted.faults(every_fault()).filter(at("/submit")).run().await, true);
    let started = sweep(|run: SweepRun| async move {
        let world = World::swept(&run);
        let job_id = world.jobs.create(&job()).await.unwrap();
        let result = world.jobs.run_now(job_id).send().await;
        let effects = runs(&world).await.len();
        (result.map(drop), Seen { effects, sent: world.requests("/api/2.2/jobs/run-now") })
    });
    check(&started.faults(every_fault()).filter(at("/run-now")).run().await, true);
}

#[tokio::test(start_paused = true)]
async fn a_repair_begins_once_or_not_at_all() {
    let repaired = sweep(|run: SweepRun| async move {
        let world = World::swept(&run);
        world.script.on_task("work").times(1).fails("boom");
        let run_id = world.jobs.submit_run([Task::notebook("work", "/etl/work")]).send().await.unwrap();
        world.jobs.wait(run_id).send().await.unwrap_err();
        let result = world.jobs.repair_failed(run_id).send().await;
        let history = world.jobs.get_run_with_history(run_id).await.unwrap().repair_history;
        let repairs = history.iter().filter(|item| item.id.is_some()).count();
        if result.is_ok() {
            world.jobs.wait(run_id).config(WaitConfig::default()).send().await.unwrap();
        }
        let sent = world.requests("/api/2.2/jobs/runs/repair");
        (result.map(drop), Seen { effects: repairs, sent })
    });
    let report = repaired.faults(every_fault()).filter(at("/repair")).run().await;
    check(&report, false);
    // One whose answer was lost is found in the history.
    let lost = |case: &&databricks_testkit::SweepCase<Seen>| *case.fault() == Fault::ResetAfter;
    assert!(report.cases().iter().filter(lost).all(|case| case.outcome().is_ok()));
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_spoilt_is_found_by_its_token() {
    let world = World::new();
    let job_id = world.jobs.create(&job()).await.unwrap();
    world.workspace.faults().add(FaultRule::on(Method::POST, "/api/2.2/jobs/run-now", Fault::cut_body(5)));
    let error = world.jobs.run_now(job_id).send().await.unwrap_err();
    let JobError::MayHaveStarted { idempotency_token, .. } = &error else { panic!("{error}") };
    let run_id = world.jobs.run_now(job_id).idempotency_token(idempotency_token).send().await.unwrap();
    assert_eq!(runs(&world).await, [run_id]);
}
