//! With a seed and paused time, the same story gets the same answers, byte for byte.

use std::time::Duration;

use databricks_testkit::{Column, Fault, FaultRule, Latency, ScriptedEngine, SimulatedWorkspaceBuilder};
use http::Method;
use serde_json::json;

use crate::support::{Answer, Caller, STATEMENTS, WAREHOUSE, builder};

fn engine() -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    engine.on("many").chunks([Column::new("n", "INT")], [[[json!(1)]], [[json!(2)]]]);
    engine.on("slow").delay(Duration::from_secs(3)).affected(1);
    engine
}

/// Every answer of a story that touches what the workspace has.
async fn story(builder: SimulatedWorkspaceBuilder) -> Vec<Answer> {
    let workspace = builder.build();
    let slow = Fault::latency(Latency::log_normal(Duration::from_millis(200), Duration::from_secs(4)));
    workspace.faults().add(FaultRule::any(slow.seeded(3)).rate(0.5, 4).unwrap());
    let caller = Caller::new(workspace);
    let mut answers = vec![
        caller.post("/api/2.0/sql/sessions", json!({ "warehouse_id": WAREHOUSE })).await,
        caller.submit("many", json!({})).await,
        caller.submit("nothing", json!({})).await,
        caller.submit("slow", json!({ "wait_timeout": "0s" })).await,
    ];
    let slow = answers[3].json()["statement_id"].as_str().unwrap().to_owned();
    answers.push(caller.get(&format!("{STATEMENTS}/{slow}")).await);
    tokio::time::sleep(Duration::from_secs(5)).await;
    answers.push(caller.get(&format!("{STATEMENTS}/{slow}")).await);
    let external = caller.submit("many", json!({ "disposition": "EXTERNAL_LINKS" })).await;
    #[cfg(feature = "arrow")]
    answers.push(caller.download(&external.json()["result"]["external_links"][0]).await);
    answers.push(external);
    let volume =
        json!({ "catalog_name": "main", "schema_name": "default", "name": "v", "volume_type": "MANAGED" });
    answers.push(caller.post("/api/2.1/unity-catalog/volumes", volume).await);
    let root = "Volumes/main/default/v";
    for path in [format!("files/{root}/d/f"), format!("directories/{root}/e"), "files/nowhere".to_owned()] {
        answers.push(caller.call(Method::PUT, &format!("/api/2.0/fs/{path}"), "content").await);
    }
    for path in [format!("files/{root}/d/f"), format!("directories/{root}"), format!("files/{root}/x")] {
        answers.push(caller.get(&format!("/api/2.0/fs/{path}")).await);
    }
    for path in ["2.1/unity-catalog/volumes/main.default.v", "2.0/sql/warehouses", "2.0/nowhere"] {
        answers.push(caller.get(&format!("/api/{path}")).await);
    }
    answers
}

fn bytes(answers: &[Answer]) -> Vec<String> {
    let text = |answer: &Answer| format!("{} {:?}\n{:?}", answer.status, answer.headers, answer.bytes);
    answers.iter().map(text).collect()
}

/// A clock of its own for every run, as in two test processes.
fn run(builder: impl FnOnce() -> SimulatedWorkspaceBuilder) -> Vec<String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    bytes(&runtime.block_on(story(builder())))
}

#[test]
fn a_seed_makes_two_runs_equal_byte_for_byte() {
    let first = run(|| builder(&engine()).seed(7));
    let second = run(|| builder(&engine()).seed(7));
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(a, b);
    }
    assert_eq!(first.len(), second.len());
    assert!(first.iter().any(|answer| answer.contains("2025-01-01T00:")), "{first:#?}");
    assert!(first.iter().any(|answer| answer.contains("last-modified\": \"Wed, 01 Jan 2025")), "{first:#?}");
    assert_ne!(first, run(|| builder(&engine()).seed(8)));
}

#[test]
fn the_calendar_starts_where_it_is_told_to() {
    let start = "2031-05-06T07:08:09Z".parse().unwrap();
    let answers = run(|| builder(&engine()).seed(7).starting_at(start));
    assert!(answers.iter().any(|answer| answer.contains("2031-05-06T07:2")), "{answers:#?}");
    assert!(!answers.iter().any(|answer| answer.contains("2025-01-01")));
}
