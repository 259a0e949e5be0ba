//! What a person reads when a call fails.

use crate::support::{Script, config, status};
use databricks_transport::{ApiRequest, Body, Error, ErrorKind, Operation};
use http::Response;

const READ: Operation = Operation::new("jobs.get_run").idempotent();

async fn error_of(answer: fn() -> Response<Body>) -> Error {
    let script = Script::new(move |_| crate::support::answer(answer()));
    script.client(config()).send(READ, ApiRequest::get("/api/2.2/jobs/runs/get")).await.unwrap_err()
}

fn with(code: u16, body: &'static str) -> Response<Body> {
    let mut response = status(code);
    *response.body_mut() = Body::from(body);
    response.headers_mut().insert("x-request-id", "8f0c".parse().unwrap());
    response
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_one_clear_line() {
    let errors = [
        // The answer recorded in connectionintegrationtests.testincorrectcredentialsforpat.jsonl of databricks-jdbc.
        error_of(|| {
            with(
                401,
                r#"{"error_code": 401, "message": "Credential was not sent or was of an unsupported type for this API."}"#,
            )
        })
        .await,
        error_of(|| with(403, r#"{"error_code":"403","message":"Invalid access token."}"#)).await,
        error_of(|| with(404, r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Run 7 does not exist."}"#)).await,
        error_of(|| with(501, "")).await,
        error_of(|| with(503, "<html><head><title>503 Service Temporarily Unavailable</title></head></html>")).await,
        error_of(|| with(507, r#"{"error_code":"STORAGE_FULL","message":"no room\nleft"}"#)).await,
        error_of(|| {
            let mut response = status(303);
            response.headers_mut().insert("location", "https://h.example/login.html".parse().unwrap());
            response
        })
        .await,
    ];
    let lines: Vec<_> = errors.iter().map(|error| format!("{:?} | {error}", error.kind())).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn an_error_carries_what_a_program_needs() {
    let error = error_of(|| with(503, "TEMPORARILY_UNAVAILABLE: later")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.status().unwrap(), 503);
    assert_eq!(error.operation(), Some("jobs.get_run"));
    assert_eq!(error.attempts(), 3);
    assert_eq!(error.request_id(), Some("8f0c"));
    assert_eq!(error.api_error().unwrap().error_code.as_deref(), Some("TEMPORARILY_UNAVAILABLE"));
    assert!(error.is_retryable());
    assert!(!error.is_ambiguous(), "a read has no effect");
}

#[tokio::test]
async fn no_error_shows_the_token() {
    let error = error_of(|| with(401, "")).await;
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains(crate::support::TOKEN), "{shown}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_json_says_so() {
    let script = Script::answers(&[(200, "{\"a\": 1")]);
    let error = script.client(config()).call::<i32>(READ, ApiRequest::get("/x")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation(), error.attempts()),
        (ErrorKind::Decode, Some("jobs.get_run"), 1)
    );

    let script = Script::new(|_| {
        let mut page = with(200, "<html>sign in</html>");
        page.headers_mut().insert("content-type", "text/html; charset=utf-8".parse().unwrap());
        crate::support::answer(page)
    });
    let error = script.client(config()).call::<i32>(READ, ApiRequest::get("/x")).await.unwrap_err();
    assert!(error.to_string().contains("check that the host"), "{error}");
}
