//! What the stack writes to a log, with everything turned on.

use std::io;
use std::sync::{Arc, Mutex};

use crate::support::{Script, TOKEN, config};
use databricks_transport::{ApiRequest, Body, Operation};
use http::Request;
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

#[tokio::test(start_paused = true)]
async fn a_trace_level_log_tells_the_story_without_its_secrets() {
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
    drop(guard);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
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
