//! Signing: the layer that puts the credential on each attempt, after every wait, so that it is fresh when sent; and
//! the ways to get a credential, one file each.

mod authorize;
mod azure;
mod cache;
mod chain;
mod cli;
mod federation;
mod oauth;
mod source;
mod token;
mod token_call;

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

pub(crate) use authorize::DynAuthorize;
pub use authorize::{Authorization, Authorize};
pub use azure::AzureCloud;
pub(crate) use cache::Held;
use cache::TokenCache;
pub(crate) use source::source;
pub(crate) use token_call::token_error;

use crate::body::Body;
use crate::error::{ApiError, Error};
use crate::service::{Answered, Exchange, Outgoing};
use crate::stack::CallState;

/// Where the signing headers come from. Asked before every attempt.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A token that never changes.
    Fixed(HeaderValue),
    /// Tokens that are asked for and renewed.
    Renewed(TokenCache),
}

/// In an answer's extensions: the workspace refused this token, and another one can be had.
#[derive(Clone)]
pub(crate) struct Refused {
    cache: TokenCache,
    held: Arc<Held>,
}

impl Refused {
    /// Stops using the token, so that the next attempt signs with another. Whether it will.
    pub(crate) fn forget(&self) -> bool {
        self.cache.forget(&self.held)
    }
}

/// Signs requests.
#[derive(Clone)]
pub(crate) struct Auth<S> {
    inner: S,
    source: Source,
}

impl<S> Auth<S> {
    pub(crate) fn new(inner: S, source: Source) -> Self {
        Self { inner, source }
    }
}

impl<S: fmt::Debug> fmt::Debug for Auth<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S: Exchange> Exchange for Auth<S> {
    async fn send(&self, mut request: Outgoing<'_>) -> Answered {
        let cache = match &self.source {
            Source::Fixed(header) => {
                request.headers_mut().insert(AUTHORIZATION, header.clone());
                return self.inner.send(request).await;
            }
            Source::Renewed(cache) => cache,
        };
        let held = token(cache, request.call).await?;
        sign(request.headers_mut(), &held.headers);
        let mut response = self.inner.send(request).await?;
        if is_refusal(&response) {
            response.extensions_mut().insert(Refused { cache: cache.clone(), held });
        }
        Ok(response)
    }

    async fn ready(&self, request: &Outgoing<'_>) -> Result<(), Error> {
        if let Source::Renewed(cache) = &self.source {
            let held = token(cache, request.call).await?;
            request.call.keep_token(held);
        }
        self.inner.ready(request).await
    }
}

/// The token to sign with now: the one that this call has just waited for, or the one that is kept or asked for.
async fn token(cache: &TokenCache, state: &CallState) -> Result<Arc<Held>, Error> {
    if let Some(held) = state.take_token().filter(|held| held.came_just_now()) {
        return Ok(held);
    }
    state.waits_for_token(true);
    let held = cache.get().await?;
    state.waits_for_token(false);
    Ok(held)
}

fn sign(headers: &mut HeaderMap, signature: &HeaderMap) {
    for name in signature.keys() {
        headers.remove(name);
    }
    for (name, value) in signature {
        headers.append(name, value.clone());
    }
}

/// Whether an answer is about the token and not about the request: 401, or what some workspaces answer to an expired
/// token instead. Nothing was run.
fn is_refusal(response: &Response<Body>) -> bool {
    let says_so = || {
        let api = response.extensions().get::<ApiError>();
        api.is_some_and(|api| api.message.to_ascii_lowercase().contains("invalid access token"))
    };
    match response.status() {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => says_so(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::service::enter;
    use http::Request;

    #[tokio::test]
    async fn the_header_is_sent_sensitive_and_replaces_another() {
        let header = crate::config::bearer(&"dapi-secret".to_owned().into()).unwrap();
        let leaf = tower::service_fn(|request: Request<Body>| {
            let header = &request.headers()[AUTHORIZATION];
            assert_eq!(header.as_bytes(), b"Bearer dapi-secret");
            assert!(header.is_sensitive());
            assert!(!format!("{request:?}").contains("dapi-secret"));
            futures::future::ready(Ok::<_, Error>(Response::new(Body::empty())))
        });
        let request = Request::get("/x").header(AUTHORIZATION, "Bearer other").body(Body::empty()).unwrap();
        enter(&Auth::new(leaf, Source::Fixed(header)), request).await.unwrap();
    }

    #[test]
    fn signing_replaces_headers_of_the_same_names_only() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("authorization", "old"), ("x-own", "stays")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let mut signature = HeaderMap::new();
        for value in ["one", "two"] {
            signature.append("authorization", HeaderValue::from_static(value));
        }
        sign(&mut headers, &signature);
        let all: Vec<_> =
            headers.get_all("authorization").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!((all, headers["x-own"].to_str().unwrap()), (vec!["one", "two"], "stays"));
    }

    #[test]
    fn a_refused_token_is_told_from_a_refused_request() {
        for (status, message, expected) in [
            (401, "anything", true),
            (403, "Invalid access token.", true),
            (403, "User does not have USE CATALOG", false),
            (400, "Invalid access token.", false),
            (200, "", false),
        ] {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let api = ApiError::new(response.status(), message);
            response.extensions_mut().insert(api);
            assert_eq!(is_refusal(&response), expected, "{status} {message}");
        }
    }
}
