//! The limiters of a client, by class.

use std::sync::Arc;

use tokio::time::Instant;

use super::limiter::{Entered, Permit, RateLimiter, Reentry};
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
    /// In the order of the limits.
    classes: Vec<RateLimiter>,
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
        let classes = limits.classes().map(|(prefix, rate)| RateLimiter::named(prefix, rate, policy));
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
        let mut states: Vec<_> = classes.iter().map(RateLimiter::state).collect();
        states.sort_by(|a, b| a.class.cmp(&b.class));
        states.insert(0, client.state());
        states.push(others.state());
        states
    }

    /// The limiter of a path's class.
    pub(crate) fn class(&self, path: &str) -> &RateLimiter {
        let Inner { limits, others, classes, client: _ } = &*self.0;
        limits.position_of(path).and_then(|at| classes.get(at)).unwrap_or(others)
    }

    /// Waits for the class' turn, then for the client's. What is taken from one while the other refuses goes back.
    pub(crate) async fn acquire(
        &self,
        class: &RateLimiter,
        deadline: Option<Instant>,
    ) -> Result<Turn, Error> {
        let now = Instant::now();
        let class = match class.enter(None, now, deadline)? {
            Entered::Now(permit) => permit.reserve(),
            // In a box: most calls wait for nothing, and do not carry the room for it.
            Entered::Queued(waiting) => {
                let class = Box::pin(waiting.turn()).await?.reserve();
                return Box::pin(self.with_clients(class, deadline)).await;
            }
        };
        match self.0.client.enter(None, now, deadline)? {
            Entered::Now(permit) => Ok(Turn { class, client: permit.reserve(), is_fresh: true }),
            Entered::Queued(waiting) => {
                let client = Box::pin(waiting.turn()).await?.reserve();
                Box::pin(Turn { class, client, is_fresh: false }.after_pauses(deadline)).await
            }
        }
    }

    /// The turn of a class together with the client's.
    async fn with_clients(&self, class: Permit, deadline: Option<Instant>) -> Result<Turn, Error> {
        let client = self.0.client.acquire(deadline).await?.reserve();
        Turn { class, client, is_fresh: false }.after_pauses(deadline).await
    }
}

/// A turn of a class and of its client. Until it is used, dropping it gives both back.
#[derive(Debug)]
pub(crate) struct Turn {
    class: Permit,
    client: Permit,
    /// Nobody has waited since the class' turn came.
    is_fresh: bool,
}

impl Turn {
    /// It is sent now: the class' permit is told what comes of it.
    pub(crate) fn used(self) -> Permit {
        let Self { class, client, is_fresh } = self;
        client.spend();
        if is_fresh { class.used_at_once() } else { class.used() }
    }

    /// Something else holds the request up: others may go meanwhile, and it has its old place afterwards.
    pub(crate) fn step_back(self) -> Places {
        Places { class: self.class.step_back(), client: self.client.step_back() }
    }

    /// The class may have been paused while this waited for the client's turn.
    async fn after_pauses(mut self, deadline: Option<Instant>) -> Result<Self, Error> {
        while self.class.is_paused() {
            self = self.step_back().take(deadline).await?;
        }
        Ok(self)
    }
}

/// The places of a turn that was given back.
#[derive(Debug)]
pub(crate) struct Places {
    class: Reentry,
    client: Reentry,
}

impl Places {
    /// Waits for the turn again.
    pub(crate) async fn acquire(self, deadline: Option<Instant>) -> Result<Turn, Error> {
        self.take(deadline).await?.after_pauses(deadline).await
    }

    async fn take(self, deadline: Option<Instant>) -> Result<Turn, Error> {
        let class = self.class.acquire(deadline).await?.reserve();
        let client = self.client.acquire(deadline).await?.reserve();
        Ok(Turn { class, client, is_fresh: false })
    }
}
