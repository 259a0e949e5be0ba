//! What the stack writes to a log, with everything turned on.

use std::io;
use std::sync::{Arc, Mutex};

use crate::support::{Script, TOKEN, config};
use crate::workspace::{SECRET, Workspace, m2m, with};
use databricks_transport::{ApiRequest, Body, Operation};
use http::Request;
use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

const READ: Operation = Operation::new("test.read").idempotent();

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything that is logged while this runs.
pub(crate) async fn logged(work: impl Future<Output = ()>) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // Beside a single subscriber, an event that a test without one meets first would be switched off for good.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish());
    let guard = tracing::subscriber::set_default(subscriber);
    work.await;
    drop(guard);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_trace_level_log_tells_the_story_without_its_secrets() {
    let log = logged(async {
        let script = Script::answers(&[
            (503, "busy"),
            (401, "UNAUTHENTICATED: no"),
            (503, "<Error><Code>SlowDown</Code>in-the-answer</Error>"),
        ]);
        let client = script.client(config());
        let request =
            ApiRequest::post("/api/2.0/sql/statements").query("secret", "in-the-query").body("in-the-body");
        client.send(READ, request).await.unwrap_err();
        let link =
            Request::get("https://storage.invalid/in-the-path?sig=in-the-link").body(Body::empty()).unwrap();
        client.fetch_link(READ, link).await.unwrap_err();
    })
    .await;
    for told in [
        "test.read",
        "trying again",
        "503 Service Unavailable: busy",
        "the credential was refused",
        "attempts=2",
        "[link]",
        "SlowDown",
    ] {
        assert!(log.contains(told), "{told} is missing in\n{log}");
    }
    for secret in [TOKEN, "in-the-query", "in-the-body", "in-the-link", "in-the-path", "in-the-answer"] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_level_log_of_token_calls_shows_neither_what_is_sent_nor_what_comes_back() {
    let log = logged(async {
        // The endpoint repeats what it was sent, as careless ones do, and fails in every way before it works.
        let workspace = Workspace::new(3600).answering(|call, before| {
            let said = format!("{} {SECRET} {}", call.header("authorization"), call.body);
            let status = if call.is_token_call() { [503, 429, 401].get(before)? } else { return None };
            with(
                *status,
                json!({"error": "invalid_client", "error_description": said, "access_token": SECRET}),
            )
        });
        let client = workspace.client(m2m());
        client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap_err();
        client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap();
        assert_eq!(workspace.signatures(), ["t1"]);
    })
    .await;
    for told in ["auth.token", "trying again", "invalid_client", "no token", "got a token", "oauth-m2m"] {
        assert!(log.contains(told), "{told} is missing in\n{log}");
    }
    let basic = "Y2xpZW50LTE6ZG9zZS1odW50ZXIyLWh1bnRlcjI";
    for secret in [SECRET, basic, "\"t1\"", "Bearer t1"] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

/// The lines of a log without their times, from the one that starts so.
fn lines_with<'a>(log: &'a str, words: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(words)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_and_its_answer_are_a_line_each_with_bodies_and_headers_on_demand() {
    let call = |shown: bool| async move {
        let config = config().with_debug_headers(shown).with_debug_truncate_bytes(6);
        let script = Script::answers(&[(200, r#"{"state":"RUNNING","value":"in-the-answer"}"#)]);
        let body = json!({"statement": "in-the-body", "warehouse_id": "w-123456789"});
        let request =
            ApiRequest::post("/api/2.0/sql/statements").query("access", "in-the-query").json(&body).unwrap();
        script.client(config).call::<serde_json::Value>(READ, request).await.unwrap();
    };
    let log = logged(call(false)).await;
    for told in [
        r#"request http.request.method=POST server.address="h.example" url.path="/api/2.0/sql/statements?access" attempt=1 bytes=56"#,
        "answer http.response.status_code=200 endpoint=/sql/statements elapsed=0ns bytes=43",
        r#"{\"statement\":\"***\",\"warehouse_id\":\"w-1234… (5 more bytes)\"}"#,
        r#"{\"state\":\"RUNNIN… (1 more bytes)\",\"value\":\"***\"}"#,
    ] {
        assert_eq!(lines_with(&log, told).len(), 1, "{told}\n{log}");
    }
    assert!(!log.contains("headers="), "{log}");
    let log = logged(call(true)).await;
    assert!(log.contains("content-type: application/json") && log.contains("authorization: ***"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_tells_its_kind_and_request_id_and_only_a_refused_credential_is_an_error() {
    for (status, level, kind) in
        [(404, "DEBUG", "not_found"), (401, "ERROR", "auth"), (403, "DEBUG", "permission_denied")]
    {
        let log = logged(async {
            let script = Script::new(move |_| {
                let answer = http::Response::builder().status(status).header("x-request-id", "r-1");
                crate::support::answer(answer.body(Body::empty()).unwrap())
            });
            script.client(config()).send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap_err();
        })
        .await;
        let closed = *lines_with(&log, "close").last().unwrap();
        for told in [&format!("error.type=\"{kind}\""), "request_id=\"r-1\"", "otel.status_code=\"ERROR\""] {
            assert!(closed.contains(told), "{told} is missing in {closed}");
        }
        let errors = lines_with(&log, "ERROR databricks").len();
        assert_eq!(errors, usize::from(level == "ERROR"), "{log}");
    }
}
