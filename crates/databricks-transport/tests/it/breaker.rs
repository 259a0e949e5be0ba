//! The circuit breaker as callers meet it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use crate::logs::logged;
use crate::support::{Script, answer, config, status};
use databricks_transport::{
    ApiRequest, Authorization, Authorize, Body, CircuitBreakerConfig, CircuitState, Client, Error, ErrorKind,
    Jitter, Operation, RateLimits,
};
use http::{Request, Response};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::time::Instant;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");
const MINUTE: Duration = Duration::from_secs(60);

/// A host that answers what it is told to, after a while.
#[derive(Clone)]
struct Host {
    status: Arc<AtomicU16>,
    sent: Arc<AtomicUsize>,
    takes: Duration,
}

impl Host {
    fn answering(status: u16) -> Self {
        Self { status: Arc::new(AtomicU16::new(status)), sent: Arc::default(), takes: Duration::ZERO }
    }

    fn taking(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    fn client(&self) -> Client {
        self.client_with(config().with_rate_limits(RateLimits::unlimited()))
    }

    fn client_with(&self, config: databricks_transport::DatabricksConfig) -> Client {
        let host = self.clone();
        let leaf = tower::service_fn(move |request: Request<Body>| host.clone().serve(request));
        Client::builder(config).leaf(leaf).jitter(Jitter::none()).build().unwrap()
    }

    async fn serve(self, request: Request<Body>) -> Result<Response<Body>, Error> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        request.into_body().collect(usize::MAX).await?;
        tokio::time::sleep(self.takes).await;
        match self.status.load(Ordering::Relaxed) {
            0 => Err(Error::new(ErrorKind::Connect, "refused")),
            1 => std::future::pending().await,
            code => Ok(status(code)),
        }
    }
}

async fn write(client: &Client) -> Result<(), Error> {
    client.send(WRITE, ApiRequest::post("/api/2.0/x")).await.map(drop)
}

async fn fail(client: &Client, times: usize) {
    for _ in 0..times {
        write(client).await.unwrap_err();
    }
}

fn state(client: &Client) -> CircuitState {
    client.circuits().first().map_or(CircuitState::Closed, |circuit| circuit.state)
}

