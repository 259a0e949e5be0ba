//! The mock client: recording, replaying, simulating, and a recording compared with a simulator.

use std::sync::Arc;

use databricks_testkit::{
    CassetteMode, CassetteOptions, Column, MockDatabricksClient, ScriptedEngine, SimulatedWorkspace,
    StatementFailure, VerifyOptions, WarehouseSpec,
};
use databricks_transport::{Client, DatabricksConfig, ErrorKind};
use http::Method;
use serde_json::{Value, json};

use crate::support::{STATEMENTS, TOKEN, WAREHOUSE, builder};

async fn run(mock: &MockDatabricksClient, text: &str) -> Value {
    let body = json!({ "statement": text, "warehouse_id": SimulatedWorkspace::DEFAULT_WAREHOUSE, "wait_timeout": "0s" });
    let mut answer: Value = mock.request(Method::POST, STATEMENTS, Some(body)).await.unwrap();
    while matches!(answer["status"]["state"].as_str(), Some("PENDING" | "RUNNING")) {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let path = format!("{STATEMENTS}/{}", answer["statement_id"].as_str().unwrap());
        answer = mock.request(Method::GET, &path, None).await.unwrap();
    }
    answer
}

async fn story(mock: &MockDatabricksClient) -> Vec<Value> {
    let warehouses: Value = mock.request(Method::GET, "/api/2.0/sql/warehouses", None).await.unwrap();
    let missing =
        mock.request::<Value>(Method::GET, "/api/2.1/unity-catalog/schemas/main.none?x=y", None).await;
    let kind = missing.unwrap_err().kind();
    assert_eq!(kind, ErrorKind::NotFound);
    // Names of users are not recorded.
    let warehouse = warehouses["warehouses"][0]["id"].clone();
    vec![
        warehouse,
        run(mock, "SELECT a,\n  b\nFROM t").await["result"].clone(),
        run(mock, "oops").await["status"].clone(),
    ]
}

fn simulating() -> MockDatabricksClient {
    let mock = MockDatabricksClient::simulating().unwrap();
    let engine = mock.engine().unwrap();
    let columns = || [Column::new("a", "INT"), Column::new("b", "STRING")];
    engine.on("SELECT a,\n  b\nFROM t").rows(columns(), [[json!(1), json!("x")], [json!(2), json!(null)]]);
    engine.on("oops").fail("PARSE_SYNTAX_ERROR", "42601", "Syntax error at or near 'oops'.");
    mock
}

#[tokio::test(start_paused = true)]
async fn a_simulated_story_is_recorded_and_replays_with_the_same_transcript() {
    let mock = simulating();
    let simulated = story(&mock).await;
    insta::assert_snapshot!("transcript", mock.transcript());
    assert!(mock.workspace().is_some());
    let replay = MockDatabricksClient::replaying(&mock.cassette().unwrap()).unwrap();
    assert_eq!(story(&replay).await, simulated);
    assert_eq!(replay.transcript(), mock.transcript());
    assert!(replay.workspace().is_none() && replay.engine().is_none());
    replay.finish().unwrap();
    mock.finish().unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_can_be_read_back_without_what_is_secret() {
    let mock = simulating();
    story(&mock).await;
    let requests = mock.get_recorded_requests();
    assert_eq!(
        (requests[1].path.as_str(), requests[1].query.as_str()),
        ("/api/2.1/unity-catalog/schemas/main.none", "x=y")
    );
    assert_eq!(requests[2].body.as_json().unwrap()["statement"], "SELECT a,\n  b\nFROM t");
    assert!(!format!("{requests:?} {mock:?}").contains(SimulatedWorkspace::DEFAULT_TOKEN));
    mock.finish().unwrap();
}

#[tokio::test]
async fn any_client_can_be_recorded() {
    let engine = ScriptedEngine::new();
    engine.on("x").affected(3);
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(TOKEN);
    let mock =
        MockDatabricksClient::recording(Client::builder(config).leaf(builder(&engine).build().service()))
            .unwrap();
    let body = json!({ "statement": "x", "warehouse_id": WAREHOUSE });
    let _: Value = mock.request(Method::POST, STATEMENTS, Some(body)).await.unwrap();
    assert_eq!(mock.finish().unwrap().recorded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_recording_fits_the_simulator_it_was_made_on() {
    let mock = simulating();
    story(&mock).await;
    let cassette = mock.cassette().unwrap();
    // Another workspace has other ids.
    let engine = mock.engine().unwrap().clone();
    let other = SimulatedWorkspace::builder().engine(Arc::new(engine)).seed(99).build();
    let drift = cassette.verify(other.service(), &VerifyOptions::new()).await;
    assert!(drift.is_empty() && drift.compared >= 4, "{drift}");
    mock.finish().unwrap();
}

#[tokio::test(start_paused = true)]
async fn drift_is_listed_by_place() {
    let mock = simulating();
    story(&mock).await;
    let cassette = mock.cassette().unwrap();
    let engine = ScriptedEngine::new();
    engine.on_containing("SELECT").rows([Column::new("a", "INT")], [[json!(1)]]);
    let failure = StatementFailure {
        error_code: "BAD_REQUEST".to_owned(),
        message: "other".to_owned(),
        sql_state: None,
    };
    engine.on("oops").failure(failure);
    let other = SimulatedWorkspace::builder().engine(Arc::new(engine)).seed(99).build();
    let drift = cassette.verify(other.service(), &VerifyOptions::new()).await;
    insta::assert_snapshot!("drift", drift);
    let ignoring = VerifyOptions::new()
        .with_ignored_pointer("/manifest")
        .with_ignored_pointer("/result")
        .with_ignored_pointer("/status");
    assert!(cassette.verify(other.service(), &ignoring).await.is_empty());
    mock.finish().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_replays_offline_with_the_warehouse_of_its_recording() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("story.json");
    let engine = ScriptedEngine::new();
    engine.on("x").affected(3);
    let cold =
        WarehouseSpec::new("5134e1a7ed00c01d").stopped().start_delay(std::time::Duration::from_secs(5));
    let workspace = SimulatedWorkspace::builder().warehouse_with(cold).engine(Arc::new(engine)).build();
    let mock = MockDatabricksClient::simulating_on(workspace).unwrap();
    let statement = async |mock: &MockDatabricksClient| -> Value {
        let warehouse = mock.client().config().warehouse_id().unwrap();
        let body = json!({ "statement": "x", "warehouse_id": warehouse });
        mock.request(Method::POST, STATEMENTS, Some(body)).await.unwrap()
    };
    let simulated = statement(&mock).await;
    mock.cassette().unwrap().save(&file).unwrap();

    let offline = || CassetteOptions::new().with_mode(CassetteMode::None);
    let replay = MockDatabricksClient::open(&file, offline()).unwrap();
    assert_eq!(statement(&replay).await["result"], simulated["result"]);
    assert_eq!(replay.finish().unwrap().replayed, 1);
    let missing = MockDatabricksClient::open(folder.path().join("none.json"), offline()).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Config);
    assert!(missing.to_string().contains("none.json"), "{missing}");
}
