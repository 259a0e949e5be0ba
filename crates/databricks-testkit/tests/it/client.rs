//! The client of this family on a simulated workspace: in process, and over sockets.

use databricks_testkit::{Column, ScriptedEngine, SimulatedWorkspace};
use databricks_transport::{ApiRequest, Client, DatabricksConfig, ErrorKind, Operation};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{STATEMENTS, TOKEN, WAREHOUSE, builder};

const EXECUTE: Operation = Operation::new("sql.execute");
const FETCH: Operation = Operation::new("sql.fetch_chunk").idempotent();

fn workspace() -> SimulatedWorkspace {
    let engine = ScriptedEngine::new();
    engine.on("one").rows([Column::new("n", "INT")], [[json!(1)]]);
    builder(&engine).build()
}

async fn fetch_one(client: &Client) -> String {
    let body = json!({ "statement": "one", "warehouse_id": WAREHOUSE, "disposition": "EXTERNAL_LINKS" });
    let request = ApiRequest::post(STATEMENTS).json(&body).unwrap();
    let answer: Value = client.call(EXECUTE, request).await.unwrap();
    let link = answer["result"]["external_links"][0]["external_link"].as_str().unwrap();
    let request = Request::builder().method(Method::GET).uri(link).body(().into()).unwrap();
    let object = client.fetch_link(FETCH, request).await.unwrap();
    String::from_utf8(object.into_body().collect(1000).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_client_runs_in_process_on_the_leaf() {
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(TOKEN);
    let client = Client::builder(config).leaf(workspace().service()).build().unwrap();
    assert_eq!(fetch_one(&client).await, "[[\"1\"]]");
}

#[tokio::test]
async fn a_client_runs_over_sockets() {
    let server = workspace().serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let config = DatabricksConfig::new(&server.url()).unwrap().with_token(TOKEN);
    let client = Client::new(config).unwrap();
    assert_eq!(fetch_one(&client).await, "[[\"1\"]]");
    server.shutdown().await;
}

#[tokio::test]
async fn refusals_are_typed_for_the_client() {
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token("wrong");
    let client = Client::builder(config).leaf(workspace().service()).build().unwrap();
    let error = client.send(FETCH, ApiRequest::get("/api/2.0/sql/warehouses")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.api_error().unwrap().error_code.as_deref(), Some("403"));
}
