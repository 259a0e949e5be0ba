//! Tokens, users, and what is not simulated.

use databricks_testkit::{Origin, ScriptedEngine, SimulatedWorkspace};
use databricks_transport::Body;
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::support::{Caller, STATEMENTS, WAREHOUSE, builder};

fn request(token: Option<&str>, path: &str) -> Request<Body> {
    let mut request = Request::post(format!("{}{path}", SimulatedWorkspace::HOST));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::from(json!({ "statement": "x", "warehouse_id": WAREHOUSE }).to_string())).unwrap()
}

/// The body of connectionintegrationtests.testincorrectcredentialsforpat, from the integration-test recordings of
/// github.com/databricks/databricks-jdbc (Apache License 2.0).
#[tokio::test]
async fn a_call_without_a_token_is_refused_as_recorded() {
    let answer =
        Caller::of(&ScriptedEngine::new()).send(request(None, "/api/2.0/sql/sessions/")).await.unwrap();
    let recorded = json!({
        "error_code": 401,
        "message": "Credential was not sent or was of an unsupported type for this API.",
    });
    assert_eq!((answer.status, answer.json()), (StatusCode::UNAUTHORIZED, recorded));
    assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
}

#[tokio::test]
async fn a_wrong_token_is_refused_before_anything_runs() {
    let engine = ScriptedEngine::new();
    let answer = Caller::of(&engine).send(request(Some("stolen"), STATEMENTS)).await.unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.json()["error_code"], 403);
    assert!(engine.requests().is_empty());
}

#[tokio::test]
async fn each_token_is_its_own_user_and_sees_its_own_statements() {
    let engine = ScriptedEngine::new();
    engine.on("x").empty();
    let caller = Caller::new(builder(&engine).token_of("eve@example.com", "dapi-eve").build());
    let answer = caller.send(request(Some("dapi-eve"), STATEMENTS)).await.unwrap().json();
    assert_eq!(engine.requests()[0].user, "eve@example.com");
    let path = format!("{STATEMENTS}/{}", answer["statement_id"].as_str().unwrap());
    assert_eq!(caller.get(&path).await.status, StatusCode::NOT_FOUND);
    let me = caller.get("/api/2.0/preview/scim/v2/Me").await.json();
    assert_eq!(me["userName"], "user@simulated.invalid");
}

#[tokio::test]
async fn an_endpoint_that_is_not_simulated_names_itself() {
    let caller = Caller::of(&ScriptedEngine::new());
    for (method, path) in [
        (Method::GET, "/api/2.0/workspace/list"),
        (Method::PATCH, "/api/2.0/sql/statements/x"),
        (Method::GET, "/api/2.1/unity-catalog/shares"),
        (Method::POST, "/api/2.0/fs/create-delete-url"),
    ] {
        let answer = caller.call(method.clone(), path, "{}").await;
        assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED, "{path}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(&format!("{method} {path} ")), "{message}");
    }
}

#[tokio::test]
async fn small_endpoints_answer_what_drivers_read() {
    let caller = Caller::of(&ScriptedEngine::new());
    let warehouses = caller.get("/api/2.0/sql/warehouses").await.json();
    assert_eq!(warehouses["warehouses"][0]["id"], WAREHOUSE);
    assert_eq!(caller.get(&format!("/api/2.0/sql/warehouses/{WAREHOUSE}")).await.json()["state"], "RUNNING");
    let flags = caller.get("/api/2.0/connector-service/feature-flags/PYTHON/4.9.0").await.json();
    assert_eq!(flags, json!({ "flags": [], "ttl_seconds": 900 }));
    assert_eq!(caller.get("/.well-known/databricks-config").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_unknown_warehouse_is_named() {
    let caller = Caller::of(&ScriptedEngine::new());
    let mut answers = Vec::new();
    for id in ["0123456789abcdef", "my warehouse", ""] {
        let answer = caller.post(STATEMENTS, json!({ "statement": "x", "warehouse_id": id })).await;
        answers.push(json!({ "status": answer.status.as_u16(), "body": answer.json() }));
    }
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(answers) });
}

#[tokio::test]
async fn every_request_is_in_the_log_with_its_answer() {
    let caller = Caller::of(&ScriptedEngine::new());
    caller.get("/api/2.0/sql/warehouses?a=b").await;
    caller.delete("/api/2.0/sql/statements/none").await;
    let records = caller.workspace.requests();
    let seen: Vec<_> = records
        .iter()
        .map(|r| (r.method.as_str(), r.path.as_str(), r.query.as_str(), r.status.unwrap().as_u16()))
        .collect();
    assert_eq!(
        seen,
        [("GET", "/api/2.0/sql/warehouses", "a=b", 200), ("DELETE", "/api/2.0/sql/statements/none", "", 404)]
    );
    assert!(records.iter().all(|record| record.origin == Origin::Api));
    caller.workspace.clear_requests();
    assert!(caller.workspace.requests().is_empty());
}
