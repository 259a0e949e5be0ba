//! Graphs of tasks: order, branches, retries, loops, and what a run comes to.

use std::time::Duration;

use databricks_testkit::TaskOutcome;
use serde_json::{Value, json};

use crate::jobs_support::{Jobs, after, ending, endings, notebook, task, task_id};

fn condition(key: &str, left: &str, op: &str, right: &str) -> Value {
    json!({"task_key": key, "condition_task": {"left": left, "op": op, "right": right}})
}

fn branch(key: &str, of: &str, outcome: &str) -> Value {
    notebook(key, json!({"depends_on": [{"task_key": of, "outcome": outcome}]}))
}

#[tokio::test(start_paused = true)]
async fn run_if_decides_which_tasks_run_and_leaves_decide_the_run() {
    let jobs = Jobs::new();
    jobs.script.on_task("bad").fails("Broken");
    let with = |key: &str, run_if: &str| {
        let mut task = notebook(key, after(&["good", "bad"]));
        task["run_if"] = json!(run_if);
        task
    };
    let tasks = json!([
        notebook("good", json!({})),
        notebook("bad", json!({})),
        with("all_success", "ALL_SUCCESS"),
        with("one_success", "AT_LEAST_ONE_SUCCESS"),
        with("none_failed", "NONE_FAILED"),
        with("all_done", "ALL_DONE"),
        with("one_failed", "AT_LEAST_ONE_FAILED"),
        with("all_failed", "ALL_FAILED"),
        notebook("after_skipped", after(&["all_success"])),
    ]);
    let run = jobs.wait(jobs.submit(tasks).await).await;
    insta::assert_snapshot!(format!("{}\n{}", endings(&run).join("\n"), run["state"]));
    let mut cleanup = notebook("cleanup", after(&["bad"]));
    cleanup["run_if"] = json!("ALL_DONE");
    let run = jobs.wait(jobs.submit(json!([notebook("bad", json!({})), cleanup])).await).await;
    assert_eq!(ending(&run), "SUCCESS_WITH_FAILURES SUCCESS_WITH_FAILURES");
}

#[tokio::test(start_paused = true)]
async fn tasks_start_when_the_last_they_depend_on_ends() {
    let jobs = Jobs::new();
    jobs.script.setup(Duration::ZERO).cleanup(Duration::ZERO);
    for (key, seconds) in [("a", 10), ("b", 30), ("c", 5)] {
        jobs.script.on_task(key).duration(Duration::from_secs(seconds)).succeeds();
    }
    let tasks =
        json!([notebook("c", after(&["a", "b"])), notebook("a", json!({})), notebook("b", json!({}))]);
    let run_id = jobs.submit(tasks).await;
    let blocked = jobs.run(run_id).await;
    assert_eq!(
        (&task(&blocked, "c")["status"]["state"], &task(&blocked, "c")["start_time"]),
        (&json!("BLOCKED"), &json!(0))
    );
    let run = jobs.wait(run_id).await;
    let began = |key: &str| {
        (task(&run, key)["start_time"].as_i64().unwrap() - run["start_time"].as_i64().unwrap()) / 1000
    };
    assert_eq!((began("a"), began("b"), began("c")), (0, 0, 30));
    assert_eq!(run["run_duration"], 35_000);
}

