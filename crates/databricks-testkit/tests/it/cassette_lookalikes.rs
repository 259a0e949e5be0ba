//! Replays of tasks that look alike, of ids that are the same in each run, and of requests that are given up.

use std::time::Duration;

use databricks_testkit::{Cassette, CassetteOptions, CassettePlayer, ScriptedEngine, SimulatedWorkspace};
use databricks_transport::{
    ApiRequest, Body, Client, ClientBuilder, DatabricksConfig, Error, Operation, RateLimits,
};
use http::{Request, Response};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

use crate::support::{STATEMENTS, TOKEN, WAREHOUSE, builder};

const WRITE: Operation = Operation::new("test.write");
const READ: Operation = Operation::new("test.read").idempotent();

fn client() -> ClientBuilder {
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap();
    Client::builder(config.with_token(TOKEN).with_rate_limits(RateLimits::unlimited()))
}

fn replaying(cassette: &Cassette) -> (CassettePlayer, Client) {
    let player = CassettePlayer::replaying(cassette, CassetteOptions::new()).unwrap();
    (player.clone(), client().leaf(player.leaf()).build().unwrap())
}

/// A cassette of what `story` asks of `leaf`, read back from its text.
fn saved(player: &CassettePlayer) -> Cassette {
    let text = player.cassette().unwrap().to_json().unwrap();
    player.finish().unwrap();
    Cassette::from_json(&text).unwrap()
}

async fn statement(client: &Client, text: String) -> Result<Value, Error> {
    let body = json!({ "statement": text, "warehouse_id": WAREHOUSE });
    client.call(WRITE, ApiRequest::post(STATEMENTS).json(&body)?).await
}

/// Logs an id of its own, loads what is under it, and asks how both went.
async fn task(client: Client, number: usize) -> Result<Value, Error> {
    let id = format!("{:032x}", rand::random::<u128>());
    let logged = statement(&client, format!("INSERT INTO log VALUES ('{id}')")).await?;
    let copied = statement(&client, format!("COPY INTO t{number} FROM '{id}'")).await?;
    let mut seen = vec![copied["result"].clone()];
    for answer in [logged, copied] {
        let path = format!("{STATEMENTS}/{}", answer["statement_id"].as_str().unwrap());
        let again: Value = client.call(READ, ApiRequest::get(path)).await?;
        assert_eq!(again["statement_id"], answer["statement_id"]);
        seen.push(again["result"].clone());
    }
    Ok(seen.into())
}

