//! What a limiter does right now, for whoever watches.

use std::time::Duration;

use super::rate::Rate;

/// What the limiter of one class does right now.
///
/// ```no_run
/// # fn show(client: databricks_transport::Client) {
/// for limit in client.rate_limits() {
///     let rate = limit.rate.map_or(f64::INFINITY, |rate| rate.requests_per_second());
///     println!("{}: {rate:.1} a second, {} waiting, paused for {:?}", limit.class, limit.waiting, limit.paused_for);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RateLimitState {
    /// The class: its prefix, `default` for the paths of no class, `client` for the limit over everything.
    pub class: String,
    /// The configured limit; `None` without one.
    pub base: Option<Rate>,
    /// The rate in force, at most the base; `None` without a limit.
    pub rate: Option<Rate>,
    /// How many wait for a turn.
    pub waiting: usize,
    /// How long nothing is sent yet, because the server asked for a pause; zero without one.
    pub paused_for: Duration,
}
