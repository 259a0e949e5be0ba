//! What can be asked of a configuration.

use std::time::Duration;

use url::Url;

use super::auth::AuthConfig;
use super::circuit_breaker::CircuitBreakerConfig;
use super::retry::RetryConfig;
use super::{Azure, DatabricksConfig};
use crate::rate_limit::RateLimits;

impl DatabricksConfig {
    /// The workspace, `https://host[:port]/`.
    pub fn host(&self) -> &Url {
        &self.host
    }

    /// The workspace id, when it is set or the host was given with `?o=`.
    pub fn workspace_id(&self) -> Option<&str> {
        self.workspace_id.as_deref()
    }

    /// The credential, when one is set.
    pub fn auth(&self) -> Option<&AuthConfig> {
        self.credential.as_ref().map(|credential| &credential.auth)
    }

    /// The default warehouse.
    pub fn warehouse_id(&self) -> Option<&str> {
        self.warehouse_id.as_deref()
    }

    /// The default catalog.
    pub fn catalog(&self) -> Option<&str> {
        self.catalog.as_deref()
    }

    /// The default schema.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// How long an attempt may be silent.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long a call may take.
    pub fn total_timeout(&self) -> Duration {
        self.total_timeout
    }

    /// How failed attempts are repeated.
    pub fn retry(&self) -> &RetryConfig {
        &self.retry
    }

    /// When a host that keeps failing is left alone.
    pub fn circuit_breaker(&self) -> &CircuitBreakerConfig {
        &self.circuit_breaker
    }

    /// The limits of the client and its endpoint classes.
    pub fn rate_limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Whether `http://` to other machines is allowed.
    pub fn plain_http(&self) -> bool {
        self.plain_http
    }

    /// The account, when it is set.
    pub fn account_id(&self) -> Option<&str> {
        self.account_id.as_deref()
    }

    pub(crate) fn azure(&self) -> &Azure {
        &self.azure
    }

    pub(crate) fn product(&self) -> Option<(&str, &str)> {
        self.product.as_ref().map(|(name, version)| (name.as_str(), version.as_str()))
    }
}
