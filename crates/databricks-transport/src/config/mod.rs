//! What a client needs to know: the workspace, the credential, limits and defaults.

mod auth;
mod builder;
mod choose;
mod circuit_breaker;
mod debug;
mod describe;
mod host;
mod load;
mod network;
mod no_proxy;
mod profile;
mod proxy;
mod retry;
mod setting;
mod sources;

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use auth::{AuthConfig, CustomAuth, Federation, IdToken};
pub(crate) use auth::{Credential, bearer};
pub use builder::ConfigBuilder;
pub use circuit_breaker::CircuitBreakerConfig;
pub(crate) use debug::DebugConfig;
pub use describe::{DescribedSetting, Description};
pub(crate) use host::is_loopback;
pub(crate) use network::Network;
use network::NetworkSettings;
pub(crate) use proxy::{Proxies, Proxy, ProxyScheme};
pub use retry::{RetryBudget, RetryConfig};
use setting::{Key, Settings};

use crate::auth::{Authorize, AzureCloud};

use crate::error::{Error, ErrorKind};
use crate::rate_limit::{Rate, RateLimits};

/// What only workspaces on Azure have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Azure {
    pub(crate) resource_id: Option<String>,
    pub(crate) cloud: Option<AzureCloud>,
}

/// The configuration of a [`Client`](crate::Client): from code, from the environment and `.databrickscfg` by
/// [`from_env`](DatabricksConfig::from_env), or from all three by [`builder`](DatabricksConfig::builder).
///
/// ```
/// use databricks_transport::DatabricksConfig;
///
/// # fn main() -> Result<(), databricks_transport::Error> {
/// let config = DatabricksConfig::new("adb-1234.5.azuredatabricks.net")?
///     .with_token("dapi-example".to_owned())
///     .with_warehouse("abcdef0123456789");
/// assert_eq!(config.host().as_str(), "https://adb-1234.5.azuredatabricks.net/");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DatabricksConfig {
    host: Url,
    workspace_id: Option<String>,
    account_id: Option<String>,
    azure: Azure,
    credential: Option<Credential>,
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    timeout: Duration,
    total_timeout: Duration,
    retry: RetryConfig,
    circuit_breaker: CircuitBreakerConfig,
    limits: RateLimits,
    plain_http: bool,
    network: NetworkSettings,
    product: Option<(String, String)>,
    debug: DebugConfig,
    /// Where the values came from.
    settings: Settings,
}

impl DatabricksConfig {
    /// A configuration for a workspace, without a credential yet. The host may be a bare name or any URL of the
    /// workspace: path and query are dropped (`?o=` is kept as the workspace id), `https` is assumed.
    ///
    /// Of the environment only the proxies are used (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`), as they are when
    /// the client is built; [`without_proxy`](DatabricksConfig::without_proxy) leaves them out.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the host is not one, or carries a user name or password.
    pub fn new(host: &str) -> Result<Self, Error> {
        let given = host;
        let (host, workspace_id) = host::clean(given)?;
        let mut settings = Settings::default();
        settings.set_in_code(Key::Host, given.trim());
        Ok(Self {
            host,
            workspace_id,
            account_id: None,
            azure: Azure::default(),
            credential: None,
            warehouse_id: None,
            catalog: None,
            schema: None,
            timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(300),
            retry: RetryConfig::default(),
            circuit_breaker: CircuitBreakerConfig::default(),
            limits: RateLimits::default(),
            plain_http: false,
            network: NetworkSettings::default(),
            product: None,
            debug: DebugConfig::default(),
            settings,
        })
    }