#[tokio::test(start_paused = true)]
async fn five_failures_open_it_and_two_successes_after_a_minute_close_it() {
    let host = Host::answering(503);
    let client = host.client();
    fail(&client, 5).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let start = Instant::now();
    let error = write(&client).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts(), start.elapsed()),
        (ErrorKind::CircuitOpen, 0, Duration::ZERO)
    );
    assert_eq!(host.sent(), 5, "nothing is sent");
    assert!(error.is_retryable() && !error.is_ambiguous());
    assert_eq!(
        error.to_string(),
        "test.write: h.example is left alone for another 40.0 s, because it failed several times in a row, the last \
         one: 503 Service Unavailable. Call again after that; what opens the circuit is set by `with_circuit_breaker`."
    );
    let circuit = client.circuits().remove(0);
    assert_eq!(
        (circuit.host.as_str(), circuit.state, circuit.failures),
        ("h.example", CircuitState::Open, 5)
    );
    assert_eq!(circuit.retry_in, Some(Duration::from_secs(40)));

    host.answers(200);
    tokio::time::sleep(Duration::from_secs(40)).await;
    write(&client).await.unwrap();
    assert_eq!(state(&client), CircuitState::HalfOpen);
    write(&client).await.unwrap();
    assert_eq!(state(&client), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_own_attempt_opens_it_ends_with_what_it_met() {
    let host = Host::answering(503);
    let client = host.client();
    let first = client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap_err();
    assert_eq!((first.kind(), first.attempts()), (ErrorKind::Unavailable, 3));
    let start = Instant::now();
    let second = client.send(READ, ApiRequest::delete("/api/2.0/x")).await.unwrap_err();
    assert_eq!((second.kind(), second.attempts(), host.sent()), (ErrorKind::Unavailable, 2, 5));
    assert!(second.is_ambiguous(), "it was sent");
    assert_eq!(start.elapsed(), Duration::from_millis(500), "it does not wait for what cannot be sent");
    assert_eq!(
        second.hint().unwrap(),
        "It was not sent again: the host has failed several times in a row and is left alone for 60.0 s."
    );
    let third = client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap_err();
    assert_eq!((third.kind(), host.sent()), (ErrorKind::CircuitOpen, 5));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_another_call_opens_ends_a_call_between_its_attempts() {
    let host = Host::answering(503);
    let client = host.client();
    let call = client.send(READ, ApiRequest::get("/api/2.0/x"));
    let others = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fail(&client, 4).await;
    };
    let (error, ()) = tokio::join!(call, others);
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts(), error.status().unwrap().as_u16()),
        (ErrorKind::Unavailable, 1, 503)
    );
    assert!(error.hint().unwrap().contains("h.example is left alone for another 59.6 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_succeed_at_their_second_attempt_never_open_it() {
    let script = Script::new(|number| answer(status(if number % 2 == 0 { 503 } else { 200 })));
    let client = script.client(config());
    for _ in 0..20 {
        client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap();
    }
    assert_eq!((script.sent(), state(&client)), (40, CircuitState::Closed));
}

#[tokio::test(start_paused = true)]
async fn every_failure_of_the_host_counts_and_nothing_else() {
    // 0 stands for no connection, 1 for silence.
    for (code, opens) in [
        (0, true),
        (1, true),
        (500, true),
        (502, true),
        (503, true),
        (504, true),
        (400, false),
        (401, false),
        (404, false),
        (429, false),
        (501, false),
    ] {
        let client = Host::answering(code).client_with(
            config().with_rate_limits(RateLimits::unlimited()).with_total_timeout(Duration::from_secs(40)),
        );
        for _ in 0..6 {
            write(&client).await.unwrap_err();
        }
        assert_eq!(state(&client) == CircuitState::Open, opens, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_by_itself_says_nothing_about_the_host() {
    for kind in [ErrorKind::Io, ErrorKind::Unavailable] {
        let client = Host::answering(200).client();
        for _ in 0..10 {
            let parts = [Ok("data".into()), Err(Error::new(kind, "the source vanished"))];
            let body = Body::from_stream(futures::stream::iter(parts));
            client.send(WRITE, ApiRequest::put("/api/2.0/x").body(body)).await.unwrap_err();
        }
        assert_eq!(state(&client), CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_given_up_do_not_count_and_give_their_places_back() {
    let host = Host::answering(1);
    let client = host.client();
    let give_up = || tokio::time::timeout(Duration::from_secs(1), write(&client));
    for _ in 0..10 {
        give_up().await.unwrap_err();
    }
    assert_eq!(state(&client), CircuitState::Closed);

    host.answers(503);
    fail(&client, 5).await;
    tokio::time::sleep(MINUTE).await;
    host.answers(1);
    for _ in 0..10 {
        give_up().await.unwrap_err();
        assert_eq!(state(&client), CircuitState::HalfOpen);
    }
    host.answers(200);
    for _ in 0..2 {
        write(&client).await.unwrap();
    }
    assert_eq!(state(&client), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_when_it_opened_neither_extends_nor_ends_it() {
    let script = Script::new(|number| match number {
        0..15 => Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(number as u64 + 1)).await;
            Ok(status(if number % 2 == 0 { 503 } else { 200 }))
        }),
        _ => answer(status(503)),
    });
    let client = script.client(config());
    let calls = futures::future::join_all((0..15).map(|_| write(&client)));
    let (results, ()) = tokio::join!(calls, fail(&client, 5));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 7, "what was sent is answered");
    // It opened at once; 15 s later the last one had its answer.
    let circuit = client.circuits().remove(0);
    assert_eq!((circuit.state, circuit.retry_in), (CircuitState::Open, Some(Duration::from_secs(60 - 15))));
}

#[tokio::test(start_paused = true)]
async fn after_its_time_two_calls_try_the_host_and_the_others_wait_for_what_they_find() {
    for (later, served, sent) in [(200, 20, 20), (503, 0, 2)] {
        let host = Host::answering(503).taking(Duration::from_secs(3));
        let client = host.client();
        fail(&client, 5).await;
        tokio::time::sleep(MINUTE).await;
        host.answers(later);
        let start = Instant::now();
        let results = futures::future::join_all((0..20).map(|_| write(&client))).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), served);
        assert_eq!(host.sent() - 5, sent, "one that fails keeps the others from being sent");
        let refused = |error: &&Error| error.kind() == ErrorKind::CircuitOpen && error.attempts() == 0;
        let failed = results.iter().filter_map(|result| result.as_ref().err());
        assert_eq!(failed.filter(refused).count(), 20 - sent);
        assert_eq!(start.elapsed(), Duration::from_secs(if served > 0 { 6 } else { 3 }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_wait_for_the_others_says_what_it_waited_for() {
    let host = Host::answering(503);
    let client = host.client();
    fail(&client, 5).await;
    tokio::time::sleep(MINUTE).await;
    host.answers(1);
    let hurried = WRITE.with_total_timeout(Duration::from_secs(10));
    let call = client.send(hurried, ApiRequest::post("/api/2.0/x"));
    let (.., last) = tokio::join!(write(&client), write(&client), call);
    let last = last.unwrap_err();
    assert_eq!((last.kind(), last.attempts()), (ErrorKind::Timeout, 0));
    assert_eq!(last.elapsed(), Duration::from_secs(10));
    assert!(last.to_string().contains("other calls were still finding out whether the host works"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_neither_waits_for_a_turn_nor_asks_for_a_token() {
    #[derive(Clone, Default)]
    struct Counted(Arc<AtomicUsize>);
    impl Authorize for Counted {
        async fn authorize(&self) -> Result<Authorization, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Authorization::bearer("t".to_owned())?.expires_in(Duration::from_secs(45)))
        }
    }
    let asked = Counted::default();
    let limits =
        RateLimits::unlimited().with_client(databricks_transport::Rate::per_second(1.0).with_burst(5));
    let client =
        Host::answering(503).client_with(config().with_authorize(asked.clone()).with_rate_limits(limits));
    fail(&client, 5).await;
    // By now the token has expired, and the next turn is a while away.
    tokio::time::sleep(Duration::from_secs(50)).await;
    let (start, before) = (Instant::now(), asked.0.load(Ordering::Relaxed));
    for _ in 0..10 {
        assert_eq!(write(&client).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
    }
    assert_eq!((start.elapsed(), asked.0.load(Ordering::Relaxed)), (Duration::ZERO, before));
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_in_trouble_is_not_the_workspace_in_trouble() {
    struct Broken;
    impl Authorize for Broken {
        async fn authorize(&self) -> Result<Authorization, Error> {
            Err(Error::new(ErrorKind::Unavailable, "no token today"))
        }
    }
    let host = Host::answering(200);
    let client = host.client_with(config().with_authorize(Broken));
    for _ in 0..10 {
        assert_eq!(write(&client).await.unwrap_err().kind(), ErrorKind::Auth);
    }
    assert_eq!((state(&client), host.sent()), (CircuitState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn storage_hosts_and_the_workspace_have_circuits_of_their_own() {
    let host = Host::answering(503);
    let client = host.client();
    let link =
        |name: &str| Request::get(format!("https://{name}.storage.invalid/o?sig=s3cret")).body(Body::empty());
    for _ in 0..5 {
        client.fetch_link(WRITE, link("a").unwrap()).await.unwrap_err();
    }
    let error = client.fetch_link(WRITE, link("a").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert!(
        error.to_string().contains("a.storage.invalid") && !error.to_string().contains("s3cret"),
        "{error}"
    );
    host.answers(200);
    client.fetch_link(WRITE, link("b").unwrap()).await.unwrap();
    write(&client).await.unwrap();
    let shown = format!("{:?} {client:?}", client.circuits());
    assert!(shown.contains("a.storage.invalid") && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn it_can_be_set_and_turned_off() {
    let settings = CircuitBreakerConfig::default()
        .with_failures(1)
        .with_successes(1)
        .with_open_for(Duration::from_secs(5));
    let host = Host::answering(503);
    let client = host.client_with(config().with_circuit_breaker(settings));
    fail(&client, 1).await;
    assert_eq!(state(&client), CircuitState::Open);
    tokio::time::sleep(Duration::from_secs(5)).await;
    host.answers(200);
    write(&client).await.unwrap();
    assert_eq!(state(&client), CircuitState::Closed);

    let host = Host::answering(503);
    let client = host.client_with(config().with_circuit_breaker(CircuitBreakerConfig::off()));
    fail(&client, 20).await;
    assert_eq!((host.sent(), client.circuits().len()), (20, 0));

    let none = config().with_circuit_breaker(CircuitBreakerConfig::default().with_failures(0));
    let error = Client::new(none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// The labels and values of the gauges of circuits.
fn gauges(recorder: &DebuggingRecorder) -> Vec<(String, f64)> {
    let all = recorder.snapshotter().snapshot().into_vec().into_iter();
    let ours = all.filter(|(key, ..)| key.key().name() == "databricks_circuit_breaker_state");
    let shown = ours.map(|(key, _, _, value)| {
        let labels: Vec<_> =
            key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let DebugValue::Gauge(value) = value else { panic!("{value:?}") };
        (labels.join(","), value.into_inner())
    });
    shown.collect()
}

#[tokio::test(start_paused = true)]
async fn all_storage_hosts_are_one_gauge_that_shows_the_worst_of_them() {
    let recorder = DebuggingRecorder::new();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let host = Host::answering(503);
    let client = host.client();
    let fetch = async |name: &str| {
        let link = Request::get(format!("https://{name}.storage.invalid/x")).body(Body::empty()).unwrap();
        client.fetch_link(WRITE, link).await.map(drop)
    };
    let shown = |value| vec![("host=storage".to_owned(), value)];
    for _ in 0..5 {
        fetch("a").await.unwrap_err();
    }
    assert_eq!(gauges(&recorder), shown(2.0));
    host.answers(200);
    fetch("b").await.unwrap();
    assert_eq!(gauges(&recorder), shown(2.0), "one that works does not hide one that does not");
    tokio::time::sleep(MINUTE).await;
    fetch("a").await.unwrap();
    assert_eq!(gauges(&recorder), shown(1.0));
    fetch("a").await.unwrap();
    assert_eq!(gauges(&recorder), shown(0.0));
}

#[tokio::test(start_paused = true)]
async fn each_change_is_on_the_gauge_and_in_the_log() {
    let recorder = DebuggingRecorder::new();
    let gauge = || gauges(&recorder).remove(0);
    let host = Host::answering(503);
    let client = host.client();
    let log = logged(async {
        let _recorder = metrics::set_default_local_recorder(&recorder);
        let label = || "host=h.example".to_owned();
        fail(&client, 1).await;
        assert_eq!(gauge(), (label(), 0.0));
        fail(&client, 4).await;
        assert_eq!(gauge(), (label(), 2.0));
        tokio::time::sleep(MINUTE).await;
        host.answers(200);
        write(&client).await.unwrap();
        assert_eq!(gauge(), (label(), 1.0));
        write(&client).await.unwrap();
        assert_eq!(gauge(), (label(), 0.0));
    })
    .await;
    let line =
        |text: &str| log.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {log}"));
    let opened = line("circuit opened");
    assert!(opened.contains("WARN") && opened.contains("host=h.example"), "{opened}");
    assert!(opened.contains("503 Service Unavailable"), "{opened}");
    assert!(line("circuit half-open").contains("DEBUG"));
    assert!(line("circuit closed").contains("INFO"));
}

#[tokio::test(start_paused = true)]
async fn a_moment_of_trouble_does_not_shut_out_many_callers() {
    for (workers, jitter) in [(8, Jitter::none()), (8, Jitter::seeded(1)), (64, Jitter::seeded(2))] {
        let start = Instant::now();
        let leaf = tower::service_fn(move |_: Request<Body>| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let is_bad = (1000..1200).contains(&start.elapsed().as_millis());
            Ok::<_, Error>(status(if is_bad { 503 } else { 200 }))
        });
        let config = config().with_rate_limits(RateLimits::unlimited());
        let client = Client::builder(config).leaf(leaf).jitter(jitter.clone()).build().unwrap();
        let work = futures::future::join_all((0..workers).map(|number| {
            let client = client.clone();
            async move {
                // They are not in step.
                tokio::time::sleep(Duration::from_millis(number * 3)).await;
                let mut ends = Vec::new();
                for _ in 0..300 {
                    ends.push(client.send(READ, ApiRequest::get("/api/2.0/x")).await.map_err(|e| e.kind()));
                }
                ends
            }
        }));
        let ends: Vec<_> = work.await.into_iter().flatten().collect();
        let refused = ends.iter().filter(|end| matches!(end, Err(ErrorKind::CircuitOpen))).count();
        assert_eq!((refused, state(&client)), (0, CircuitState::Closed), "{workers} {jitter:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_down_is_left_alone_however_many_call_it() {
    let host = Host::answering(503).taking(Duration::from_millis(20));
    let client = host.client();
    let start = Instant::now();
    let worker = || async { while write(&client).await.unwrap_err().kind() != ErrorKind::CircuitOpen {} };
    futures::future::join_all((0..16).map(|_| worker())).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_upload_whose_source_is_slow_is_no_silence_of_the_host() {
    let client = Host::answering(200).client();
    for _ in 0..6 {
        let slow = futures::stream::once(async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            Ok("row".into())
        });
        client.send(WRITE, ApiRequest::put("/api/2.0/x").body(Body::from_stream(slow))).await.unwrap();
    }
    let total = Duration::from_secs(20);
    for _ in 0..6 {
        let never = Body::from_stream(futures::stream::pending());
        let put = ApiRequest::put("/api/2.0/x").body(never);
        let error = client.send(WRITE.with_total_timeout(total), put).await.unwrap_err();
        assert_eq!((error.kind(), error.elapsed()), (ErrorKind::Timeout, total));
    }
    assert_eq!((state(&client), client.circuits()[0].failures), (CircuitState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_sent_nothing_but_long_uploads_is_trusted_again() {
    let host = Host::answering(503);
    let client = host.client();
    fail(&client, 5).await;
    tokio::time::sleep(MINUTE).await;
    host.answers(200);
    let uploads = (0..8).map(|_| {
        let slow = futures::stream::once(async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            Ok("row".into())
        });
        client.send(WRITE, ApiRequest::put("/api/2.0/x").body(Body::from_stream(slow)))
    });
    let uploads = futures::future::join_all(uploads);
    tokio::time::timeout(Duration::from_secs(110), uploads).await.unwrap_err();
    assert_eq!(state(&client), CircuitState::Closed, "two have succeeded");
}

/// Each row: how long a call may take, how long an attempt, and whether the host was given its chance.
#[tokio::test(start_paused = true)]
async fn silence_until_the_end_of_a_hurried_call_counts_when_it_was_long() {
    for (total, timeout, opens) in
        [(10, 30, true), (5, 30, true), (4, 30, false), (2, 4, true), (1, 4, false)]
    {
        let client = Host::answering(1).client_with(config().with_timeout(Duration::from_secs(timeout)));
        let hurried = WRITE.with_total_timeout(Duration::from_secs(total));
        for _ in 0..5 {
            client.send(hurried, ApiRequest::post("/api/2.0/x")).await.unwrap_err();
        }
        let circuit = client.circuits().remove(0);
        assert_eq!(circuit.state == CircuitState::Open, opens, "{total} s of {timeout} s");
        assert_eq!(circuit.last_failure.is_some(), opens);
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_of_links_do_not_push_the_open_circuit_of_the_workspace_out() {
    let host = Host::answering(503);
    let client = host.client();
    fail(&client, 5).await;
    for number in 0..200 {
        let link = Request::get(format!("https://s{number}.example/x")).body(Body::empty()).unwrap();
        client.fetch_link(WRITE, link).await.unwrap_err();
    }
    let sent = host.sent();
    assert_eq!(write(&client).await.unwrap_err().kind(), ErrorKind::CircuitOpen);
    assert_eq!(host.sent(), sent);
}

#[tokio::test(start_paused = true)]
async fn probes_that_nobody_drives_hold_others_no_longer_than_an_attempt_may_be_silent() {
    let host = Host::answering(503).taking(Duration::from_millis(50));
    let client = host.client_with(config().with_timeout(Duration::from_secs(10)));
    fail(&client, 5).await;
    tokio::time::sleep(MINUTE).await;
    host.answers(200);
    let mut held = [Box::pin(write(&client)), Box::pin(write(&client))];
    for call in &mut held {
        assert!(futures::poll!(call).is_pending());
    }
    let start = Instant::now();
    write(&client).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    write(&client).await.unwrap();
    assert_eq!(state(&client), CircuitState::Closed);
    for call in held {
        call.await.unwrap();
    }
}
