//! Faults on purpose: the n-th matching request fails in a way of the test's choosing.
//!
//! A [`SimulatedWorkspace`](crate::SimulatedWorkspace) has a set of faults built in; [`FaultLayer`] puts them around
//! any other leaf.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use databricks_transport::{Body, Error, ErrorKind};
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tower::{Layer, Service};

use crate::files::drain;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An error answer; the request has no effect.
    Status {
        /// The status.
        status: StatusCode,
        /// `error_code` of the body; by default one that goes with the status.
        error_code: Option<String>,
        /// `message` of the body.
        message: String,
        /// `Retry-After`, in whole seconds rounded up.
        retry_after: Option<Duration>,
    },
    /// The connection breaks and the request has no effect.
    ResetBefore,
    /// The request has its effect, then the connection breaks before any answer.
    ResetAfter,
}

impl Fault {
    /// An error answer with this status.
    pub fn status(status: StatusCode) -> Self {
        Self::Status { status, error_code: None, message: "Injected fault.".to_owned(), retry_after: None }
    }

    /// Adds a `Retry-After` to an error answer; changes nothing else.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        if let Self::Status { retry_after, .. } = &mut self {
            *retry_after = Some(after);
        }
        self
    }

    /// Sets code and message of an error answer; changes nothing else.
    pub fn with_error(mut self, code: impl Into<String>, text: impl Into<String>) -> Self {
        if let Self::Status { error_code, message, .. } = &mut self {
            *error_code = Some(code.into());
            *message = text.into();
        }
        self
    }
}

type Predicate = Arc<dyn Fn(&Method, &str) -> bool + Send + Sync>;

/// Which requests fail, and how. A new rule fires once, at the first request that matches.
///
/// Paths of the API start with `/api/`; downloads of result chunks, on the storage origin, with `/results/`.
#[derive(Clone)]
#[must_use]
pub struct FaultRule {
    matches: Predicate,
    first: u64,
    times: u64,
    fault: Fault,
}

impl FaultRule {
    /// For requests that satisfy a predicate on method and (percent-encoded) path.
    pub fn when(matches: impl Fn(&Method, &str) -> bool + Send + Sync + 'static, fault: Fault) -> Self {
        Self { matches: Arc::new(matches), first: 1, times: 1, fault }
    }

    /// For requests with this method whose path starts so.
    pub fn on(method: Method, path_prefix: impl Into<String>, fault: Fault) -> Self {
        let prefix = path_prefix.into();
        Self::when(move |m, path| *m == method && path.starts_with(&prefix), fault)
    }

    /// Fires at the n-th match, counted from 1.
    pub fn nth(mut self, n: u64) -> Self {
        self.first = n.max(1);
        self
    }

    /// Fires this many times, at consecutive matches.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Fires at every match from the n-th on.
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }
}

impl fmt::Debug for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matches: _, first, times, fault } = self;
        f.debug_struct("FaultRule")
            .field("first", first)
            .field("times", times)
            .field("fault", fault)
            .finish_non_exhaustive()
    }
}

/// A set of rules. Clones share it, so a test keeps one and the workspace another.
///
/// Every request is counted by every rule it matches; of the rules due at it, the one added first decides.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Arc<Mutex<Vec<Armed>>>,
}

#[derive(Debug)]
struct Armed {
    rule: FaultRule,
    seen: u64,
    fired: u64,
}

impl Armed {
    /// Counts a match and says whether the rule is due at it.
    fn is_due(&mut self) -> bool {
        self.seen += 1;
        self.seen >= self.rule.first && self.seen - self.rule.first < self.rule.times
    }
}

impl Faults {
    /// No faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule; it counts from now on.
    pub fn add(&self, rule: FaultRule) {
        self.lock().push(Armed { rule, seen: 0, fired: 0 });
    }

    /// The same, for building a set in one expression.
    #[must_use]
    pub fn with(self, rule: FaultRule) -> Self {
        self.add(rule);
        self
    }

    /// How many faults have happened.
    pub fn fired(&self) -> u64 {
        self.lock().iter().map(|armed| armed.fired).sum()
    }

