//! The one place where the stack is put together.

use std::fmt;
use std::sync::Arc;

use http::{Request, Response};
use tower::{Layer, Service};

use crate::auth::{Auth, source};
use crate::body::Body;
use crate::client::Client;
use crate::config::DatabricksConfig;
use crate::error::Error;
use crate::leaf::HyperLeaf;
use crate::rate_limit::{Limiters, RateLimit};
use crate::service::HttpService;
use crate::stack::{Answer, Deadline, Inactivity, Jitter, Retry};
use crate::trace::{TraceAttempt, TraceCall, Traffic, Watch, describe};

type UserLayer = Box<dyn Fn(HttpService) -> HttpService + Send + Sync>;

/// Builds a [`Client`]: adds layers of one's own, or puts another leaf in the place of the network.
///
/// ```
/// use databricks_transport::{ApiRequest, Body, Client, DatabricksConfig, Error, Operation};
/// use http::{Request, Response};
///
/// const READ: Operation = Operation::new("read").idempotent();
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let leaf = tower::service_fn(|_: Request<Body>| async { Ok(Response::new(Body::from("7"))) });
/// let config = DatabricksConfig::new("h.example")?.with_token("dapi-example");
/// let client = Client::builder(config).leaf(leaf).build()?;
/// assert_eq!(client.call::<u64>(READ, ApiRequest::get("/api/2.0/x")).await?, 7);
/// # Ok(()) }
/// ```
///
/// The crate's examples `custom_layers` and `own_leaf` show layers and a leaf with a type of its own.
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder {
    config: DatabricksConfig,
    leaf: Option<HttpService>,
    leaf_layers: Vec<UserLayer>,
    per_call: Vec<UserLayer>,
    per_attempt: Vec<UserLayer>,
}

impl ClientBuilder {
    pub(crate) fn new(config: DatabricksConfig) -> Self {
        Self { config, leaf: None, leaf_layers: Vec::new(), per_call: Vec::new(), per_attempt: Vec::new() }
    }

    /// Where requests end, API calls and storage links alike: a recorder, a simulated workspace, or any service.
    /// Without one they go over the network.
    pub fn leaf<S>(mut self, leaf: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
        S::Future: Send,
    {
        self.leaf = Some(HttpService::new(leaf));
        self
    }

    /// Adds a layer directly around the leaf, be it the network or one's own: what a recorder or a set of faults needs.
    /// The first one added is the outermost. It sees everything that leaves the client, attempt by attempt: signed API
    /// requests, and storage links, which are credentials themselves.
    pub fn leaf_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HttpService> + Send + Sync + 'static,
        L::Service:
            Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send,
    {
        self.leaf_layers.push(erased(layer));
        self
    }

    /// Adds a layer around each API call, outside its retries and inside its deadline. The first one added is the
    /// outermost. Storage links do not pass through it.
    pub fn per_call<L>(mut self, layer: L) -> Self
    where
        L: Layer<HttpService> + Send + Sync + 'static,
        L::Service:
            Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send,
    {
        self.per_call.push(erased(layer));
        self
    }

    /// Adds a layer around each attempt of an API call, inside its deadline and next to the leaf. It sees the signed
    /// request; the credential is a sensitive header. The first one added is the outermost. Storage links do not pass
    /// through it.
    pub fn per_attempt<L>(mut self, layer: L) -> Self
    where
        L: Layer<HttpService> + Send + Sync + 'static,
        L::Service:
            Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send,
    {
        self.per_attempt.push(erased(layer));
        self
    }

    /// The client. Nothing is sent or read before its first request.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the credential is missing or unusable, a limit or timeout
    /// cannot be kept, or the host would be reached in the clear.
    pub fn build(self) -> Result<Client, Error> {
        let Self { config, leaf, leaf_layers, per_call, per_attempt } = self;
        config.validate()?;
        describe();
        let leaf = leaf.unwrap_or_else(|| HttpService::new(HyperLeaf::new(config.plain_http())));
        let leaf = around(leaf, &leaf_layers);
        let links = link_stack(&config, leaf.clone());
        let api = api_stack(&config, leaf, &per_call, &per_attempt)?;
        Ok(Client::assemble(config, api, links))
    }
}

/// From the inside out; the numbers are those of the layers' table in the architecture document.
fn api_stack(
    config: &DatabricksConfig,
    leaf: HttpService,
    per_call: &[UserLayer],
    per_attempt: &[UserLayer],
) -> Result<HttpService, Error> {
    let limiters = Arc::new(Limiters::new(config.rate_limits().clone()));
    let source = source(config, leaf.clone())?;

    let attempt = HttpService::new(TraceAttempt::new(leaf)); // 9
    let attempt = around(attempt, per_attempt);
    let attempt = Inactivity::new(attempt, config.timeout()); // 8
    let attempt = Answer::new(attempt); // 7: a circuit breaker counts what comes out of here
    let attempt = Auth::new(attempt, source); // 6
    let attempt = RateLimit::new(attempt, limiters); // 5, and 4: an open circuit would refuse before this wait

    let call = Retry::new(attempt, config.retry().clone(), Jitter::full()); // 3
    let call = around(HttpService::new(call), per_call);
    let call = Deadline::new(call); // 2
    Ok(HttpService::new(TraceCall::new(call, Watch::new(config, Traffic::Api)))) // 1
}

/// The stack of presigned storage links: no credential, no quota of the workspace, and none of the user's layers but those around the leaf,
/// so that nothing meant for the workspace reaches a storage host. The link is a credential too: no part of it, and
/// nothing that may repeat it, is kept or logged.
fn link_stack(config: &DatabricksConfig, leaf: HttpService) -> HttpService {
    let attempt = Answer::of_storage(Inactivity::new(TraceAttempt::new(leaf), config.timeout()));
    let call = Deadline::new(Retry::new(attempt, config.retry().clone(), Jitter::full()));
    HttpService::new(TraceCall::new(call, Watch::new(config, Traffic::Storage)))
}

fn erased<L>(layer: L) -> UserLayer
where
    L: Layer<HttpService> + Send + Sync + 'static,
    L::Service:
        Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<Body>>>::Future: Send,
{
    Box::new(move |inner| HttpService::new(layer.layer(inner)))
}

/// The first layer ends up outermost.
fn around(inner: HttpService, layers: &[UserLayer]) -> HttpService {
    layers.iter().rev().fold(inner, |inner, layer| layer(inner))
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, leaf, leaf_layers, per_call, per_attempt } = self;
        f.debug_struct("ClientBuilder")
            .field("config", config)
            .field("own_leaf", &leaf.is_some())
            .field("leaf_layers", &leaf_layers.len())
            .field("per_call", &per_call.len())
            .field("per_attempt", &per_attempt.len())
            .finish()
    }
}
