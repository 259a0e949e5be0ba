//! Faults around a leaf: what was decided for a request is done to it.

use std::io;
use std::task::{Context, Poll};

use databricks_transport::{Body, Error, ErrorKind};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use http_body::Body as _;
use tower::{Layer, Service};

use super::answers::{Refusal, expired_link, expired_token, retry_after};
use super::bodies::{Spoiled, corrupted, silence, stalled, truncated};
use super::fault::{Fault, StallPoint};
use super::latency::Latency;
use super::set::{Chosen, Faults, Pending};
use super::stale::{Kept, Watch};
use crate::clock::Clock;
use crate::files::drain;

/// Larger answers are not kept for stale reads.
const KEPT_LIMIT: u64 = 1024 * 1024;

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
    clock: Clock,
}

impl FaultLayer {
    /// A layer over a set of rules.
    pub fn new(faults: Faults) -> Self {
        Self { faults, clock: Clock::system() }
    }

    /// The same, for answers that carry a date.
    pub(crate) fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = FaultService<S>;

    fn layer(&self, inner: S) -> FaultService<S> {
        let Self { faults, clock } = self.clone();
        FaultService { inner, faults, clock }
    }
}

/// A leaf with faults; made by [`FaultLayer`].
#[derive(Clone, Debug)]
pub struct FaultService<S> {
    inner: S,
    faults: Faults,
    clock: Clock,
}

impl<S> Service<Request<Body>> for FaultService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let (chosen, watch, pending) = self.faults.decide(&parts);
        let request = Request::from_parts(parts, body);
        if let (Chosen::Nothing, Watch::Nothing) = (&chosen, &watch) {
            return self.inner.call(request).boxed();
        }
        // The one that was polled ready is the one to call.
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let Self { faults, clock, .. } = self;
        let exchange = Exchange { inner, faults: faults.clone(), clock: *clock, watch };
        exchange.run(chosen, pending, request).boxed()
    }
}

/// One request on its way to a leaf.
struct Exchange<S> {
    inner: S,
    faults: Faults,
    clock: Clock,
    watch: Watch,
}

impl<S> Exchange<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error>,
{
    async fn run(
        self,
        chosen: Chosen,
        pending: Pending,
        request: Request<Body>,
    ) -> Result<Response<Body>, Error> {
        let fault = match chosen {
            Chosen::Nothing => return self.serve(request).await,
            Chosen::Stale(kept) => {
                pending.acted();
                return Ok(kept.into_response());
            }
            Chosen::Fault(fault) => fault,
        };
        match fault {
            Fault::ResetBefore => {
                pending.acted();
                Err(reset())
            }
            Fault::ResetAfter => {
                self.serve(request).await?;
                pending.acted();
                Err(reset())
            }
            Fault::Stall { at, lasting } => match at {
                StallPoint::BeforeEffect => {
                    pending.acted();
                    silence(lasting).await;
                    self.serve(request).await
                }
                StallPoint::BeforeAnswer => {
                    let answer = self.serve(request).await;
                    pending.acted();
                    silence(lasting).await;
                    answer
                }
                StallPoint::InBody(after) => {
                    Ok(spoiled(stalled(self.serve(request).await?, after, lasting), pending))
                }
            },
            Fault::Latency { latency, seed } => {
                pending.acted();
                silence(Some(drawn(latency, seed))).await;
                self.serve(request).await
            }
            Fault::Truncated { after } => Ok(spoiled(truncated(self.serve(request).await?, after), pending)),
            Fault::Corrupt(corruption) => {
                Ok(spoiled(corrupted(self.serve(request).await?, corruption).await?, pending))
            }
            refusal => {
                pending.acted();
                self.refuse(refusal, request).await
            }
        }
    }

    /// Answers in the place of the leaf.
    async fn refuse(self, fault: Fault, request: Request<Body>) -> Result<Response<Body>, Error> {
        let now = self.clock.now();
        let (is_head, path) = (request.method() == Method::HEAD, request.uri().path().to_owned());
        let answer = match fault {
            Fault::Status { status, error_code, message, retry_after: after, retry_after_form, body } => {
                let mut answer = Refusal { status, error_code, message, body }.into_response();
                if let Some(after) = after {
                    retry_after(&mut answer, after, retry_after_form, now);
                }
                answer
            }
            Fault::ExpiredLink(cloud) => expired_link(cloud, &path, now),
            Fault::ExpiredToken(kind) => expired_token(kind),
            _ => return self.serve(request).await,
        };
        // A client still sending would see its connection break instead of this answer.
        drain(request.into_body()).await;
        Ok(if is_head { answer.map(|_| Body::empty()) } else { answer })
    }

    /// What the leaf itself answers, remembered where a later read may need it.
    async fn serve(mut self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let answer = self.inner.call(request).await?;
        match self.watch {
            Watch::Nothing => Ok(answer),
            Watch::Read(read, writes_before) => {
                let (answer, kept) = kept(answer).await?;
                if let Some(kept) = kept {
                    self.faults.remember(|history| history.read(read, writes_before, kept));
                }
                Ok(answer)
            }
            Watch::Write { method, resource, replaces } => {
                if !answer.status().is_success() {
                    return Ok(answer);
                }
                let (answer, kept) = kept(answer).await?;
                let body = kept.map(|kept| kept.body).unwrap_or_default();
                self.faults.remember(|history| history.wrote(method, resource, replaces, &body));
                Ok(answer)
            }
        }
    }
}

/// An answer whose body a fault had its way with, if it has one.
fn spoiled(answer: Spoiled, pending: Pending) -> Response<Body> {
    match answer {
        Spoiled::Changed(answer) => {
            pending.acted();
            answer
        }
        Spoiled::Same(answer) => answer,
    }
}

/// A latency's own time; the set has drawn it already.
fn drawn(latency: Latency, seed: u64) -> std::time::Duration {
    latency.draw(seed, 0)
}

/// A copy of an answer that is small and of known length.
async fn kept(answer: Response<Body>) -> Result<(Response<Body>, Option<Kept>), Error> {
    let length = answer.body().size_hint().exact();
    if length.is_none_or(|length| length > KEPT_LIMIT) {
        return Ok((answer, None));
    }
    let (head, body) = answer.into_parts();
    let body = body.collect(usize::MAX).await?;
    let kept = Kept { status: head.status, headers: head.headers.clone(), body: body.clone() };
    Ok((Response::from_parts(head, Body::from(body)), Some(kept)))
}

impl Kept {
    fn into_response(self) -> Response<Body> {
        let Self { status, headers, body } = self;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// A connection that broke after the request was sent.
pub(super) fn reset() -> Error {
    Error::new(ErrorKind::Unavailable, "connection reset by a simulated fault")
        .with_source(io::Error::from(io::ErrorKind::ConnectionReset))
}
