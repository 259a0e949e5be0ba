//! Jobs under pressure: many callers at once, forgotten runs, strange names and sizes.

use std::time::Duration;

use databricks_testkit::TaskOutcome;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::jobs_support::{JOBS, Jobs, after, ending, notebook, task};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_start_and_cancel_runs_of_one_job_at_once() {
    let jobs = Jobs::new();
    let short = Duration::from_millis(1);
    jobs.script.setup(short).execution(short).cleanup(short);
    let job = jobs.create(json!({"max_concurrent_runs": 3, "tasks": [notebook("a", json!({})), notebook("b", after(&["a"]))]})).await;
    let one = |n: usize| {
        let jobs = jobs.clone();
        tokio::spawn(async move {
            let run = jobs.run_now_with(job, json!({"idempotency_token": format!("t{}", n / 2)})).await;
            if n.is_multiple_of(3) {
                jobs.post("runs/cancel", json!({ "run_id": run })).await;
            }
            run
        })
    };
    let mut runs: Vec<i64> = join_all((0..200).map(one)).await.into_iter().map(Result::unwrap).collect();
    runs.sort_unstable();
    runs.dedup();
    assert_eq!(runs.len(), 100);
    let started = std::time::Instant::now();
    for run in runs {
        while jobs.run(run).await["status"]["state"] != "TERMINATED" {
            assert!(started.elapsed() < Duration::from_secs(60), "{}", jobs.run(run).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ended = ending(&jobs.run(run).await);
        assert!(["SUCCESS SUCCESS", "CANCELED USER_CANCELED"].contains(&ended.as_str()), "{ended}");
    }
    // Nothing of the job is counted as active any more: as many as it takes may start at once.
    for _ in 0..3 {
        let run = jobs.run_now(job).await;
        assert_ne!(jobs.run(run).await["status"]["state"], "QUEUED");
    }
}

#[tokio::test(start_paused = true)]
async fn old_runs_are_forgotten_and_their_tokens_stay_taken() {
    let jobs = Jobs::new();
    let none = Duration::ZERO;
    jobs.script.setup(none).execution(none).cleanup(none);
    let job = jobs.create(json!({"tasks": [notebook("a", json!({}))]})).await;
    let first = jobs.run_now_with(job, json!({"idempotency_token": "first"})).await;
    jobs.wait(first).await;
    for _ in 0..10_000 {
        jobs.run_now(job).await;
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        jobs.refused_get(&format!("runs/get?run_id={first}")).await,
        format!("Run {first} does not exist.")
    );
    let again = json!({"job_id": job, "idempotency_token": "first"});
    assert!(jobs.refused("run-now", again).await.contains("was deleted"));
}

#[tokio::test(start_paused = true)]
async fn strange_names_and_sizes_pass_or_are_refused() {
    let jobs = Jobs::new();
    let odd = "день \u{0} {{`}} \"\\ 🦀 ../..";
    jobs.script.on_task("a").runs(move |call| async move {
        TaskOutcome::success().with_result(call.parameter(odd).unwrap_or_default()).with_value(odd, odd)
    });
    let mut b = notebook("b", after(&["a"]));
    b["notebook_task"]["base_parameters"] = json!({"v": "{{tasks.a.values.nothing}}"});
    let job = jobs
        .create(json!({"name": odd, "tasks": [notebook("a", json!({})), b], "parameters": [{"name": odd, "default": odd}]}))
        .await;
    let run = jobs.finish(job).await;
    assert_eq!(run["run_name"], odd);
    let id = run["tasks"][0]["run_id"].as_i64().unwrap();
    assert_eq!(jobs.output(id).await["notebook_output"]["result"], odd);
    assert_eq!(ending(&run["tasks"][1]), "FAILED INVALID_RUN_CONFIGURATION");
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for body in [
        format!("{{\"tasks\": {deep}}}"),
        "\u{0}".to_owned(),
        String::new(),
        "null".to_owned(),
        "7".to_owned(),
    ] {
        let answer = jobs.caller.call(http::Method::POST, &format!("{JOBS}/create"), body).await;
        assert_eq!(answer.status.as_u16(), 400, "{}", answer.text());
    }
    let inputs = format!("[{}]", vec!["1"; 5_001].join(","));
    let each =
        json!([{"task_key": "e", "for_each_task": {"inputs": inputs, "task": notebook("x", json!({}))}}]);
    let run = jobs.wait(jobs.submit(each).await).await;
    assert!(run["tasks"][0]["state"]["state_message"].as_str().unwrap().contains("at most 5000 elements"));
    for id in ["9223372036854775808", "-1", "0", "1e3", "%00"] {
        jobs.refused_get(&format!("runs/get?run_id={id}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_of_five_thousand_elements_ends() {
    let jobs = Jobs::new();
    let inputs = json!((0..5_000).collect::<Vec<i32>>()).to_string();
    let each = json!([{"task_key": "e", "for_each_task": {"inputs": inputs, "concurrency": 100, "task": notebook("x", json!({}))}}]);
    let run = jobs.wait(jobs.submit(each).await).await;
    assert_eq!(run["tasks"][0]["for_each_task"]["stats"]["task_run_stats"]["succeeded_iterations"], 5_000);
}

#[tokio::test(start_paused = true)]
async fn a_predicate_that_panics_fails_its_attempt_only() {
    let jobs = Jobs::new();
    jobs.script
        .on_matching(|call| if call.task_key == "a" { panic!("a bug of the test") } else { false })
        .succeeds();
    let run = jobs.wait(jobs.submit(json!([notebook("a", json!({})), notebook("b", json!({}))])).await).await;
    let endings: Vec<String> = run["tasks"].as_array().unwrap().iter().map(ending).collect();
    assert_eq!(endings, ["FAILED INTERNAL_ERROR", "SUCCESS SUCCESS"]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tasks_in_a_row_run_in_their_order() {
    let jobs = Jobs::new();
    let tasks: Vec<Value> = (0..1000)
        .map(|n| {
            if n == 0 {
                notebook("t0", json!({}))
            } else {
                notebook(&format!("t{n}"), after(&[&format!("t{}", n - 1)]))
            }
        })
        .collect();
    let run_id = jobs.submit(json!(tasks)).await;
    tokio::time::sleep(Duration::from_secs(900)).await;
    let run = jobs.wait(run_id).await;
    assert_eq!((ending(&run), run["tasks"].as_array().unwrap().len()), ("SUCCESS SUCCESS".to_owned(), 1000));
    let calls = jobs.script.calls();
    assert!(calls.iter().enumerate().all(|(n, call)| call.task_key == format!("t{n}")));
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_is_dropped_with_a_queue_starts_nothing_more() {
    let jobs = Jobs::new();
    jobs.script.execution(Duration::from_secs(60));
    let job = jobs.create(json!({"tasks": [notebook("a", json!({}))]})).await;
    for _ in 0..3 {
        jobs.run_now(job).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let script = jobs.script.clone();
    drop(jobs);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(script.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_small_job_does_not_grow_without_bound_through_its_references() {
    let jobs = Jobs::new();
    let mut parameters = vec![json!({"name": "p0", "default": "x"})];
    for n in 1..=20 {
        let twice = format!("{{{{job.parameters.p{0}}}}}{{{{job.parameters.p{0}}}}}", n - 1);
        parameters.push(json!({"name": format!("p{n}"), "default": twice}));
    }
    // 2 MiB stand in the parameters above: they, and a few tasks, are within what a run may hold.
    let tasks =
        |count: usize| -> Vec<Value> { (0..count).map(|n| notebook(&format!("t{n}"), json!({}))).collect() };
    let job = jobs.create(json!({"parameters": parameters, "tasks": tasks(2)})).await;
    assert_eq!(ending(&jobs.finish(job).await), "SUCCESS SUCCESS");
    // Each task holds them again.
    let job = jobs.create(json!({"parameters": parameters, "tasks": tasks(50)})).await;
    let run = jobs.finish(job).await;
    let failed = run["tasks"].as_array().unwrap().iter().filter(|task| ending(task) != "SUCCESS SUCCESS");
    let failed: Vec<String> = failed.map(ending).collect();
    assert!(
        failed.len() > 30 && failed.iter().all(|end| end == "FAILED INVALID_RUN_CONFIGURATION"),
        "{failed:?}"
    );
    // So do other parameters, before any task.
    parameters
        .extend((0..100).map(|n| json!({"name": format!("q{n}"), "default": "{{job.parameters.p20}}"})));
    let job = jobs.create(json!({"parameters": parameters, "tasks": tasks(1)})).await;
    let run = jobs.finish(job).await;
    assert_eq!(ending(&run), "FAILED INVALID_RUN_CONFIGURATION");
    assert!(run["state"]["state_message"].as_str().unwrap().contains("grow beyond"), "{}", run["state"]);
}

#[tokio::test(start_paused = true)]
async fn runs_that_a_run_starts_share_what_it_may_hold() {
    let jobs = Jobs::new();
    let child = jobs
        .create(json!({"parameters": [{"name": "text", "default": ""}], "tasks": [notebook("a", json!({}))]}))
        .await;
    let nested = json!({"task_key": "n", "run_job_task": {"job_id": child, "job_parameters": {"text": "x".repeat(1024 * 1024)}}});
    let elements = serde_json::to_string(&(0..100).collect::<Vec<_>>()).unwrap();
    let each = json!({"task_key": "each", "for_each_task": {"inputs": elements, "task": nested}});
    let run = jobs.wait(jobs.submit(json!([each])).await).await;
    assert_eq!(ending(task(&run, "each")), "FAILED RUN_EXECUTION_ERROR");
    let held: usize = jobs.script.calls().iter().map(|call| call.job_parameters["text"].len()).sum();
    assert!((1..32 * 1024 * 1024).contains(&held), "{held}");
}
