//! The layer that makes every send wait for its turn, and tells the limiter what the server thought of it.

use std::sync::Arc;

use http::StatusCode;

use super::limiters::RateLimiters;
use crate::service::{Answered, Exchange, Outgoing};
use crate::stack::{CallState, retry_after};
use crate::trace::count_rate_limit;

/// In a request's extensions: the name of its class, for metrics.
#[derive(Clone, Debug)]
pub(crate) struct ClassName(pub(crate) Arc<str>);

/// In an answer's extensions: its class is paused as long as the server asked, so nobody else has to wait for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paused;

/// Waits for the class' turn, then for the client's.
#[derive(Clone, Debug)]
pub(crate) struct RateLimit<S> {
    inner: S,
    limiters: RateLimiters,
}

impl<S> RateLimit<S> {
    pub(crate) fn new(inner: S, limiters: RateLimiters) -> Self {
        Self { inner, limiters }
    }
}

impl<S: Exchange> Exchange for RateLimit<S> {
    async fn send(&self, mut request: Outgoing) -> Answered {
        let class = self.limiters.class(request.uri().path());
        let deadline = CallState::of(&request).deadline();
        let permit = self.limiters.acquire(class, deadline).await?.used();
        request.extensions_mut().insert(ClassName(Arc::clone(class.name())));

        let mut response = self.inner.send(request).await?;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            count_rate_limit(class.name());
            let wait = retry_after(&response);
            permit.throttled(wait);
            if wait.is_some() {
                response.extensions_mut().insert(Paused);
            }
        } else {
            permit.served();
        }
        Ok(response)
    }
}
