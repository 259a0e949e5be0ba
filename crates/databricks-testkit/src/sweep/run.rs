//! Running an operation again and again, with one fault at a time.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use http::{Method, StatusCode};
use tokio::time::{Instant, timeout};

use super::report::{SweepCase, SweepReport};
use super::trace::{Step, differences};
use crate::faults::{Fault, FaultLayer, FaultRule, Faults, StallPoint};

/// An operation that takes longer is hung. Its calls may well wait for minutes; this is virtual time.
const TIME_LIMIT: Duration = Duration::from_secs(3600);
/// An operation that sends more requests is hung as well, in a loop that takes no time.
const REQUEST_LIMIT: u64 = 10_000;

/// Prepares a sweep over an operation.
///
/// The closure makes a world, runs the operation in it, and gives the outcome: a `Result`, or a pair of a `Result` and
/// the state that the operation left behind, for laws to check. All requests of the operation must meet the run's faults:
/// hand [`SweepRun::faults`] to [`SimulatedWorkspaceBuilder::faults`](crate::SimulatedWorkspaceBuilder::faults), or put
/// [`SweepRun::layer`] around the leaf of a client. What the closure sends to prepare the world is part of the operation
/// if it passes them too.
///
/// Run sweeps under tokio's paused time: waits then cost nothing, and a hang shows at once.
///
/// ```
/// # use databricks_testkit::{sweep, Fault, SimulatedWorkspace};
/// # use databricks_transport::{ApiRequest, Client, DatabricksConfig, Operation};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// const LIST: Operation = Operation::new("warehouses.list").idempotent();
///
/// let report = sweep(|run| async move {
///     let workspace = SimulatedWorkspace::builder().faults(run.faults()).seed(run.seed()).build();
///     let config = DatabricksConfig::new(SimulatedWorkspace::HOST)?.with_token(SimulatedWorkspace::DEFAULT_TOKEN);
///     let client = Client::builder(config).leaf(workspace.service()).build()?;
///     client.call::<serde_json::Value>(LIST, ApiRequest::get("/api/2.0/sql/warehouses")).await
/// })
/// .faults([Fault::ResetBefore, Fault::ResetAfter])
/// .run()
/// .await;
/// report.law("reads survive", |case| case.outcome().is_ok())?;
/// assert_eq!(report.cases().len(), 2);
/// # Ok(()) }
/// ```
pub fn sweep<F, Fut>(operation: F) -> Sweep<F>
where
    F: FnMut(SweepRun) -> Fut,
    Fut: Future<Output: SweepEnd>,
{
    Sweep {
        operation,
        faults: standard_faults(),
        selects: Box::new(|_, _, _| true),
        only: None,
        may_vary: false,
        seed: 0,
        time_limit: TIME_LIMIT,
        request_limit: REQUEST_LIMIT,
    }
}

/// What any operation should be tried with.
fn standard_faults() -> Vec<Fault> {
    let limited = Fault::status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(2));
    vec![
        Fault::status(StatusCode::SERVICE_UNAVAILABLE),
        limited,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::stall(StallPoint::BeforeAnswer),
        Fault::truncated(0),
    ]
}

type Selects = Box<dyn Fn(&Method, &str, &Fault) -> bool + Send>;

/// A sweep being prepared; made by [`sweep`].
#[must_use = "a sweep does nothing until `run`"]
pub struct Sweep<F> {
    operation: F,
    faults: Vec<Fault>,
    selects: Selects,
    only: Option<usize>,
    may_vary: bool,
    seed: u64,
    time_limit: Duration,
    request_limit: u64,
}

/// What one run of the operation gets.
#[derive(Clone, Debug)]
pub struct SweepRun {
    faults: Faults,
    seed: u64,
    case: Option<usize>,
}

impl SweepRun {
    /// The faults of this run, for the workspace that the operation runs on.
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The same as a layer, for the leaf of a client.
    pub fn layer(&self) -> FaultLayer {
        FaultLayer::new(self.faults())
    }

