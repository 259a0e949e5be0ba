//! Against the simulated workspace of the test kit: the other side of the wire, written by itself.

use std::sync::Arc;
use std::time::Duration;

use databricks_sql::{SqlClient, SqlError};
use databricks_testkit::{Column, ScriptedEngine, SimulatedWorkspace};
use databricks_transport::{Client, DatabricksConfig};
use serde_json::{Value, json};

const WAREHOUSE: &str = "1234567890abcdef";

fn workspace(engine: ScriptedEngine) -> (SimulatedWorkspace, SqlClient) {
    let workspace = SimulatedWorkspace::builder()
        .token("dapi-test")
        .warehouse(WAREHOUSE)
        .engine(Arc::new(engine))
        .build();
    let config = DatabricksConfig::new("https://workspace.invalid").unwrap().with_token("dapi-test");
    let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
    (workspace, SqlClient::new(&client, WAREHOUSE))
}

fn numbers(range: std::ops::Range<i64>) -> Vec<[Value; 2]> {
    range.map(|n| [json!(n), json!(format!("{n}.50"))]).collect()
}

#[tokio::test]
async fn chunks_of_the_simulated_warehouse_arrive_whole_and_in_order() {
    let engine = ScriptedEngine::new();
    let columns = || [Column::new("n", "BIGINT"), Column::new("price", "DECIMAL(18,2)")];
    let chunks = || [numbers(0..500), numbers(500..501), numbers(501..1200)];
    engine.on("SELECT * FROM t").times(2).chunks(columns(), chunks());
    let (_workspace, sql) = workspace(engine);
    let external: Vec<(i64, String)> = sql.statement("SELECT * FROM t").fetch_all().await.unwrap();
    let inline: Vec<(i64, String)> = sql.execute("SELECT * FROM t").await.unwrap().rows().unwrap();
    assert_eq!(external.len(), 1200);
    assert_eq!(external[1199], (1199, "1199.50".to_owned()));
    assert_eq!(external, inline);
}

#[tokio::test]
async fn failure_of_the_simulated_warehouse_keeps_its_class() {
    let engine = ScriptedEngine::new();
    engine.on("SELECT 1/0").fail("DIVIDE_BY_ZERO", "22012", "Division by zero.");
    let (_workspace, sql) = workspace(engine);
    let error = sql.execute("SELECT 1/0").await.unwrap_err();
    assert_eq!((error.error_class(), error.sql_state()), (Some("DIVIDE_BY_ZERO"), Some("22012")));
}

#[tokio::test(start_paused = true)]
async fn statement_that_never_ends_times_out() {
    let engine = ScriptedEngine::new();
    engine.on("SELECT 1").never();
    let (workspace, sql) = workspace(engine);
    let error = sql.execute_with_timeout("SELECT 1", Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(error, SqlError::StatementTimeout { .. }), "{error}");
    assert!(workspace.requests().iter().any(|request| format!("{request:?}").contains("/cancel")));
}
