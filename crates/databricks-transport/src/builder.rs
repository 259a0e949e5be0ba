//! The one place where the stack is put together.

use std::fmt;
use std::sync::Arc;

use http::{Request, Response};
use tower::{Layer, Service};

use crate::auth::{Auth, source};
use crate::body::Body;
use crate::circuit_breaker::{CircuitBreaker, CircuitCheck, Circuits};
use crate::client::{Client, Stacks};
use crate::config::DatabricksConfig;
use crate::error::Error;
use crate::network::HyperLeaf;
use crate::rate_limit::{RateLimit, RateLimiters};
use crate::service::{Answered, Around, Exchange, HttpService, Outgoing, Shared, Stack, UserLayer};
use crate::stack::{Answer, Deadline, Inactivity, Jitter, Retry, RetryPolicy};
use crate::trace::{TraceAttempt, TraceCall, Traffic, Watch, describe};

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
    jitter: Jitter,
    rate_limiters: Option<RateLimiters>,
}

impl ClientBuilder {
    pub(crate) fn new(config: DatabricksConfig) -> Self {
        Self {
            config,
            leaf: None,
            leaf_layers: Vec::new(),
            per_call: Vec::new(),
            per_attempt: Vec::new(),
            jitter: Jitter::full(),
            rate_limiters: None,
        }
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
    /// requests, and storage links, which are credentials themselves. Answers that are read whole come by here with plain
    /// bodies: the network asks for gzip and undoes it.
    pub fn leaf_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HttpService> + Send + Sync + 'static,
        L::Service:
            Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send,
    {
        self.leaf_layers.push(UserLayer::new(layer));
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
        self.per_call.push(UserLayer::new(layer));
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
        self.per_attempt.push(UserLayer::new(layer));
        self
    }

    /// Waits in the same limiters as another client, in place of those that the configuration describes. For clients of
    /// one workspace that spend one quota.
    pub fn rate_limiters(mut self, limiters: RateLimiters) -> Self {
        self.rate_limiters = Some(limiters);
        self
    }

    /// How waits between attempts are drawn, those of token calls too. [`Jitter::full`] unless set.
    ///
    /// There is no clock to set: everything here waits by tokio's, so a test that pauses it
    /// (`#[tokio::test(start_paused = true)]`) runs through waits, timeouts, limits and open circuits at once.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The client. Nothing is sent or read before its first request, but for the proxies that the environment names.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the credential is missing or unusable, a limit or timeout
    /// cannot be kept, or the host would be reached in the clear.
    pub fn build(self) -> Result<Client, Error> {
        let Self { config, leaf, leaf_layers, per_call, per_attempt, jitter, rate_limiters } = self;
        let config = if leaf.is_none() { config.with_environments_proxies() } else { config };
        config.validate()?;
        describe();
        let limiters = rate_limiters.map_or_else(|| RateLimiters::new(config.rate_limits().clone()), Ok)?;
        let leaf = match leaf {
            Some(leaf) => Leaf::Own(leaf),
            None => Leaf::Network(Box::new(HyperLeaf::new(config.network()?))),
        };
        let leaf = Shared::new(Around::new(leaf, &leaf_layers));
        let circuits = Arc::new(Circuits::new(&config));
        let retry = RetryPolicy::new(config.retry().clone(), jitter.clone());
        let common = Common { circuits: Arc::clone(&circuits), retry, jitter };
        let links = link_stack(&config, leaf.clone(), &common);
        let api = api_stack(&config, leaf, limiters.clone(), &per_call, &per_attempt, &common)?;
        Ok(Client::assemble(config, Stacks { api, links, circuits, limiters }))
    }
}

/// Where requests end.
enum Leaf {
    Network(Box<HyperLeaf>),
    Own(HttpService),
}

impl Exchange for Leaf {
    async fn send(&self, request: Outgoing<'_>) -> Answered {
        match self {
            Self::Network(network) => network.send(request).await,
            Self::Own(leaf) => leaf.send(request).await,
        }
    }
}

/// What both stacks of a client have in common.
struct Common {
    circuits: Arc<Circuits>,
    retry: Arc<RetryPolicy>,
    jitter: Jitter,
}

/// From the inside out; the numbers are those of the layers' table in the architecture document.
fn api_stack(
    config: &DatabricksConfig,
    leaf: Shared<impl Exchange>,
    limiters: RateLimiters,
    per_call: &[UserLayer],
    per_attempt: &[UserLayer],
    common: &Common,
) -> Result<Stack, Error> {
    let source = source(config, leaf.clone(), &common.jitter)?;
    let watch = Watch::new(config, Traffic::Api);

    let attempt = TraceAttempt::new(leaf, Arc::clone(&watch)); // 9
    let attempt = Around::new(attempt, per_attempt);
    let attempt = Inactivity::new(attempt, config.timeout()); // 8
    let attempt = Answer::new(attempt, Arc::clone(&watch));
    let attempt = CircuitBreaker::new(attempt, Arc::clone(&common.circuits)); // 7
    let attempt = Auth::new(attempt, source); // 6
    let attempt = RateLimit::new(attempt, limiters); // 5
    let attempt = CircuitCheck::new(attempt, Arc::clone(&common.circuits)); // 4

    let call = Retry::new(attempt, Arc::clone(&common.retry)); // 3
    let call = Around::new(call, per_call);
    let call = Deadline::new(call, per_call.is_empty()); // 2
    Ok(Stack::new(TraceCall::new(call, watch))) // 1
}

/// The stack of presigned storage links: no credential, no quota of the workspace, and none of the user's layers but those around the leaf,
/// so that nothing meant for the workspace reaches a storage host. The link is a credential too: no part of it, and
/// nothing that may repeat it, is kept or logged.
fn link_stack(config: &DatabricksConfig, leaf: Shared<impl Exchange>, common: &Common) -> Stack {
    let watch = Watch::new(config, Traffic::Storage);
    let attempt = TraceAttempt::new(leaf, Arc::clone(&watch));
    let attempt = Inactivity::new(attempt, config.timeout());
    let attempt = Answer::new(attempt, Arc::clone(&watch));
    let attempt = CircuitBreaker::new(attempt, Arc::clone(&common.circuits));
    let call = Retry::new(attempt, Arc::clone(&common.retry));
    let call = Deadline::new(call, true);
    Stack::new(TraceCall::new(call, watch))
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, leaf, leaf_layers, per_call, per_attempt, jitter, rate_limiters } = self;
        f.debug_struct("ClientBuilder")
            .field("config", config)
            .field("own_leaf", &leaf.is_some())
            .field("leaf_layers", &leaf_layers.len())
            .field("per_call", &per_call.len())
            .field("per_attempt", &per_attempt.len())
            .field("jitter", jitter)
            .field("own_rate_limiters", &rate_limiters.is_some())
            .finish()
    }
}
