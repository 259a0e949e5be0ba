//! Real clients, or their limiters alone, against a server with a limit of its own, in simulated time: run this under a
//! paused clock.
//!
//! The server is a bucket of tokens. It decides in the middle of a request's way, whose second half varies by a seeded
//! share, and answers 429 with `Retry-After: 1` when it has no token.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use databricks_transport::{
    ApiRequest, Body, Client, DatabricksConfig, Error, Operation, Rate, RateLimiter, RateLimits, RatePolicy,
};
use http::{Request, Response};
use tokio::time::Instant;

const GET_RUN: Operation = Operation::new("jobs.get_run").idempotent();
/// The limit that the clients are configured with, in calls a second.
pub(crate) const BASE: f64 = 100.0;
/// What the server asks for with every 429.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is simulated.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) clients: usize,
    /// Callers of each client: each calls, waits for the answer and calls again.
    pub(crate) workers: usize,
    /// The server's limit from so many seconds on, in calls a second; the first from 0.
    pub(crate) limits: Vec<(f64, f64)>,
    /// How many tokens the server saves up.
    pub(crate) burst: f64,
    /// From sending a request to its answer.
    pub(crate) latency: Duration,
    /// The first client begins so long after the server, each other one so long after the one before it.
    pub(crate) phase: Duration,
    pub(crate) work: Work,
    pub(crate) seed: u64,
}

/// When it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// When all clients together have made so many calls.
    Calls(usize),
    /// After so many seconds; the figures are those of the seconds from `from`.
    Seconds { from: f64, to: f64 },
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) seconds: f64,
    /// Answered calls, and the calls that the server's limit allowed in the same time.
    pub(crate) served: usize,
    pub(crate) ideal: f64,
    pub(crate) throttled: usize,
    /// Jain's index of the clients' shares: 1 when all are equal, one over their number when one has everything.
    pub(crate) fairness: f64,
    /// The share of the time in which every client kept to a `Retry-After`.
    pub(crate) paused: f64,
    /// From the server's last change to two seconds at 85% of its limit.
    pub(crate) recovery: Option<f64>,
}

impl Figures {
    /// The calls served, as a share of what the server's limit allowed.
    pub(crate) fn goodput(&self) -> f64 {
        self.served as f64 / self.ideal
    }

    /// The share of the attempts that were answered with 429.
    pub(crate) fn throttled_share(&self) -> f64 {
        self.throttled as f64 / (self.throttled + self.served).max(1) as f64
    }
}

/// Plays a scenario with clients of this policy.
pub(crate) async fn run<P: RatePolicy + 'static>(
    scenario: &Scenario,
    policy: impl Fn(Rate) -> P + Clone + Send + Sync + 'static,
) -> Result<Figures, Error> {
    let server = Arc::new(Server::new(scenario));
    let clients = (0..scenario.clients).map(|number| server.client(number, policy.clone()));
    let clients = clients.collect::<Result<Vec<_>, _>>()?;
    play(&server, &clients, async |_, client| {
        client.call::<serde_json::Value>(GET_RUN, ApiRequest::get("/api/2.2/jobs/runs/get")).await.map(drop)
    })
    .await
}

/// The same with the limiters of the clients alone, which takes a tenth of the time.
pub(crate) async fn run_limiters<P: RatePolicy + 'static>(
    scenario: &Scenario,
    policy: impl Fn(Rate) -> P,
) -> Result<Figures, Error> {
    let server = Server::new(scenario);
    let limiter = |_| RateLimiter::with_policy(Rate::per_second(BASE), &policy);
    let limiters: Vec<_> = (0..scenario.clients).map(limiter).collect();
    play(&server, &limiters, async |number, limiter| {
        loop {
            let permit = limiter.acquire(None).await?;
            if server.serves(number).await {
                permit.served();
                return Ok(());
            }
            permit.throttled(Some(RETRY_AFTER));
        }
    })
    .await
}

/// Lets the callers of all clients call until the work is done.
async fn play<C>(
    server: &Server,
    clients: &[C],
    call: impl AsyncFn(usize, &C) -> Result<(), Error>,
) -> Result<Figures, Error> {
    let Scenario { workers, phase, work, .. } = server.scenario;
    let calls = Mutex::new(match work {
        Work::Calls(calls) => calls,
        Work::Seconds { .. } => usize::MAX,
    });
    let caller = async |number: usize, client: &C| {
        tokio::time::sleep(phase * (number as u32 + 1)).await;
        while take(&calls) {
            call(number, client).await?;
        }
        Ok::<(), Error>(())
    };
    let callers = clients.iter().enumerate().flat_map(|client| std::iter::repeat_n(client, workers));
    let all = futures::future::try_join_all(callers.map(|(number, client)| caller(number, client)));
    match work {
        Work::Calls(_) => drop(all.await?),
        Work::Seconds { to, .. } => {
            if let Ok(ended) = tokio::time::timeout(Duration::from_secs_f64(to), all).await {
                ended?;
            }
        }
    }
    Ok(server.figures())
}

