//! The workspace on loopback ports, with a plain HTTP client.

use std::sync::Arc;

use databricks_testkit::{
    Column, EngineRequest, EngineResult, Fault, FaultRule, ScriptedEngine, Server, SimulatedWorkspace,
    StatementEngine, StatementFailure,
};
use databricks_transport::Body;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{STATEMENTS, TOKEN, WAREHOUSE, builder};

struct Remote {
    client: Client<HttpConnector, Body>,
    server: Server,
}

async fn start(workspace: &SimulatedWorkspace) -> Remote {
    let server = workspace.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    Remote { client: Client::builder(TokioExecutor::new()).build_http(), server }
}

impl Remote {
    async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> Result<Response<Incoming>, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.url()))
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(body.into())
            .unwrap();
        self.client.request(request).await.map_err(|error| error.to_string())
    }

    async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> (StatusCode, Vec<u8>) {
        let response = self.try_call(method, path, body).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn submit(&self, statement: &str) -> Value {
        let body =
            json!({ "statement": statement, "warehouse_id": WAREHOUSE, "disposition": "EXTERNAL_LINKS" });
        let (_, bytes) = self.call(Method::POST, &format!("{STATEMENTS}/"), body.to_string()).await;
        serde_json::from_slice(&bytes).unwrap()
    }
}

fn one_row() -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    engine.on("one").rows([Column::new("n", "INT")], [[json!(1)]]);
    engine
}

#[tokio::test]
async fn a_result_is_fetched_from_the_other_port() {
    let remote = start(&builder(&one_row()).build()).await;
    let answer = remote.submit("one").await;
    let link = answer["result"]["external_links"][0]["external_link"].as_str().unwrap();
    assert!(link.starts_with(&remote.server.storage_url()) && !link.starts_with(&remote.server.url()));
    let request = Request::get(link).body(Body::empty()).unwrap();
    let object = remote.client.request(request).await.unwrap();
    assert_eq!(object.into_body().collect().await.unwrap().to_bytes(), "[[\"1\"]]");
    let on_storage =
        Request::get(format!("{}{STATEMENTS}", remote.server.storage_url())).body(Body::empty()).unwrap();
    assert_eq!(remote.client.request(on_storage).await.unwrap().status(), 404);
    remote.server.shutdown().await;
}

#[tokio::test]
async fn files_go_both_ways_and_head_tells_their_size() {
    let workspace = builder(&one_row()).build();
    let remote = start(&workspace).await;
    let volume =
        json!({ "catalog_name": "main", "schema_name": "default", "name": "v", "volume_type": "MANAGED" });
    let (made, _) = remote.call(Method::POST, "/api/2.1/unity-catalog/volumes", volume.to_string()).await;
    assert_eq!(made, 200);
    let path = "/api/2.0/fs/files/Volumes/main/default/v/f";
    let content: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    assert_eq!(remote.call(Method::PUT, path, content.clone()).await.0, 204);
    assert_eq!(remote.call(Method::GET, path, ()).await.1, content);
    let head = remote.try_call(Method::HEAD, path, ()).await.unwrap();
    assert_eq!(head.headers()["content-length"], "3000000");
    // A refusal reaches a client that is still sending.
    let (status, body) = remote.call(Method::PUT, path, content).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(String::from_utf8(body).unwrap().contains("ALREADY_EXISTS"));
    remote.server.shutdown().await;
}

#[tokio::test]
async fn a_simulated_reset_breaks_the_connection_and_the_next_call_works() {
    let workspace = builder(&one_row()).build();
    let remote = start(&workspace).await;
    workspace.faults().add(FaultRule::on(Method::GET, "/api/2.0/sql/warehouses", Fault::ResetAfter));
    assert!(remote.try_call(Method::GET, "/api/2.0/sql/warehouses", ()).await.is_err());
    assert_eq!(remote.call(Method::GET, "/api/2.0/sql/warehouses", ()).await.0, 200);
    remote.server.shutdown().await;
}

/// Says when a statement has begun, and ends it when told to.
#[derive(Default)]
struct Gate {
    begun: Notify,
    open: Notify,
}

struct Gated(Arc<Gate>);

impl StatementEngine for Gated {
    fn execute(&self, _: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        let gate = self.0.clone();
        async move {
            gate.begun.notify_one();
            gate.open.notified().await;
            Ok(EngineResult::default())
        }
        .boxed()
    }
}

#[tokio::test]
async fn a_shutdown_lets_open_requests_end_and_frees_the_port() {
    let gate = Arc::new(Gate::default());
    let workspace = builder(&one_row()).engine(Arc::new(Gated(gate.clone()))).build();
    let Remote { client, server } = start(&workspace).await;
    let body = json!({ "statement": "x", "warehouse_id": WAREHOUSE }).to_string();
    let request = Request::post(format!("{}{STATEMENTS}", server.url()))
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Body::from(body))
        .unwrap();
    let open = tokio::spawn(client.request(request));
    gate.begun.notified().await;
    let addr = server.addr();
    let shutdown = tokio::spawn(server.shutdown());
    tokio::task::yield_now().await;
    assert!(!shutdown.is_finished());
    gate.open.notify_one();
    assert_eq!(open.await.unwrap().unwrap().status(), 200);
    shutdown.await.unwrap();
    let again = workspace.serve(addr).await.unwrap();
    assert_eq!(again.addr(), addr);
    again.shutdown().await;
}

#[tokio::test]
async fn a_client_without_a_token_is_refused_even_while_it_sends_a_large_body() {
    let remote = start(&builder(&one_row()).build()).await;
    let client: Client<HttpConnector, Full<bytes::Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let body = Full::new(bytes::Bytes::from(vec![b'x'; 4_000_000]));
    let request = Request::post(format!("{}{STATEMENTS}", remote.server.url())).body(body).unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    remote.server.shutdown().await;
}
