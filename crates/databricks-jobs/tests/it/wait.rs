//! Waiting: how often, how long, through which errors, and what the end is called.

use std::time::Duration;

use databricks_jobs::{JobError, RunId, RunOutcome, RunState, WaitConfig};
use databricks_transport::ErrorKind;
use serde_json::json;

use crate::script::{Answer, Script, going, over};

const RUN: RunId = RunId::new(7);

#[tokio::test(start_paused = true)]
async fn looks_come_after_doubling_pauses_up_to_the_longest() {
    let mut answers = vec![going("PENDING"), going("QUEUED"), going("BLOCKED"), going("HIBERNATING")];
    answers.extend([
        going("RUNNING"),
        going("RUNNING"),
        going("TERMINATING"),
        over("SUCCESS", "SUCCESS", ""),
    ]);
    let script = Script::new(answers);
    let run = script.jobs(1).wait(RUN).send().await.unwrap();
    assert_eq!(run.state(), RunState::Terminated(RunOutcome::Success));
    let times: Vec<u64> = script.seen().iter().map(|seen| seen.at.round() as u64).collect();
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 61, 91]);
}

#[tokio::test(start_paused = true)]
async fn every_ending_has_its_error() {
    type Check = fn(&JobError) -> bool;
    let table: [(&str, &str, Check); 6] = [
        ("RUN_EXECUTION_ERROR", "CLIENT_ERROR", |e| matches!(e, JobError::Failed(_))),
        ("CLUSTER_ERROR", "CLOUD_FAILURE", |e| matches!(e, JobError::Failed(_))),
        ("USER_CANCELED", "SUCCESS", |e| matches!(e, JobError::Canceled(_))),
        ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR", |e| matches!(e, JobError::Skipped(_))),
        ("INTERNAL_ERROR", "INTERNAL_ERROR", |e| matches!(e, JobError::InternalError(_))),
        ("DRIVER_ERROR", "INTERNAL_ERROR", |e| matches!(e, JobError::InternalError(_))),
    ];
    for (code, kind, check) in table {
        let error = Script::new([over(code, kind, "why")]).jobs(1).wait(RUN).send().await.unwrap_err();
        assert!(check(&error), "{code}: {error:?}");
        assert_eq!(error.failure().unwrap().code.as_deref(), Some(code));
        assert!(error.to_string().contains("why"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn old_servers_are_understood() {
    let old = |result: &str| json!({"run_id": 7, "state": {"life_cycle_state": "TERMINATED", "result_state": result, "state_message": "m"}});
    let wait =
        |result| async move { Script::new([Answer::Json(200, old(result))]).jobs(1).wait(RUN).send().await };
    wait("SUCCESS").await.unwrap();
    assert!(matches!(wait("TIMEDOUT").await.unwrap_err(), JobError::TimedOut(_)));
    assert!(matches!(wait("CANCELED").await.unwrap_err(), JobError::Canceled(_)));
    assert!(matches!(wait("SOMETHING_NEW").await.unwrap_err(), JobError::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_the_tasks_of_all_pages() {
    let ended = |code: &str, message: &str| {
        json!({"state": "TERMINATED", "termination_details":
            {"code": code, "type": "CLIENT_ERROR", "message": message}})
    };
    let task = |key: &str, id: i64, code: &str, message: &str| json!({"task_key": key, "run_id": id, "attempt_number": 0, "status": ended(code, message)});
    let page = |task: serde_json::Value, token: Option<&str>| {
        Answer::Json(
            200,
            json!({"run_id": 7, "job_id": 42, "run_page_url": "https://h.example/run/7",
            "status": ended("RUN_EXECUTION_ERROR", "Task load failed."), "tasks": [task], "next_page_token": token}),
        )
    };
    let script = Script::new([
        going("RUNNING"),
        page(task("fetch", 8, "SUCCESS", ""), Some("2")),
        page(task("load", 9, "RUN_EXECUTION_ERROR", "Workload failed"), None),
        Answer::Json(200, json!({"error": "ZeroDivisionError", "error_trace": "line 1, in <module>"})),
    ]);
    let error = script.jobs(1).wait(RUN).send().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "run 7 FAILED (RUN_EXECUTION_ERROR): Task load failed; \
         task `load` FAILED (run 9): ZeroDivisionError; https://h.example/run/7"
    );
    assert_eq!(script.lines()[3], "GET /api/2.2/jobs/runs/get-output?run_id=9");
    let task = &error.failure().unwrap().failed_tasks[0];
    assert_eq!(
        [&task.code, &task.kind, &task.error, &task.error_trace].map(|text| text.as_deref().unwrap()),
        ["RUN_EXECUTION_ERROR", "CLIENT_ERROR", "ZeroDivisionError", "line 1, in <module>"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_over_says_how_the_run_stood() {
    let script = Script::new([going("PENDING"), going("RUNNING")]).repeating();
    let error = script.jobs(1).wait(RUN).timeout(Duration::from_secs(100)).send().await.unwrap_err();
    let JobError::WaitTimeout { run_id, elapsed, last_state } = &error else { panic!("{error}") };
    assert_eq!((*run_id, elapsed.as_secs(), last_state), (RUN, 100, &Some(RunState::Running)));
    assert_eq!(
        error.to_string(),
        "run 7 was still RUNNING after 100.0 s; it goes on: wait longer or cancel it"
    );
    assert!(script.lines().iter().all(|line| line.starts_with("GET ")), "a wait cancels nothing");
}

#[tokio::test(start_paused = true)]
async fn the_last_look_is_at_the_end_of_the_wait() {
    let script = Script::new([going("RUNNING"), going("RUNNING"), over("SUCCESS", "SUCCESS", "")]);
    script.jobs(1).wait(RUN).timeout(Duration::from_secs(2)).send().await.unwrap();
    assert_eq!(script.seen()[2].at.round(), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_no_time_looks_once() {
    let script = Script::new([over("SUCCESS", "SUCCESS", "")]);
    script.jobs(1).wait(RUN).timeout(Duration::ZERO).send().await.unwrap();
    let script = Script::new([going("RUNNING")]);
    let error = script.jobs(1).wait(RUN).timeout(Duration::ZERO).send().await.unwrap_err();
    assert!(matches!(error, JobError::WaitTimeout { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_does_not_outlast_the_wait() {
    let script = Script::new([going("RUNNING"), Answer::Silence]).repeating();
    let error = script.jobs(1).wait(RUN).timeout(Duration::from_secs(5)).send().await.unwrap_err();
    let JobError::WaitTimeout { elapsed, last_state, .. } = &error else { panic!("{error}") };
    assert!(elapsed.as_secs() <= 15, "{elapsed:?}");
    assert_eq!(last_state, &Some(RunState::Running));
}

#[tokio::test(start_paused = true)]
async fn the_longest_timeout_is_no_overflow() {
    let script = Script::new([going("RUNNING"), over("SUCCESS", "SUCCESS", "")]);
    script.jobs(1).wait(RUN).timeout(Duration::MAX).max_interval(Duration::MAX).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn passing_errors_do_not_end_the_wait() {
    let busy = || Answer::Json(503, json!({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"}));
    let script = Script::new([
        busy(),
        Answer::Reset,
        going("RUNNING"),
        busy(),
        busy(),
        over("SUCCESS", "SUCCESS", ""),
    ]);
    script.jobs(1).wait(RUN).max_poll_errors(2).send().await.unwrap();
    assert_eq!(script.seen().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn too_many_errors_in_a_row_end_it() {
    let script = Script::new([going("RUNNING"), Answer::Reset]).repeating();
    let error = script.jobs(1).wait(RUN).max_poll_errors(2).send().await.unwrap_err();
    assert!(
        matches!(&error, JobError::LostSight { source: e, .. } if e.kind() == ErrorKind::Unavailable),
        "{error}"
    );
    assert_eq!(script.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_stays_ends_it_at_once() {
    let denied = json!({"error_code": "PERMISSION_DENIED", "message": "no view"});
    let script = Script::new([Answer::Json(403, denied)]);
    let error = script.jobs(3).wait(RUN).send().await.unwrap_err();
    assert!(
        matches!(&error, JobError::LostSight { source: e, .. } if e.kind() == ErrorKind::PermissionDenied),
        "{error}"
    );
    assert!(error.to_string().starts_with("run 7 could not be looked at, and may go on: "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn of_a_run_that_is_not_there_nothing_is_said_to_go_on() {
    let gone = json!({"error_code": "INVALID_PARAMETER_VALUE", "message": "Run 7 does not exist."});
    let script = Script::new([Answer::Json(400, gone)]);
    let error = script.jobs(3).wait(RUN).send().await.unwrap_err();
    assert!(
        matches!(&error, JobError::LostSight { source: e, .. } if e.kind() == ErrorKind::NotFound),
        "{error}"
    );
    let told = error.to_string();
    assert!(told.starts_with("there is no run 7 in this workspace, or not any more: "), "{told}");
}

#[tokio::test(start_paused = true)]
async fn settings_without_sense_are_refused() {
    let script = Script::new([]);
    let error = script.jobs(1).wait(RUN).initial_interval(Duration::ZERO).send().await.unwrap_err();
    assert!(error.to_string().contains("initial interval `0ns`"), "{error}");
    let mut config = WaitConfig::default();
    config.max_interval = Duration::from_millis(5);
    let error = script.jobs(1).wait(RUN).config(config).send().await.unwrap_err();
    assert!(error.to_string().contains("longest interval `5ms`"), "{error}");
    assert!(script.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn further_pages_are_asked_for_only_when_the_run_is_over() {
    let page = |state: serde_json::Value, token: Option<&str>| {
        Answer::Json(200, json!({"run_id": 7, "status": state, "tasks": [], "next_page_token": token}))
    };
    let done = json!({"state": "TERMINATED", "termination_details": {"code": "SUCCESS", "type": "SUCCESS"}});
    let running = || page(json!({"state": "RUNNING"}), Some("p2"));
    let script =
        Script::new([running(), running(), running(), page(done.clone(), Some("p2")), page(done, None)]);
    script.jobs(1).wait(RUN).send().await.unwrap();
    let with_token: Vec<bool> = script.lines().iter().map(|line| line.contains("page_token=p2")).collect();
    assert_eq!(with_token, [false, false, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_proxy_is_borne_like_an_outage() {
    let script = Script::new([going("RUNNING"), Answer::Page, Answer::Page, over("SUCCESS", "SUCCESS", "")]);
    script.jobs(1).wait(RUN).send().await.unwrap();
    let script = Script::new([Answer::Page]).repeating();
    let error = script.jobs(1).wait(RUN).max_poll_errors(3).send().await.unwrap_err();
    assert!(
        matches!(&error, JobError::LostSight { source: e, .. } if e.kind() == ErrorKind::Decode),
        "{error}"
    );
    assert_eq!(script.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_only_the_old_state_tells_ends_the_wait() {
    let newer = json!({"run_id": 7, "status": {"state": "ARCHIVED"},
        "state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}});
    Script::new([Answer::Json(200, newer)]).jobs(1).wait(RUN).send().await.unwrap();
}