#[tokio::test(start_paused = true)]
async fn a_condition_opens_one_branch() {
    let jobs = Jobs::new();
    jobs.script.on_task("count").ends(TaskOutcome::success().with_value("rows", 12));
    let mut check = condition("check", "{{tasks.count.values.rows}}", "GREATER_THAN", "9.5");
    check["depends_on"] = json!([{"task_key": "count"}]);
    let tasks = json!([
        notebook("count", json!({})),
        check,
        branch("yes", "check", "true"),
        branch("no", "check", "false"),
        notebook("after_no", after(&["no"])),
        notebook("join", after(&["yes", "no"])),
    ]);
    let run = jobs.wait(jobs.submit(tasks).await).await;
    insta::assert_snapshot!(endings(&run).join("\n"));
    assert_eq!(task(&run, "check")["condition_task"]["outcome"], "true");
    assert_eq!(ending(&run), "SUCCESS SUCCESS");
    let run = jobs.wait(jobs.submit(json!([condition("c", "many", "LESS_THAN", "3")])).await).await;
    assert_eq!(ending(&run["tasks"][0]), "FAILED INVALID_RUN_CONFIGURATION");
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_is_tried_again_after_its_interval() {
    let jobs = Jobs::new();
    jobs.script.setup(Duration::ZERO).cleanup(Duration::ZERO);
    jobs.script.on_task("a").times(2).duration(Duration::from_secs(10)).fails("Once more");
    let a = notebook("a", json!({"max_retries": 2, "min_retry_interval_millis": 60_000}));
    let run_id = jobs.submit(json!([a])).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let waiting = jobs.run(run_id).await;
    assert_eq!(endings(&waiting), ["a#0 FAILED RUN_EXECUTION_ERROR", "a#1 - -"]);
    assert_eq!(waiting["tasks"][1]["state"]["life_cycle_state"], "WAITING_FOR_RETRY");
    assert_eq!(waiting["status"]["state"], "RUNNING");
    let run = jobs.wait(run_id).await;
    assert_eq!(ending(&run), "SUCCESS SUCCESS");
    let began: Vec<i64> = run["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| (task["start_time"].as_i64().unwrap() - run["start_time"].as_i64().unwrap()) / 1000)
        .collect();
    assert_eq!(began, [0, 60, 120]);
    let ids: Vec<i64> = jobs.script.calls().iter().map(|call| call.run_id).collect();
    let shown = jobs.run(ids[2]).await;
    assert_eq!((&shown["attempt_number"], &shown["original_attempt_run_id"]), (&json!(2), &json!(ids[0])));
}

#[tokio::test(start_paused = true)]
async fn retries_without_end_end() {
    let jobs = Jobs::new();
    jobs.script.setup(Duration::ZERO).cleanup(Duration::ZERO).execution(Duration::ZERO);
    jobs.script.on_task("a").fails("Always");
    let run = jobs.wait(jobs.submit(json!([notebook("a", json!({"max_retries": -1}))])).await).await;
    assert_eq!(
        (run["tasks"].as_array().unwrap().len(), ending(&run).as_str()),
        (1001, "FAILED RUN_EXECUTION_ERROR")
    );
}

#[tokio::test(start_paused = true)]
async fn a_for_each_task_runs_its_elements_so_many_at_a_time() {
    let jobs = Jobs::new();
    jobs.script.setup(Duration::ZERO).cleanup(Duration::ZERO).execution(Duration::from_secs(10));
    jobs.script.on_matching(|call| call.input == Some(json!({"n": 7}))).fails("Seven");
    let nested = json!({"task_key": "item", "max_retries": 1, "notebook_task": {"notebook_path": "/i", "base_parameters": {"n": "{{input.n}}"}}});
    let inputs: Vec<Value> = (0..250).map(|n| json!({ "n": n })).collect();
    let job = jobs
        .create(json!({"parameters": [{"name": "inputs", "default": json!(inputs).to_string()}], "tasks": [
            {"task_key": "each", "for_each_task": {"inputs": "{{job.parameters.inputs}}", "concurrency": 50, "task": nested}}]}))
        .await;
    let run_id = jobs.run_now(job).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let stats = jobs.run(run_id).await["tasks"][0]["for_each_task"]["stats"]["task_run_stats"].clone();
    assert_eq!(
        (&stats["active_iterations"], &stats["completed_iterations"]),
        (&json!(50), &json!(49)),
        "{stats}"
    );
    let run = jobs.wait(run_id).await;
    assert_eq!(endings(&run), ["each#0 FAILED RUN_EXECUTION_ERROR"]);
    insta::assert_snapshot!(format!("{}\n{}", run["tasks"][0]["for_each_task"]["stats"], run["status"]));
    assert!(run.get("iterations").is_none());
    let parent = task_id(&run, "each");
    let (mut iterations, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = jobs.get(&format!("runs/get?run_id={parent}{token}")).await;
        assert_eq!((&page["run_id"], page["tasks"].as_array().unwrap().len()), (&json!(parent), 1));
        iterations.extend(page["iterations"].as_array().unwrap().clone());
        pages += 1;
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!((iterations.len(), pages), (251, 3));
    let failed: Vec<&Value> = iterations.iter().filter(|i| i["state"]["result_state"] == "FAILED").collect();
    assert_eq!((failed.len(), &failed[1]["attempt_number"]), (2, &json!(1)));
    let output = jobs.output(failed[1]["run_id"].as_i64().unwrap()).await;
    assert_eq!((&output["error"], &output["metadata"]["job_run_id"]), (&json!("Seven"), &json!(run_id)));
}

#[tokio::test(start_paused = true)]
async fn a_loop_can_be_empty_wrong_or_cancelled() {
    let jobs = Jobs::new();
    jobs.script.on_task("stuck").never();
    let each = |key: &str, inputs: &str, nested: &str| json!({"task_key": key, "for_each_task": {"inputs": inputs, "concurrency": 2, "task": notebook(nested, json!({}))}});
    let run = jobs
        .wait(
            jobs.submit(json!([
                each("none", "[]", "x"),
                each("no_list", "{}", "x"),
                each("no_json", "a, b", "x")
            ]))
            .await,
        )
        .await;
    assert_eq!(
        endings(&run),
        [
            "none#0 SUCCESS SUCCESS",
            "no_list#0 FAILED INVALID_RUN_CONFIGURATION",
            "no_json#0 FAILED INVALID_RUN_CONFIGURATION"
        ]
    );
    let mut timed = each("timed", "[1, 2, 3]", "stuck");
    timed["timeout_seconds"] = json!(60);
    let run_id = jobs.submit(json!([timed])).await;
    let run = jobs.wait(run_id).await;
    assert_eq!(endings(&run), ["timed#0 TIMEDOUT CANCELED"]);
    let stats = &run["tasks"][0]["for_each_task"]["stats"]["task_run_stats"];
    assert_eq!(
        (&stats["active_iterations"], &stats["scheduled_iterations"], &stats["total_iterations"]),
        (&json!(0), &json!(2), &json!(3))
    );
}

/// Done-when of the jobs client: many tasks, every kind of edge, a failure in the middle, repaired.
#[tokio::test(start_paused = true)]
async fn a_graph_of_a_hundred_and_twenty_tasks_fails_is_repaired_and_succeeds() {
    let jobs = Jobs::new();
    jobs.script.on_task("t60").times(3).fails("Broken in the middle");
    let mut tasks = vec![
        condition("gate", "1", "EQUAL_TO", "1"),
        branch("t0", "gate", "true"),
        branch("never", "gate", "false"),
    ];
    for n in 1..116 {
        let before = format!("t{}", n - 1);
        let mut task = notebook(&format!("t{n}"), after(&[&before]));
        task["max_retries"] = json!(1);
        tasks.push(task);
    }
    let mut each = json!({"task_key": "each", "for_each_task": {"inputs": "[1,2,3]", "task": notebook("item", json!({}))}});
    each["depends_on"] = json!([{"task_key": "t115"}]);
    tasks.push(each);
    let mut cleanup = notebook("cleanup", after(&["t60"]));
    cleanup["run_if"] = json!("AT_LEAST_ONE_FAILED");
    tasks.push(cleanup);
    assert_eq!(tasks.len(), 120);
    let job = jobs.create(json!({"name": "big", "tasks": tasks})).await;
    let run = jobs.finish(job).await;
    let run_id = run["run_id"].as_i64().unwrap();
    assert_eq!(run["tasks"].as_array().unwrap().len(), 121);
    assert_eq!(ending(&run), "FAILED RUN_EXECUTION_ERROR");
    assert_eq!(
        run["status"]["termination_details"]["message"],
        "Task t60 failed with message: Workload failed, see run output for details. This caused all downstream tasks to get skipped."
    );
    assert_eq!(
        (ending(task(&run, "t61")), ending(task(&run, "cleanup"))),
        ("UPSTREAM_FAILED SKIPPED".into(), "SUCCESS SUCCESS".into())
    );
    let repair = jobs
        .post(
            "runs/repair",
            json!({"run_id": run_id, "rerun_all_failed_tasks": true, "rerun_dependent_tasks": true}),
        )
        .await;
    let run = jobs.wait(run_id).await;
    assert_eq!(ending(&run), "SUCCESS SUCCESS", "{repair}");
    assert_eq!(ending(task(&run, "each")), "SUCCESS SUCCESS");
    assert_eq!(ending(task(&run, "cleanup")), "EXCLUDED SKIPPED");
    let t60: Vec<String> = endings(&run).into_iter().filter(|line| line.starts_with("t60#")).collect();
    assert_eq!(
        t60,
        [
            "t60#0 FAILED RUN_EXECUTION_ERROR",
            "t60#1 FAILED RUN_EXECUTION_ERROR",
            "t60#2 FAILED RUN_EXECUTION_ERROR",
            "t60#3 SUCCESS SUCCESS"
        ]
    );
}
