//! The limiters of a client, by class.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::limiter::{Permit, RateLimiter};
use super::limits::{OTHERS, RateLimits};
use super::policy::{FixedRate, PolicyFactory};
use super::state::RateLimitState;
use crate::error::Error;

/// The limiters of a client: one over everything, one for each endpoint class. Cheap to clone; clones are the same limiters.
///
/// Clients of one workspace in one program, such as with several credentials of one user, can share them:
///
/// ```
/// use databricks_transport::{Client, DatabricksConfig};
///
/// # fn run() -> Result<(), databricks_transport::Error> {
/// let config = DatabricksConfig::new("https://h.example")?.with_token("dapi-1".to_owned());
/// let first = Client::new(config.clone())?;
/// let second = Client::builder(config).rate_limiters(first.rate_limiters()).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RateLimiters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: RateLimits,
    client: RateLimiter,
    others: RateLimiter,
    classes: HashMap<String, RateLimiter>,
}

impl RateLimiters {
    /// Limiters that keep to these limits.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when a rate, or a setting of the policy, cannot be kept.
    pub fn new(limits: RateLimits) -> Result<Self, Error> {
        limits.validate()?;
        let policy = limits.policy();
        // No answer tells which part of a client's requests was too much, so the limit over all of them stays as it is.
        let fixed = PolicyFactory::new(FixedRate);
        let classes = limits
            .classes()
            .map(|(prefix, rate)| (prefix.to_owned(), RateLimiter::named(prefix, rate, policy)));
        Ok(Self(Arc::new(Inner {
            client: RateLimiter::named("client", limits.client(), &fixed),
            others: RateLimiter::named(OTHERS, limits.others(), policy),
            classes: classes.collect(),
            limits,
        })))
    }

    /// What each does right now: the client's first, then the classes by name, then the one of the other paths.
    pub fn states(&self) -> Vec<RateLimitState> {
        let Inner { client, others, classes, limits: _ } = &*self.0;
        let mut states: Vec<_> = classes.values().map(RateLimiter::state).collect();
        states.sort_by(|a, b| a.class.cmp(&b.class));
        states.insert(0, client.state());
        states.push(others.state());
        states
    }

    /// The limiter of a path's class.
    pub(crate) fn class(&self, path: &str) -> &RateLimiter {
        self.0.classes.get(self.0.limits.class_of(path)).unwrap_or(&self.0.others)
    }

    /// Waits for the class' turn, then for the client's. What is taken from one while the other refuses goes back.
    pub(crate) async fn acquire(
        &self,
        class: &RateLimiter,
        deadline: Option<Instant>,
    ) -> Result<Permit, Error> {
        let mut permit = class.acquire(deadline).await?.reserve();
        loop {
            let of_client = self.0.client.acquire(deadline).await?;
            match permit.redeem() {
                Ok(permit) => return Ok(permit),
                // The class was paused while this waited for the client's turn.
                Err(place) => {
                    of_client.give_back();
                    permit = place.acquire(deadline).await?.reserve();
                }
            }
        }
    }
}