    /// The seed of this sweep, the same in all its runs: with it, runs differ by their fault only.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The case's number, from 1; `None` in the runs without a fault.
    pub fn case(&self) -> Option<usize> {
        self.case
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SweepOutcome {
    /// The operation succeeded.
    Ok,
    /// The operation failed: its error as text.
    Err(String),
    /// The operation panicked: the panic's text.
    Panicked(String),
    /// The operation did not end within the time limit (virtual time, where time is paused).
    #[non_exhaustive]
    Hung {
        /// The limit.
        after: Duration,
    },
    /// The operation sent more requests than the limit. Those beyond it were not answered, so however it ended then says
    /// nothing.
    #[non_exhaustive]
    Endless {
        /// The limit.
        requests: u64,
    },
}

impl SweepOutcome {
    /// Whether the operation succeeded.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }

    /// Whether the operation ended by itself, well or with an error: no hang, no endless sending, no panic.
    pub fn is_orderly(&self) -> bool {
        matches!(self, Self::Ok | Self::Err(_))
    }
}

impl fmt::Display for SweepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Err(error) => write!(f, "error: {error}"),
            Self::Panicked(text) => write!(f, "PANIC: {text}"),
            Self::Hung { after } => write!(f, "HUNG: no end after {after:?}"),
            Self::Endless { requests } => write!(f, "ENDLESS: more than {requests} requests"),
        }
    }
}

/// What a sweep's closure may give: a `Result`, or a `Result` and the state of the world afterwards.
pub trait SweepEnd {
    /// What laws can look at.
    type State;

    /// The error's text, if it failed, and the state, if there is one.
    fn into_end(self) -> (Result<(), String>, Option<Self::State>);
}

/// The value of a success is the state.
impl<T, E: fmt::Display> SweepEnd for Result<T, E> {
    type State = T;

    fn into_end(self) -> (Result<(), String>, Option<T>) {
        match self {
            Ok(state) => (Ok(()), Some(state)),
            Err(error) => (Err(error.to_string()), None),
        }
    }
}

impl<T, E: fmt::Display, S> SweepEnd for (Result<T, E>, S) {
    type State = S;

    fn into_end(self) -> (Result<(), String>, Option<S>) {
        let (result, state) = self;
        (result.map(drop).map_err(|error| error.to_string()), Some(state))
    }
}

/// One run, measured.
pub(super) struct Measured<S> {
    pub(super) outcome: SweepOutcome,
    pub(super) state: Option<S>,
    pub(super) steps: Vec<Step>,
    pub(super) faults: Faults,
    pub(super) time: Duration,
}

