//! Staying within the workspace's quotas: limits per endpoint class under one limit for the whole client.

mod adaptive;
mod bucket;
mod policy;
mod rate;

mod limiter;
mod limiters;
mod limits;
mod queue;
mod state;

mod layer;

pub use adaptive::Adaptive;
pub(crate) use layer::{Paused, RateLimit};
pub use limiter::{Permit, RateLimiter};
pub use limiters::RateLimiters;
pub(crate) use limits::OTHERS;
pub use limits::RateLimits;
pub use policy::{FixedRate, RatePolicy};
pub use rate::Rate;
pub use state::RateLimitState;
