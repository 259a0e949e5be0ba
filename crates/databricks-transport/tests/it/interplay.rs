//! The layers together under stress: deadlines over everything that waits, and calls that are given up anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{config, status};
use databricks_transport::{
    ApiRequest, Authorization, Authorize, Body, CircuitBreakerConfig, CircuitState, Client, DatabricksConfig,
    Error, ErrorKind, HttpService, Jitter, Operation, Rate, RateLimits, RetryBudget, RetryConfig,
};
use http::{Request, Response};
use tokio::time::Instant;

const READ: Operation = Operation::new("test.read").idempotent();

/// Tokens that take a second to come and are good for one use.
struct Slow;

impl Authorize for Slow {
    async fn authorize(&self) -> Result<Authorization, Error> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Authorization::bearer("t".to_owned())?.expires_in(Duration::from_secs(41)))
    }
}

/// A host that takes two seconds, and fails or works as it is told.
#[derive(Clone, Default)]
struct Host {
    works: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
}

impl Host {
    /// A client with a call every second, a token for each, and a budget of three repetitions.
    fn client(&self, total: Duration) -> Client {
        let host = self.clone();
        let leaf = tower::service_fn(move |_: Request<Body>| host.clone().serve());
        let limits = RateLimits::unlimited().with_client(Rate::per_second(1.0).with_burst(1));
        let retry = RetryConfig::default().with_budget(RetryBudget::default().with_capacity(15));
        let config = config()
            .with_authorize(Slow)
            .with_rate_limits(limits)
            .with_retry(retry)
            .with_total_timeout(total);
        Client::builder(config).leaf(leaf).jitter(Jitter::none()).build().unwrap()
    }

    async fn serve(self) -> Result<Response<Body>, Error> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(status(if self.works.load(Ordering::Relaxed) { 200 } else { 503 }))
    }
}

