//! What can be set in more than one place: the table of settings, their values and where each came from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::proxy;
use crate::redact::{scrubbed, shown_path};

/// A setting that code, a variable of the environment or a profile can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Host,
    WorkspaceId,
    AccountId,
    Profile,
    ConfigFile,
    AuthType,
    Token,
    ClientId,
    ClientSecret,
    Scopes,
    TokenAudience,
    OidcTokenEnv,
    OidcToken,
    OidcTokenFile,
    GithubRequestUrl,
    GithubRequestToken,
    AzureResourceId,
    AzureEnvironment,
    AzureTenantId,
    AzureClientId,
    AzureClientSecret,
    AzureUseMsi,
    CliPath,
    WarehouseId,
    Catalog,
    Schema,
    TimeoutSecs,
    TotalTimeoutSecs,
    RateLimit,
    MaxRetries,
    Proxy,
    HttpsProxy,
    HttpProxy,
    AllProxy,
    NoProxy,
    CaFile,
    DebugTruncateBytes,
    DebugHeaders,
}

impl Key {
    /// All of them, in the order in which they are described.
    pub(crate) const ALL: &[Self] = &[
        Self::Host,
        Self::WorkspaceId,
        Self::AccountId,
        Self::Profile,
        Self::ConfigFile,
        Self::AuthType,
        Self::Token,
        Self::ClientId,
        Self::ClientSecret,
        Self::Scopes,
        Self::TokenAudience,
        Self::OidcTokenEnv,
        Self::OidcToken,
        Self::OidcTokenFile,
        Self::GithubRequestUrl,
        Self::GithubRequestToken,
        Self::AzureResourceId,
        Self::AzureEnvironment,
        Self::AzureTenantId,
        Self::AzureClientId,
        Self::AzureClientSecret,
        Self::AzureUseMsi,
        Self::CliPath,
        Self::WarehouseId,
        Self::Catalog,
        Self::Schema,
        Self::TimeoutSecs,
        Self::TotalTimeoutSecs,
        Self::RateLimit,
        Self::MaxRetries,
        Self::Proxy,
        Self::HttpsProxy,
        Self::HttpProxy,
        Self::AllProxy,
        Self::NoProxy,
        Self::CaFile,
        Self::DebugTruncateBytes,
        Self::DebugHeaders,
    ];

