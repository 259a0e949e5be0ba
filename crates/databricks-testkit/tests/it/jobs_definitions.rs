//! Jobs as definitions: what is kept, how it changes, how it is listed; and lists of runs.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::jobs_support::{JOBS, Jobs, ending, notebook};

#[tokio::test(start_paused = true)]
async fn settings_come_back_as_they_were_with_fields_nobody_knows() {
    let jobs = Jobs::new();
    let settings = json!({
        "name": "etl",
        "max_concurrent_runs": 3,
        "timeout_seconds": 0,
        "email_notifications": {"on_failure": ["ada@example.com"]},
        "queue": {"enabled": false},
        "format": "MULTI_TASK",
        "future_field": {"deep": [1, {"x": null}]},
        "schedule": {"quartz_cron_expression": "0 0 0 * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"},
        "job_clusters": [{"job_cluster_key": "main", "new_cluster": {"num_workers": 2}}],
        "tasks": [notebook("a", json!({"job_cluster_key": "main", "future": true, "libraries": [{"pypi": {"package": "x"}}]}))],
    });
    let job = jobs.create(settings.clone()).await;
    let got = jobs.get(&format!("get?job_id={job}")).await;
    assert_eq!(got["settings"], settings);
    assert_eq!((&got["job_id"], &got["creator_user_name"]), (&json!(job), &json!("user@simulated.invalid")));
    let run = jobs.finish(job).await;
    assert_eq!((&run["tasks"][0]["future"], &run["job_clusters"]), (&json!(true), &settings["job_clusters"]));
}

#[tokio::test(start_paused = true)]
async fn a_job_has_defaults_and_queues_from_2_2_on() {
    let jobs = Jobs::new();
    let job = jobs.create(json!({})).await;
    let settings = jobs.get(&format!("get?job_id={job}")).await["settings"].clone();
    insta::assert_snapshot!(settings);
    let old = jobs.caller.post("/api/2.1/jobs/create", json!({"name": "old"})).await.json();
    let old = jobs.caller.get(&format!("/api/2.1/jobs/get?job_id={}", old["job_id"])).await.json();
    assert!(old["settings"].get("queue").is_none());
    assert!(jobs.refused("run-now", json!({ "job_id": job })).await.contains("nothing to run"));
}

