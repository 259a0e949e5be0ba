//! The service type that users' layers and leaves speak, and what our own layers are to each other.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response, Uri};
use tower::{Layer, Service, ServiceExt};

use crate::body::Body;
use crate::error::Error;
use crate::stack::CallState;

/// Any error, boxed: what [`Error::with_source`] keeps.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request goes in, an answer of any status comes out. Inside the stack a status is data, not an error.
pub type HttpService = tower::util::BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Error>;

/// A request on its way through the stack. It is moved from layer to layer, so that it stands still itself.
pub(crate) type Outgoing = Box<Request<Body>>;

/// How a request ends, inside the stack.
pub(crate) type Answered = Result<Response<Body>, Error>;

/// A layer of ours with all that is inside of it.
///
/// Ours are always ready, keep nothing between requests but what they share, and are known when the client is compiled.
/// So a call through all of them is one future, where tower's services would be a box and a copy of the request each.
/// Services of users, which are tower's, are such a layer too: they are waited for until they are ready.
pub(crate) trait Exchange: Send + Sync + 'static {
    /// Sends a request inwards, and gives what comes back.
    fn send(&self, request: Outgoing) -> impl Future<Output = Answered> + Send;

    /// Waits for what would hold the request up further in, so that nobody keeps a turn meanwhile. It is done at once when
    /// nothing would, and fails as sending would.
    fn ready(&self, _: &Uri, _: &CallState) -> impl Future<Output = Result<(), Error>> + Send {
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
    async fn send(&self, request: Outgoing) -> Answered {
        self.clone().oneshot(*request).await
    }
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
    async fn send(&self, request: Outgoing) -> Answered {
        self.0.send(request).await
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
    async fn send(&self, request: Outgoing) -> Answered {
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
    type Future = BoxFuture<'static, Answered>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { inner.send(Box::new(request)).await })
    }
}

/// A whole stack, whatever its layers. Its future is the one box of a call.
#[derive(Clone)]
pub(crate) struct Stack(Arc<dyn DynExchange>);

impl Stack {
    pub(crate) fn new(outermost: impl Exchange) -> Self {
        Self(Arc::new(outermost))
    }

    pub(crate) fn send(&self, request: Request<Body>) -> BoxFuture<'_, Answered> {
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
    fn send_boxed(&self, request: Request<Body>) -> BoxFuture<'_, Answered>;
}

impl<S: Exchange> DynExchange for S {
    fn send_boxed(&self, request: Request<Body>) -> BoxFuture<'_, Answered> {
        Box::pin(self.send(Box::new(request)))
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
        type Future = BoxFuture<'static, Answered>;

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
            SlowToStart::default().send(Box::new(Request::new(Body::empty()))).await.unwrap();
            around.send(Box::new(Request::new(Body::empty()))).await.unwrap();
        }
    }
}
