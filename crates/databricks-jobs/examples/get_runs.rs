//! Asks for a run again and again, from several workers, and prints what that took as one line of JSON.
//!
//! ```text
//! DATABRICKS_HOST=.. DATABRICKS_TOKEN=.. \
//!     cargo run -p databricks-jobs --release --example get_runs -- --calls 500 --concurrency 8 --rate 100
//! ```
//!
//! The client's rate limiter finds the server's limit from the configured one (`--rate`). Exit codes: 0 when every call
//! was answered, 1 when one was not, 2 for wrong arguments or a wrong configuration.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use databricks_jobs::{JobsClient, RunId};
use databricks_transport::{Body, Client, DatabricksConfig, Error, Rate};
use http::{Request, Response, StatusCode};
use tower::util::{MapRequestLayer, MapResultLayer};

const USAGE: &str = "usage: get_runs --calls N --concurrency N [--rate CALLS_PER_SECOND] [--run-id ID]";

struct Arguments {
    calls: usize,
    concurrency: usize,
    rate: Option<f64>,
    run_id: i64,
}

/// What passed the network.
#[derive(Clone, Default)]
struct Counts(Arc<Counters>);

#[derive(Default)]
struct Counters {
    attempts: AtomicUsize,
    throttled: AtomicUsize,
}

/// What came of the calls.
#[derive(Default)]
struct Outcome {
    answered: Vec<Duration>,
    failed: usize,
    first_error: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let prepared = arguments(std::env::args().skip(1)).and_then(|arguments| {
        let counts = Counts::default();
        let client = client(&arguments, &counts).map_err(|error| error.to_string())?;
        Ok((arguments, counts, client))
    });
    let (arguments, counts, client) = match prepared {
        Ok(prepared) => prepared,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let outcome = call_all(&JobsClient::new(&client), &arguments).await;
    println!("{}", summary(&arguments, &outcome, &counts, start.elapsed()));
    match outcome.first_error {
        None => ExitCode::SUCCESS,
        Some(error) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { calls: 0, concurrency: 0, rate: None, run_id: 1 };
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} needs a value; {USAGE}"))?;
        let wrong = || format!("{name} cannot be {value:?}; {USAGE}");
        match name.as_str() {
            "--calls" => arguments.calls = value.parse().map_err(|_| wrong())?,
            "--concurrency" => arguments.concurrency = value.parse().map_err(|_| wrong())?,
            "--rate" => arguments.rate = Some(value.parse().map_err(|_| wrong())?),
            "--run-id" => arguments.run_id = value.parse().map_err(|_| wrong())?,
            _ => return Err(format!("there is no {name}; {USAGE}")),
        }
    }
    for (name, value) in [("--calls", arguments.calls), ("--concurrency", arguments.concurrency)] {
        if !(1..=10_000_000).contains(&value) {
            return Err(format!("{name} must be between 1 and 10000000; {USAGE}"));
        }
    }
    Ok(arguments)
}

fn client(arguments: &Arguments, counts: &Counts) -> Result<Client, Error> {
    let mut config = DatabricksConfig::from_env()?;
    if let Some(rate) = arguments.rate {
        let mut limits = config.rate_limits().clone().with_class("/jobs/runs/get", Rate::per_second(rate));
        // The limit over everything is no obstacle to a class that may send more.
        if limits.client().is_some_and(|client| client.requests_per_second() < rate) {
            limits = limits.with_client(Rate::per_second(rate));
        }
        config = config.with_rate_limits(limits);
    }
    let (sent, answered) = (counts.clone(), counts.clone());
    Client::builder(config)
        .per_attempt(MapRequestLayer::new(move |request: Request<Body>| {
            sent.0.attempts.fetch_add(1, Ordering::Relaxed);
            request
        }))
        .per_attempt(MapResultLayer::new(move |result: Result<Response<Body>, Error>| {
            answered.note(&result);
            result
        }))
        .build()
}

impl Counts {
    fn note(&self, result: &Result<Response<Body>, Error>) {
        if result.as_ref().is_ok_and(|response| response.status() == StatusCode::TOO_MANY_REQUESTS) {
            self.0.throttled.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn call_all(jobs: &JobsClient, arguments: &Arguments) -> Outcome {
    let left = Arc::new(AtomicUsize::new(arguments.calls));
    let workers: Vec<_> = (0..arguments.concurrency.min(arguments.calls))
        .map(|_| tokio::spawn(worker(jobs.clone(), RunId::new(arguments.run_id), Arc::clone(&left))))
        .collect();
    let mut all = Outcome::default();
    for worker in workers {
        match worker.await {
            Ok(outcome) => all.add(outcome),
            Err(error) => all.fail(format!("a worker ended early: {error}")),
        }
    }
    all
}

async fn worker(jobs: JobsClient, run_id: RunId, left: Arc<AtomicUsize>) -> Outcome {
    let mut outcome = Outcome::default();
    let take = |left: usize| left.checked_sub(1);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        let start = Instant::now();
        match jobs.get_run(run_id).await {
            Ok(_) => outcome.answered.push(start.elapsed()),
            Err(error) => outcome.fail(error.to_string()),
        }
    }
    outcome
}

impl Outcome {
    fn fail(&mut self, error: String) {
        self.failed += 1;
        self.first_error.get_or_insert(error);
    }

    fn add(&mut self, other: Self) {
        self.answered.extend(other.answered);
        self.failed += other.failed;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The latency that this share of the calls kept within, in milliseconds.
    fn percentile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.answered.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).map(|latency| rounded(latency.as_secs_f64() * 1000.0))
    }
}

fn summary(arguments: &Arguments, outcome: &Outcome, counts: &Counts, took: Duration) -> serde_json::Value {
    let seconds = took.as_secs_f64();
    let attempts = counts.0.attempts.load(Ordering::Relaxed);
    serde_json::json!({
        "calls": arguments.calls,
        "ok": outcome.answered.len(),
        "failed": outcome.failed,
        "seconds": rounded(seconds),
        "retries": attempts.saturating_sub(arguments.calls),
        "throttled": counts.0.throttled.load(Ordering::Relaxed),
        "calls_per_second": rounded(outcome.answered.len() as f64 / seconds),
        "p50_ms": outcome.percentile(0.5),
        "p99_ms": outcome.percentile(0.99),
    })
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
