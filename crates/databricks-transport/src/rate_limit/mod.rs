//! Staying within the workspace's quotas: limits per endpoint class under one limit for the whole client.

mod layer;
mod limiter;
mod limits;

pub(crate) use layer::{ClassName, Paused, RateLimit};
pub(crate) use limiter::Limiters;
pub use limits::{Rate, RateLimits};
