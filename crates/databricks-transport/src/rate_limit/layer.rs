//! The layer that makes every send wait for its turn, and tells the limiter what the server thought of it.

use std::pin::pin;

use futures::FutureExt;
use http::StatusCode;

use super::limiters::{RateLimiters, Turn};
use crate::error::Error;
use crate::service::{Answered, Exchange, Outgoing};
use crate::stack::retry_after;
use crate::trace::count_rate_limit;

/// A request goes on after so many turns given back: tokens that end before the turn comes would keep it here for ever.
const ROUNDS: u32 = 8;

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

impl<S: Exchange> RateLimit<S> {
    /// Gives the turn back while a token or a host that is tried again holds the request up, and takes it again at the old
    /// place: turns kept through such a wait would all be used at once when it ends.
    async fn when_ready(&self, request: &Outgoing<'_>, mut turn: Turn) -> Result<Turn, Error> {
        for _ in 0..ROUNDS {
            let mut ready = pin!(self.inner.ready(request));
            if let Some(ready) = ready.as_mut().now_or_never() {
                return ready.map(|()| turn);
            }
            let places = turn.step_back();
            ready.await?;
            turn = places.acquire(request.call.deadline()).await?;
        }
        Ok(turn)
    }
}

impl<S: Exchange> Exchange for RateLimit<S> {
    async fn send(&self, request: Outgoing<'_>) -> Answered {
        let class = self.limiters.class(request.uri().path());
        let turn = self.limiters.acquire(class, request.call.deadline()).await?;
        let permit = self.when_ready(&request, turn).await?.used();

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
