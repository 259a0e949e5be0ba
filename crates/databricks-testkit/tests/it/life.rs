//! A statement's life: waiting, polling, cancelling, closing, being forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use databricks_testkit::{
    Column, EngineRequest, EngineResult, ResultChunk, ScriptedEngine, SimulatedWorkspace, StatementEngine,
    StatementFailure,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Caller, STATEMENTS, TOKEN, WAREHOUSE, builder};

fn slow(seconds: u64) -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    engine.on("slow").delay(Duration::from_secs(seconds)).rows([Column::new("n", "INT")], [[json!(1)]]);
    engine
}

fn path_of(answer: &Value) -> String {
    format!("{STATEMENTS}/{}", answer["statement_id"].as_str().unwrap())
}

fn state(answer: &Value) -> &str {
    answer["status"]["state"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_call_waits_as_long_as_asked_and_no_longer() {
    let caller = Caller::of(&slow(20));
    for (wait, waited, ended) in [
        (json!({}), 10, "RUNNING"),
        (json!({ "wait_timeout": "0s" }), 0, "PENDING"),
        (json!({ "wait_timeout": "50s" }), 20, "SUCCEEDED"),
    ] {
        let started = Instant::now();
        let answer = caller.submit("slow", wait).await.json();
        assert_eq!((state(&answer), started.elapsed().as_secs()), (ended, waited));
    }
}

#[tokio::test(start_paused = true)]
async fn polling_sees_it_run_and_end_also_with_a_json_body() {
    let caller = Caller::of(&slow(20));
    let submitted = caller.submit("slow", json!({ "wait_timeout": "0s" })).await.json();
    assert!(submitted.get("manifest").is_none());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(state(&caller.get(&path_of(&submitted)).await.json()), "RUNNING");
    tokio::time::sleep(Duration::from_secs(30)).await;
    let body = json!({ "statement_id": submitted["statement_id"] }).to_string();
    let ended = caller.call(Method::GET, &path_of(&submitted), body).await.json();
    assert_eq!((state(&ended), &ended["result"]["data_array"]), ("SUCCEEDED", &json!([["1"]])));
}

/// Notices when its statement is dropped before its end.
struct Watched(Arc<AtomicBool>);

impl StatementEngine for Watched {
    fn execute(&self, _: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        struct OnDrop(Arc<AtomicBool>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let guard = OnDrop(self.0.clone());
        async move {
            let _guard = guard;
            std::future::pending().await
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_a_close_and_a_wait_that_cancels_all_stop_the_engine() {
    for how in ["cancel", "close", "wait"] {
        let dropped = Arc::new(AtomicBool::new(false));
        let engine = Arc::new(Watched(dropped.clone()));
        let workspace =
            SimulatedWorkspace::builder().token(TOKEN).warehouse(WAREHOUSE).engine(engine).build();
        let caller = Caller::new(workspace);
        let wait = if how == "wait" { "5s" } else { "0s" };
        let answer =
            caller.submit("x", json!({ "wait_timeout": wait, "on_wait_timeout": "CANCEL" })).await.json();
        // Lets the statement begin: one that has not cannot be dropped half-way.
        tokio::task::yield_now().await;
        match how {
            "cancel" => assert_eq!(
                caller.post(&format!("{}/cancel", path_of(&answer)), json!({})).await.json(),
                json!({})
            ),
            "close" => assert_eq!(caller.delete(&path_of(&answer)).await.json(), json!({})),
            _ => assert_eq!(state(&answer), "CANCELED"),
        }
        tokio::task::yield_now().await;
        assert_eq!(state(&caller.get(&path_of(&answer)).await.json()), "CANCELED", "{how}");
        assert!(dropped.load(Ordering::SeqCst), "{how}");
    }
}

#[tokio::test]
async fn a_cancel_after_the_end_changes_nothing() {
    let engine = ScriptedEngine::new();
    engine.on("x").affected(3);
    let caller = Caller::of(&engine);
    let answer = caller.submit("x", json!({})).await.json();
    caller.post(&format!("{}/cancel", path_of(&answer)), json!({})).await;
    assert_eq!(caller.get(&path_of(&answer)).await.json(), answer);
}

#[tokio::test]
async fn a_close_frees_the_result_and_may_be_repeated() {
    let engine = ScriptedEngine::new();
    engine.on("x").affected(3);
    let caller = Caller::of(&engine);
    let answer = caller.submit("x", json!({})).await.json();
    assert!(caller.workspace.retained_result_bytes() > 0);
    for _ in 0..2 {
        assert_eq!(caller.delete(&path_of(&answer)).await.json(), json!({}));
    }
    assert_eq!(caller.workspace.retained_result_bytes(), 0);
    assert_eq!(state(&caller.get(&path_of(&answer)).await.json()), "CLOSED");
    let chunk = caller.get(&format!("{}/result/chunks/0", path_of(&answer))).await;
    assert_eq!(chunk.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_result_is_closed_after_an_hour_and_its_statement_forgotten_after_twelve() {
    let engine = ScriptedEngine::new();
    engine.on("x").affected(3);
    let caller = Caller::of(&engine);
    let answer = caller.submit("x", json!({})).await.json();
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert_eq!(state(&caller.get(&path_of(&answer)).await.json()), "SUCCEEDED");
    tokio::time::advance(Duration::from_secs(1)).await;
    let closed = caller.get(&path_of(&answer)).await.json();
    assert_eq!((state(&closed), closed.get("result"), closed.get("manifest")), ("CLOSED", None, None));
    let chunk = caller.get(&format!("{}/result/chunks/0", path_of(&answer))).await;
    assert_eq!(chunk.status, StatusCode::NOT_FOUND);
    tokio::time::advance(Duration::from_secs(11 * 3600)).await;
    let gone = caller.get(&path_of(&answer)).await;
    assert_eq!(
        (gone.status, &gone.json()["error_code"]),
        (StatusCode::NOT_FOUND, &json!("RESOURCE_DOES_NOT_EXIST"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_hour_begins_at_the_end_of_a_statement_and_not_at_the_first_look() {
    let caller = Caller::of(&slow(600));
    let answer = caller.submit("slow", json!({ "wait_timeout": "0s" })).await.json();
    tokio::time::sleep(Duration::from_secs(600 + 3599)).await;
    assert_eq!(state(&caller.get(&path_of(&answer)).await.json()), "SUCCEEDED");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(state(&caller.get(&path_of(&answer)).await.json()), "CLOSED");
}

#[tokio::test]
async fn past_the_memory_limit_the_oldest_result_is_closed() {
    let engine = ScriptedEngine::new();
    engine.on("x").affected(3);
    let caller = Caller::new(builder(&engine).result_memory(1).build());
    let first = caller.submit("x", json!({})).await.json();
    let second = caller.submit("x", json!({})).await.json();
    assert_eq!(state(&second), "SUCCEEDED");
    assert_eq!(state(&caller.get(&path_of(&first)).await.json()), "CLOSED");
}

struct Panics;

impl StatementEngine for Panics {
    fn execute(&self, _: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        async { panic!("a bug in the engine") }.boxed()
    }
}

#[tokio::test]
async fn a_panic_of_the_engine_fails_its_statement_only() {
    let workspace =
        SimulatedWorkspace::builder().token(TOKEN).warehouse(WAREHOUSE).engine(Arc::new(Panics)).build();
    let answer = Caller::new(workspace).submit("x", json!({})).await.json();
    assert_eq!(answer["status"]["error"]["error_code"], "INTERNAL_ERROR");
}

#[tokio::test]
async fn bad_requests_are_refused_before_the_engine_sees_them() {
    let engine = ScriptedEngine::new();
    let caller = Caller::of(&engine);
    let malformed = caller.call(Method::POST, STATEMENTS, "{\"statement\": 1").await;
    assert_eq!(
        (malformed.status.as_u16(), &malformed.json()["error_code"]),
        (400, &json!("MALFORMED_REQUEST"))
    );
    let too_long = caller.submit(&"x".repeat(16 * 1024 * 1024 + 1), json!({})).await;
    assert_eq!(
        (too_long.status.as_u16(), &too_long.json()["error_code"]),
        (400, &json!("INVALID_PARAMETER_VALUE"))
    );
    let bad_type = caller
        .submit("x", json!({ "parameters": [{ "name": "p", "type": "MAP<INT,INT>", "value": "1" }] }))
        .await;
    assert!(bad_type.json()["message"].as_str().unwrap().contains("MAP<INT,INT>"));
    let bad_wait = caller.submit("x", json!({ "wait_timeout": "60s" })).await;
    assert!(bad_wait.json()["message"].as_str().unwrap().contains("60s"));
    for path in ["no-such-id", "no-such-id/result/chunks/0"] {
        let unknown = caller.get(&format!("{STATEMENTS}/{path}")).await;
        assert_eq!(
            (unknown.status.as_u16(), unknown.json()["message"].as_str()),
            (404, Some("The statement no-such-id was not found."))
        );
    }
    assert!(engine.requests().is_empty());
}

#[tokio::test]
async fn a_chunk_that_does_not_exist_says_how_many_there_are() {
    let engine = ScriptedEngine::new();
    engine.on("x").affected(3);
    let caller = Caller::of(&engine);
    let answer = caller.submit("x", json!({})).await.json();
    for (index, part) in [("7", "the result has 1 chunks"), ("one", "'one' is not a chunk index")] {
        let chunk = caller.get(&format!("{}/result/chunks/{index}", path_of(&answer))).await;
        assert_eq!(chunk.status, StatusCode::BAD_REQUEST);
        assert!(chunk.json()["message"].as_str().unwrap().contains(part));
    }
}

#[tokio::test]
async fn under_a_seed_two_workspaces_give_the_same_ids() {
    let engine = ScriptedEngine::new();
    engine.on("x").empty();
    let (first, second) = (Caller::of(&engine), Caller::of(&engine));
    let ids = [first.submit("x", json!({})).await.json(), second.submit("x", json!({})).await.json()];
    assert_eq!(ids[0]["statement_id"], ids[1]["statement_id"]);
    assert_ne!(first.submit("x", json!({})).await.json()["statement_id"], ids[0]["statement_id"]);
}

/// Rows of which one cannot be written.
struct Unwritable;

impl ResultChunk for Unwritable {
    fn row_count(&self) -> u64 {
        1
    }

    fn byte_count(&self) -> u64 {
        8
    }

    fn json_rows(&self) -> Result<Vec<Vec<Option<String>>>, StatementFailure> {
        Err(StatementFailure::internal("The value cannot be written."))
    }

    fn arrow_stream(&self) -> Result<bytes::Bytes, StatementFailure> {
        Err(StatementFailure::internal("The value cannot be written."))
    }
}

struct UnwritableEngine;

impl StatementEngine for UnwritableEngine {
    fn execute(&self, _: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        let chunks: Vec<Arc<dyn ResultChunk>> = vec![Arc::new(Unwritable)];
        async { Ok(EngineResult { chunks, ..EngineResult::default() }) }.boxed()
    }
}

#[tokio::test]
async fn an_inline_result_that_cannot_be_written_fails_its_statement() {
    let caller = Caller::new(builder(&ScriptedEngine::new()).engine(Arc::new(UnwritableEngine)).build());
    let submitted = caller.submit("x", json!({})).await;
    assert_eq!(submitted.status, StatusCode::OK);
    for answer in [submitted.json(), caller.get(&path_of(&submitted.json())).await.json()] {
        assert_eq!(state(&answer), "FAILED");
        assert_eq!(answer["status"]["error"]["message"], "The value cannot be written.");
        assert!(answer.get("result").is_none() && answer.get("manifest").is_none());
    }
}

#[tokio::test]
async fn a_chunk_that_cannot_be_written_after_the_statement_succeeded_fails_it_in_the_apis_words() {
    let links = json!({ "disposition": "EXTERNAL_LINKS", "format": "JSON_ARRAY" });
    let caller = Caller::new(builder(&ScriptedEngine::new()).engine(Arc::new(UnwritableEngine)).build());
    let submitted = caller.submit("x", links).await.json();
    assert_eq!(state(&submitted), "SUCCEEDED");
    let object = caller.download(&submitted["result"]["external_links"][0]).await;
    assert_eq!(object.status, StatusCode::NOT_FOUND);
    assert!(object.text().contains("The value cannot be written."), "{}", object.text());
    let chunk = caller.get(&format!("{}/result/chunks/0", path_of(&submitted))).await;
    assert_eq!((chunk.status, &chunk.json()["error_code"]), (StatusCode::BAD_REQUEST, &json!("BAD_REQUEST")));
    assert!(chunk.json()["message"].as_str().unwrap().contains("The value cannot be written."));
    assert_eq!(state(&caller.get(&path_of(&submitted)).await.json()), "FAILED");
}

#[tokio::test]
async fn query_tags_reach_the_engine() {
    let engine = ScriptedEngine::new();
    engine.on_matching(|request| !request.query_tags.is_empty()).empty();
    let caller = Caller::of(&engine);
    let tagged = caller.submit("x", json!({ "query_tags": [{ "key": "team", "value": "a" }] })).await;
    assert_eq!(state(&tagged.json()), "SUCCEEDED");
    assert_eq!(engine.requests()[0].query_tags, [("team".to_owned(), Some("a".to_owned()))]);
    let refused = caller.submit("x", json!({ "query_tags": [{ "key": "" }] })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_thousand_workspaces_keep_to_themselves() {
    let callers: Vec<Caller> = (0..1000)
        .map(|n| {
            let engine = ScriptedEngine::new();
            engine.on("who").rows([databricks_testkit::Column::new("n", "INT")], [[json!(n)]]);
            Caller::of(&engine)
        })
        .collect();
    let answers =
        futures::future::join_all(callers.iter().map(|caller| caller.submit("who", json!({})))).await;
    for (n, (caller, answer)) in callers.iter().zip(answers).enumerate() {
        assert_eq!(answer.json()["result"]["data_array"], json!([[n.to_string()]]));
        assert_eq!(caller.workspace.requests().len(), 1);
    }
    let elsewhere = callers[1].submit("who", json!({})).await.json();
    assert_eq!(callers[0].get(&path_of(&elsewhere)).await.status, StatusCode::NOT_FOUND);
}
