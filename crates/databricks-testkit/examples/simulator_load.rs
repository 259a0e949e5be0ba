//! How fast the simulated workspace is: requests a second, start to first answer, and many workspaces at once.
//!
//! Prints one line of JSON for each measurement:
//!
//! - `in_process`: scripted statements sent to the workspace as a tower service, from tasks of one thread.
//! - `loopback`: the same over HTTP on loopback, server and clients sharing that one thread.
//! - `start`: from `serve` to the first answered statement, on a fresh workspace; the slowest of 20.
//! - `workspaces`: many workspaces in one process, each with a script of its own, all asked in parallel; every answer
//!   is checked to come from the workspace it was asked of.
//!
//! ```text
//! cargo run --release -p databricks-testkit --example simulator_load
//! ```
//!
//! The seconds of the first two measurements can be given as an argument (default 3).

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use databricks_testkit::{Column, ScriptedEngine, Server, SimulatedWorkspace, WorkspaceService};
use databricks_transport::Body;
use futures::future::try_join_all;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tower::ServiceExt;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;
type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// Requests in flight.
const IN_FLIGHT: usize = 32;
const WORKSPACES: usize = 1000;
const STATEMENT: &str = "SELECT id, name FROM t WHERE id = :id";

fn main() -> Outcome<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(3), |text| text.parse::<u64>())?;
    let time = Duration::from_secs(seconds);
    // One thread, so that the figures are those of one core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        print(rate("in_process", in_process(time).await?, time));
        print(rate("loopback", loopback(time).await?, time));
        print(json!({ "measure": "start", "slowest_ms": millis(slowest_start(20).await?), "starts": 20 }));
        print(workspaces().await?);
        Ok(())
    })
}

fn print(line: Value) {
    println!("{line}");
}

fn rate(measure: &str, requests: u64, time: Duration) -> Value {
    let per_second = requests as f64 / time.as_secs_f64();
    json!({ "measure": measure, "requests": requests, "requests_per_second": per_second.round(), "in_flight": IN_FLIGHT })
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// A workspace whose only statement answers one row that names it.
fn workspace(name: &str) -> SimulatedWorkspace {
    let engine = ScriptedEngine::new();
    let columns = [Column::new("id", "BIGINT"), Column::new("name", "STRING")];
    engine.on(STATEMENT).rows(columns, [[json!(1), json!(name)]]);
    SimulatedWorkspace::builder().engine(Arc::new(engine)).build()
}

fn request<B>(host: &str, body: impl FnOnce(Bytes) -> B) -> Outcome<Request<B>> {
    let statement = json!({
        "statement": STATEMENT,
        "warehouse_id": SimulatedWorkspace::DEFAULT_WAREHOUSE,
        "parameters": [{ "name": "id", "type": "BIGINT", "value": "1" }],
    });
    Ok(Request::post(format!("{host}/api/2.0/sql/statements"))
        .header(AUTHORIZATION, format!("Bearer {}", SimulatedWorkspace::DEFAULT_TOKEN))
        .body(body(statement.to_string().into()))?)
}

/// The name in the row of an answer.
fn name_in(status: StatusCode, body: &[u8]) -> Outcome<String> {
    let answer: Value = serde_json::from_slice(body)?;
    let name = answer["result"]["data_array"][0][1].as_str();
    name.map(str::to_owned).ok_or_else(|| format!("{status}: {answer}").into())
}

async fn ask(service: WorkspaceService) -> Outcome<String> {
    let response = service.oneshot(request(SimulatedWorkspace::HOST, Body::from)?).await?;
    let (parts, body) = response.into_parts();
    name_in(parts.status, &body.collect(usize::MAX).await?)
}

async fn ask_over_http(client: &HttpClient, url: &str) -> Outcome<String> {
    let response = client.request(request(url, Full::new)?).await?;
    let (parts, body) = response.into_parts();
    name_in(parts.status, &body.collect().await?.to_bytes())
}

async fn in_process(time: Duration) -> Outcome<u64> {
    let service = workspace("w").service();
    let end = Instant::now() + time;
    let clients = (0..IN_FLIGHT).map(|_| {
        let service = service.clone();
        async move {
            let mut done = 0u64;
            while Instant::now() < end {
                ask(service.clone()).await?;
                done += 1;
            }
            Ok::<u64, Box<dyn Error + Send + Sync>>(done)
        }
    });
    Ok(try_join_all(clients).await?.iter().sum())
}

async fn loopback(time: Duration) -> Outcome<u64> {
    let server = serve(&workspace("w")).await?;
    let (client, url) = (http_client(), server.url());
    let end = Instant::now() + time;
    let clients = (0..IN_FLIGHT).map(|_| async {
        let mut done = 0u64;
        while Instant::now() < end {
            ask_over_http(&client, &url).await?;
            done += 1;
        }
        Ok::<u64, Box<dyn Error + Send + Sync>>(done)
    });
    let done = try_join_all(clients).await?.iter().sum();
    server.shutdown().await;
    Ok(done)
}

fn http_client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn serve(workspace: &SimulatedWorkspace) -> Outcome<Server> {
    Ok(workspace.serve(([127, 0, 0, 1], 0).into()).await?)
}

async fn slowest_start(times: usize) -> Outcome<Duration> {
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        let client = http_client();
        let begun = Instant::now();
        let server = serve(&workspace("w")).await?;
        ask_over_http(&client, &server.url()).await?;
        slowest = slowest.max(begun.elapsed());
        drop(client);
        server.shutdown().await;
    }
    Ok(slowest)
}

async fn workspaces() -> Outcome<Value> {
    let begun = Instant::now();
    let all: Vec<SimulatedWorkspace> = (0..WORKSPACES).map(|n| workspace(&format!("w{n}"))).collect();
    let names = try_join_all(all.iter().map(|workspace| ask(workspace.service()))).await?;
    let own = names.iter().enumerate().filter(|(n, name)| **name == format!("w{n}")).count();
    let statements: BTreeSet<usize> = all.iter().map(|workspace| workspace.requests().len()).collect();
    Ok(json!({
        "measure": "workspaces",
        "workspaces": all.len(),
        "answered_by_their_own": own,
        "requests_each": statements,
        "ms": millis(begun.elapsed()),
    }))
}
