//! The service type that users' layers and leaves speak, and what our own layers are to each other.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt};

use crate::body::Body;
use crate::circuit_breaker::Host;
use crate::error::Error;
use crate::operation::Operation;
use crate::redact::Sent;
use crate::stack::CallState;

/// Any error, boxed: what [`Error::with_source`] keeps.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request goes in, an answer of any status comes out. Inside the stack a status is data, not an error.
pub type HttpService = tower::util::BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Error>;

/// How a request ends, inside the stack. In a box, for every layer hands it on.
pub(crate) type Answered = Result<Box<Response<Body>>, Error>;

/// A request on its way through the stack, and what the layers of its call know. The request stands still itself while
/// it is handed from layer to layer.
///
/// Between layers of ours nothing of this stands in the request's extensions. It does where somebody else's service takes
/// the request over, for the layers further in.
pub(crate) struct Outgoing<'c>(Box<Carried<'c>>);

/// What is handed on: one box, since every layer keeps a place for it.
pub(crate) struct Carried<'c> {
    request: Request<Body>,
    pub(crate) operation: &'c Operation,
    pub(crate) call: &'c Arc<CallState>,
    /// The circuit of its host, once a layer has looked for it.
    pub(crate) circuit: Option<Arc<Host>>,
    /// The secrets of the request, once a layer has looked for them.
    pub(crate) sent: Option<Arc<Sent>>,
}

impl<'c> Outgoing<'c> {
    pub(crate) fn new(request: Request<Body>, operation: &'c Operation, call: &'c Arc<CallState>) -> Self {
        Self(Box::new(Carried { request, operation, call, circuit: None, sent: None }))
    }

    /// The same request again, unless its body is a stream.
    pub(crate) fn try_clone(&self) -> Option<Self> {
        let mut copy = Request::new(self.body().try_clone()?);
        *copy.method_mut() = self.method().clone();
        *copy.uri_mut() = self.uri().clone();
        *copy.version_mut() = self.version();
        *copy.headers_mut() = self.headers().clone();
        *copy.extensions_mut() = self.extensions().clone();
        Some(Self::new(copy, self.operation, self.call))
    }

    /// The request alone, for the connection.
    pub(crate) fn into_request(self) -> Request<Body> {
        self.0.request
    }

    /// The request as services that are not ours see it.
    fn opened(self) -> Request<Body> {
        let Carried { mut request, operation, call, .. } = *self.0;
        request.extensions_mut().insert(*operation);
        request.extensions_mut().insert(Arc::clone(call));
        request
    }
}

impl<'c> Deref for Outgoing<'c> {
    type Target = Carried<'c>;

    fn deref(&self) -> &Carried<'c> {
        &self.0
    }
}

impl<'c> DerefMut for Outgoing<'c> {
    fn deref_mut(&mut self) -> &mut Carried<'c> {
        &mut self.0
    }
}

impl Deref for Carried<'_> {
    type Target = Request<Body>;

    fn deref(&self) -> &Request<Body> {
        &self.request
    }
}

impl DerefMut for Carried<'_> {
    fn deref_mut(&mut self) -> &mut Request<Body> {
        &mut self.request
    }
}

/// A layer of ours with all that is inside of it.
///
/// Ours are always ready, keep nothing between requests but what they share, and are known when the client is compiled.
/// So a call through all of them is one future, where tower's services would be a box and a copy of the request each.
/// Services of users, which are tower's, are such a layer too: they are waited for until they are ready.
pub(crate) trait Exchange: Send + Sync + 'static {
    /// Sends a request inwards, and gives what comes back.
    fn send(&self, request: Outgoing<'_>) -> impl Future<Output = Answered> + Send;

    /// Waits for what would hold the request up further in, so that nobody keeps a turn meanwhile. It is done at once when
    /// nothing would, and fails as sending would.
    fn ready(&self, _: &Outgoing<'_>) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }
}

impl<S> Exchange for S
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    async fn send(&self, request: Outgoing<'_>) -> Answered {
        // In a box of its own: a call that meets no such service does not carry the room for one.
        Box::pin(self.clone().oneshot(request.opened())).await.map(Box::new)
    }
}

/// A request enters from where only extensions tell of its call.
pub(crate) async fn enter(inner: &impl Exchange, request: Request<Body>) -> Answered {
    let (operation, call) = (Operation::of(&request), CallState::of(&request));
    inner.send(Outgoing::new(request, &operation, &call)).await
}

