//! Calls that are called off: what has not been sent is not sent, and what has been comes to its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use databricks_transport::{
    ApiRequest, Body, CallOff, Client, DatabricksConfig, Error, ErrorKind, Operation, Rate, RateLimits,
};
use http::{Request, Response};
use tokio::time::{Instant, sleep};

const WRITE: Operation = Operation::new("write");
const SECOND: Duration = Duration::from_secs(1);

/// A client whose host answers after a second: first `first`, and 200 from then on.
fn client(first: u16, limits: RateLimits) -> (Client, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let leaf = tower::service_fn(move |_: Request<Body>| {
        let status = if count.fetch_add(1, Ordering::SeqCst) == 0 { first } else { 200 };
        async move {
            sleep(SECOND).await;
            let answer = Response::builder().status(status).header("retry-after", "60");
            Ok::<_, Error>(answer.body(Body::from("{}")).unwrap())
        }
    });
    let config = DatabricksConfig::new("h.example").unwrap().with_token("t").with_rate_limits(limits);
    (Client::builder(config).leaf(leaf).build().unwrap(), sent)
}

/// How a call ends that is called off after so long, and when.
async fn called_off(client: &Client, after: Duration) -> (Result<(), Error>, Duration) {
    let (start, call_off) = (Instant::now(), CallOff::new());
    let request = ApiRequest::post("/api/2.0/x").unless(&call_off);
    let off = async {
        sleep(after).await;
        call_off.call_off();
    };
    let (ended, ()) = tokio::join!(client.call::<()>(WRITE, request), off);
    (ended, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_after_a_refusal_ends_at_once_and_is_not_sent_again() {
    let (client, sent) = client(429, RateLimits::unlimited());
    let (ended, took) = called_off(&client, 10 * SECOND).await;
    let error = ended.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_ambiguous(), took),
        (ErrorKind::Timeout, false, 10 * SECOND),
        "{error}"
    );
    assert!(error.to_string().contains("called off"), "{error}");
    sleep(100 * SECOND).await;
    assert_eq!(sent.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_turn_is_not_sent() {
    let limits = RateLimits::unlimited().with_others(Rate::per_minute(1.0).with_burst(1));
    let (client, sent) = client(200, limits);
    client.call::<()>(WRITE, ApiRequest::post("/api/2.0/x")).await.unwrap();
    let (ended, took) = called_off(&client, 5 * SECOND).await;
    let error = ended.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_ambiguous(), took),
        (ErrorKind::Timeout, false, 5 * SECOND),
        "{error}"
    );
    sleep(300 * SECOND).await;
    assert_eq!(sent.load(Ordering::SeqCst), 1);
    // Its place is free for the next one.
    client.call::<()>(WRITE, ApiRequest::post("/api/2.0/x")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_comes_to_its_end_and_is_not_repeated() {
    for (first, expected) in [(200, None), (429, Some(ErrorKind::RateLimited))] {
        let (client, sent) = client(first, RateLimits::unlimited());
        let (ended, took) = called_off(&client, SECOND / 2).await;
        assert_eq!((ended.err().map(|error| error.kind()), took), (expected, SECOND));
        sleep(100 * SECOND).await;
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_called_off_before_it_begins_is_not_sent() {
    let (client, sent) = client(200, RateLimits::unlimited());
    let call_off = CallOff::new();
    call_off.call_off();
    let request = ApiRequest::post("/api/2.0/x").unless(&call_off);
    let error = client.send(WRITE, request).await.unwrap_err();
    assert_eq!((error.kind(), error.is_ambiguous()), (ErrorKind::Timeout, false));
    assert_eq!(sent.load(Ordering::SeqCst), 0);
}