async fn read(client: &Client) -> Result<(), Error> {
    client.send(READ, ApiRequest::get("/api/2.0/x")).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_over_turns_tokens_attempts_and_waits() {
    for tenths in 1..120 {
        let total = Duration::from_millis(tenths * 100);
        let client = Host::default().client(total);
        let start = Instant::now();
        let error = read(&client).await.unwrap_err();
        assert!(start.elapsed() <= total + Duration::from_millis(1), "{total:?}: {:?}", start.elapsed());
        assert_eq!(error.elapsed(), start.elapsed(), "{total:?}");
        assert_eq!(error.operation(), Some("test.read"), "{total:?}");
        let kinds = [ErrorKind::Timeout, ErrorKind::Unavailable, ErrorKind::RateLimited];
        assert!(kinds.contains(&error.kind()), "{total:?}: {error}");
        assert!(error.is_retryable() && !error.is_ambiguous(), "{total:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_at_any_moment_leaves_turns_budget_and_circuit_as_they_were() {
    // A call of its own takes 1 s for the token, 2 s for each attempt and half a second and a second between them.
    for tenths in 0..110 {
        let host = Host::default();
        let client = host.client(Duration::from_secs(300));
        let _ = tokio::time::timeout(Duration::from_millis(tenths * 100), read(&client)).await;
        let given_up_after = host.sent.load(Ordering::Relaxed);
        host.works.store(true, Ordering::Relaxed);
        let start = Instant::now();
        read(&client).await.unwrap();
        // A turn, a token and an attempt: nobody holds anything that it would have to wait for.
        assert!(start.elapsed() <= Duration::from_millis(4_100), "{tenths}: {:?}", start.elapsed());
        assert_eq!(client.circuits()[0].state, CircuitState::Closed, "{tenths}");

        // Only repetitions that were sent are paid for, and one success has paid a little back.
        let before = host.sent.load(Ordering::Relaxed);
        host.works.store(false, Ordering::Relaxed);
        read(&client).await.unwrap_err();
        let expected = if given_up_after == 3 { 2 } else { 3 };
        assert_eq!(host.sent.load(Ordering::Relaxed) - before, expected, "{tenths}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_given_up_at_any_moment_leaves_room_for_the_next() {
    for tenths in (0..60).step_by(3) {
        let host = Host::default();
        let client = host.client(Duration::from_secs(300));
        while client.circuits().first().is_none_or(|circuit| circuit.state != CircuitState::Open) {
            read(&client).await.unwrap_err();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        host.works.store(true, Ordering::Relaxed);
        let patience = Duration::from_millis(tenths * 100);
        let calls = (0..6).map(|_| tokio::time::timeout(patience, read(&client)));
        let given_up = futures::future::join_all(calls).await;
        assert!(given_up.iter().any(Result::is_err) || tenths > 50, "{tenths}");
        let start = Instant::now();
        for _ in 0..2 {
            read(&client).await.unwrap();
        }
        assert!(start.elapsed() <= Duration::from_millis(8_100), "{tenths}: {:?}", start.elapsed());
        assert_eq!(client.circuits()[0].state, CircuitState::Closed, "{tenths}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_in_an_outage_sends_less_and_less_and_recovers() {
    let host = Host::default();
    let client = host.client(Duration::from_secs(300));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(600) {
        let _ = futures::future::join_all((0..10).map(|_| read(&client))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let sent = host.sent.load(Ordering::Relaxed);
    assert!(sent < 60, "{sent} attempts in ten minutes");
    host.works.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let served = futures::future::join_all((0..10).map(|_| read(&client))).await;
    assert!(served.iter().all(Result::is_ok), "{served:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_leave_no_circuit_stuck_and_no_call_waiting() {
    let settings = CircuitBreakerConfig::default().with_open_for(Duration::from_millis(1));
    let config = config().with_rate_limits(RateLimits::unlimited()).with_circuit_breaker(settings);
    let works = Arc::new(AtomicBool::new(false));
    let (told, numbers) = (Arc::clone(&works), Arc::new(AtomicUsize::new(0)));
    let leaf = tower::service_fn(move |_: Request<Body>| {
        let (told, numbers) = (Arc::clone(&told), Arc::clone(&numbers));
        async move {
            tokio::task::yield_now().await;
            let fails = !told.load(Ordering::Relaxed) && numbers.fetch_add(1, Ordering::Relaxed) % 8 < 6;
            Ok::<_, Error>(status(if fails { 503 } else { 200 }))
        }
    });
    let client = Client::builder(config).leaf(leaf).build().unwrap();
    let call = |number: usize| {
        let client = client.clone();
        tokio::spawn(async move {
            let once = client.send(Operation::new("test.write"), ApiRequest::post("/api/2.0/x"));
            if number.is_multiple_of(5) {
                // Polled once or twice, and dropped.
                let _ = tokio::time::timeout(Duration::ZERO, once).await;
            } else {
                let _ = once.await;
            }
        })
    };
    for _ in 0..20 {
        futures::future::join_all((0..200).map(call)).await.into_iter().for_each(Result::unwrap);
    }
    works.store(true, Ordering::Relaxed);
    while read(&client).await.is_err() || client.circuits()[0].state != CircuitState::Closed {
        tokio::task::yield_now().await;
    }
}

/// A leaf that notes when it is asked, in seconds, and answers as it is told by the time.
fn noting(answers: fn(f64) -> (u64, u16)) -> (Arc<std::sync::Mutex<Vec<f64>>>, HttpService) {
    let times: Arc<std::sync::Mutex<Vec<f64>>> = Arc::default();
    let (noted, start) = (Arc::clone(&times), Instant::now());
    let leaf = tower::service_fn(move |_: Request<Body>| {
        let now = start.elapsed().as_secs_f64();
        noted.lock().unwrap().push(now);
        async move {
            let (seconds, code) = answers(now);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, Error>(status(code))
        }
    });
    (times, HttpService::new(leaf))
}

/// The most that was sent within a second.
fn most_in_a_second(times: &[f64]) -> usize {
    let within = |start: &f64| times.iter().filter(|time| (*start..start + 1.0).contains(*time)).count();
    times.iter().map(within).max().unwrap_or(0)
}

fn ten_a_second() -> RateLimits {
    RateLimits::default().with_others(Rate::per_second(10.0).with_burst(1))
}

/// A token that takes half a minute to come, and is good from then on.
struct HalfAMinute;

impl Authorize for HalfAMinute {
    async fn authorize(&self) -> Result<Authorization, Error> {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Authorization::bearer("t".to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_waited_for_a_token_keep_to_the_limit_when_it_comes() {
    let (times, leaf) = noting(|_| (0, 200));
    let config = DatabricksConfig::new("https://h.example").unwrap();
    let config = config.with_authorize(HalfAMinute).with_rate_limits(ten_a_second());
    let client = Client::builder(config).leaf(leaf).build().unwrap();
    for answer in futures::future::join_all((0..400).map(|_| read(&client))).await {
        answer.unwrap();
    }
    let times = times.lock().unwrap();
    assert!(times[0] < 30.2 && *times.last().unwrap() < 70.5, "no turn is lost: {times:?}");
    let most = most_in_a_second(&times);
    assert!(most <= 11, "{most}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_waited_for_the_outcome_of_a_probe_keep_to_the_limit_when_it_is_known() {
    // Five failures, then a host that takes 25 s, and then one that works.
    let (times, leaf) = noting(|now| match now {
        ..30.0 => (0, 503),
        ..85.0 => (25, 200),
        _ => (0, 200),
    });
    let client = Client::builder(config().with_rate_limits(ten_a_second())).leaf(leaf).build().unwrap();
    for _ in 0..5 {
        let _ = client.send(Operation::new("test.write"), ApiRequest::post("/api/2.0/x")).await;
    }
    tokio::time::sleep(Duration::from_secs(61)).await;
    for answer in futures::future::join_all((0..400).map(|_| read(&client))).await {
        answer.unwrap();
    }
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 405);
    let most = most_in_a_second(&times);
    assert!(most <= 11, "{most}");
}

#[tokio::test(start_paused = true)]
async fn a_token_for_one_use_is_asked_for_once_a_call_whatever_the_limit() {
    let (times, leaf) = noting(|_| (0, 200));
    let config = DatabricksConfig::new("https://h.example").unwrap();
    let config = config.with_authorize(Slow).with_rate_limits(ten_a_second());
    let client = Client::builder(config).leaf(leaf).build().unwrap();
    for _ in 0..4 {
        // A turn is there.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let start = Instant::now();
        read(&client).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
    assert_eq!(times.lock().unwrap().len(), 4);
}
