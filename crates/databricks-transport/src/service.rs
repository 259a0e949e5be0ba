//! The service type that every layer and leaf of the stack speaks.

use futures::future::BoxFuture;

use crate::body::Body;
use crate::error::Error;

/// Any error, boxed: what [`Error::with_source`] keeps.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request goes in, an answer of any status comes out. Inside the stack a status is data, not an error.
pub type HttpService = tower::util::BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Error>;

/// What a layer of the stack returns.
pub(crate) type HttpFuture = BoxFuture<'static, Result<http::Response<Body>, Error>>;

/// The bound that every inner service of a layer meets, said once.
pub(crate) trait HttpInner:
    tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Error, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> HttpInner for S where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Error, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}
