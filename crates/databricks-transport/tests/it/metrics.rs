//! What is counted: exact numbers for scripted stories.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::{Script, Step, answer, config, status};
use crate::workspace::{Workspace, m2m, with};
use databricks_transport::{ApiRequest, Body, Error, ErrorKind, Operation, RetryConfig};
use http::{Request, Response};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::json;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");
const SQL: &str = "/api/2.0/sql/statements/01ef-not-a-label";

/// One line for each metric that the work touches, in order: `name{label=value} count`.
async fn counted(work: impl Future<Output = ()>) -> String {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let guard = metrics::set_default_local_recorder(&recorder);
    work.await;
    drop(guard);
    let mut lines = BTreeMap::new();
    for (key, _unit, _description, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<_> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(value) => value.to_string(),
            DebugValue::Histogram(values) => format!("{} values", values.len()),
        };
        // The breaker's metrics are tested where it is.
        if !key.key().name().starts_with("databricks_circuit_breaker") {
            lines.insert(format!("{}{{{}}}", key.key().name(), labels.join(",")), value);
        }
    }
    lines.iter().map(|(name, value)| format!("{name} {value}\n")).collect()
}

fn link() -> Request<Body> {
    Request::get("https://storage.invalid/object?sig=not-a-label").body(Body::empty()).unwrap()
}

/// Answers with these statuses in order, then with 200.
fn statuses(codes: &'static [u16]) -> Script {
    Script::new(move |number| answer(status(codes.get(number).copied().unwrap_or(200))))
}

fn failing(kind: ErrorKind) -> Script {
    Script::new(move |_| Box::pin(futures::future::ready(Err(Error::new(kind, "no")))) as Step)
}

