//! What can be seen of a client: its log at every level, and its metrics.
//!
//! `RUST_LOG=databricks_transport=debug cargo run -p databricks-transport --example observe` shows less of it. It runs
//! without a workspace: a service in the place of the network is busy at first and repeats the token it was sent.

use std::time::Duration;

use databricks_transport::{ApiRequest, Body, Client, DatabricksConfig, Error, Operation, RetryConfig};
use http::{Request, Response};
use metrics_util::debugging::DebuggingRecorder;
use tracing_subscriber::EnvFilter;

const EXECUTE: Operation = Operation::new("sql.execute").idempotent();

async fn network(request: Request<Body>) -> Result<Response<Body>, Error> {
    let signature = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let message = format!("busy; you sent {}", signature.unwrap_or_default());
    let body = serde_json::json!({ "error_code": "TEMPORARILY_UNAVAILABLE", "message": message });
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    Ok(answer)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("databricks_transport=trace"));
    tracing_subscriber::fmt().with_env_filter(filter).without_time().init();
    // A program installs an exporter (Prometheus, OpenTelemetry) here, before it builds its clients.
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);

    let config = DatabricksConfig::new("https://h.example")?
        .with_token("dapi-example-0123456789".to_owned())
        .with_debug_headers(true)
        .with_retry(RetryConfig::default().with_delays(Duration::ZERO, Duration::ZERO));
    let client = Client::builder(config).leaf(tower::service_fn(network)).build()?;
    let body =
        serde_json::json!({ "statement": "SELECT 'not in the log'", "warehouse_id": "abcdef0123456789" });
    if let Err(error) = client.send(EXECUTE, ApiRequest::post("/api/2.0/sql/statements").json(&body)?).await {
        println!("{error}");
    }

    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> = key.key().labels().map(|l| format!("{}={:?}", l.key(), l.value())).collect();
        println!("{}{{{}}} {value:?}", key.key().name(), labels.join(","));
    }
    Ok(())
}