    /// The name: a profile's key, and the setter in code.
    pub(crate) const fn name(self) -> &'static str {
        self.row().0
    }

    /// The variables that give it, the preferred one first.
    pub(crate) const fn variables(self) -> &'static [&'static str] {
        self.row().1
    }

    /// The variable that a message tells people to set.
    pub(crate) fn variable(self) -> &'static str {
        self.variables().first().copied().unwrap_or(self.name())
    }

    /// Whether the value is never shown.
    pub(crate) const fn is_secret(self) -> bool {
        matches!(
            self,
            Self::Token
                | Self::ClientSecret
                | Self::AzureClientSecret
                | Self::OidcToken
                | Self::GithubRequestToken
        )
    }

    /// Whether it is the URL of a proxy, which may have a password in it.
    pub(crate) const fn is_proxy(self) -> bool {
        matches!(self, Self::Proxy | Self::HttpsProxy | Self::HttpProxy | Self::AllProxy)
    }

    /// Whether a profile may give it. The others choose the profile, or belong to the process.
    pub(crate) const fn is_of_profiles(self) -> bool {
        !self.is_proxy()
            && !matches!(
                self,
                Self::Profile
                    | Self::ConfigFile
                    | Self::OidcToken
                    | Self::GithubRequestUrl
                    | Self::GithubRequestToken
                    | Self::TotalTimeoutSecs
                    | Self::NoProxy
            )
    }

    /// Whether somebody who sets it outside a profile has said how to authenticate, so that no default profile is
    /// looked for.
    pub(crate) const fn is_credential(self) -> bool {
        matches!(
            self,
            Self::Token
                | Self::ClientId
                | Self::ClientSecret
                | Self::OidcTokenEnv
                | Self::OidcToken
                | Self::OidcTokenFile
                | Self::AzureResourceId
                | Self::AzureTenantId
                | Self::AzureClientId
                | Self::AzureClientSecret
                | Self::AzureUseMsi
        )
    }

    const fn row(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Host => ("host", &["DATABRICKS_HOST"]),
            Self::WorkspaceId => ("workspace_id", &["DATABRICKS_WORKSPACE_ID"]),
            Self::AccountId => ("account_id", &["DATABRICKS_ACCOUNT_ID"]),
            Self::Profile => ("profile", &["DATABRICKS_CONFIG_PROFILE"]),
            Self::ConfigFile => ("config_file", &["DATABRICKS_CONFIG_FILE"]),
            Self::AuthType => ("auth_type", &["DATABRICKS_AUTH_TYPE"]),
            Self::Token => ("token", &["DATABRICKS_TOKEN"]),
            Self::ClientId => ("client_id", &["DATABRICKS_CLIENT_ID"]),
            Self::ClientSecret => ("client_secret", &["DATABRICKS_CLIENT_SECRET"]),
            // The official tools read scopes from code and profiles only.
            Self::Scopes => ("scopes", &[]),
            Self::TokenAudience => ("token_audience", &["DATABRICKS_TOKEN_AUDIENCE"]),
            Self::OidcTokenEnv => ("oidc_token_env", &["DATABRICKS_OIDC_TOKEN_ENV"]),
            // Its variable is the one that `oidc_token_env` names.
            Self::OidcToken => ("oidc_token", &["DATABRICKS_OIDC_TOKEN"]),
            Self::OidcTokenFile => {
                ("oidc_token_filepath", &["DATABRICKS_OIDC_TOKEN_FILEPATH", "DATABRICKS_OIDC_TOKEN_FILE"])
            }
            Self::GithubRequestUrl => ("github_request_url", &["ACTIONS_ID_TOKEN_REQUEST_URL"]),
            Self::GithubRequestToken => ("github_request_token", &["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]),
            Self::AzureResourceId => ("azure_workspace_resource_id", &["DATABRICKS_AZURE_RESOURCE_ID"]),
            Self::AzureEnvironment => ("azure_environment", &["ARM_ENVIRONMENT"]),
            Self::AzureTenantId => ("azure_tenant_id", &["ARM_TENANT_ID", "AZURE_TENANT_ID"]),
            Self::AzureClientId => ("azure_client_id", &["ARM_CLIENT_ID", "AZURE_CLIENT_ID"]),
            Self::AzureClientSecret => ("azure_client_secret", &["ARM_CLIENT_SECRET", "AZURE_CLIENT_SECRET"]),
            Self::AzureUseMsi => ("azure_use_msi", &["ARM_USE_MSI"]),
            Self::CliPath => ("databricks_cli_path", &["DATABRICKS_CLI_PATH"]),
            Self::WarehouseId => ("warehouse_id", &["DATABRICKS_WAREHOUSE_ID"]),
            Self::Catalog => ("catalog", &["DATABRICKS_CATALOG"]),
            Self::Schema => ("schema", &["DATABRICKS_SCHEMA"]),
            Self::TimeoutSecs => ("timeout_secs", &["DATABRICKS_TIMEOUT_SECS"]),
            // Only code sets it: the environment has no name for it.
            Self::TotalTimeoutSecs => ("total_timeout_secs", &[]),
            Self::RateLimit => ("rate_limit", &["DATABRICKS_RATE_LIMIT"]),
            Self::MaxRetries => ("max_retries", &["DATABRICKS_MAX_RETRIES"]),
            // Only code sets the one for everything.
            Self::Proxy => ("proxy", &[]),
            Self::HttpsProxy => ("https_proxy", &["https_proxy", "HTTPS_PROXY"]),
            Self::HttpProxy => ("http_proxy", &["http_proxy", "HTTP_PROXY"]),
            Self::AllProxy => ("all_proxy", &["all_proxy", "ALL_PROXY"]),
            Self::NoProxy => ("no_proxy", &["no_proxy", "NO_PROXY"]),
            Self::CaFile => ("ca_file", &["DATABRICKS_CA_FILE"]),
            Self::DebugTruncateBytes => ("debug_truncate_bytes", &["DATABRICKS_DEBUG_TRUNCATE_BYTES"]),
            Self::DebugHeaders => ("debug_headers", &["DATABRICKS_DEBUG_HEADERS"]),
        }
    }
}

/// Where a value was set. The order is that of precedence: what comes first wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Code,
    Variable(String),
    Profile { name: Arc<str>, file: Arc<str> },
}

impl Origin {
    /// Code before the environment before a profile.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Code => 0,
            Self::Variable(_) => 1,
            Self::Profile { .. } => 2,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code => f.write_str("code"),
            Self::Variable(name) => f.write_str(name),
            Self::Profile { name, file } => write!(f, "profile `{name}` of {file}"),
        }
    }
}