    /// Removes every rule.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The fault for this request, if one is due.
    fn decide(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut chosen = None;
        for armed in self.lock().iter_mut().filter(|armed| (armed.rule.matches)(method, path)) {
            if armed.is_due() && chosen.is_none() {
                armed.fired += 1;
                chosen = Some(armed.rule.fault.clone());
            }
        }
        chosen
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Armed>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts [`Faults`] around a leaf.
///
/// ```
/// use databricks_testkit::{Fault, FaultLayer, FaultRule, Faults, SimulatedWorkspace};
/// use http::{Method, StatusCode};
/// use tower::Layer;
///
/// let faults = Faults::new().with(
///     FaultRule::on(Method::GET, "/api/2.0/sql/statements/", Fault::status(StatusCode::SERVICE_UNAVAILABLE)).nth(2),
/// );
/// let leaf = FaultLayer::new(faults.clone()).layer(SimulatedWorkspace::builder().build().service());
/// # let _ = leaf;
/// assert_eq!(faults.fired(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct FaultLayer {
    faults: Faults,
}

impl FaultLayer {
    /// A layer over a set of rules.
    pub fn new(faults: Faults) -> Self {
        Self { faults }
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = FaultService<S>;

    fn layer(&self, inner: S) -> FaultService<S> {
        FaultService { inner, faults: self.faults.clone() }
    }
}

/// A leaf with faults; made by [`FaultLayer`].
#[derive(Clone, Debug)]
pub struct FaultService<S> {
    inner: S,
    faults: Faults,
}

impl<S> Service<Request<Body>> for FaultService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.faults.decide(request.method(), request.uri().path()) {
            None => self.inner.call(request).boxed(),
            Some(Fault::ResetBefore) => future::ready(Err(reset())).boxed(),
            Some(Fault::ResetAfter) => self.inner.call(request).map(|_| Err(reset())).boxed(),
            Some(Fault::Status { status, error_code, message, retry_after }) => {
                let code = error_code.unwrap_or_else(|| default_code(status).to_owned());
                async move {
                    // A client still sending would see its connection break instead of this answer.
                    drain(request.into_body()).await;
                    Ok(error_answer(status, &code, &message, retry_after))
                }
                .boxed()
            }
        }
    }
}

/// A connection that broke after the request was sent.
fn reset() -> Error {
    Error::new(ErrorKind::Unavailable, "connection reset by a simulated fault")
        .with_source(io::Error::from(io::ErrorKind::ConnectionReset))
}

fn default_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "BAD_REQUEST",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "RESOURCE_DOES_NOT_EXIST",
        409 => "RESOURCE_CONFLICT",
        429 => "REQUEST_LIMIT_EXCEEDED",
        503 => "TEMPORARILY_UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL_ERROR",
    }
}

fn error_answer(
    status: StatusCode,
    code: &str,
    message: &str,
    retry_after: Option<Duration>,
) -> Response<Body> {
    let mut response =
        Response::new(Body::from(json!({ "error_code": code, "message": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(after) = retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn decisions(faults: &Faults, requests: usize) -> Vec<bool> {
        (0..requests).map(|_| faults.decide(&Method::GET, "/a/b").is_some()).collect()
    }

    #[test]
    fn a_rule_fires_at_its_turn_and_as_often_as_asked() {
        let rule = || FaultRule::on(Method::GET, "/a", Fault::ResetBefore);
        assert_eq!(decisions(&Faults::new().with(rule()), 3), [true, false, false]);
        assert_eq!(decisions(&Faults::new().with(rule().nth(2).times(2)), 4), [false, true, true, false]);
        assert_eq!(decisions(&Faults::new().with(rule().nth(3).always()), 4), [false, false, true, true]);
        assert_eq!(
            decisions(&Faults::new().with(FaultRule::on(Method::PUT, "/a", Fault::ResetBefore)), 2),
            [false, false]
        );
    }

    #[test]
    fn of_two_rules_due_at_once_the_first_added_decides() {
        let faults = Faults::new()
            .with(FaultRule::on(Method::GET, "/", Fault::ResetBefore))
            .with(FaultRule::on(Method::GET, "/", Fault::ResetAfter));
        assert_eq!(faults.decide(&Method::GET, "/x"), Some(Fault::ResetBefore));
        assert_eq!(faults.decide(&Method::GET, "/x"), None);
        assert_eq!(faults.fired(), 1);
        faults.clear();
        assert_eq!(faults.fired(), 0);
    }

    #[test]
    fn retry_after_is_in_whole_seconds_rounded_up() {
        let answer = error_answer(StatusCode::TOO_MANY_REQUESTS, "X", "y", Some(Duration::from_millis(1200)));
        assert_eq!(answer.headers()[RETRY_AFTER], "2");
    }
}
