//! Every kind of fault as a client meets it, in process.

use std::time::Duration;

use databricks_testkit::{
    Cloud, Column, ErrorBody, Fault, FaultLayer, FaultRule, Faults, Latency, Origin, RetryAfterForm,
    ScriptedEngine, SimulatedWorkspace, Staleness, StallPoint, TokenKind,
};
use databricks_transport::{ApiRequest, Client, DatabricksConfig, Error, ErrorKind, Operation};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Caller, STATEMENTS, TOKEN, WAREHOUSE, builder};

const READ: Operation = Operation::new("read").idempotent();
const WRITE: Operation = Operation::new("write");
const WAREHOUSES: &str = "/api/2.0/sql/warehouses";
const TIMEOUT: Duration = Duration::from_secs(30);

fn workspace() -> SimulatedWorkspace {
    let engine = ScriptedEngine::new();
    engine.on("one").rows([Column::new("n", "INT")], [[json!(1)]]);
    builder(&engine).build()
}

fn client(workspace: &SimulatedWorkspace) -> Client {
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(TOKEN);
    Client::builder(config.with_timeout(TIMEOUT)).leaf(workspace.service()).build().unwrap()
}

async fn list(client: &Client) -> Result<Value, Error> {
    client.call(READ, ApiRequest::get(WAREHOUSES)).await
}

