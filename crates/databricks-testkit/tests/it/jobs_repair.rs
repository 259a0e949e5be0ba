//! Repairs: what runs again, in which part of the run, and by whose leave.

use databricks_testkit::JobsScript;
use serde_json::{Value, json};

use crate::jobs_support::{Jobs, after, ending, endings, notebook};

/// `a` and `b`, where `b` fails as often as told, and `c` after `b`.
async fn broken(failures: u64) -> (Jobs, i64, i64) {
    let jobs = Jobs::new();
    let script: &JobsScript = &jobs.script;
    script.on_task("b").times(failures).fails("Broken");
    let tasks = [notebook("a", json!({})), notebook("b", after(&["a"])), notebook("c", after(&["b"]))];
    let parameters = json!([{"name": "day", "default": "mon"}]);
    let job = jobs.create(json!({ "tasks": tasks, "parameters": parameters })).await;
    let run = jobs.finish(job).await;
    let run_id = run["run_id"].as_i64().unwrap();
    (jobs, job, run_id)
}

#[tokio::test(start_paused = true)]
async fn failed_tasks_run_again_as_a_part_of_their_run() {
    let (jobs, _, run_id) = broken(2).await;
    let first = jobs.post("runs/repair", json!({"run_id": run_id, "rerun_all_failed_tasks": true})).await;
    let first = first["repair_id"].as_i64().unwrap();
    assert!(jobs.run(run_id).await["state"].get("result_state").is_none());
    assert_eq!(ending(&jobs.wait(run_id).await), "FAILED RUN_EXECUTION_ERROR");
    for (latest, why) in [(json!(null), "was repaired before"), (json!(7), "is not the latest repair")] {
        let body = json!({"run_id": run_id, "rerun_all_failed_tasks": true, "latest_repair_id": latest});
        assert!(jobs.refused("runs/repair", body).await.contains(why));
    }
    let body = json!({"run_id": run_id, "rerun_tasks": ["b"], "rerun_dependent_tasks": true,
        "latest_repair_id": first, "job_parameters": {"day": "tue"}});
    jobs.post("runs/repair", body).await;
    let run = jobs.wait(run_id).await;
    assert_eq!(ending(&run), "SUCCESS SUCCESS");
    let history =
        jobs.get(&format!("runs/get?run_id={run_id}&include_history=true")).await["repair_history"].clone();
    let told: Vec<String> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let tasks = item["task_run_ids"].as_array().unwrap().len();
            format!("{} {} tasks: {}", item["type"].as_str().unwrap(), tasks, ending(item))
        })
        .collect();
    insta::assert_snapshot!(format!("{}\n{}", endings(&run).join("\n"), told.join("\n")));
    assert_eq!((&history[0].get("id"), &history[1]["id"]), (&None, &json!(first)));
    let calls = jobs.script.calls();
    assert_eq!(calls.last().unwrap().job_parameters["day"], "tue");
    assert_eq!(calls.iter().filter(|call| call.task_key == "a").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn looks_after_a_repair_come_too_early_as_often_as_written() {
    let (jobs, _, run_id) = broken(1).await;
    jobs.script.stale_looks_after_repair(2);
    let before = jobs.get(&format!("runs/get?run_id={run_id}&include_history=true")).await;
    jobs.post("runs/repair", json!({"run_id": run_id, "rerun_all_failed_tasks": true})).await;
    assert_eq!(jobs.get(&format!("runs/get?run_id={run_id}&include_history=true")).await, before);
    let stale = jobs.run(run_id).await;
    assert_eq!((stale.get("repair_history"), ending(&stale)), (None, ending(&before)));
    assert!(jobs.run(run_id).await["state"].get("result_state").is_none());
    assert_eq!(ending(&jobs.wait(run_id).await), "SUCCESS SUCCESS");
}

#[tokio::test(start_paused = true)]
async fn looks_after_those_find_the_repair_in_the_history_and_all_else_as_it_was() {
    let (jobs, _, run_id) = broken(1).await;
    jobs.script.stale_looks_after_repair(1).torn_looks_after_repair(1);
    let look = || async { jobs.get(&format!("runs/get?run_id={run_id}&include_history=true")).await };
    let mut before = look().await;
    let repair = jobs.post("runs/repair", json!({"run_id": run_id, "rerun_all_failed_tasks": true})).await;
    assert_eq!(look().await, before);
    let mut torn = look().await;
    let history = torn.as_object_mut().unwrap().remove("repair_history").unwrap();
    assert_eq!((&history[1]["id"], history[1]["end_time"].as_i64()), (&repair["repair_id"], Some(0)));
    before.as_object_mut().unwrap().remove("repair_history");
    assert_eq!(torn, before);
    assert!(look().await["state"].get("result_state").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_makes_no_sense_is_refused() {
    let (jobs, job, run_id) = broken(1).await;
    let refusals: Vec<(Value, &str)> = vec![
        (json!({}), "must say what to repair"),
        (json!({"rerun_tasks": []}), "must say what to repair"),
        (json!({"rerun_tasks": ["b"], "rerun_all_failed_tasks": true}), "Only one of"),
        (json!({"rerun_tasks": ["nobody"]}), "'nobody' is no task"),
        (json!({"rerun_tasks": ["b"], "latest_repair_id": 7}), "was not repaired before"),
        (json!({"rerun_tasks": ["b"], "only": ["b"]}), "'only'"),
        (json!({"run_id": 7, "rerun_tasks": ["b"]}), "Run 7 does not exist."),
    ];
    for (mut body, why) in refusals {
        if body.get("run_id").is_none() {
            body["run_id"] = json!(run_id);
        }
        let message = jobs.refused("runs/repair", body).await;
        assert!(message.contains(why), "{message}");
    }
    let running = jobs.run_now(job).await;
    let message = jobs.refused("runs/repair", json!({"run_id": running, "rerun_tasks": ["b"]})).await;
    assert!(message.contains("is in progress"), "{message}");
    jobs.wait(running).await;
    let message =
        jobs.refused("runs/repair", json!({"run_id": running, "rerun_all_failed_tasks": true})).await;
    assert!(message.contains("has no failed tasks"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_repair_uses_the_jobs_settings_of_now() {
    let (jobs, job, run_id) = broken(100).await;
    let tasks = json!([{"task_key": "b", "depends_on": [{"task_key": "a"}], "notebook_task": {"notebook_path": "/fixed"}}]);
    jobs.post("update", json!({"job_id": job, "new_settings": {"tasks": tasks}})).await;
    jobs.script.on_notebook("/fixed").succeeds();
    jobs.post("runs/repair", json!({"run_id": run_id, "rerun_all_failed_tasks": true})).await;
    jobs.wait(run_id).await;
    let paths: Vec<Value> =
        jobs.script.calls().iter().map(|call| call.task["notebook_path"].clone()).collect();
    assert!(paths.contains(&json!("/fixed")), "{paths:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_can_be_repaired_whole() {
    let jobs = Jobs::new();
    jobs.script.on_task("a").times(1).never();
    let run_id = jobs.submit(json!([notebook("a", json!({})), notebook("b", after(&["a"]))])).await;
    tokio::time::sleep(std::time::Duration::from_secs(9)).await;
    jobs.post("runs/cancel", json!({ "run_id": run_id })).await;
    jobs.wait(run_id).await;
    jobs.post("runs/repair", json!({"run_id": run_id, "rerun_all_failed_tasks": true})).await;
    let run = jobs.wait(run_id).await;
    assert_eq!(ending(&run), "SUCCESS SUCCESS");
    assert_eq!(
        endings(&run),
        [
            "a#0 CANCELED USER_CANCELED",
            "b#0 CANCELED USER_CANCELED",
            "a#1 SUCCESS SUCCESS",
            "b#1 SUCCESS SUCCESS"
        ]
    );
}
