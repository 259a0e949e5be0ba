//! What a client needs to know: the workspace, the credential, limits and defaults.

mod auth;
mod env;
mod host;

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use auth::AuthConfig;
pub(crate) use auth::Credential;
pub(crate) use host::is_loopback;

use crate::error::{Error, ErrorKind};
use crate::rate_limit::{Rate, RateLimits};

/// How failed attempts are repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// How often a request is sent at most, the first time included; 0 counts as 1. Answers of 429 wait for the
    /// server's quota within the total deadline and do not count.
    pub max_attempts: u32,
    /// The longest wait after the first failure; it doubles with each further one. The wait itself is random between
    /// zero and that (full jitter).
    pub base_delay: Duration,
    /// The longest wait between two attempts, unless the server asks for more by `Retry-After`.
    pub max_delay: Duration,
}

impl Default for RetryConfig {
    /// 3 attempts, 500 ms doubling to 30 s.
    fn default() -> Self {
        Self { max_attempts: 3, base_delay: Duration::from_millis(500), max_delay: Duration::from_secs(30) }
    }
}

impl RetryConfig {
    /// The defaults with another number of attempts.
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The same with other waits.
    pub fn with_delays(mut self, base: Duration, max: Duration) -> Self {
        self.base_delay = base;
        self.max_delay = max;
        self
    }
}

/// The configuration of a [`Client`](crate::Client): from code, or from the environment by
/// [`from_env`](DatabricksConfig::from_env).
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
    credential: Option<Credential>,
    warehouse_id: Option<String>,
    catalog: Option<String>,
    schema: Option<String>,
    timeout: Duration,
    total_timeout: Duration,
    retry: RetryConfig,
    limits: RateLimits,
    plain_http: bool,
    product: Option<(String, String)>,
}

impl DatabricksConfig {
    /// A configuration for a workspace, without a credential yet. The host may be a bare name or any URL of the
    /// workspace: path and query are dropped (`?o=` is kept as the workspace id), `https` is assumed.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the host is not one, or carries a user name or password.
    pub fn new(host: &str) -> Result<Self, Error> {
        let (host, workspace_id) = host::clean(host)?;
        Ok(Self {
            host,
            workspace_id,
            credential: None,
            warehouse_id: None,
            catalog: None,
            schema: None,
            timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(300),
            retry: RetryConfig::default(),
            limits: RateLimits::default(),
            plain_http: false,
            product: None,
        })
    }

    /// The configuration that the environment describes: `DATABRICKS_HOST` and `DATABRICKS_TOKEN`, and optionally
    /// `DATABRICKS_WAREHOUSE_ID`, `DATABRICKS_CATALOG`, `DATABRICKS_SCHEMA`, `DATABRICKS_TIMEOUT_SECS`,
    /// `DATABRICKS_RATE_LIMIT` (requests a second) and `DATABRICKS_MAX_RETRIES` (attempts). An empty variable counts
    /// as not set.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the variable that is missing or cannot be read, and its value unless it is secret.
    pub fn from_env() -> Result<Self, Error> {
        env::config(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The same as [`from_env`](DatabricksConfig::from_env), reading variables from a function.
    ///
    /// # Errors
    /// As [`from_env`](DatabricksConfig::from_env).
    pub fn from_vars(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        env::config(variable)
    }

    /// Signs with a personal access token.
    #[must_use]
    pub fn with_token(self, token: impl Into<SecretString>) -> Self {
        self.with_auth(AuthConfig::PersonalAccessToken { token: token.into() })
    }

    /// Signs with a credential.
    #[must_use]
    pub fn with_auth(mut self, auth: AuthConfig) -> Self {
        self.credential = Some(Credential { auth, origin: "the program (with_token)" });
        self
    }

    /// The SQL warehouse that is used when none is named.
    #[must_use]
    pub fn with_warehouse(mut self, warehouse_id: impl Into<String>) -> Self {
        self.warehouse_id = Some(warehouse_id.into());
        self
    }

    /// The default catalog.
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Into<String>) -> Self {
        self.catalog = Some(catalog.into());
        self
    }

    /// The default schema.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// How long an attempt may be silent (no byte sent or received) before it counts as hung. 30 s unless set.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a call may take until its answer begins, waits and retries included. 300 s unless set.
    #[must_use]
    pub fn with_total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = timeout;
        self
    }

    /// The limit of the whole client in requests a second, with a burst of as many. 100 unless set.
    #[must_use]
    pub fn with_rate_limit(mut self, per_second: f64) -> Self {
        self.limits = self.limits.with_client(Rate::per_second(per_second));
        self
    }

    /// All limits: the client's and those of the endpoint classes.
    #[must_use]
    pub fn with_rate_limits(mut self, limits: RateLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How failed attempts are repeated.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryConfig) -> Self {
        self.retry = retry;
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

    /// The limits of the client and its endpoint classes.
    pub fn rate_limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Whether `http://` to other machines is allowed.
    pub fn plain_http(&self) -> bool {
        self.plain_http
    }

    pub(crate) fn product(&self) -> Option<(&str, &str)> {
        self.product.as_ref().map(|(name, version)| (name.as_str(), version.as_str()))
    }

    /// The credential, which a client cannot do without.
    pub(crate) fn credential(&self) -> Result<&Credential, Error> {
        self.credential.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "no credential: call with_token, or set DATABRICKS_TOKEN and use from_env",
            )
        })
    }

    /// Checks what the setters take as it comes.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.credential()?.validate()?;
        self.limits.validate()?;
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
            credential,
            warehouse_id,
            catalog,
            schema,
            timeout,
            total_timeout,
            retry,
            limits,
            plain_http,
            product,
        } = self;
        f.debug_struct("DatabricksConfig")
            .field("host", &host.as_str())
            .field("workspace_id", workspace_id)
            .field("credential", credential)
            .field("warehouse_id", warehouse_id)
            .field("catalog", catalog)
            .field("schema", schema)
            .field("timeout", timeout)
            .field("total_timeout", total_timeout)
            .field("retry", retry)
            .field("limits", limits)
            .field("plain_http", plain_http)
            .field("product", product)
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