/// A value and its origin. Any may be a secret, so none is printed by `Debug`.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    text: SecretString,
    pub(crate) origin: Origin,
}

impl Value {
    pub(crate) fn new(text: impl Into<SecretString>, origin: Origin) -> Self {
        Self { text: text.into(), origin }
    }

    pub(crate) fn text(&self) -> &str {
        self.text.expose_secret()
    }

    pub(crate) fn secret(&self) -> SecretString {
        self.text.clone()
    }

    /// What a message calls it: the variable, or the key and its place.
    pub(crate) fn label(&self, key: Key) -> String {
        match &self.origin {
            Origin::Code => format!("`{}` set in code", key.name()),
            Origin::Variable(name) => name.clone(),
            Origin::Profile { .. } => format!("`{}` in {}", key.name(), self.origin),
        }
    }

    /// The value as it may be shown.
    pub(crate) fn shown(&self, key: Key) -> String {
        match key {
            _ if key.is_secret() => "***".to_owned(),
            _ if key.is_proxy() => proxy::shown(self.text()),
            Key::Host => shown_host(self.text()),
            Key::GithubRequestUrl => match self.text().split_once('?') {
                Some((url, query)) => shown_path(url, Some(query)),
                None => scrubbed(self.text()).into_owned(),
            },
            // What was meant for another setting may have come here.
            _ => scrubbed(self.text()).into_owned(),
        }
    }
}

/// A host as it was given, but for what its query has beside the workspace's id.
fn shown_host(text: &str) -> String {
    let Some((host, query)) = text.split_once('?') else { return scrubbed(text).into_owned() };
    let is_id = |pair: &&str| pair.starts_with("o=") || pair.starts_with("w=");
    match query.split(['&', '#']).find(is_id) {
        Some(id) => format!("{}?{}", scrubbed(host), scrubbed(id)),
        None => scrubbed(host).into_owned(),
    }
}

/// All values that were found, each from the first source that has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    values: BTreeMap<Key, Value>,
    /// Why the configuration file was left out, when it was: advice for whoever misses something.
    pub(crate) file_note: Option<String>,
}

impl Settings {
    pub(crate) fn get(&self, key: Key) -> Option<&Value> {
        self.values.get(&key)
    }

    pub(crate) fn text(&self, key: Key) -> Option<&str> {
        self.get(key).map(Value::text)
    }

    /// Keeps a value unless there is one already.
    pub(crate) fn offer(&mut self, key: Key, value: Value) {
        self.values.entry(key).or_insert(value);
    }

    /// What code sets replaces whatever there was.
    pub(crate) fn set_in_code(&mut self, key: Key, text: impl Into<SecretString>) {
        self.values.insert(key, Value::new(text, Origin::Code));
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.values.remove(&key);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Value)> {
        Key::ALL.iter().filter_map(|key| Some((*key, self.get(*key)?)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_setting_is_listed_once_under_names_of_its_own() {
        let mut names: Vec<_> = Key::ALL.iter().map(|key| key.name()).collect();
        let mut variables: Vec<_> = Key::ALL.iter().flat_map(|key| key.variables()).collect();
        let (all_names, all_variables) = (names.len(), variables.len());
        names.sort_unstable();
        names.dedup();
        variables.sort_unstable();
        variables.dedup();
        assert_eq!((names.len(), variables.len()), (all_names, all_variables));
    }

    #[test]
    fn a_value_is_never_printed_by_debug_and_a_secret_by_nothing() {
        let value = Value::new("hunter2", Origin::Code);
        assert!(!format!("{value:?}").contains("hunter2"));
        for key in Key::ALL {
            let hidden = !value.shown(*key).contains("hunter2");
            let named_so = ["token", "secret"].iter().any(|word| key.name().ends_with(word));
            assert_eq!(hidden, named_so, "{key:?}");
        }
    }

    #[test]
    fn the_first_offer_stays() {
        let mut settings = Settings::default();
        settings.offer(Key::Host, Value::new("a", Origin::Variable("DATABRICKS_HOST".into())));
        settings.offer(Key::Host, Value::new("b", Origin::Code));
        assert_eq!(settings.text(Key::Host), Some("a"));
        settings.set_in_code(Key::Host, "c");
        assert_eq!(settings.text(Key::Host), Some("c"));
    }
}