fn take(calls: &Mutex<usize>) -> bool {
    let mut left = calls.lock().unwrap_or_else(PoisonError::into_inner);
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

struct Server {
    scenario: Scenario,
    start: Instant,
    state: Mutex<State>,
}

struct State {
    tokens: f64,
    at: f64,
    chance: u64,
    /// Every decision: when, for which client, whether it was served.
    log: Vec<(f64, usize, bool)>,
}

impl Server {
    fn new(scenario: &Scenario) -> Self {
        let chance = scenario.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        let state = State { tokens: scenario.burst, at: 0.0, chance, log: Vec::new() };
        Self { scenario: scenario.clone(), start: Instant::now(), state: Mutex::new(state) }
    }

    fn client<P: RatePolicy + 'static>(
        self: &Arc<Self>,
        number: usize,
        policy: impl Fn(Rate) -> P + Send + Sync + 'static,
    ) -> Result<Client, Error> {
        let limits =
            RateLimits::unlimited().with_class("/jobs/runs/get", Rate::per_second(BASE)).with_policy(policy);
        let config = DatabricksConfig::new("https://simulated.example")?
            .with_token("dapi-simulated".to_owned())
            .with_rate_limits(limits);
        let server = Arc::clone(self);
        let leaf = tower::service_fn(move |_: Request<Body>| {
            let server = Arc::clone(&server);
            async move { Ok(server.answer(number).await) }
        });
        Client::builder(config).leaf(leaf).build()
    }

    async fn answer(&self, client: usize) -> Response<Body> {
        let mut response = Response::new(Body::from("{}"));
        if !self.serves(client).await {
            *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert("retry-after", RETRY_AFTER.as_secs().into());
        }
        response
    }

    /// The way there, the decision, and the way back.
    async fn serves(&self, client: usize) -> bool {
        let half = self.scenario.latency / 2;
        tokio::time::sleep(half).await;
        let (served, chance) = self.decide(client);
        tokio::time::sleep(half.mul_f64(0.6 + 0.8 * chance)).await;
        served
    }

    /// Whether there is a token, and a number between 0 and 1 by chance.
    fn decide(&self, client: usize) -> (bool, f64) {
        let now = self.start.elapsed().as_secs_f64();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let came_in = self.allowed(state.at, now);
        state.tokens = (state.tokens + came_in).min(self.scenario.burst);
        state.at = now;
        let served = state.tokens >= 1.0 - 1e-6;
        if served {
            state.tokens -= 1.0;
        }
        state.log.push((now, client, served));
        // Marsaglia's xorshift.
        state.chance ^= state.chance << 13;
        state.chance ^= state.chance >> 7;
        state.chance ^= state.chance << 17;
        (served, (state.chance >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// The calls that the limit allows between two moments.
    fn allowed(&self, from: f64, to: f64) -> f64 {
        let ends = self.scenario.limits.iter().skip(1).map(|(at, _)| *at).chain([f64::INFINITY]);
        let pieces = self.scenario.limits.iter().zip(ends);
        pieces.map(|((at, rate), end)| (to.min(end) - from.max(*at)).max(0.0) * rate).sum()
    }

    fn figures(&self) -> Figures {
        let log = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).log);
        let (from, to) = match self.scenario.work {
            Work::Calls(_) => (0.0, self.start.elapsed().as_secs_f64()),
            Work::Seconds { from, to } => (from, to),
        };
        let within = |at: f64| (from..to).contains(&at);
        let served: Vec<_> = log.iter().filter(|(at, _, served)| *served && within(*at)).collect();
        let shares = (0..self.scenario.clients)
            .map(|client| served.iter().filter(|(_, of, _)| *of == client).count() as f64);
        let (sum, squares) =
            shares.fold((0.0, 0.0), |(sum, squares), share| (sum + share, squares + share * share));
        Figures {
            seconds: to - from,
            served: served.len(),
            ideal: self.allowed(from, to),
            throttled: log.iter().filter(|(at, _, served)| !served && within(*at)).count(),
            fairness: if squares > 0.0 { sum * sum / squares / self.scenario.clients as f64 } else { 1.0 },
            paused: paused(&log, self.scenario.clients, from, to),
            recovery: self.recovery(&log),
        }
    }

    fn recovery(&self, log: &[(f64, usize, bool)]) -> Option<f64> {
        const SPAN: f64 = 2.0;
        let (changed, rate) = *self.scenario.limits.last()?;
        let good: Vec<_> =
            log.iter().filter(|entry| entry.2 && entry.0 >= changed).map(|entry| entry.0).collect();
        let needed = (rate * SPAN * 0.85) as usize;
        let span = good
            .windows(needed.max(1))
            .find(|span| span.first().zip(span.last()).is_some_and(|(first, last)| last - first <= SPAN))?;
        span.first().map(|first| first - changed)
    }
}

/// The share of the time in which a client keeps to a `Retry-After` of a second, averaged over the clients.
fn paused(log: &[(f64, usize, bool)], clients: usize, from: f64, to: f64) -> f64 {
    let mut ends = vec![from; clients];
    let mut paused = 0.0;
    for (at, client, _) in log.iter().filter(|entry| !entry.2) {
        let Some(end) = ends.get_mut(*client) else { continue };
        let until = (at + 1.0).min(to);
        paused += (until - at.max(*end)).max(0.0);
        *end = end.max(until);
    }
    paused / clients as f64 / (to - from)
}
