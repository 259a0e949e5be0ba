//! The HTTP transport of the Databricks client: configuration, authentication and the tower stack.
//!
//! A domain crate builds an [`ApiRequest`] (pure, no runtime needed), names what it does with an [`Operation`] and
//! hands both to a [`Client`]. The client sends it through one stack of tower layers that waits for quota, signs,
//! retries what may be retried, and bounds every wait; what comes back is a 2xx answer or an [`Error`] that says what
//! happened, where, and what to check.
//!
//! ```no_run
//! use databricks_transport::{ApiRequest, Client, DatabricksConfig, Operation};
//!
//! # async fn run() -> Result<(), databricks_transport::Error> {
//! const LIST_WAREHOUSES: Operation = Operation::new("warehouses.list").idempotent();
//!
//! let client = Client::new(DatabricksConfig::from_env()?)?;
//! let answer: serde_json::Value = client.call(LIST_WAREHOUSES, ApiRequest::get("/api/2.0/sql/warehouses")).await?;
//! # Ok(()) }
//! ```
//!
//! How requests are signed follows from code, the environment and `.databrickscfg`, in the order that
//! [`ConfigBuilder::load`] states; [`DatabricksConfig::describe`] tells what came of it, and an [`Authorize`] brings
//! credentials of a program's own.
//!
//! What a client does can be seen by `tracing` (a span for each call, requests at DEBUG, JSON bodies at TRACE) and by
//! `metrics` (`databricks_api_requests_total` and others, by endpoint class). Nothing secret is in any of them.
//!
//! Nothing here knows SQL, jobs or tables, or does I/O before the first request is sent. What goes on after a call, a
//! renewed token or the upkeep of connections, runs on the runtime that the call was made on, and ends with it.

mod config;
mod error;

mod body;
mod operation;
mod place;
mod request;
mod service;

mod builder;
mod client;

mod auth;
mod circuit_breaker;
mod rate_limit;
mod redact;
mod stack;
mod trace;

mod network;

pub use auth::{Authorization, Authorize, AzureCloud};
pub use body::Body;
pub use builder::ClientBuilder;
pub use circuit_breaker::{Circuit, CircuitState};
pub use client::Client;
pub use config::{
    AuthConfig, CircuitBreakerConfig, ConfigBuilder, CustomAuth, DatabricksConfig, DescribedSetting,
    Description, Federation, IdToken, RetryBudget, RetryConfig,
};
pub use error::{ApiError, Error, ErrorInfo, ErrorKind, FieldViolation, QuotaViolation, ResourceInfo};
pub use operation::Operation;
pub use rate_limit::{
    Adaptive, FixedRate, Permit, Rate, RateLimitState, RateLimiter, RateLimiters, RateLimits, RatePolicy,
};
pub use redact::without_secrets;
pub use request::{ApiRequest, encode_path, encode_segment};
pub use service::{BoxError, HttpService};
pub use stack::{CallOff, Jitter};
