//! What code sets in a configuration. Each setter keeps where the value came from.

use std::time::Duration;

use secrecy::SecretString;

use super::DatabricksConfig;
use super::auth::{AuthConfig, Credential};
use super::circuit_breaker::CircuitBreakerConfig;
use super::retry::RetryConfig;
use super::setting::Key;
use crate::auth::{Authorize, AzureCloud};
use crate::rate_limit::{Rate, RateLimits};

impl DatabricksConfig {
    /// Signs with a personal access token.
    #[must_use]
    pub fn with_token(self, token: impl Into<SecretString>) -> Self {
        let token = token.into();
        let mut config = self.with_auth(AuthConfig::PersonalAccessToken { token: token.clone() });
        config.settings.set_in_code(Key::Token, token);
        config
    }

    /// Signs with a credential, instead of any that was there.
    #[must_use]
    pub fn with_auth(mut self, auth: AuthConfig) -> Self {
        for key in Key::ALL.iter().filter(|key| key.is_credential() && **key != Key::AzureResourceId) {
            self.settings.remove(*key);
        }
        self.settings.remove(Key::AuthType);
        let origin = match &auth {
            AuthConfig::PersonalAccessToken { .. } => "the program (with_token)",
            _ => "the program (with_auth)",
        };
        self.credential = Some(Credential::new(auth, origin));
        self
    }

    /// Signs with credentials of the program's own making, instead of any that were there.
    #[must_use]
    pub fn with_authorize(self, authorize: impl Authorize) -> Self {
        self.with_auth(AuthConfig::custom(authorize))
    }

    /// The resource id of an Azure workspace
    /// (`/subscriptions/../resourceGroups/../providers/Microsoft.Databricks/workspaces/..`). Principals of Azure that are
    /// no users of the workspace need it: it is sent with a token for Azure's management.
    #[must_use]
    pub fn with_azure_resource_id(mut self, resource_id: impl Into<String>) -> Self {
        let resource_id = resource_id.into();
        self.settings.set_in_code(Key::AzureResourceId, resource_id.clone());
        self.azure.resource_id = Some(resource_id);
        self
    }

    /// The Azure cloud, when the host does not tell.
    #[must_use]
    pub fn with_azure_cloud(mut self, cloud: AzureCloud) -> Self {
        self.settings.set_in_code(Key::AzureEnvironment, cloud.name());
        self.azure.cloud = Some(cloud);
        self
    }

    /// The account, for a host that serves a whole account.
    #[must_use]
    pub fn with_account(mut self, account_id: impl Into<String>) -> Self {
        let account_id = account_id.into();
        self.settings.set_in_code(Key::AccountId, account_id.clone());
        self.account_id = Some(account_id);
        self
    }

    /// The SQL warehouse that is used when none is named.
    #[must_use]
    pub fn with_warehouse(mut self, warehouse_id: impl Into<String>) -> Self {
        let warehouse_id = warehouse_id.into();
        self.settings.set_in_code(Key::WarehouseId, warehouse_id.clone());
        self.warehouse_id = Some(warehouse_id);
        self
    }

    /// The default catalog.
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Into<String>) -> Self {
        let catalog = catalog.into();
        self.settings.set_in_code(Key::Catalog, catalog.clone());
        self.catalog = Some(catalog);
        self
    }

    /// The default schema.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        let schema = schema.into();
        self.settings.set_in_code(Key::Schema, schema.clone());
        self.schema = Some(schema);
        self
    }

    /// How long an attempt may be silent (no byte sent or received) before it counts as hung. 30 s unless set.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.settings.set_in_code(Key::TimeoutSecs, timeout.as_secs_f64().to_string());
        self.timeout = timeout;
        self
    }

    /// How long a call may take until its answer begins, waits and retries included. 300 s unless set.
    #[must_use]
    pub fn with_total_timeout(mut self, timeout: Duration) -> Self {
        self.settings.set_in_code(Key::TotalTimeoutSecs, timeout.as_secs_f64().to_string());
        self.total_timeout = timeout;
        self
    }

    /// The limit of the whole client in requests a second, with a burst of as many. 100 unless set.
    #[must_use]
    pub fn with_rate_limit(mut self, per_second: f64) -> Self {
        self.settings.set_in_code(Key::RateLimit, per_second.to_string());
        self.limits = self.limits.with_client(Rate::per_second(per_second));
        self
    }

    /// All limits: the client's and those of the endpoint classes.
    #[must_use]
    pub fn with_rate_limits(mut self, limits: RateLimits) -> Self {
        match limits.client() {
            Some(rate) => self.settings.set_in_code(Key::RateLimit, rate.requests_per_second().to_string()),
            None => self.settings.remove(Key::RateLimit),
        }
        self.limits = limits;
        self
    }

    /// How failed attempts are repeated.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryConfig) -> Self {
        self.settings.set_in_code(Key::MaxRetries, retry.max_attempts.to_string());
        self.retry = retry;
        self
    }

    /// When a host that keeps failing is left alone: after 5 failures in a row, for 60 s, unless set.
    #[must_use]
    pub fn with_circuit_breaker(mut self, config: CircuitBreakerConfig) -> Self {
        self.circuit_breaker = config;
        self
    }

    /// Allows `http://` to hosts other than this machine. The token then travels readable for everybody on the way.
    #[must_use]
    pub fn with_plain_http(mut self, allowed: bool) -> Self {
        self.plain_http = allowed;
        self
    }

    /// Names the calling program in the `User-Agent`.
    #[must_use]
    pub fn with_product(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.product = Some((name.into(), version.into()));
        self
    }
}
