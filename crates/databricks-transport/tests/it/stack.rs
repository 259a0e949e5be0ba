//! The layers together, in the order that matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Script, answer, config, status};
use bytes::Bytes;
use databricks_transport::{
    ApiRequest, Body, Client, Error, ErrorKind, HttpService, Operation, Rate, RateLimits,
};
use http::{Request, Response};
use tokio::time::Instant;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");

fn throttled(seconds: &'static str) -> Response<Body> {
    let mut response = status(429);
    response.headers_mut().insert("retry-after", seconds.parse().unwrap());
    response
}

fn broken_body() -> Response<Body> {
    let parts = [Ok(Bytes::from("{\"a\"")), Err(Error::new(ErrorKind::Unavailable, "reset"))];
    Response::new(Body::from_stream(futures::stream::iter(parts)))
}

#[tokio::test(start_paused = true)]
async fn throttled_call_waits_and_signs_again() {
    let script = Script::new(|number| answer(if number < 2 { throttled("10") } else { status(200) }));
    let start = Instant::now();
    script.client(config()).send(WRITE, ApiRequest::post("/api/2.0/sql/statements")).await.unwrap();
    let waited = start.elapsed().as_secs_f64();
    assert!((20.0..20.5).contains(&waited), "Retry-After is waited for once each: {waited}");
    for seen in script.seen.lock().unwrap().iter() {
        let header = &seen.head.headers["authorization"];
        assert!(header.is_sensitive() && header.as_bytes().starts_with(b"Bearer dapi-"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_class_pauses_for_every_call_of_it_and_for_no_other() {
    let script = Script::new(|number| answer(if number == 0 { throttled("30") } else { status(200) }));
    let client = script.client(config());
    let first = client.send(WRITE, ApiRequest::post("/api/2.0/sql/statements"));
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let start = Instant::now();
        client.send(WRITE, ApiRequest::post("/api/2.1/unity-catalog/volumes")).await.unwrap();
        let other = start.elapsed();
        client.send(READ, ApiRequest::get("/api/2.0/sql/statements/1")).await.unwrap();
        (other, start.elapsed())
    };
    let (first, (other, same)) = tokio::join!(first, second);
    first.unwrap();
    assert_eq!(other, Duration::ZERO);
    assert!(same >= Duration::from_secs(29), "{same:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_burst_does_not_wait_under_the_default_limits() {
    let script = Script::answers(&[(200, "")]);
    let client = script.client(config());
    let start = Instant::now();
    for _ in 0..100 {
        client.send(WRITE, ApiRequest::post("/api/2.0/sql/statements")).await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_clients_limit_holds_over_all_classes_together() {
    let limits = RateLimits::unlimited().with_client(Rate::per_second(10.0).with_burst(1));
    let script = Script::answers(&[(200, "")]);
    let client = script.client(config().with_rate_limits(limits));
    let start = Instant::now();
    for number in 0..11 {
        let path = if number % 2 == 0 { "/api/2.0/sql/statements" } else { "/api/2.2/jobs/list" };
        client.send(READ, ApiRequest::get(path)).await.unwrap();
    }
    assert!((0.99..1.1).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_the_call_fails_at_once() {
    let script = Script::new(|_| answer(throttled("200")));
    let client = script.client(config().with_total_timeout(Duration::from_secs(60)));
    let error = client.send(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::RateLimited, 1));
    assert!(!error.is_ambiguous(), "the server did not run it");
    assert_eq!(error.status().unwrap(), 429, "the server's own words are kept");

    let start = Instant::now();
    let error = client.send(WRITE, ApiRequest::post("/y")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::RateLimited, 0));
    assert!(error.is_retryable() && start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_total_deadline_ends_a_call_and_says_whether_it_may_have_run() {
    let script = Script::new(|_| Box::pin(futures::future::pending()));
    let config =
        || config().with_timeout(Duration::from_secs(3600)).with_total_timeout(Duration::from_secs(20));
    let start = Instant::now();
    let error = script.client(config()).send(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Timeout, Duration::from_secs(20)));
    assert!(error.is_ambiguous(), "it was sent and nobody knows");
    assert!(error.to_string().contains("the server had not answered"), "{error}");
    assert!(error.to_string().contains("with_total_timeout"), "the remedy: {error}");

    let error = script.client(config()).send(READ, ApiRequest::get("/x")).await.unwrap_err();
    assert!(!error.is_ambiguous(), "a read has no effect");
}

#[tokio::test(start_paused = true)]
async fn a_hung_attempt_is_a_timeout_that_only_an_idempotent_call_repeats() {
    for (operation, attempts) in [(WRITE, 1), (READ, 3)] {
        let script = Script::new(|_| Box::pin(futures::future::pending()));
        let error = script.client(config()).send(operation, ApiRequest::post("/x")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, attempts));
        assert_eq!(script.sent() as u32, attempts);
        assert!(error.is_ambiguous());
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_unknown_attempt_keeps_the_call_ambiguous() {
    let script = Script::new(|number| match number {
        0 => answer(status(503)),
        _ => Box::pin(futures::future::ready(Err(Error::new(ErrorKind::Connect, "refused")))),
    });
    let error = script.client(config()).send(READ, ApiRequest::delete("/x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_ambiguous());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_read_again_when_that_is_safe() {
    let play =
        |number: usize| answer(if number == 0 { broken_body() } else { Response::new(Body::from("7")) });
    let script = Script::new(play);
    let answer: i32 = script.client(config()).call(READ, ApiRequest::get("/x")).await.unwrap();
    assert_eq!((answer, script.sent()), (7, 2));

    let script = Script::new(play);
    let error = script.client(config()).call::<i32>(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    assert_eq!((error.kind(), script.sent()), (ErrorKind::Unavailable, 1));
    assert!(error.is_ambiguous());
}

#[tokio::test]
async fn a_good_answer_that_is_not_the_expected_json_leaves_a_change_ambiguous() {
    let script = Script::answers(&[(200, "<html>")]);
    let error = script.client(config()).call::<i32>(WRITE, ApiRequest::post("/x")).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 1));
    assert!(error.is_ambiguous(), "it was run");
    let error = script.client(config()).call::<i32>(READ, ApiRequest::get("/x")).await.unwrap_err();
    assert!(!error.is_ambiguous());
}

#[tokio::test]
async fn a_proxys_own_status_says_nothing_about_the_effect() {
    for (code, ambiguous) in [(520, true), (524, true), (598, true), (501, false), (507, false)] {
        let script = Script::new(move |_| answer(status(code)));
        let error = script.client(config()).send(WRITE, ApiRequest::post("/x")).await.unwrap_err();
        assert_eq!((error.is_ambiguous(), script.sent()), (ambiguous, 1), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_that_breaks_off_is_the_readers_to_handle() {
    let script = Script::new(|_| answer(broken_body()));
    let response = script.client(config()).send(READ, ApiRequest::get("/x")).await.unwrap();
    let error = response.into_body().collect(100).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, Some("test.read")));
    assert_eq!(script.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_storage_link_never_carries_the_credential_and_is_retried() {
    let script = Script::answers(&[(503, "busy"), (200, "data")]);
    let request = Request::get("https://storage.invalid/object?sig=s3cret")
        .header("authorization", "Bearer from-the-caller")
        .header("x-ms-blob-type", "BlockBlob")
        .body(Body::empty())
        .unwrap();
    let response = script.client(config()).fetch_link(READ, request).await.unwrap();
    assert_eq!(response.into_body().collect(100).await.unwrap(), "data");
    for seen in script.seen.lock().unwrap().iter() {
        assert!(!seen.head.headers.contains_key("authorization"));
        assert_eq!(seen.head.headers["x-ms-blob-type"], "BlockBlob");
        assert_eq!(seen.head.uri, "https://storage.invalid/object?sig=s3cret");
    }
}

#[tokio::test(start_paused = true)]
async fn a_storage_gets_the_signature_that_was_made_for_it_and_is_retried() {
    let script = Script::answers(&[(503, "busy"), (200, "data")]);
    let request = || {
        Request::put("https://storage.invalid/object?part=1")
            .header("host", "storage.invalid")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=id, Signature=s3cret")
            .header("x-amz-security-token", "s3cret")
            .body(Body::from_bytes("part"))
            .unwrap()
    };
    let response = script.client(config()).send_to_storage(READ, request(), 100).await.unwrap();
    assert_eq!((response.body().as_ref(), script.sent()), (&b"data"[..], 2));
    for seen in script.seen.lock().unwrap().iter() {
        let header = |name: &str| &seen.head.headers[name];
        assert!(
            header("authorization").as_bytes().starts_with(b"AWS4-")
                && header("authorization").is_sensitive()
        );
        assert!(header("x-amz-security-token").is_sensitive() && !seen.head.headers.contains_key("host"));
    }
    let refusing = Script::answers(&[(400, "<Error><Code>ExpiredToken</Code><Token>s3cret</Token></Error>")]);
    let error = refusing.client(config()).send_to_storage(READ, request(), 100).await.unwrap_err();
    assert_eq!(error.api_error().unwrap().error_code.as_deref(), Some("ExpiredToken"));
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    let long = Script::answers(&[(200, "longer than it may be")]);
    let error = long.client(config()).send_to_storage(READ, request(), 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let relative = Request::get("/object").body(Body::empty()).unwrap();
    let error = script.client(config()).send_to_storage(READ, relative, 100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_failing_link_shows_no_signature() {
    let script = Script::answers(&[(403, "<Error><Code>AccessDenied</Code></Error>")]);
    let request = Request::get("https://storage.invalid/object?sig=s3cret").body(Body::empty()).unwrap();
    let error = script.client(config()).fetch_link(READ, request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.api_error().unwrap().error_code.as_deref(), Some("AccessDenied"));
    assert!(!format!("{error} {error:?}").contains("s3cret"));

    let moved = Script::new(|_| {
        let mut response = status(307);
        response.headers_mut().insert("location", "https://storage.invalid/?sig=s3cret".parse().unwrap());
        answer(response)
    });
    let talking = Script::answers(&[(
        403,
        "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>s3cret</StringToSign></Error>",
    )]);
    for script in [moved, talking] {
        let request = Request::get("https://storage.invalid/object?sig=s3cret").body(Body::empty()).unwrap();
        let error = script.client(config()).fetch_link(READ, request).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }

    let relative = Request::get("/object").body(Body::empty()).unwrap();
    assert_eq!(
        script.client(config()).fetch_link(READ, relative).await.unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[tokio::test]
async fn a_request_is_addressed_to_the_workspace_and_carries_its_operation() {
    let script = Script::answers(&[(200, "{}")]);
    let request = ApiRequest::get("/api/2.2/jobs/list").query("limit", 5);
    let _: serde_json::Value = script.client(config()).call(READ, request).await.unwrap();
    let seen = script.seen.lock().unwrap();
    let head = &seen[0].head;
    assert_eq!(head.uri, "https://h.example/api/2.2/jobs/list?limit=5");
    assert_eq!(head.headers["accept"], "application/json");
    assert!(head.headers["user-agent"].to_str().unwrap().contains("auth/pat"));
    assert_eq!(head.extensions.get::<Operation>().unwrap().name(), "test.read");
}

/// Counts the requests that pass.
fn counting(
    counter: &Arc<AtomicUsize>,
) -> impl tower::Layer<HttpService, Service = HttpService> + Send + Sync + use<> {
    let counter = Arc::clone(counter);
    tower::layer::layer_fn(move |inner: HttpService| {
        let counter = Arc::clone(&counter);
        HttpService::new(tower::util::MapRequest::new(inner, move |request| {
            counter.fetch_add(1, Ordering::Relaxed);
            request
        }))
    })
}

#[tokio::test(start_paused = true)]
async fn own_layers_sit_around_the_call_and_around_each_attempt() {
    let (calls, attempts) = (Arc::default(), Arc::default());
    let script = Script::answers(&[(503, ""), (503, ""), (200, "")]);
    let client: Client =
        script.builder(config()).per_call(counting(&calls)).per_attempt(counting(&attempts)).build().unwrap();
    client.send(READ, ApiRequest::get("/x")).await.unwrap();
    assert_eq!((calls.load(Ordering::Relaxed), attempts.load(Ordering::Relaxed)), (1, 3));
}

#[tokio::test]
async fn a_layer_around_the_leaf_sees_every_attempt_and_the_links_too() {
    let seen = Arc::default();
    let script = Script::answers(&[(503, ""), (200, ""), (200, "")]);
    let client: Client = script.builder(config()).leaf_layer(counting(&seen)).build().unwrap();
    client.send(READ, ApiRequest::get("/x")).await.unwrap();
    client.fetch_link(READ, Request::get("https://s.example/o").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 3);
}

#[test]
fn a_client_is_built_without_a_runtime_and_without_io() {
    Client::new(config()).unwrap();
    let missing = databricks_transport::DatabricksConfig::new("h.example").unwrap();
    assert_eq!(Client::new(missing).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn futures_of_the_client_can_be_spawned() {
    fn sendable<T: Send>(_: T) {}
    let client = Client::new(config()).unwrap();
    sendable(client.send(READ, ApiRequest::get("/x")));
    sendable(client.call::<i32>(READ, ApiRequest::get("/x")));
    sendable(client.fetch_link(READ, Request::new(Body::empty())));
}

#[tokio::test(start_paused = true)]
async fn an_error_whose_text_drips_does_not_eat_the_calls_time() {
    let script = Script::new(|number| {
        let drip = futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Some((Ok(Bytes::from("x")), ()))
        });
        let busy = Response::builder().status(503).body(Body::from_stream(drip)).unwrap();
        answer(if number == 0 { busy } else { status(200) })
    });
    let start = Instant::now();
    script.client(config()).send(READ, ApiRequest::get("/x")).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(6) && script.sent() == 2, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_rate_limit_ends_tells_of_the_failure_before_it() {
    // The first fails after a while; meanwhile the second has paused the class.
    let script = Script::new(|number| match number {
        0 => Box::pin(async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok(status(503))
        }),
        _ => answer(throttled("100")),
    });
    let client = script.client(config().with_total_timeout(Duration::from_secs(60)));
    let first = client.send(READ, ApiRequest::delete("/x"));
    let second = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.send(READ, ApiRequest::get("/x")).await.unwrap_err()
    };
    let (error, second) = tokio::join!(first, second);
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::RateLimited, 1));
    assert!(error.is_ambiguous(), "it was sent");
    assert_eq!(
        error.hint(),
        Some("The attempt before it failed with: 503 Service Unavailable: the server gave no reason.")
    );
    assert_eq!(second.kind(), ErrorKind::RateLimited);
}