#[tokio::test(start_paused = true)]
async fn update_merges_and_reset_replaces() {
    let jobs = Jobs::new();
    let job = jobs
        .create(json!({"name": "etl", "tags": {"a": "1"}, "mine": 1, "tasks": [notebook("a", json!({})), notebook("b", json!({}))]}))
        .await;
    let settings = || async { jobs.get(&format!("get?job_id={job}")).await["settings"].clone() };
    let update = json!({"job_id": job, "fields_to_remove": ["tags", "tasks/b"],
        "new_settings": {"name": "new", "tasks": [notebook("a", json!({"timeout_seconds": 5})), notebook("c", json!({}))]}});
    jobs.post("update", update).await;
    let updated = settings().await;
    assert_eq!((&updated["name"], &updated["mine"], updated.get("tags")), (&json!("new"), &json!(1), None));
    assert_eq!(
        updated["tasks"],
        json!([notebook("a", json!({"timeout_seconds": 5})), notebook("c", json!({}))])
    );
    let broken = json!({"job_id": job, "new_settings": {"tasks": [notebook("d", json!({"depends_on": [{"task_key": "x"}]}))]}});
    assert!(jobs.refused("update", broken).await.contains("'x', which is no task"));
    assert_eq!(settings().await, updated);
    jobs.post("reset", json!({"job_id": job, "new_settings": {"name": "again"}})).await;
    assert_eq!((settings().await.get("mine"), settings().await.get("tasks")), (None, None));
    assert!(jobs.refused("reset", json!({ "job_id": job })).await.contains("new_settings"));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_job_takes_its_runs_along() {
    let jobs = Jobs::new();
    jobs.script.on_task("a").times(1).succeeds();
    jobs.script.on_task("a").never();
    let job = jobs.create(json!({"tasks": [notebook("a", json!({}))]})).await;
    let over = jobs.finish(job).await["run_id"].clone();
    let (active, queued) = (jobs.run_now(job).await, jobs.run_now(job).await);
    jobs.post("delete", json!({ "job_id": job })).await;
    assert_eq!(jobs.refused_get(&format!("get?job_id={job}")).await, format!("Job {job} does not exist."));
    for run in [over, json!(active), json!(queued)] {
        assert_eq!(
            jobs.refused_get(&format!("runs/get?run_id={run}")).await,
            format!("Run {run} does not exist.")
        );
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    assert_eq!(jobs.get("runs/list").await, json!({"has_more": false}));
}

#[tokio::test(start_paused = true)]
async fn long_arrays_of_a_job_come_in_pages() {
    let jobs = Jobs::new();
    let tasks: Vec<Value> = (0..250).map(|n| notebook(&format!("t{n}"), json!({}))).collect();
    let parameters: Vec<Value> = (0..120).map(|n| json!({"name": format!("p{n}"), "default": ""})).collect();
    let job = jobs.create(json!({ "tasks": tasks, "parameters": parameters })).await;
    let (mut seen, mut token, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = jobs.get(&format!("get?job_id={job}{token}")).await;
        let tasks = page["settings"]["tasks"].as_array().unwrap().clone();
        sizes.push((tasks.len(), page["settings"]["parameters"].as_array().unwrap().len()));
        seen.extend(tasks);
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!((seen, sizes), (tasks, vec![(100, 100), (100, 20), (50, 0)]));
    let listed = jobs.get("list?expand_tasks=true").await;
    assert_eq!(
        (&listed["jobs"][0]["has_more"], listed["jobs"][0]["settings"]["tasks"].as_array().unwrap().len()),
        (&json!(true), 100)
    );
    assert!(jobs.get("list").await["jobs"][0]["settings"].get("tasks").is_none());
}

#[tokio::test(start_paused = true)]
async fn jobs_are_listed_newest_first_by_name_and_in_pages() {
    let jobs = Jobs::new();
    for n in 0..45 {
        jobs.create(json!({"name": if n % 15 == 0 { "Special".to_owned() } else { format!("job {n}") }}))
            .await;
    }
    let page = jobs.get("list").await;
    assert_eq!((page["jobs"].as_array().unwrap().len(), &page["has_more"]), (20, &json!(true)));
    assert_eq!(page["jobs"][0]["settings"]["name"], "job 44");
    let next = jobs.get(&format!("list?page_token={}", page["next_page_token"].as_str().unwrap())).await;
    assert_eq!(next["jobs"][0]["settings"]["name"], "job 24");
    let back = jobs.get(&format!("list?page_token={}", next["prev_page_token"].as_str().unwrap())).await;
    assert_eq!(back["jobs"], page["jobs"]);
    assert_eq!(jobs.get("list?name=SPECIAL").await["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(jobs.get("list?offset=44").await["jobs"].as_array().unwrap().len(), 1);
    for limit in ["0", "101", "x"] {
        assert!(jobs.refused_get(&format!("list?limit={limit}")).await.contains("limit"));
    }
}

#[tokio::test(start_paused = true)]
async fn runs_are_listed_newest_first_by_what_is_asked() {
    let jobs = Jobs::new();
    jobs.script.on_task("stuck").never();
    let job = jobs.create(json!({"max_concurrent_runs": 5, "tasks": [notebook("a", json!({}))]})).await;
    let first = jobs.finish(job).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let submitted = jobs.submit(json!([notebook("stuck", json!({}))])).await;
    let last = jobs.run_now(job).await;
    jobs.wait(last).await;
    let ids = |answer: Value| -> Vec<i64> {
        let runs = answer["runs"].as_array().cloned().unwrap_or_default();
        runs.iter().map(|run| run["run_id"].as_i64().unwrap()).collect()
    };
    let (first_id, start) = (first["run_id"].as_i64().unwrap(), first["start_time"].as_i64().unwrap());
    for (query, expected) in [
        (String::new(), vec![last, submitted, first_id]),
        (format!("job_id={job}"), vec![last, first_id]),
        ("active_only=true".to_owned(), vec![submitted]),
        ("completed_only=true".to_owned(), vec![last, first_id]),
        ("run_type=SUBMIT_RUN".to_owned(), vec![submitted]),
        (format!("start_time_from={}", start + 1), vec![last, submitted]),
        (format!("start_time_to={start}"), vec![first_id]),
        ("limit=0".to_owned(), vec![last, submitted, first_id]),
    ] {
        assert_eq!(ids(jobs.get(&format!("runs/list?{query}")).await), expected, "{query}");
    }
    let page = jobs.get("runs/list?limit=2&expand_tasks=true").await;
    assert_eq!(ending(&page["runs"][0]["tasks"][0]), "SUCCESS SUCCESS");
    let token = page["next_page_token"].as_str().unwrap();
    assert_eq!(ids(jobs.get(&format!("runs/list?limit=2&page_token={token}")).await), [first_id]);
    for query in
        ["active_only=true&completed_only=true", "run_type=X", "limit=26", "page_token=x", "job_id=y"]
    {
        jobs.refused_get(&format!("runs/list?{query}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_runs_of_a_job_are_cancelled_at_once() {
    let jobs = Jobs::new();
    jobs.script.on_task("a").never();
    let job = jobs.create(json!({"tasks": [notebook("a", json!({}))]})).await;
    let (active, queued) = (jobs.run_now(job).await, jobs.run_now(job).await);
    let other = jobs.submit(json!([notebook("a", json!({}))])).await;
    jobs.post("runs/cancel-all", json!({"all_queued_runs": true})).await;
    assert_eq!(ending(&jobs.run(queued).await), "CANCELED USER_CANCELED");
    assert!(jobs.run(active).await["state"].get("result_state").is_none());
    let queued = jobs.run_now(job).await;
    jobs.post("runs/cancel-all", json!({ "job_id": job })).await;
    for run in [active, queued] {
        assert_eq!(ending(&jobs.wait(run).await), "CANCELED USER_CANCELED");
    }
    assert_ne!(jobs.run(other).await["status"]["state"], "TERMINATED");
    assert!(jobs.refused("runs/cancel-all", json!({})).await.contains("job_id"));
}

#[tokio::test(start_paused = true)]
async fn strange_calls_are_refused_and_name_what_is_strange() {
    let jobs = Jobs::new();
    let job = jobs.create(json!({"tasks": [notebook("a", json!({}))]})).await;
    let run = jobs.finish(job).await["run_id"].clone();
    let mut refusals = Vec::new();
    for path in ["get", "get?job_id=x", "get?job_id=9", "runs/get?run_id=9", "runs/get-output?run_id=9"] {
        refusals.push(jobs.refused_get(path).await);
    }
    refusals.push(jobs.refused_get(&format!("runs/get-output?run_id={run}")).await);
    for (path, body) in [
        ("run-now", json!({"job_id": job, "only": ["a"]})),
        ("run-now", json!({"job_id": job, "job_parameters": ["x"]})),
        ("run-now", json!({"job_id": job, "notebook_params": {}, "jar_params": []})),
        ("run-now", json!({"job_id": job, "python_params": [1]})),
        ("run-now", json!({"job_id": {"a": 1}})),
        ("runs/cancel", json!({"run_id": 9})),
        ("runs/delete", json!({"run_id": 9})),
        ("runs/submit", json!({})),
        ("runs/submit", json!({"tasks": [{"task_key": "x", "teleport_task": {}}]})),
        ("runs/submit", json!({"idempotency_token": 7, "tasks": []})),
        ("update", json!({"job_id": job, "fields_to_remove": ["schedule/x"]})),
    ] {
        refusals.push(jobs.refused(path, body).await.replace(&job.to_string(), "[job]"));
    }
    insta::assert_snapshot!(refusals.join("\n"));
    let malformed = jobs.caller.call(http::Method::POST, &format!("{JOBS}/create"), "[1").await;
    assert_eq!(
        (malformed.status, &malformed.json()["error_code"]),
        (StatusCode::BAD_REQUEST, &json!("MALFORMED_REQUEST"))
    );
    assert_eq!(jobs.caller.get(&format!("{JOBS}/nothing")).await.status, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(jobs.caller.get("/api/2.0/jobs/list").await.status, StatusCode::NOT_IMPLEMENTED);
}