/// One call without a retry, with a fault at it.
async fn hit(fault: Fault) -> (Result<Value, Error>, Duration, SimulatedWorkspace) {
    let workspace = workspace();
    workspace.faults().add(FaultRule::any(fault));
    let begun = Instant::now();
    let result = client(&workspace).call(WRITE, ApiRequest::get(WAREHOUSES)).await;
    (result, begun.elapsed(), workspace)
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_as_long_as_a_retry_after_of_either_form_asks() {
    for form in [RetryAfterForm::Seconds, RetryAfterForm::HttpDate] {
        let limited =
            Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after_as(Duration::from_secs(17), form);
        let (result, time, _) = hit(limited).await;
        result.unwrap();
        assert!((17..18).contains(&time.as_secs()), "{form:?} {time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_in_every_shape_are_understood() {
    use ErrorBody::{Empty, Html, Json, Legacy, Plain, Scim};
    for shape in [Json, Legacy, Scim, Html, Plain, Empty] {
        let fault = Fault::status(StatusCode::BAD_REQUEST).with_error("CODE_X", "no good").with_body(shape);
        let error = hit(fault).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{shape:?}");
        assert!(shape == Empty || error.message().contains("no good"), "{shape:?}: {error}");
        if matches!(shape, Json | Plain) {
            assert_eq!(error.api_error().unwrap().error_code.as_deref(), Some("CODE_X"), "{shape:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stall_lasts_until_the_client_gives_up_or_as_long_as_told() {
    for at in [StallPoint::BeforeEffect, StallPoint::BeforeAnswer, StallPoint::InBody(5)] {
        let (result, time, workspace) = hit(Fault::stall(at)).await;
        assert_eq!((result.unwrap_err().kind(), time), (ErrorKind::Timeout, TIMEOUT), "{at:?}");
        let reached = workspace.requests()[0].status.is_some();
        assert_eq!(reached, matches!(at, StallPoint::InBody(_)), "{at:?}");

        let (result, time, _) = hit(Fault::stall(at).lasting(Duration::from_secs(20))).await;
        assert_eq!(time, Duration::from_secs(20), "{at:?}");
        assert_eq!(result.unwrap()["warehouses"][0]["id"], WAREHOUSE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stall_before_or_after_the_effect_is_just_that() {
    for (at, effects) in [(StallPoint::BeforeEffect, 0), (StallPoint::BeforeAnswer, 1)] {
        let engine = ScriptedEngine::new();
        engine.on("x").affected(1);
        let caller = Caller::of(&engine);
        caller.workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, Fault::stall(at)));
        let submitted = caller.submit("x", json!({}));
        assert!(tokio::time::timeout(Duration::from_secs(86_400), submitted).await.is_err());
        assert_eq!(engine.requests().len(), effects, "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn latency_holds_a_request_up_and_the_record_names_what_was_drawn() {
    let range = Latency::Uniform(Duration::from_secs(1), Duration::from_secs(20));
    let (result, time, workspace) = hit(Fault::latency(range).seeded(9)).await;
    result.unwrap();
    let record = &workspace.faults().records()[0];
    let Fault::Latency { latency: Latency::Fixed(drawn), .. } = record.fault else { panic!("{record}") };
    // tokio's timers are of milliseconds.
    assert!(time >= drawn && time - drawn <= Duration::from_millis(1), "{time:?} {drawn:?}");
    assert!(drawn > Duration::from_secs(1));
    assert_eq!(hit(Fault::latency(range).seeded(9)).await.1, time);
    assert_ne!(hit(Fault::latency(range).seeded(10)).await.1, time);
}

#[tokio::test(start_paused = true)]
async fn spoiled_bodies_are_failures_of_the_right_kind_and_reads_survive_one() {
    let cases = [
        (Fault::truncated(10), ErrorKind::Unavailable),
        (Fault::truncated(0), ErrorKind::Unavailable),
        (Fault::truncated(u64::MAX), ErrorKind::Unavailable),
        (Fault::cut_body(10), ErrorKind::Decode),
        (Fault::cut_body(usize::MAX), ErrorKind::Decode),
    ];
    for (fault, kind) in cases {
        let (result, _, workspace) = hit(fault.clone()).await;
        assert_eq!(result.unwrap_err().kind(), kind, "{fault}");
        assert_eq!(workspace.requests()[0].status, Some(StatusCode::OK), "the request had its effect");
        workspace.faults().add(FaultRule::any(fault));
        let again = list(&client(&workspace)).await;
        assert_eq!(again.is_ok(), kind == ErrorKind::Unavailable);
    }
    let workspace = workspace();
    let whole = Caller::new(workspace.clone()).get(WAREHOUSES).await.bytes;
    workspace.faults().add(FaultRule::any(Fault::flipped_bytes(3).seeded(1)));
    let spoiled = Caller::new(workspace).get(WAREHOUSES).await.bytes;
    assert_eq!(spoiled.iter().zip(&whole).filter(|(a, b)| a != b).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_expired_link_is_refused_on_the_storage_origin_only() {
    for (cloud, code) in
        [(Cloud::Aws, "AccessDenied"), (Cloud::Azure, "AuthenticationFailed"), (Cloud::Gcp, "ExpiredToken")]
    {
        let workspace = workspace();
        workspace.faults().add(FaultRule::on_origin(Origin::Storage, Fault::expired_link(cloud)));
        let client = client(&workspace);
        let body = json!({ "statement": "one", "warehouse_id": WAREHOUSE, "disposition": "EXTERNAL_LINKS" });
        let answer: Value =
            client.call(WRITE, ApiRequest::post(STATEMENTS).json(&body).unwrap()).await.unwrap();
        let link = answer["result"]["external_links"][0]["external_link"].as_str().unwrap().to_owned();
        let get = || Request::get(&link).body(().into()).unwrap();
        let error = client.fetch_link(READ, get()).await.unwrap_err();
        assert_eq!(error.api_error().unwrap().error_code.as_deref(), Some(code));
        client.fetch_link(READ, get()).await.unwrap();
        let record = &workspace.faults().records()[0];
        assert!(
            record.number == 2 && record.path.starts_with("/results/") && !record.path.contains('?'),
            "{record}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_refused_as_workspaces_do() {
    for (kind, expected) in
        [(TokenKind::Personal, ErrorKind::PermissionDenied), (TokenKind::OAuth, ErrorKind::Auth)]
    {
        let error = hit(Fault::expired_token(kind)).await.0.unwrap_err();
        assert_eq!(error.kind(), expected);
        assert!(error.hint().unwrap().contains("expired"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_predicate_sees_query_headers_and_operation() {
    let workspace = workspace();
    let rule = FaultRule::matching(
        |parts| {
            parts.uri.query() == Some("a=1")
                && parts.headers.contains_key("authorization")
                && parts.extensions.get::<Operation>().is_some_and(|operation| operation.name() == "write")
        },
        Fault::ResetBefore,
    );
    workspace.faults().add(rule.always());
    let client = client(&workspace);
    let call = |operation, a: u32| {
        let client = client.clone();
        async move { client.call::<Value>(operation, ApiRequest::get(WAREHOUSES).query("a", a)).await.is_ok() }
    };
    assert!(call(READ, 1).await && call(WRITE, 2).await && !call(WRITE, 1).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_just_made_is_not_found_for_a_while() {
    let workspace = workspace();
    let lag = FaultRule::on(Method::GET, STATEMENTS, Fault::stale(Staleness::Reads(2)));
    workspace.faults().add(lag);
    let caller = Caller::new(workspace.clone());
    let id = caller.submit("one", json!({})).await.json()["statement_id"].as_str().unwrap().to_owned();
    let path = format!("{STATEMENTS}/{id}");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(caller.get(&path).await.status.as_u16());
    }
    assert_eq!(seen, [404, 404, 200, 200]);
    assert_eq!(workspace.faults().fired(), 2);
    assert_eq!(
        workspace.faults().records()[1].to_string(),
        format!("#3 GET {path}: stale for 2 reads (rule 1)")
    );
}

#[tokio::test(start_paused = true)]
async fn a_changed_directory_is_listed_as_it_was_until_time_has_passed() {
    let workspace = workspace();
    let lag = Fault::stale(Staleness::Lasting(Duration::from_secs(5)));
    workspace.faults().add(FaultRule::on(Method::GET, "/api/2.0/fs/", lag));
    let caller = Caller::new(workspace);
    let volume =
        json!({ "catalog_name": "main", "schema_name": "default", "name": "v", "volume_type": "MANAGED" });
    caller.post("/api/2.1/unity-catalog/volumes", volume).await;
    let (directory, file) =
        ("/api/2.0/fs/directories/Volumes/main/default/v", "/api/2.0/fs/files/Volumes/main/default/v/f");
    assert_eq!(caller.get(directory).await.json(), json!({}));
    assert_eq!(caller.call(Method::PUT, file, "content").await.status, 204);
    assert_eq!(caller.get(directory).await.json(), json!({}));
    assert_eq!(caller.get(file).await.status, 404);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(caller.get(directory).await.json()["contents"][0]["name"], "f");
    assert_eq!(caller.get(file).await.text(), "content");
    assert_eq!(caller.delete(file).await.status, 204);
    assert_eq!(caller.get(directory).await.json()["contents"][0]["name"], "f");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(caller.get(directory).await.json(), json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_layer_breaks_any_clients_leaf_and_a_rate_is_the_same_in_every_run() {
    let run = || async {
        let faults = Faults::new().with(FaultRule::any(Fault::ResetBefore).rate(0.3, 5).unwrap());
        let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(TOKEN);
        let builder = Client::builder(config).leaf(workspace().service());
        let client = builder.leaf_layer(FaultLayer::new(faults.clone())).build().unwrap();
        let mut failed = Vec::new();
        for _ in 0..50 {
            failed.push(client.call::<Value>(WRITE, ApiRequest::get(WAREHOUSES)).await.is_err());
        }
        (failed, faults.records().iter().map(|record| record.number).collect::<Vec<_>>())
    };
    let (failed, numbers) = run().await;
    assert_eq!((failed.clone(), numbers.clone()), run().await);
    assert!((8..22).contains(&numbers.len()), "{numbers:?}");
    let expected: Vec<bool> = (1..=50).map(|number| numbers.contains(&number)).collect();
    assert_eq!(failed, expected);
}

#[tokio::test]
async fn concurrent_requests_get_exactly_the_faults_asked_for() {
    let workspace = workspace();
    workspace.faults().add(FaultRule::any(Fault::ResetBefore).nth(10).times(25));
    let calls = (0..100).map(|_| {
        let caller = Caller::new(workspace.clone());
        let request = || {
            Request::get(format!("{}{WAREHOUSES}", SimulatedWorkspace::HOST))
                .header("authorization", format!("Bearer {TOKEN}"))
                .body(().into())
                .unwrap()
        };
        let request = request();
        tokio::spawn(async move { caller.send(request).await.is_err() })
    });
    let results = futures::future::join_all(calls).await;
    assert_eq!(results.into_iter().filter(|failed| *failed.as_ref().unwrap()).count(), 25);
    assert_eq!(workspace.faults().fired(), 25);
    workspace.faults().clear();
    assert!(Caller::new(workspace.clone()).get(WAREHOUSES).await.status.is_success());
}
