//! The life of a run: its states and times, cancellation, timeouts, queueing, tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use databricks_testkit::SimulatedWorkspace;
use serde_json::{Value, json};

use crate::jobs_support::{Jobs, after, ending, endings, notebook, task_id};
use crate::support::TOKEN;

const MINUTE: Duration = Duration::from_secs(60);

/// Counts what is alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn endless(jobs: &Jobs, key: &str) -> Arc<AtomicUsize> {
    let alive = Arc::new(AtomicUsize::new(0));
    let count = alive.clone();
    jobs.script.on_task(key).runs(move |_| {
        let guard = Alive::new(&count);
        async move {
            let _guard = guard;
            std::future::pending().await
        }
    });
    alive
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_through_its_states_on_the_clock() {
    let jobs = Jobs::new();
    jobs.script.setup(MINUTE).execution(3 * MINUTE).cleanup(MINUTE);
    let job = jobs.create(json!({"name": "etl", "tasks": [notebook("a", json!({}))]})).await;
    let run_id = jobs.run_now(job).await;
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..12 {
        let run = jobs.run(run_id).await;
        let line = format!(
            "{} {} | task {} {}",
            run["status"]["state"].as_str().unwrap(),
            run["state"]["life_cycle_state"].as_str().unwrap(),
            run["tasks"][0]["status"]["state"].as_str().unwrap(),
            run["tasks"][0]["state"]["life_cycle_state"].as_str().unwrap()
        );
        if seen.last() != Some(&line) {
            seen.push(line);
        }
        tokio::time::sleep(Duration::from_secs(31)).await;
    }
    insta::assert_snapshot!(seen.join("\n"));
    let run = jobs.run(run_id).await;
    let task = &run["tasks"][0];
    let of = |name: &str| task[name].as_i64().unwrap() / 1000;
    assert_eq!((of("setup_duration"), of("execution_duration"), of("cleanup_duration")), (60, 180, 60));
    assert_eq!(run["run_duration"].as_i64().unwrap() / 1000, 300);
    assert_eq!(run["end_time"].as_i64().unwrap() - run["start_time"].as_i64().unwrap(), run["run_duration"]);
    assert_eq!((&run["run_type"], &run["trigger"]), (&json!("JOB_RUN"), &json!("ONE_TIME")));
    assert_eq!(run["run_page_url"], format!("https://simulated.invalid/#job/{job}/run/{run_id}"));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_stops_its_tasks_and_ends_after_cleaning_up() {
    let jobs = Jobs::new();
    jobs.script.cleanup(MINUTE);
    let alive = endless(&jobs, "a");
    let run_id =
        jobs.submit(json!([notebook("a", json!({"max_retries": 3})), notebook("b", after(&["a"]))])).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(alive.load(Ordering::SeqCst), 1);
    assert_eq!(jobs.post("runs/cancel", json!({ "run_id": run_id })).await, json!({}));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert_eq!(jobs.run(run_id).await["status"]["state"], "TERMINATING");
    tokio::time::sleep(MINUTE).await;
    let run = jobs.run(run_id).await;
    assert_eq!(ending(&run), "CANCELED USER_CANCELED");
    assert_eq!(run["state"]["user_cancelled_or_timedout"], true);
    assert_eq!(endings(&run), ["a#0 CANCELED USER_CANCELED", "b#0 CANCELED USER_CANCELED"]);
    let ended = run["end_time"].clone();
    jobs.post("runs/cancel", json!({ "run_id": run_id })).await;
    assert_eq!(jobs.run(run_id).await["end_time"], ended);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_takes_what_depends_on_it_along_and_nothing_else() {
    let jobs = Jobs::new();
    let alive = endless(&jobs, "a");
    let tasks = json!([notebook("a", json!({})), notebook("b", after(&["a"])), notebook("c", json!({}))]);
    let run_id = jobs.submit(tasks).await;
    tokio::time::sleep(MINUTE).await;
    let task = task_id(&jobs.run(run_id).await, "a");
    jobs.post("runs/cancel", json!({ "run_id": task })).await;
    let run = jobs.wait(run_id).await;
    assert_eq!(
        endings(&run),
        ["a#0 CANCELED USER_CANCELED", "b#0 UPSTREAM_CANCELED SKIPPED", "c#0 SUCCESS SUCCESS"]
    );
    assert_eq!(ending(&run), "CANCELED USER_CANCELED");
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_on_when_the_workspace_is_dropped() {
    let jobs = Jobs::new();
    let alive = endless(&jobs, "a");
    let child = jobs.create(json!({"tasks": [notebook("a", json!({}))]})).await;
    let parent = json!([{"task_key": "p", "run_job_task": {"job_id": child}}, notebook("a", json!({}))]);
    jobs.submit(parent).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(alive.load(Ordering::SeqCst), 2);
    drop(jobs);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn timeouts_end_tasks_and_runs() {
    let jobs = Jobs::new();
    let alive = endless(&jobs, "slow");
    jobs.script.on_task("again").times(1).never();
    let run = jobs
        .wait(
            jobs.submit(json!([
                notebook("slow", json!({"timeout_seconds": 60})),
                notebook("again", json!({"timeout_seconds": 60, "max_retries": 1, "retry_on_timeout": true})),
            ]))
            .await,
        )
        .await;
    assert_eq!(
        endings(&run),
        ["slow#0 TIMEDOUT CANCELED", "again#0 TIMEDOUT CANCELED", "again#1 SUCCESS SUCCESS"]
    );
    let body = json!({"timeout_seconds": 300, "tasks": [notebook("slow", json!({}))]});
    let run = jobs.post("runs/submit", body).await["run_id"].as_i64().unwrap();
    let run = jobs.wait(run).await;
    assert_eq!(ending(&run), "TIMEDOUT CANCELED");
    assert_eq!((run["run_duration"].as_i64().unwrap() - 300_100) / 1000, 0);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_changed_timeout_applies_to_runs_under_way() {
    let jobs = Jobs::new();
    jobs.script.on_task("a").never();
    let job = jobs.create(json!({"timeout_seconds": 36_000, "tasks": [notebook("a", json!({}))]})).await;
    let run_id = jobs.run_now(job).await;
    tokio::time::sleep(10 * MINUTE).await;
    jobs.post("update", json!({"job_id": job, "new_settings": {"timeout_seconds": 900}})).await;
    let run = jobs.wait(run_id).await;
    assert_eq!(
        (ending(&run), run["run_duration"].as_i64().unwrap() / 1000),
        ("TIMEDOUT CANCELED".to_owned(), 900)
    );
}

#[tokio::test(start_paused = true)]
async fn runs_beyond_the_limit_wait_their_turn_or_are_skipped() {
    let jobs = Jobs::new();
    jobs.script.execution(10 * MINUTE);
    let job = jobs.create(json!({"tasks": [notebook("a", json!({}))], "max_concurrent_runs": 2})).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(jobs.run_now(job).await);
    }
    let skipped = jobs.run_now_with(job, json!({"queue": {"enabled": false}})).await;
    let skipped = jobs.run(skipped).await;
    assert_eq!(ending(&skipped), "MAXIMUM_CONCURRENT_RUNS_REACHED MAX_CONCURRENT_RUNS_EXCEEDED");
    assert_eq!(skipped["state"]["life_cycle_state"], "SKIPPED");
    tokio::time::sleep(5 * MINUTE).await;
    let queued = jobs.run(runs[2]).await;
    assert_eq!(queued["status"]["state"], "QUEUED");
    assert_eq!(queued["status"]["queue_details"]["code"], "MAX_CONCURRENT_RUNS_REACHED");
    jobs.post("runs/cancel", json!({"run_id": runs[3]})).await;
    let canceled = jobs.run(runs[3]).await;
    assert_eq!(
        (ending(&canceled), ending(&canceled["tasks"][0])),
        ("CANCELED USER_CANCELED".into(), "CANCELED USER_CANCELED".into())
    );
    tokio::time::sleep(6 * MINUTE).await;
    for (run, state) in [(runs[0], "TERMINATED"), (runs[2], "RUNNING"), (runs[4], "RUNNING")] {
        assert_eq!(jobs.run(run).await["status"]["state"], state);
    }
    let last = jobs.wait(runs[4]).await;
    assert_eq!(ending(&last), "SUCCESS SUCCESS");
    assert_eq!(last["queue_duration"].as_i64().unwrap() / 60_000, 10);
}

#[tokio::test(start_paused = true)]
async fn a_token_starts_one_run() {
    let jobs = Jobs::new();
    let job = jobs.create(json!({"tasks": [notebook("a", json!({}))], "max_concurrent_runs": 10})).await;
    let token = json!({"idempotency_token": "é".repeat(64)});
    let first = jobs.run_now_with(job, token.clone()).await;
    assert_eq!(jobs.run_now_with(job, token.clone()).await, first);
    jobs.wait(first).await;
    assert_eq!(jobs.run_now_with(job, token.clone()).await, first);
    assert_ne!(jobs.run_now_with(job, json!({"idempotency_token": "other"})).await, first);
    assert_ne!(jobs.run_now_with(job, json!({"idempotency_token": ""})).await, jobs.run_now(job).await);
    let too_long = json!({"job_id": job, "idempotency_token": "é".repeat(65)});
    assert!(jobs.refused("run-now", too_long).await.contains("65 characters"));
    jobs.post("runs/delete", json!({ "run_id": first })).await;
    let deleted = json!({"job_id": job, "idempotency_token": token["idempotency_token"]});
    assert!(jobs.refused("run-now", deleted).await.contains("was deleted"));
    let submit = json!({"idempotency_token": "s", "tasks": [notebook("a", json!({}))]});
    assert_eq!(jobs.post("runs/submit", submit.clone()).await, jobs.post("runs/submit", submit).await);
}

#[tokio::test(start_paused = true)]
async fn under_a_seed_ids_are_the_same() {
    let (first, second) = (Jobs::new(), Jobs::new());
    let tasks = json!([notebook("a", json!({})), notebook("b", json!({}))]);
    let (a, b) = (first.submit(tasks.clone()).await, second.submit(tasks).await);
    assert_eq!(a, b);
    assert_eq!(task_id(&first.wait(a).await, "b"), task_id(&second.wait(b).await, "b"));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_runs_at_once_are_cheap_and_end() {
    let jobs = Jobs::new();
    let started = std::time::Instant::now();
    let job = jobs
        .create(json!({"max_concurrent_runs": 1000, "tasks": [
        notebook("a", json!({})), notebook("b", after(&["a"]))]}))
        .await;
    let mut runs = Vec::new();
    for _ in 0..1000 {
        runs.push(jobs.run_now(job).await);
    }
    for run in runs {
        assert_eq!(ending(&jobs.wait(run).await), "SUCCESS SUCCESS");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn runs_and_jobs_are_their_users_own() {
    let workspace =
        SimulatedWorkspace::builder().token(TOKEN).token_of("eve@example.com", "dapi-eve").build();
    let caller = crate::support::Caller::new(workspace);
    let jobs = Jobs { caller: caller.clone(), script: caller.workspace.jobs().clone() };
    jobs.script.on_task("a").succeeds();
    let job = jobs.create(json!({"tasks": [notebook("a", json!({}))]})).await;
    let run = jobs.run_now(job).await;
    for (method, path, body) in [
        ("GET", format!("get?job_id={job}"), Value::Null),
        ("GET", format!("runs/get?run_id={run}"), Value::Null),
        ("POST", "run-now".to_owned(), json!({ "job_id": job })),
        ("POST", "runs/cancel".to_owned(), json!({ "run_id": run })),
        ("POST", "delete".to_owned(), json!({ "job_id": job })),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}/api/2.2/jobs/{path}", SimulatedWorkspace::HOST))
            .header("authorization", "Bearer dapi-eve")
            .body(body.to_string().into())
            .unwrap();
        let answer = caller.send(request).await.unwrap();
        assert_eq!(answer.status.as_u16(), 400, "{path}");
        assert!(answer.json()["message"].as_str().unwrap().ends_with("does not exist."));
    }
    assert_eq!(ending(&jobs.wait(run).await), "SUCCESS SUCCESS");
}
