//! The service type that every layer and leaf of the stack speaks, and the cheap form of it that joins our own.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{Service, ServiceExt};

use crate::body::Body;
use crate::error::Error;

/// Any error, boxed: what [`Error::with_source`] keeps.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request goes in, an answer of any status comes out. Inside the stack a status is data, not an error.
pub type HttpService = tower::util::BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Error>;

/// What a layer of the stack returns.
pub(crate) type HttpFuture = BoxFuture<'static, Result<http::Response<Body>, Error>>;

/// The bound that every inner service of a layer meets, said once. It is always ready, as a [`Stage`] is: a user's own
/// service, which may not be, stands behind one.
pub(crate) trait HttpInner:
    Service<Request<Body>, Response = Response<Body>, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
    /// Sends a request inwards.
    fn send(&self, request: Request<Body>) -> Self::Future {
        self.clone().call(request)
    }
}

impl<S> HttpInner for S where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Error, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The stack from some layer inwards. Each layer clones what is inside of it for every request: a clone of this is a
/// count, where one of [`HttpService`] copies all the layers down to the leaf.
#[derive(Clone)]
pub(crate) struct Stage(Arc<dyn Fn(Request<Body>) -> HttpFuture + Send + Sync>);

impl Stage {
    /// One of our own layers, which are always ready.
    pub(crate) fn new<S>(layer: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Error, Future = HttpFuture>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self(Arc::new(move |request| layer.clone().call(request)))
    }

    /// A service of a user's, which is waited for until it is ready.
    pub(crate) fn of_service(service: HttpService) -> Self {
        Self(Arc::new(move |request| Box::pin(service.clone().oneshot(request))))
    }
}

impl Service<Request<Body>> for Stage {
    type Response = Response<Body>;
    type Error = Error;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> HttpFuture {
        (self.0)(request)
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stage")
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
        type Future = HttpFuture;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
            self.asked += 1;
            cx.waker().wake_by_ref();
            if self.asked < 2 { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn call(&mut self, _: Request<Body>) -> HttpFuture {
            assert_eq!(self.asked, 2, "called before it was ready");
            Box::pin(futures::future::ready(Ok(Response::new(Body::empty()))))
        }
    }

    #[tokio::test]
    async fn a_users_service_is_called_when_it_is_ready_not_before() {
        let stage = Stage::of_service(HttpService::new(SlowToStart::default()));
        for _ in 0..2 {
            stage.clone().oneshot(Request::new(Body::empty())).await.unwrap();
        }
    }
}
