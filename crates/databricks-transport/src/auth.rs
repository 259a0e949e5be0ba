//! Signing: the layer that puts the credential on each attempt, after every wait, so that it is fresh when sent.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use tower::{Service, ServiceExt};

use crate::body::Body;
use crate::config::Credential;
use crate::error::Error;
use crate::service::{HttpFuture, HttpInner};

/// Where the `Authorization` header comes from. Asked before every attempt.
pub(crate) trait TokenSource: Send + Sync + 'static {
    /// The header, marked sensitive.
    fn header(&self) -> BoxFuture<'_, Result<HeaderValue, Error>>;
}

/// A token that never changes.
struct FixedToken(HeaderValue);

impl TokenSource for FixedToken {
    fn header(&self) -> BoxFuture<'_, Result<HeaderValue, Error>> {
        Box::pin(futures::future::ready(Ok(self.0.clone())))
    }
}

/// The source of a configured credential.
pub(crate) fn token_source(credential: &Credential) -> Result<Arc<dyn TokenSource>, Error> {
    Ok(Arc::new(FixedToken(credential.header()?)))
}

/// Signs requests.
#[derive(Clone)]
pub(crate) struct Auth<S> {
    inner: S,
    source: Arc<dyn TokenSource>,
}

impl<S> Auth<S> {
    pub(crate) fn new(inner: S, source: Arc<dyn TokenSource>) -> Self {
        Self { inner, source }
    }
}

impl<S: fmt::Debug> fmt::Debug for Auth<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S: HttpInner> Service<Request<Body>> for Auth<S> {
    type Response = Response<Body>;
    type Error = Error;
    type Future = HttpFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> HttpFuture {
        let (inner, source) = (self.inner.clone(), Arc::clone(&self.source));
        Box::pin(async move {
            let header = source.header().await?;
            request.headers_mut().insert(AUTHORIZATION, header);
            inner.oneshot(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::config::AuthConfig;

    #[tokio::test]
    async fn the_header_is_sent_sensitive_and_replaces_another() {
        let auth = AuthConfig::PersonalAccessToken { token: "dapi-secret".to_owned().into() };
        let source = token_source(&Credential { auth, origin: "a test" }).unwrap();
        let leaf = tower::service_fn(|request: Request<Body>| {
            let header = &request.headers()[AUTHORIZATION];
            assert_eq!(header.as_bytes(), b"Bearer dapi-secret");
            assert!(header.is_sensitive());
            assert!(!format!("{request:?}").contains("dapi-secret"));
            futures::future::ready(Ok::<_, Error>(Response::new(Body::empty())))
        });
        let request = Request::get("/x").header(AUTHORIZATION, "Bearer other").body(Body::empty()).unwrap();
        Auth::new(leaf, source).oneshot(request).await.unwrap();
    }
}