/// What several stacks end in.
#[derive(Debug)]
pub(crate) struct Shared<S>(Arc<S>);

impl<S> Shared<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self(Arc::new(inner))
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Exchange> Exchange for Shared<S> {
    fn send(&self, request: Outgoing<'_>) -> impl Future<Output = Answered> + Send {
        // In a box of its own: the futures around it are small then, and each is copied once when it is made.
        Box::pin(self.0.send(request))
    }
}

/// What is inside, with a user's layers around it if there are any.
pub(crate) enum Around<S> {
    Nothing(S),
    Layers(HttpService),
}

impl<S: Exchange> Around<S> {
    /// The first layer ends up outermost.
    pub(crate) fn new(inner: S, layers: &[UserLayer]) -> Self {
        if layers.is_empty() {
            return Self::Nothing(inner);
        }
        let inner = HttpService::new(Door(Shared::new(inner)));
        Self::Layers(layers.iter().rev().fold(inner, |inner, layer| (layer.0)(inner)))
    }
}

impl<S: Exchange> Exchange for Around<S> {
    async fn send(&self, request: Outgoing<'_>) -> Answered {
        match self {
            Self::Nothing(inner) => inner.send(request).await,
            Self::Layers(layers) => layers.send(request).await,
        }
    }
}

/// A tower layer of a user's, whatever its type.
pub(crate) struct UserLayer(Box<dyn Fn(HttpService) -> HttpService + Send + Sync>);

impl UserLayer {
    pub(crate) fn new<L>(layer: L) -> Self
    where
        L: Layer<HttpService> + Send + Sync + 'static,
        L::Service:
            Service<Request<Body>, Response = Response<Body>, Error = Error> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send,
    {
        Self(Box::new(move |inner| HttpService::new(layer.layer(inner))))
    }
}

/// How a request ends for services that are not ours.
type Opened = Result<Response<Body>, Error>;

/// A layer of ours as tower's service: what a user's layer is put around.
struct Door<S>(Shared<S>);

impl<S> Clone for Door<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Exchange> Service<Request<Body>> for Door<S> {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Opened>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { enter(&inner, request).await.map(|answer| *answer) })
    }
}

/// A whole stack, whatever its layers. Its future is the one box of a call.
#[derive(Clone)]
pub(crate) struct Stack(Arc<dyn DynExchange>);

impl Stack {
    pub(crate) fn new(outermost: impl Exchange) -> Self {
        Self(Arc::new(outermost))
    }

    pub(crate) fn send<'c>(&'c self, request: Outgoing<'c>) -> BoxFuture<'c, Answered> {
        self.0.send_boxed(request)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stack")
    }
}

/// [`Exchange`], for stacks whose type is not known.
trait DynExchange: Send + Sync {
    fn send_boxed<'c>(&'c self, request: Outgoing<'c>) -> BoxFuture<'c, Answered>;
}

impl<S: Exchange> DynExchange for S {
    fn send_boxed<'c>(&'c self, request: Outgoing<'c>) -> BoxFuture<'c, Answered> {
        Box::pin(self.send(request))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// A service that is ready when it is asked a second time, and refuses to be called before.
    #[derive(Default)]
    struct SlowToStart {
        asked: u32,
    }

    impl Clone for SlowToStart {
        fn clone(&self) -> Self {
            Self::default()
        }
    }

    impl Service<Request<Body>> for SlowToStart {
        type Response = Response<Body>;
        type Error = Error;
        type Future = BoxFuture<'static, Opened>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
            self.asked += 1;
            cx.waker().wake_by_ref();
            if self.asked < 2 { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            assert_eq!(self.asked, 2, "called before it was ready");
            Box::pin(futures::future::ready(Ok(Response::new(Body::empty()))))
        }
    }

    #[tokio::test]
    async fn a_users_service_is_called_when_it_is_ready_not_before() {
        let layers = [UserLayer::new(tower::layer::layer_fn(|_| HttpService::new(SlowToStart::default())))];
        let around = Around::new(SlowToStart::default(), &layers);
        for _ in 0..2 {
            enter(&SlowToStart::default(), Request::new(Body::empty())).await.unwrap();
            enter(&around, Request::new(Body::empty())).await.unwrap();
        }
    }
}
