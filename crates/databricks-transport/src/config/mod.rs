//! What a client needs to know: the workspace, the credential, limits and defaults.

mod auth;
mod builder;
mod choose;
mod circuit_breaker;
mod debug;
mod describe;
mod federation;
mod getters;
mod host;
mod load;
mod network;
mod no_proxy;
mod profile;
mod proxy;
mod retry;
mod setters;
mod setting;
mod sources;

use std::fmt;
use std::time::Duration;

use url::Url;

pub use auth::{AuthConfig, CustomAuth};
pub(crate) use auth::{Credential, bearer};
pub use builder::ConfigBuilder;
pub use circuit_breaker::CircuitBreakerConfig;
pub(crate) use debug::DebugConfig;
pub use describe::{DescribedSetting, Description};
pub use federation::{Federation, IdToken};
pub(crate) use network::Network;
use network::NetworkSettings;
pub(crate) use proxy::{Proxies, Proxy, ProxyScheme};
pub use retry::{RetryBudget, RetryConfig};
use setting::{Key, Settings};

use crate::auth::AzureCloud;
use crate::error::{Error, ErrorKind};
use crate::place::is_loopback;
use crate::rate_limit::RateLimits;

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
        if self.host.scheme() == "http"
            && !self.plain_http
            && !is_loopback(self.host.host_str().unwrap_or_default())
        {
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
