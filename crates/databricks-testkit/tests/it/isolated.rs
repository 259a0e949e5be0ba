//! What one user makes is his own; and workspaces of their own for each token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use databricks_testkit::{
    Column, IsolatedService, IsolatedWorkspaces, ScriptedEngine, SimulatedWorkspace, WarehouseSpec,
};
use databricks_transport::Body;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{Caller, STATEMENTS, WAREHOUSE, builder};

const EVE: &str = "dapi-eve";

fn engine() -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    engine.on("one").rows([Column::new("n", "INT")], [[json!(1)]]);
    engine.on("never").never();
    engine
}

#[tokio::test]
async fn a_users_statements_and_sessions_do_not_exist_for_others() {
    let caller = Caller::new(builder(&engine()).token_of("eve", EVE).build());
    let done = caller.submit("one", json!({})).await.json();
    let running = caller.submit("never", json!({ "wait_timeout": "0s" })).await.json();
    let id = |answer: &Value| answer["statement_id"].as_str().unwrap().to_owned();
    for (method, path) in [
        (Method::GET, format!("{STATEMENTS}/{}", id(&done))),
        (Method::GET, format!("{STATEMENTS}/{}/result/chunks/0", id(&done))),
        (Method::POST, format!("{STATEMENTS}/{}/cancel", id(&running))),
        (Method::DELETE, format!("{STATEMENTS}/{}", id(&running))),
    ] {
        let answer = caller.call_as(EVE, method.clone(), &path, "{}").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
    let state = caller.get(&format!("{STATEMENTS}/{}", id(&running))).await.json();
    assert_ne!(state["status"]["state"], "CANCELED");
    let session = caller.post("/api/2.0/sql/sessions", json!({ "warehouse_id": WAREHOUSE })).await.json();
    let body = json!({ "statement": "one", "warehouse_id": WAREHOUSE, "session_id": session["session_id"] });
    assert_eq!(caller.call_as(EVE, Method::POST, STATEMENTS, body.to_string()).await.status, 404);
    let path = format!("/api/2.0/sql/sessions/{}", session["session_id"].as_str().unwrap());
    assert_eq!(caller.call_as(EVE, Method::DELETE, &path, ()).await.status, 404);
    assert_eq!(caller.delete(&path).await.status, 200);
}

#[tokio::test]
async fn a_link_leads_to_its_own_result_and_to_no_other() {
    let caller = Caller::new(builder(&engine()).token_of("eve", EVE).build());
    let link = async |token: &str| {
        let body = json!({ "statement": "one", "warehouse_id": WAREHOUSE, "disposition": "EXTERNAL_LINKS" });
        let answer = caller.call_as(token, Method::POST, STATEMENTS, body.to_string()).await.json();
        let link = answer["result"]["external_links"][0]["external_link"].as_str().unwrap().to_owned();
        (answer["statement_id"].as_str().unwrap().to_owned(), link)
    };
    let ((own, own_link), (other, _)) = (link(EVE).await, link(crate::support::TOKEN).await);
    let download = async |uri: &str| {
        caller.send(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap().status.as_u16()
    };
    assert_eq!(download(&own_link).await, 200);
    assert_eq!(download(&own_link.replace(&own, &other)).await, 403);
    assert_eq!(caller.call_as(EVE, Method::DELETE, &format!("{STATEMENTS}/{own}"), ()).await.status, 200);
    assert_eq!(download(&own_link).await, 404);
}

fn workspaces(limit: usize, made: Arc<AtomicUsize>) -> IsolatedWorkspaces {
    IsolatedWorkspaces::with_limit(limit, move |_| {
        made.fetch_add(1, Ordering::SeqCst);
        SimulatedWorkspace::builder().warehouse(WAREHOUSE).engine(Arc::new(engine())).build()
    })
}

async fn call(
    service: &IsolatedService,
    token: Option<&str>,
    method: Method,
    uri: &str,
    body: &str,
) -> (u16, Value) {
    let uri = if uri.starts_with("http") { uri.to_owned() } else { format!("https://api.test{uri}") };
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = service.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect(usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn linked(service: &IsolatedService, token: &str) -> String {
    let body = json!({ "statement": "one", "warehouse_id": WAREHOUSE, "disposition": "EXTERNAL_LINKS" });
    let (_, answer) = call(service, Some(token), Method::POST, STATEMENTS, &body.to_string()).await;
    answer["result"]["external_links"][0]["external_link"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_token_has_a_workspace_of_its_own_with_links_of_its_own() {
    let made = Arc::new(AtomicUsize::new(0));
    let all = workspaces(10, made.clone());
    let service = all.service();
    let schema = json!({ "catalog_name": "main", "name": "mine" }).to_string();
    let schemas = "/api/2.1/unity-catalog/schemas";
    assert_eq!(call(&service, Some("a"), Method::POST, schemas, &schema).await.0, 200);
    let there = format!("{schemas}/main.mine");
    assert_eq!(call(&service, Some("a"), Method::GET, &there, "").await.0, 200);
    assert_eq!(call(&service, Some("b"), Method::GET, &there, "").await.0, 404);
    let (first, second) = (linked(&service, "a").await, linked(&service, "b").await);
    for link in [&first, &second] {
        assert_eq!(call(&service, None, Method::GET, link, "").await, (200, json!([["1"]])));
    }
    let crossed = first.replace("/workspaces/1/", "/workspaces/2/");
    assert_eq!(call(&service, None, Method::GET, &crossed, "").await.0, 403);
    let nowhere = first.replace("/workspaces/1/", "/workspaces/9/");
    assert_eq!(call(&service, None, Method::GET, &nowhere, "").await.0, 404);
    assert_eq!((made.load(Ordering::SeqCst), all.len()), (2, 2));
    assert_eq!(all.get("a").unwrap().requests().len(), 4);
}

#[tokio::test]
async fn the_number_is_bounded_and_a_released_one_starts_afresh() {
    let all = workspaces(2, Arc::default());
    let service = all.service();
    let me = "/api/2.0/preview/scim/v2/Me";
    assert_eq!(call(&service, Some("a"), Method::GET, me, "").await.0, 200);
    assert_eq!(call(&service, Some("b"), Method::GET, me, "").await.0, 200);
    let (status, refused) = call(&service, Some("c"), Method::GET, me, "").await;
    assert_eq!((status, &refused["error_code"]), (400, &json!("QUOTA_EXCEEDED")));
    let link = linked(&service, "a").await;
    assert!(all.release("a").is_some() && all.release("a").is_none());
    assert_eq!(call(&service, None, Method::GET, &link, "").await.0, 404);
    assert_eq!(call(&service, Some("c"), Method::GET, me, "").await.0, 200);
    assert!(!format!("{all:?}").contains("\"a\""));
}

#[tokio::test]
async fn without_a_token_nothing_is_made() {
    let made = Arc::new(AtomicUsize::new(0));
    let service = workspaces(10, made.clone()).service();
    assert_eq!(call(&service, None, Method::POST, STATEMENTS, "{}").await.0, 401);
    assert_eq!(call(&service, None, Method::GET, "/.well-known/databricks-config", "").await.0, 404);
    assert_eq!(made.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_workspaces_are_made_once_each_by_parallel_callers() {
    let made = Arc::new(AtomicUsize::new(0));
    let all = workspaces(1_000, made.clone());
    let calls = (0..3_000).map(|n| {
        let service = all.service();
        tokio::spawn(async move {
            let token = format!("token-{}", n % 1_000);
            let body = json!({ "statement": "one", "warehouse_id": WAREHOUSE }).to_string();
            let (_, answer) = call(&service, Some(&token), Method::POST, STATEMENTS, &body).await;
            answer["result"]["data_array"].clone()
        })
    });
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), json!([["1"]]));
    }
    assert_eq!((made.load(Ordering::SeqCst), all.len()), (1_000, 1_000));
}

#[tokio::test]
async fn over_sockets_links_lead_to_the_storage_port_and_the_right_workspace() {
    use http_body_util::BodyExt;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    let all = workspaces(10, Arc::default());
    let server = all.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    for token in ["a", "b"] {
        let body = json!({ "statement": "one", "warehouse_id": WAREHOUSE, "disposition": "EXTERNAL_LINKS" });
        let request = Request::post(format!("{}{STATEMENTS}", server.url()))
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        let bytes = client.request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        let link = answer["result"]["external_links"][0]["external_link"].as_str().unwrap();
        assert!(link.starts_with(&format!("{}/workspaces/", server.storage_url())), "{link}");
        let object = client.request(Request::get(link).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(object.into_body().collect().await.unwrap().to_bytes(), "[[\"1\"]]");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_workspace_that_knows_the_token_keeps_its_user() {
    let all = IsolatedWorkspaces::new(|token| {
        SimulatedWorkspace::builder()
            .token_of("ada", token)
            .warehouse_with(WarehouseSpec::new(WAREHOUSE))
            .build()
    });
    let (_, me) = call(&all.service(), Some("t"), Method::GET, "/api/2.0/preview/scim/v2/Me", "").await;
    assert_eq!(me["userName"], "ada");
}

#[tokio::test]
async fn workspaces_of_one_seed_do_not_take_each_others_links() {
    let all = IsolatedWorkspaces::new(|_| {
        SimulatedWorkspace::builder().warehouse(WAREHOUSE).engine(Arc::new(engine())).seed(1).build()
    });
    let service = all.service();
    let (first, second) = (linked(&service, "a").await, linked(&service, "b").await);
    for link in [&first, &second] {
        assert_eq!(call(&service, None, Method::GET, link, "").await.0, 200);
    }
    let crossed = first.replace("/workspaces/1/", "/workspaces/2/");
    assert_ne!(crossed, second);
    assert_eq!(call(&service, None, Method::GET, &crossed, "").await.0, 403);
}