async fn sixteen(client: &Client) -> Vec<Value> {
    let tasks: Vec<_> = (0..16).map(|number| tokio::spawn(task(client.clone(), number))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap().unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_were_given_ids_before_they_are_told_apart_replay_every_time() {
    let engine = ScriptedEngine::new();
    engine.on_containing("INSERT INTO log").affected(1);
    for number in 0..16 {
        engine.on_containing(format!("COPY INTO t{number} ")).affected(number);
    }
    let workspace = builder(&engine).build();
    let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    let live = client().leaf(workspace.service()).leaf_layer(recorder.layer()).build().unwrap();
    let recorded = sixteen(&live).await;
    let cassette = saved(&recorder);
    for run in 0..100 {
        let (player, client) = replaying(&cassette);
        assert_eq!(sixteen(&client).await, recorded, "run {run}");
        assert_eq!(player.finish().unwrap().unused, 0, "run {run}");
    }
}

const DASHBOARDS: [&str; 3] = [
    "01ef9de2-db21-16af-b4cb-9ccf302d746a",
    "01ef9de2-db21-16af-b4cb-9ccf302d746b",
    "01ef9de2-db21-16af-b4cb-9ccf302d746c",
];

async fn dashboard(client: &Client, id: &str) -> Result<Value, Error> {
    client.call(READ, ApiRequest::get(format!("/api/2.0/lakeview/dashboards/{id}"))).await
}

#[tokio::test]
async fn an_id_that_is_the_same_in_each_run_has_its_own_answer_and_an_unknown_one_none() {
    let leaf = tower::service_fn(|request: Request<Body>| async move {
        let body = json!({"name": if request.uri().path().ends_with('a') { "alpha" } else { "beta" }});
        Ok::<_, Error>(Response::new(Body::from(body.to_string().into_bytes())))
    });
    let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    let live = client().leaf(leaf).leaf_layer(recorder.layer()).build().unwrap();
    for id in &DASHBOARDS[..2] {
        dashboard(&live, id).await.unwrap();
    }
    let cassette = saved(&recorder);
    let (player, client) = replaying(&cassette);
    assert_eq!(dashboard(&client, DASHBOARDS[1]).await.unwrap()["name"], "beta");
    assert_eq!(dashboard(&client, DASHBOARDS[0]).await.unwrap()["name"], "alpha");
    player.finish().unwrap();
    let (player, client) = replaying(&cassette);
    let error = dashboard(&client, DASHBOARDS[2]).await.unwrap_err();
    assert!(error.message().contains(DASHBOARDS[2]), "{error}");
    player.finish().unwrap_err();
}

/// Whether the first statement was given up, and what came of the second.
async fn impatient(client: &Client) -> (bool, Result<Value, Error>) {
    let hung = tokio::time::timeout(Duration::from_secs(1), statement(client, "hangs".to_owned())).await;
    (hung.is_err(), statement(client, "SELECT 1".to_owned()).await)
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_given_up_is_given_up_again() {
    let engine = ScriptedEngine::new();
    engine.on("hangs").never();
    engine.on("SELECT 1").affected(1);
    let workspace = builder(&engine).build();
    let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    let live = client().leaf(workspace.service()).leaf_layer(recorder.layer()).build().unwrap();
    let (given_up, answer) = impatient(&live).await;
    assert!(given_up && answer.is_ok());
    let transcript = recorder.transcript();
    let cassette = saved(&recorder);
    assert_eq!(cassette.interactions().len(), 2);

    let (player, client) = replaying(&cassette);
    let (given_up, replayed) = impatient(&client).await;
    assert!(given_up);
    assert_eq!(replayed.unwrap(), answer.unwrap());
    assert_eq!(player.transcript(), transcript);
    player.finish().unwrap();

    // Who is faster than the recording does not send it at all.
    let (player, client) = replaying(&cassette);
    statement(&client, "SELECT 1".to_owned()).await.unwrap();
    player.finish().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_ever_for_what_was_given_up_gets_an_error() {
    let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    let leaf = tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Error>>());
    let request = || {
        let request = Request::post("https://w.example/api/2.0/x").header("authorization", "Bearer x");
        request.body(Body::empty()).unwrap()
    };
    let hung = recorder.layer().layer(leaf).oneshot(request());
    tokio::time::timeout(Duration::from_secs(1), hung).await.unwrap_err();
    let player = CassettePlayer::replaying(&saved(&recorder), CassetteOptions::new()).unwrap();
    let error = player.leaf().oneshot(request()).await.unwrap_err();
    assert!(error.is_ambiguous() && error.message().contains("gave the request up"), "{error}");
    player.finish().unwrap();
}

#[tokio::test]
async fn lengths_and_names_of_requests_replay_as_they_were() {
    let leaf = tower::service_fn(|request: Request<Body>| async move {
        let (status, body) = match request.method().as_str() {
            "HEAD" => (200, ""),
            _ => (404, "{ \"error_code\": \"NOT_FOUND\", \"message\": \"no\" }"),
        };
        let response = Response::builder().status(status).header("content-length", body.len());
        Ok::<_, Error>(
            response.header("x-request-id", "r-42").body(Body::from(body.as_bytes().to_vec())).unwrap(),
        )
    });
    let recorder = CassettePlayer::recording(CassetteOptions::new()).unwrap();
    let live = client().leaf(leaf).leaf_layer(recorder.layer()).build().unwrap();
    let missing = live.call::<Value>(READ, ApiRequest::get("/api/2.0/x")).await.unwrap_err();
    assert_eq!(missing.request_id(), Some("r-42"));
    let ask = |method: &str| {
        let request = Request::builder().method(method).uri("https://w.example/api/2.0/y");
        request.header("authorization", "Bearer x").body(Body::empty()).unwrap()
    };
    for method in ["HEAD", "GET"] {
        recorder.layer().layer(leaf).oneshot(ask(method)).await.unwrap();
    }
    let (player, client) = replaying(&saved(&recorder));
    let replayed = client.call::<Value>(READ, ApiRequest::get("/api/2.0/x")).await.unwrap_err();
    assert_eq!(replayed.request_id(), Some("r-42"));
    for method in ["HEAD", "GET"] {
        let (head, body) = player.leaf().oneshot(ask(method)).await.unwrap().into_parts();
        let body = body.collect(usize::MAX).await.unwrap();
        assert_eq!(head.headers["content-length"], body.len().to_string(), "{method}");
    }
    player.finish().unwrap();
}