impl<F, Fut, S> Sweep<F>
where
    F: FnMut(SweepRun) -> Fut,
    Fut: Future<Output: SweepEnd<State = S>>,
{
    /// Sets the faults. Default: 503, 429 with `Retry-After`, a reset before and after the effect, a stall after the
    /// effect, an answer that breaks off.
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults = faults.into_iter().collect();
        self
    }

    /// Leaves out what the predicate on method, path and fault is false for: an expired link makes sense for a storage
    /// link only.
    pub fn filter(mut self, selects: impl Fn(&Method, &str, &Fault) -> bool + Send + 'static) -> Self {
        self.selects = Box::new(selects);
        self
    }

    /// Runs one case alone, by its number in a full report.
    pub fn only_case(mut self, number: usize) -> Self {
        self.only = Some(number);
        self
    }

    /// Lets laws hold of an operation that is not the same in every run: one that runs things at once, or depends on ids
    /// or time. A case may then hit another request than the one it names, or none.
    pub fn allow_nondeterminism(mut self) -> Self {
        self.may_vary = true;
        self
    }

    /// Sets what [`SweepRun::seed`] gives. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the time after which a run counts as hung. Default one hour of virtual time. Where time is not paused this is
    /// time that you wait.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets how many requests a run may send; what comes after is never answered and makes the run's
    /// outcome [`SweepOutcome::Endless`]. Default 10,000.
    pub fn request_limit(mut self, requests: u64) -> Self {
        self.request_limit = requests;
        self
    }

    /// Runs the operation twice without a fault, then once per request and fault. Cases run one after the other.
    ///
    /// An operation that fails without a fault has no cases: the report says why.
    pub async fn run(mut self) -> SweepReport<S> {
        let baseline = self.measure(None, None).await;
        let mut notes = Vec::new();
        let mut cases = Vec::new();
        if baseline.outcome.is_ok() {
            let again = self.measure(None, None).await;
            notes.extend(differences("the second run without a fault", &baseline.steps, &again.steps));
            if !again.outcome.is_ok() {
                notes.push(format!("the second run without a fault ended otherwise: {}", again.outcome));
            }
            for (number, request, fault) in self.plan(&baseline.steps) {
                let case = self.case(number, request, fault, &baseline.steps).await;
                notes.extend(case.deviation(&baseline.steps));
                cases.push(case);
            }
        }
        let Measured { outcome, steps, time, .. } = baseline;
        SweepReport::new(outcome, steps, time, cases, notes).varying(self.may_vary)
    }

    /// Number, request (both from 1) and fault of every case that is to run.
    fn plan(&self, steps: &[Step]) -> Vec<(usize, usize, Fault)> {
        let all = (1..).zip(steps).flat_map(|(request, step)| {
            let selected = self.faults.iter().filter(move |fault| self.takes(step, fault));
            selected.map(move |fault| (request, fault.clone()))
        });
        let numbered = (1..).zip(all).map(|(number, (request, fault))| (number, request, fault));
        numbered.filter(|(number, ..)| self.only.is_none_or(|only| only == *number)).collect()
    }

    fn takes(&self, step: &Step, fault: &Fault) -> bool {
        // Only reads can be stale.
        let fits = step.method.is_safe() || !matches!(fault, Fault::Stale(_));
        fits && (self.selects)(&step.method, &step.path, fault)
    }

    async fn case(&mut self, number: usize, request: usize, fault: Fault, baseline: &[Step]) -> SweepCase<S> {
        let rule = FaultRule::any(fault.clone()).at_request(request as u64);
        let measured = self.measure(Some(number), Some(rule)).await;
        let step = baseline.get(request.saturating_sub(1)).cloned().unwrap_or_default();
        SweepCase::new(number, request, step, fault, measured)
    }

    async fn measure(&mut self, case: Option<usize>, rule: Option<FaultRule>) -> Measured<S> {
        let faults = Faults::traced();
        if let Some(rule) = rule {
            faults.add(rule);
        }
        let endless = Fault::stall(StallPoint::BeforeEffect);
        faults.add(FaultRule::any(endless).nth(self.request_limit.saturating_add(1)).always());
        let run = SweepRun { faults: faults.clone(), seed: self.seed, case };
        let begun = Instant::now();
        let (mut outcome, state) = self.attempt(run).await;
        let steps: Vec<Step> = faults.trace().into_iter().map(Step::from).collect();
        if steps.len() as u64 > self.request_limit {
            outcome = SweepOutcome::Endless { requests: self.request_limit };
        }
        Measured { outcome, state, steps, faults, time: begun.elapsed() }
    }

    async fn attempt(&mut self, run: SweepRun) -> (SweepOutcome, Option<S>) {
        let operation = &mut self.operation;
        // The closure itself may panic too, before there is a future.
        let guarded = AssertUnwindSafe(async { operation(run).await.into_end() }).catch_unwind();
        match timeout(self.time_limit, guarded).await {
            Err(_) => (SweepOutcome::Hung { after: self.time_limit }, None),
            Ok(Err(panic)) => (SweepOutcome::Panicked(text_of(panic.as_ref())), None),
            Ok(Ok((Ok(()), state))) => (SweepOutcome::Ok, state),
            Ok(Ok((Err(error), state))) => (SweepOutcome::Err(error), state),
        }
    }
}

/// What a panic said.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a text".to_owned())
}

impl<F> fmt::Debug for Sweep<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation: _, faults, selects: _, only, may_vary, seed, time_limit, request_limit } = self;
        f.debug_struct("Sweep")
            .field("faults", faults)
            .field("only", only)
            .field("may_vary", may_vary)
            .field("seed", seed)
            .field("time_limit", time_limit)
            .field("request_limit", request_limit)
            .finish_non_exhaustive()
    }
}