#[tokio::test(start_paused = true)]
async fn every_attempt_every_retry_and_every_call_is_counted() {
    let shown = counted(async {
        for codes in [&[][..], &[429], &[503, 503]] {
            let request = ApiRequest::get(SQL).query("not", "a-label");
            statuses(codes).client(config()).send(READ, request).await.unwrap();
        }
        statuses(&[404])
            .client(config())
            .send(READ, ApiRequest::get("/api/2.2/jobs/list"))
            .await
            .unwrap_err();
    })
    .await;
    insta::assert_snapshot!(shown, @r"
    databricks_api_call_duration_seconds{endpoint=/sql/statements} 3 values
    databricks_api_call_duration_seconds{endpoint=default} 1 values
    databricks_api_request_duration_seconds{endpoint=/sql/statements} 6 values
    databricks_api_request_duration_seconds{endpoint=default} 1 values
    databricks_api_requests_total{endpoint=/sql/statements,status=200} 3
    databricks_api_requests_total{endpoint=/sql/statements,status=429} 1
    databricks_api_requests_total{endpoint=/sql/statements,status=503} 2
    databricks_api_requests_total{endpoint=default,status=404} 1
    databricks_api_retries_total{endpoint=/sql/statements} 3
    databricks_errors_total{error_type=not_found} 1
    databricks_rate_limits_total{endpoint=/sql/statements} 1
    ");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_be_reached_is_one_error_and_three_attempts() {
    let shown = counted(async {
        failing(ErrorKind::Connect).client(config()).send(WRITE, ApiRequest::post(SQL)).await.unwrap_err();
    })
    .await;
    insta::assert_snapshot!(shown, @r"
    databricks_api_call_duration_seconds{endpoint=/sql/statements} 1 values
    databricks_api_request_duration_seconds{endpoint=/sql/statements} 3 values
    databricks_api_requests_total{endpoint=/sql/statements,status=connect} 3
    databricks_api_retries_total{endpoint=/sql/statements} 2
    databricks_errors_total{error_type=connect} 1
    ");
}

#[tokio::test(start_paused = true)]
async fn tokens_have_an_endpoint_of_their_own_and_a_refused_one_is_a_retry() {
    let shown = counted(async {
        let workspace = Workspace::new(3600).answering(|call, _| {
            (call.header("authorization") == "Bearer t1").then(|| with(401, json!({}))).flatten()
        });
        workspace.client(m2m()).send(WRITE, ApiRequest::post(SQL)).await.unwrap();
    })
    .await;
    // Twice discovery and a token, 401 and 200.
    insta::assert_snapshot!(shown, @r"
    databricks_api_call_duration_seconds{endpoint=/sql/statements} 1 values
    databricks_api_request_duration_seconds{endpoint=/sql/statements} 2 values
    databricks_api_request_duration_seconds{endpoint=token} 4 values
    databricks_api_requests_total{endpoint=/sql/statements,status=200} 1
    databricks_api_requests_total{endpoint=/sql/statements,status=401} 1
    databricks_api_requests_total{endpoint=token,status=200} 4
    databricks_api_retries_total{endpoint=/sql/statements} 1
    ");
}

#[tokio::test(start_paused = true)]
async fn links_are_storage_whatever_their_host_and_path() {
    let shown = counted(async {
        for codes in [&[][..], &[503], &[403]] {
            let _ = statuses(codes).client(config()).fetch_link(READ, link()).await;
        }
    })
    .await;
    insta::assert_snapshot!(shown, @r"
    databricks_api_call_duration_seconds{endpoint=storage} 3 values
    databricks_api_request_duration_seconds{endpoint=storage} 4 values
    databricks_api_requests_total{endpoint=storage,status=200} 2
    databricks_api_requests_total{endpoint=storage,status=403} 1
    databricks_api_requests_total{endpoint=storage,status=503} 1
    databricks_api_retries_total{endpoint=storage} 1
    databricks_errors_total{error_type=permission_denied} 1
    ");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_given_up_is_counted_as_what_ended_it() {
    let silent = || Script::new(|_| Box::pin(futures::future::pending()) as Step);
    let shown = counted(async {
        // Silence twice, which ends each attempt; then the deadline, which ends the call.
        let config = || config().with_retry(RetryConfig::default().with_max_attempts(2));
        silent().client(config()).send(READ, ApiRequest::get("/a")).await.unwrap_err();
        let hurried = config().with_total_timeout(Duration::from_secs(5));
        silent().client(hurried).send(WRITE, ApiRequest::post(SQL)).await.unwrap_err();
        // And a caller that goes away.
        let client = silent().client(config());
        let call = client.send(WRITE, ApiRequest::post("/api/2.1/unity-catalog/tables"));
        tokio::time::timeout(Duration::from_secs(1), call).await.unwrap_err();
    })
    .await;
    insta::assert_snapshot!(shown, @r"
    databricks_api_call_duration_seconds{endpoint=/sql/statements} 1 values
    databricks_api_call_duration_seconds{endpoint=default} 1 values
    databricks_api_request_duration_seconds{endpoint=/sql/statements} 1 values
    databricks_api_request_duration_seconds{endpoint=/unity-catalog} 1 values
    databricks_api_request_duration_seconds{endpoint=default} 2 values
    databricks_api_requests_total{endpoint=/sql/statements,status=timeout} 1
    databricks_api_requests_total{endpoint=/unity-catalog,status=canceled} 1
    databricks_api_requests_total{endpoint=default,status=timeout} 2
    databricks_api_retries_total{endpoint=default} 1
    databricks_errors_total{error_type=timeout} 2
    ");
}

#[tokio::test(start_paused = true)]
async fn an_error_counts_once_whether_or_not_anything_was_sent() {
    let shown = counted(async {
        let client = statuses(&[]).client(config());
        client.send(READ, ApiRequest::get("no-path")).await.unwrap_err();
        client.call::<()>(READ, ApiRequest::get("//host/x")).await.unwrap_err();
        client.fetch_link(READ, Request::new(Body::empty())).await.unwrap_err();
        let words = Script::answers(&[(200, "[1]")]);
        words.client(config()).call::<u8>(READ, ApiRequest::get("/x")).await.unwrap_err();
        // A class that pauses for longer than the call may take is refused before it is sent.
        let paused = Script::new(|_| {
            let response = Response::builder().status(429).header("retry-after", "3000").body(Body::empty());
            answer(response.unwrap())
        });
        let client = paused.client(config());
        for _ in 0..2 {
            let error = client.send(READ, ApiRequest::get(SQL)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RateLimited);
        }
        assert_eq!(paused.sent(), 1);
    })
    .await;
    let errors: Vec<_> = shown.lines().filter(|line| line.starts_with("databricks_errors")).collect();
    assert_eq!(
        errors,
        [
            "databricks_errors_total{error_type=decode} 1",
            "databricks_errors_total{error_type=invalid} 3",
            "databricks_errors_total{error_type=rate_limited} 2"
        ],
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_an_open_circuit_refuses_is_an_error_and_no_request() {
    let shown = counted(async {
        let once = config().with_retry(RetryConfig::default().with_max_attempts(1));
        let client = failing(ErrorKind::Connect).client(once);
        for _ in 0..8 {
            client.send(WRITE, ApiRequest::post(SQL)).await.unwrap_err();
        }
        // A call in whose course the circuit opens ends in one error too.
        let client = failing(ErrorKind::Connect).client(config());
        for _ in 0..3 {
            client.send(READ, ApiRequest::get(SQL)).await.unwrap_err();
        }
    })
    .await;
    insta::assert_snapshot!(shown, @r"
    databricks_api_call_duration_seconds{endpoint=/sql/statements} 11 values
    databricks_api_request_duration_seconds{endpoint=/sql/statements} 10 values
    databricks_api_requests_total{endpoint=/sql/statements,status=connect} 10
    databricks_api_retries_total{endpoint=/sql/statements} 3
    databricks_errors_total{error_type=circuit_open} 4
    databricks_errors_total{error_type=connect} 7
    ");
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_comes_first_is_told_what_the_metrics_mean() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let client = metrics::with_local_recorder(&recorder, || statuses(&[429, 503]).client(config()));
    let guard = metrics::set_default_local_recorder(&recorder);
    client.send(READ, ApiRequest::get(SQL)).await.unwrap();
    client.send(READ, ApiRequest::get("no-path")).await.unwrap_err();
    drop(guard);
    let mut names = BTreeSet::new();
    for (key, unit, description, _) in snapshotter.snapshot().into_vec() {
        assert!(unit.is_some() && description.is_some(), "{} is not described", key.key().name());
        names.insert(key.key().name().to_owned());
    }
    // Whoever adds a metric makes it happen here.
    assert_eq!(names.len(), 7, "{names:?}");
}