    /// The configuration that the environment and the configuration file describe; see [`ConfigBuilder::load`].
    ///
    /// Variables: `DATABRICKS_HOST`; for the credential `DATABRICKS_TOKEN`, or `DATABRICKS_CLIENT_ID` and
    /// `DATABRICKS_CLIENT_SECRET`, or `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET` (`ARM_` will do
    /// too), or another of those that [`ConfigBuilder`] names; and optionally `DATABRICKS_WAREHOUSE_ID`,
    /// `DATABRICKS_CATALOG`, `DATABRICKS_SCHEMA`, `DATABRICKS_TIMEOUT_SECS`, `DATABRICKS_RATE_LIMIT` (requests a second),
    /// `DATABRICKS_MAX_RETRIES` (attempts), `DATABRICKS_CA_FILE`, `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. An empty variable counts as not set. What no variable has may come from
    /// a profile of `~/.databrickscfg`: the one that `DATABRICKS_CONFIG_PROFILE` names, or the default one when neither
    /// host nor credential is set.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the variable that is missing or cannot be read, and its value unless it is secret.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().load()
    }

    /// The same as [`from_env`](DatabricksConfig::from_env), reading variables from a function: `HOME`, under which the
    /// configuration file is, and `PATH` too.
    ///
    /// # Errors
    /// As [`from_env`](DatabricksConfig::from_env).
    pub fn from_vars(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        load::config(Settings::default(), None, &variable, &sources::read_file)
    }

    /// A configuration of what code sets, what the environment has, and what a profile has.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::new()
    }

    /// Every setting that was given, and where; secrets are `***`.
    ///
    /// ```
    /// use databricks_transport::DatabricksConfig;
    ///
    /// # fn main() -> Result<(), databricks_transport::Error> {
    /// let config = DatabricksConfig::new("h.example")?.with_token("dapi-example".to_owned());
    /// assert_eq!(config.describe().to_string(), "authentication: pat\nhost = h.example (code)\ntoken = *** (code)");
    /// # Ok(()) }
    /// ```
    pub fn describe(&self) -> Description {
        describe::describe(self)
    }

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

    /// The workspace, `https://host[:port]/`.
    pub fn host(&self) -> &Url {
        &self.host
    }

    /// The workspace id, when the host was given with `?o=`.
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

    /// The credential, which a client cannot do without.
    pub(crate) fn credential(&self) -> Result<&Credential, Error> {
        self.credential.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "no credential: call with_token or with_auth, or set DATABRICKS_TOKEN and use from_env",
            )
        })
    }

    /// Checks what the setters take as it comes.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.credential()?.validate()?;
        self.limits.validate()?;
        self.network()?;
        self.circuit_breaker.validate()?;
        for (name, value) in [("timeout", self.timeout), ("total timeout", self.total_timeout)] {
            if value.is_zero() {
                return Err(Error::new(ErrorKind::Config, format!("the {name} is zero: set one above zero")));
            }
        }
        if self.host.scheme() == "http" && !self.plain_http && !is_loopback(self.host.host_str()) {
            let host = &self.host;
            return Err(Error::new(
                ErrorKind::Config,
                format!(
                    "{host} would send the token in the clear: use https, or allow it with with_plain_http(true)"
                ),
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for DatabricksConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Destructured, so that a new field has to be considered here.
        let Self {
            host,
            workspace_id,
            account_id,
            azure,
            credential,
            warehouse_id,
            catalog,
            schema,
            timeout,
            total_timeout,
            retry,
            circuit_breaker,
            limits,
            plain_http,
            network,
            product,
            debug,
            settings: _,
        } = self;
        f.debug_struct("DatabricksConfig")
            .field("host", &host.as_str())
            .field("workspace_id", workspace_id)
            .field("account_id", account_id)
            .field("azure", azure)
            .field("credential", credential)
            .field("warehouse_id", warehouse_id)
            .field("catalog", catalog)
            .field("schema", schema)
            .field("timeout", timeout)
            .field("total_timeout", total_timeout)
            .field("retry", retry)
            .field("circuit_breaker", circuit_breaker)
            .field("limits", limits)
            .field("plain_http", plain_http)
            .field("network", network)
            .field("product", product)
            .field("debug", debug)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn config(host: &str) -> DatabricksConfig {
        DatabricksConfig::new(host).unwrap().with_token("dapi-secret".to_owned())
    }

    #[test]
    fn no_format_shows_the_token() {
        let config = config("https://h.example");
        for shown in [format!("{config:?}"), format!("{config:#?}"), format!("{:?}", config.auth())] {
            assert!(!shown.contains("dapi-secret"), "{shown}");
            assert!(shown.contains("PersonalAccessToken"), "{shown}");
        }
    }

    #[test]
    fn validation_names_what_is_wrong() {
        let table = [
            (DatabricksConfig::new("h.example").unwrap(), "with_token"),
            (config("h.example").with_timeout(Duration::ZERO), "timeout is zero"),
            (config("h.example").with_rate_limit(-1.0), "-1"),
            (config("h.example").with_rate_limit(f64::NAN), "NaN"),
            (config("http://h.example"), "with_plain_http"),
            (config("h.example").with_token("a\nb".to_owned()), "cannot be sent"),
        ];
        for (config, expected) in table {
            let error = config.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        }
        config("http://127.0.0.1:8080").validate().unwrap();
        config("http://h.example").with_plain_http(true).validate().unwrap();
    }
}
