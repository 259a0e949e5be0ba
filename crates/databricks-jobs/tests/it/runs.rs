//! Starting, reading, listing and cancelling runs.

use databricks_jobs::{JobError, JobId, RunId, Task};
use databricks_transport::ErrorKind;
use futures::TryStreamExt;
use serde_json::json;

use crate::script::{Answer, Script};

#[tokio::test(start_paused = true)]
async fn a_run_is_started_with_its_parameters_and_token() {
    let script = Script::new([Answer::Json(200, json!({"run_id": 7, "number_in_job": 7}))]);
    let run = script.jobs(1).run_now(JobId::new(42)).parameter("day", "x").parameter("day", "2024-01-31");
    let run_id = run.idempotency_token("load-2024-01-31").send().await.unwrap();
    assert_eq!(run_id, RunId::new(7));
    let seen = script.seen();
    assert_eq!(seen[0].line, "POST /api/2.2/jobs/run-now");
    assert_eq!(
        seen[0].body,
        json!({"job_id": 42, "job_parameters": {"day": "2024-01-31"}, "idempotency_token": "load-2024-01-31"})
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_that_broke_off_is_sent_again_with_the_same_token() {
    let script = Script::new([Answer::Reset, Answer::Json(200, json!({"run_id": 7}))]);
    let jobs = script.jobs(3);
    assert_eq!(jobs.run_now(JobId::new(42)).send().await.unwrap(), RunId::new(7));
    let seen = script.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.idempotent));
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(seen[0].body["idempotency_token"].as_str().unwrap().len(), 36);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_nobody_answers_names_the_token_that_finds_it() {
    for silence in [Answer::Reset, Answer::Page] {
        let script = Script::new([silence]).repeating();
        let error = script.jobs(2).run_now(JobId::new(42)).send().await.unwrap_err();
        let JobError::MayHaveStarted { idempotency_token, .. } = &error else { panic!("{error}") };
        assert!(script.seen().iter().all(|seen| seen.body["idempotency_token"] == **idempotency_token));
        assert!(error.to_string().contains(idempotency_token) && error.transport().unwrap().is_ambiguous());
        let error = script.jobs(2).submit_run([Task::notebook("a", "/a")]).send().await.unwrap_err();
        assert!(matches!(error, JobError::MayHaveStarted { .. }), "{error}");
    }
    // What was surely not started is no question.
    let denied = Answer::Json(403, json!({"error_code": "PERMISSION_DENIED", "message": "no"}));
    let error = Script::new([denied]).jobs(2).run_now(JobId::new(42)).send().await.unwrap_err();
    assert!(matches!(error, JobError::Transport(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn two_starts_without_a_token_are_two_runs() {
    let answer = |id| Answer::Json(200, json!({"run_id": id}));
    let script = Script::new([answer(7), answer(8)]);
    let run = script.jobs(1).run_now(JobId::new(42));
    run.clone().send().await.unwrap();
    run.send().await.unwrap();
    let seen = script.seen();
    assert_ne!(seen[0].body["idempotency_token"], seen[1].body["idempotency_token"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_the_wrong_length_is_refused_before_anything_is_sent() {
    let script = Script::new([]);
    for token in [String::new(), "é".repeat(65)] {
        let error =
            script.jobs(1).run_now(JobId::new(42)).idempotency_token(&token).send().await.unwrap_err();
        assert!(matches!(&error, JobError::InvalidSetting { value, .. } if *value == token), "{error}");
    }
    assert!(script.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_comes_with_the_tasks_of_all_pages() {
    let page = |key: &str, token: Option<&str>| {
        Answer::Json(200, json!({"run_id": 7, "tasks": [{"task_key": key}], "next_page_token": token}))
    };
    let script = Script::new([page("a", Some("p/2")), page("b", Some("p3")), page("c", None)]);
    let run = script.jobs(1).get_run(RunId::new(7)).await.unwrap();
    assert_eq!(run.tasks.iter().map(|task| task.task_key.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    insta::assert_snapshot!(script.lines().join("\n"));
}

#[tokio::test(start_paused = true)]
async fn pages_that_lead_in_a_circle_are_an_error() {
    let page = |token| Answer::Json(200, json!({"run_id": 7, "next_page_token": token}));
    let script = Script::new([page("a"), page("b"), page("a"), page("b")]);
    let error = script.jobs(1).get_run(RunId::new(7)).await.unwrap_err();
    assert!(matches!(&error, JobError::Transport(e) if e.kind() == ErrorKind::Decode), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_run_is_not_found() {
    let answer = json!({"error_code": "INVALID_PARAMETER_VALUE", "message": "Run 7 does not exist."});
    let script = Script::new([Answer::Json(400, answer)]);
    let error = script.jobs(3).get_run(RunId::new(7)).await.unwrap_err();
    assert!(matches!(&error, JobError::Transport(e) if e.kind() == ErrorKind::NotFound), "{error}");
    assert!(error.to_string().contains("Run 7 does not exist."), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_sent_again_when_it_broke_off() {
    let script = Script::new([Answer::Reset, Answer::Json(200, json!({}))]);
    script.jobs(3).cancel_run(RunId::new(7)).await.unwrap();
    let seen = script.seen();
    assert_eq!(seen[1].line, "POST /api/2.2/jobs/runs/cancel");
    assert_eq!(seen[1].body, json!({"run_id": 7}));
}

#[tokio::test(start_paused = true)]
async fn runs_are_listed_over_pages_with_the_filters_on_each() {
    let script = Script::new([
        Answer::Json(
            200,
            json!({"runs": [{"run_id": 9}, {"run_id": 8}], "has_more": true, "next_page_token": "n"}),
        ),
        Answer::Json(200, json!({"has_more": true, "next_page_token": "m"})),
        Answer::Json(200, json!({"runs": [{"run_id": 7, "run_name": "x"}], "has_more": false})),
    ]);
    let runs = script.jobs(1).list_runs().job(JobId::new(1)).job(JobId::new(42)).active_only().send();
    let ids: Vec<i64> = runs.map_ok(|run| run.run_id.get()).try_collect().await.unwrap();
    assert_eq!(ids, [9, 8, 7]);
    insta::assert_snapshot!(script.lines().join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_token_repeats_is_an_error() {
    let page = || Answer::Json(200, json!({"runs": [{"run_id": 9}], "next_page_token": "n"}));
    let script = Script::new([page(), page()]);
    let error = script.jobs(1).list_runs().send().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("`n`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_leads_in_a_circle_is_an_error_before_anything_comes_twice() {
    let page =
        |id: i64, token| Answer::Json(200, json!({"runs": [{"run_id": id}], "next_page_token": token}));
    let script = Script::new([page(9, "b"), page(8, "c"), page(7, "b")]);
    let mut runs = script.jobs(1).list_runs().send();
    let mut ids = Vec::new();
    let error = loop {
        match runs.try_next().await {
            Ok(run) => ids.push(run.unwrap().run_id.get()),
            Err(error) => break error,
        }
    };
    assert_eq!(ids, [9, 8]);
    assert!(error.to_string().contains("token `b` came twice"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn outputs_of_runs_that_start_each_other_come_once() {
    let run = |id: i64, task: i64| {
        let done =
            json!({"state": "TERMINATED", "termination_details": {"code": "SUCCESS", "type": "SUCCESS"}});
        Answer::Json(200, json!({"run_id": id, "tasks": [{"task_key": "t", "run_id": task, "status": done}]}))
    };
    let started = |id: i64| Answer::Json(200, json!({"run_job_output": {"run_id": id}}));
    let script = Script::new([run(1, 11), started(2), run(2, 21), started(1)]);
    let outputs: Vec<_> = script.jobs(1).output(RunId::new(1)).try_collect().await.unwrap();
    let ids: Vec<i64> = outputs.iter().map(|task| task.run_id.get()).collect();
    assert_eq!((ids, script.seen().len()), (vec![11, 21], 4));
}

#[tokio::test(start_paused = true)]
async fn numbers_that_are_no_ids_are_an_error_that_says_so() {
    for id in [json!(u64::MAX), json!("seven"), json!(1.5), json!(null)] {
        let error =
            Script::new([Answer::Json(200, json!({"run_id": id}))]).jobs(1).get_run(RunId::new(7)).await;
        let error = error.unwrap_err();
        assert_eq!(error.transport().unwrap().kind(), ErrorKind::Decode, "{error}");
    }
    let largest = Answer::Json(200, json!({"run_id": i64::MAX}));
    let run = Script::new([largest]).jobs(1).get_run(RunId::new(i64::MAX)).await.unwrap();
    assert_eq!(run.run_id.to_string(), "9223372036854775807");
}
