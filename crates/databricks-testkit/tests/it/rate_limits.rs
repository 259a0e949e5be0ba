//! Rate limits per endpoint.

use std::time::Duration;

use databricks_testkit::{Column, ScriptedEngine, SimulatedWorkspace};
use databricks_transport::Body;
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::support::{Caller, builder};

const WAREHOUSES: &str = "/api/2.0/sql/warehouses";
const ME: &str = "/api/2.0/preview/scim/v2/Me";

#[tokio::test(start_paused = true)]
async fn past_the_burst_a_call_is_refused_until_the_time_it_was_told() {
    let limited =
        builder(&ScriptedEngine::new()).rate_limit(format!("GET {WAREHOUSES}"), 2, Duration::from_secs(10));
    let caller = Caller::new(limited.build());
    assert_eq!(caller.get(WAREHOUSES).await.status, 200);
    assert_eq!(caller.get(WAREHOUSES).await.status, 200);
    let refused = caller.get(WAREHOUSES).await;
    assert_eq!(
        (refused.status, &refused.headers["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"5".parse().unwrap())
    );
    insta::assert_snapshot!(refused.text());
    assert_eq!(caller.get(ME).await.status, 200);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(caller.get(WAREHOUSES).await.status, 200);
    assert_eq!(caller.get(WAREHOUSES).await.status, 429);
    let seen: Vec<u16> = caller.workspace.requests().iter().map(|r| r.status.unwrap().as_u16()).collect();
    assert_eq!(seen, [200, 200, 429, 200, 200, 429]);
}

#[tokio::test]
async fn who_cannot_come_in_uses_nothing_up() {
    let caller = Caller::new(builder(&ScriptedEngine::new()).build());
    caller.workspace.limit_rate("/", 1, Duration::from_secs(3600));
    assert_eq!(caller.call_as("stolen", Method::GET, ME, ()).await.status, 403);
    assert_eq!(caller.get(ME).await.status, 200);
    assert_eq!(caller.get(ME).await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn the_client_of_this_family_waits_and_gets_through() {
    use databricks_transport::{ApiRequest, Client, DatabricksConfig, Operation};
    let workspace = builder(&ScriptedEngine::new()).rate_limit(ME, 1, Duration::from_secs(30)).build();
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(crate::support::TOKEN);
    let client = Client::builder(config).leaf(workspace.service()).build().unwrap();
    let started = tokio::time::Instant::now();
    for _ in 0..2 {
        client.send(Operation::new("me").idempotent(), ApiRequest::get(ME)).await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_path_spelt_otherwise_is_counted_with_the_others() {
    for (limited, path) in
        [(WAREHOUSES, "/api/2.0/sql/%77arehouses"), ("/api/2.0/%73ql/", "/%61pi/2.0/sql/warehouses/")]
    {
        let limited = builder(&ScriptedEngine::new()).rate_limit(limited, 1, Duration::from_secs(60));
        let caller = Caller::new(limited.build());
        assert_eq!(caller.get(path).await.status, 200);
        assert_eq!(caller.get(path).await.status, 429);
        assert_eq!(caller.get(WAREHOUSES).await.status, 429);
    }
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_take_no_token_have_limits_too() {
    let builder = builder(&ScriptedEngine::new()).service_principal("loader", "secret");
    let minute = Duration::from_secs(60);
    let limited = builder
        .rate_limit("/oidc/v1/token", 1, minute)
        .rate_limit("GET /.well-known/", 1, minute)
        .rate_limit("/telemetry-unauth", 1, minute);
    let caller = Caller::new(limited.build());
    let send = async |method: Method, path: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(format!("{}{path}", SimulatedWorkspace::HOST));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        caller.send(request.body(Body::from(body)).unwrap()).await.unwrap()
    };
    let form = "grant_type=client_credentials&client_id=loader&client_secret=secret";
    for (method, path, body) in [
        (Method::POST, "/oidc/v1/token", form),
        (Method::GET, "/.well-known/databricks-config", ""),
        (Method::POST, "/telemetry-unauth", "{}"),
    ] {
        assert_eq!(send(method.clone(), path, body).await.status, 200, "{path}");
        let refused = send(method, path, body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.headers["retry-after"]),
            (429, &"60".parse().unwrap()),
            "{path}"
        );
    }
    tokio::time::advance(minute).await;
    assert_eq!(send(Method::POST, "/oidc/v1/token", form).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn storage_slows_down_whom_it_let_in() {
    let engine = ScriptedEngine::new();
    engine.on("one").rows([Column::new("n", "INT")], [[json!(1)]]);
    let limited = builder(&engine).rate_limit("GET /results/", 1, Duration::from_secs(60));
    let caller = Caller::new(limited.build());
    let answer = caller.submit("one", json!({ "disposition": "EXTERNAL_LINKS" })).await.json();
    let link = &answer["result"]["external_links"][0];
    let forged = link["external_link"].as_str().unwrap().replace("signature=", "signature=x");
    assert_eq!(caller.download(&json!({ "external_link": forged })).await.status, 403);
    assert_eq!(caller.download(link).await.status, 200);
    let refused = caller.download(link).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["retry-after"]),
        (503, &"60".parse().unwrap()),
        "a forged link uses nothing up"
    );
    assert!(refused.text().contains("<Code>SlowDown</Code>"), "{}", refused.text());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(caller.download(link).await.status, 200);
}
