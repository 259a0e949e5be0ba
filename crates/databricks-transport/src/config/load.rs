//! From settings to a configuration: numbers read, the host cleaned up, a credential chosen.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::choose::Choice;
use super::setting::{Key, Origin, Settings, Value};
use super::sources::{ReadFile, Variable, collect};
use super::{AuthConfig, Credential, DatabricksConfig, DebugConfig, network};
use crate::auth::AzureCloud;
use crate::error::{Error, ErrorKind};
use crate::rate_limit::Rate;
use crate::redact::scrubbed;

/// A week: longer waits are mistakes in the unit.
const MAX_TIMEOUT_SECS: f64 = 604_800.0;

/// The configuration that code, the environment and the configuration file describe together.
pub(super) fn config(
    code: Settings,
    auth: Option<AuthConfig>,
    variable: Variable<'_>,
    read: ReadFile<'_>,
) -> Result<DatabricksConfig, Error> {
    let mut settings = collect(code, variable, read)?;
    network::settle(&mut settings);
    network::proxies(&settings)?;
    let typed = Typed::read(&settings)?;
    let mut config = at_host(&settings)?;
    let path = variable("PATH");
    let credential = match auth {
        Some(auth) => from_code(auth, &settings)?,
        None => {
            let host = &config.host;
            Choice { settings: &settings, typed: &typed, host, path: path.as_deref() }.credential()?
        }
    };
    credential.validate()?;
    config.credential = Some(credential);
    let own = |key: Key| settings.text(key).map(str::to_owned);
    config.workspace_id = own(Key::WorkspaceId).or(config.workspace_id);
    config.account_id = own(Key::AccountId);
    config.azure.resource_id = own(Key::AzureResourceId);
    config.azure.cloud = typed.azure_cloud;
    config.warehouse_id = own(Key::WarehouseId);
    config.catalog = own(Key::Catalog);
    config.schema = own(Key::Schema);
    config.timeout = typed.timeout.unwrap_or(config.timeout);
    config.retry.max_attempts = typed.max_attempts.unwrap_or(config.retry.max_attempts);
    if let Some(rate) = typed.rate {
        config.limits = config.limits.with_client(rate);
    }
    config.network.ca_file = own(Key::CaFile).map(Into::into);
    config.network.environment_is_read = true;
    config.debug = typed.debug;
    config.settings = settings;
    Ok(config)
}

/// A credential that code gives whole. Another method asked for in code is a contradiction; elsewhere code wins.
fn from_code(auth: AuthConfig, settings: &Settings) -> Result<Credential, Error> {
    match settings.get(Key::AuthType) {
        Some(asked) if asked.origin == Origin::Code && asked.text() != auth.auth_type() => Err(Error::new(
            ErrorKind::Config,
            format!(
                "code asks for auth type `{}` and gives a credential of `{}`: leave one out",
                asked.text(),
                auth.auth_type()
            ),
        )),
        _ => Ok(Credential::new(auth, "code")),
    }
}

fn at_host(settings: &Settings) -> Result<DatabricksConfig, Error> {
    let Some(host) = settings.get(Key::Host) else {
        let note = settings.file_note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        return Err(Error::new(
            ErrorKind::Config,
            format!(
                "{} is not set: set it to the workspace's URL, or name a profile by {}{note}",
                Key::Host.variable(),
                Key::Profile.variable()
            ),
        ));
    };
    DatabricksConfig::new(host.text()).map_err(|error| {
        Error::new(ErrorKind::Config, format!("{}: {}", host.label(Key::Host), error.message()))
    })
}

/// The settings that are more than text, read. Every one is checked, whether it is needed or not.
#[derive(Debug, Default)]
pub(super) struct Typed {
    pub(super) scopes: Vec<String>,
    pub(super) azure_use_msi: bool,
    pub(super) azure_cloud: Option<AzureCloud>,
    timeout: Option<Duration>,
    rate: Option<Rate>,
    max_attempts: Option<u32>,
    debug: DebugConfig,
}

impl Typed {
    fn read(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            scopes: settings.text(Key::Scopes).map(words).unwrap_or_default(),
            azure_use_msi: flag(settings, Key::AzureUseMsi)?.unwrap_or_default(),
            azure_cloud: cloud(settings)?,
            timeout: timeout(settings)?,
            rate: rate(settings)?,
            max_attempts: number(settings, Key::MaxRetries, "a whole number of attempts")?,
            debug: debug(settings)?,
        })
    }
}

/// Words between commas or white space, each once.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

fn debug(settings: &Settings) -> Result<DebugConfig, Error> {
    let default = DebugConfig::default();
    let truncate_bytes = number(settings, Key::DebugTruncateBytes, "a whole number of bytes")?;
    Ok(DebugConfig {
        truncate_bytes: truncate_bytes.unwrap_or(default.truncate_bytes),
        headers: flag(settings, Key::DebugHeaders)?.unwrap_or(default.headers),
    })
}

fn flag(settings: &Settings, key: Key) -> Result<Option<bool>, Error> {
    let Some(value) = settings.get(key) else { return Ok(None) };
    match value.text().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(Some(true)),
        "false" | "0" | "no" | "off" => Ok(Some(false)),
        other => Err(bad_value(value, key, other, "true or false")),
    }
}

fn cloud(settings: &Settings) -> Result<Option<AzureCloud>, Error> {
    let Some(value) = settings.get(Key::AzureEnvironment) else { return Ok(None) };
    AzureCloud::named(value.text())
        .map(Some)
        .ok_or_else(|| bad_value(value, Key::AzureEnvironment, value.text(), "PUBLIC, USGOVERNMENT or CHINA"))
}

fn timeout(settings: &Settings) -> Result<Option<Duration>, Error> {
    let key = Key::TimeoutSecs;
    let Some(seconds) = number::<f64>(settings, key, "a number of seconds")? else { return Ok(None) };
    match settings.get(key) {
        Some(value) if !(seconds > 0.0 && seconds <= MAX_TIMEOUT_SECS) => {
            Err(bad_value(value, key, seconds, "a number of seconds above 0 and up to 604800 (a week)"))
        }
        _ => Ok(Some(Duration::from_secs_f64(seconds))),
    }
}

fn rate(settings: &Settings) -> Result<Option<Rate>, Error> {
    let key = Key::RateLimit;
    let Some(per_second) = number::<f64>(settings, key, "a number of requests a second")? else {
        return Ok(None);
    };
    let rate = Rate::per_second(per_second);
    let label = settings.get(key).map(|value| value.label(key)).unwrap_or_default();
    rate.validate()
        .map_err(|error| Error::new(ErrorKind::Config, format!("{label}: {}", error.message())))?;
    Ok(Some(rate))
}

fn number<T: FromStr>(settings: &Settings, key: Key, expected: &str) -> Result<Option<T>, Error> {
    let Some(value) = settings.get(key) else { return Ok(None) };
    value.text().parse().map(Some).map_err(|_| bad_value(value, key, value.text(), expected))
}

fn bad_value(value: &Value, key: Key, text: impl Display, expected: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("{} is `{}`: it must be {expected}", value.label(key), scrubbed(&text.to_string())),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use secrecy::ExposeSecret;

    const HOST: &str = "DATABRICKS_HOST";
    const TOKEN: &str = "DATABRICKS_TOKEN";

    fn from(variables: &[(&str, &str)]) -> Result<DatabricksConfig, Error> {
        DatabricksConfig::from_vars(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const BASE: [(&str, &str); 2] = [(HOST, "h.example"), (TOKEN, "dapi-secret")];

    fn with(extra: &[(&'static str, &'static str)]) -> Result<DatabricksConfig, Error> {
        from(&[&BASE, extra].concat())
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let config = with(&[]).unwrap();
        assert_eq!(config.timeout(), Duration::from_secs(30));
        assert_eq!(config.total_timeout(), Duration::from_secs(300));
        assert_eq!(config.retry(), &RetryConfig::default());
        assert_eq!(config.rate_limits().client(), Some(Rate::per_second(100.0)));
        let Some(AuthConfig::PersonalAccessToken { token }) = config.auth() else { panic!("{config:?}") };
        assert_eq!(token.expose_secret(), "dapi-secret");
    }

    use super::super::RetryConfig;

    #[test]
    fn every_variable_is_read() {
        let config = with(&[
            ("DATABRICKS_WAREHOUSE_ID", "w1"),
            ("DATABRICKS_CATALOG", "main"),
            ("DATABRICKS_SCHEMA", "weather"),
            ("DATABRICKS_TIMEOUT_SECS", "1.5"),
            ("DATABRICKS_RATE_LIMIT", "12.5"),
            ("DATABRICKS_MAX_RETRIES", "7"),
            ("DATABRICKS_AUTH_TYPE", "pat"),
        ])
        .unwrap();
        assert_eq!(config.warehouse_id(), Some("w1"));
        assert_eq!((config.catalog(), config.schema()), (Some("main"), Some("weather")));
        assert_eq!(config.timeout(), Duration::from_millis(1500));
        assert_eq!(config.rate_limits().client(), Some(Rate::per_second(12.5)));
        assert_eq!(config.retry().max_attempts, 7);
    }

    #[test]
    fn a_bad_number_is_an_error_with_its_name_and_value() {
        for (name, value) in [
            ("DATABRICKS_TIMEOUT_SECS", "soon"),
            ("DATABRICKS_TIMEOUT_SECS", "0"),
            ("DATABRICKS_TIMEOUT_SECS", "-3"),
            ("DATABRICKS_TIMEOUT_SECS", "NaN"),
            ("DATABRICKS_TIMEOUT_SECS", "1e300"),
            ("DATABRICKS_RATE_LIMIT", "fast"),
            ("DATABRICKS_RATE_LIMIT", "0"),
            ("DATABRICKS_RATE_LIMIT", "inf"),
            ("DATABRICKS_MAX_RETRIES", "3.5"),
            ("DATABRICKS_MAX_RETRIES", "-1"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let shown = error.to_string();
            let value = value.parse::<f64>().map_or(value.to_owned(), |v| v.to_string());
            assert!(shown.contains(name) && shown.contains(&value), "{value}: {shown}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_set() {
        for variables in [&[][..], &[(TOKEN, "dapi-secret")], &[(HOST, " "), (TOKEN, "dapi-secret")]] {
            let host = from(variables).unwrap_err().to_string();
            assert!(host.starts_with("DATABRICKS_HOST is not set"), "{host}");
        }
        let token = from(&[(HOST, "h.example"), (TOKEN, " ")]).unwrap_err().to_string();
        assert!(token.contains("pat: DATABRICKS_TOKEN is not set"), "{token}");
    }

    #[test]
    fn the_error_without_a_credential_lists_every_method_and_why_it_does_not_apply() {
        let error = from(&[(HOST, "h.example"), ("DATABRICKS_CLIENT_ID", "id"), ("ARM_USE_MSI", "no")]);
        insta::assert_snapshot!(error.unwrap_err().to_string());
    }

    #[test]
    fn words_are_split_and_kept_once() {
        assert_eq!(words("sql, all-apis  sql,,\tx"), ["sql", "all-apis", "x"]);
        assert!(words(" , ").is_empty());
    }

    #[test]
    fn the_token_wins_over_other_complete_methods() {
        let config = with(&[("DATABRICKS_CLIENT_ID", "id"), ("DATABRICKS_CLIENT_SECRET", "s")]).unwrap();
        assert_eq!(config.auth().unwrap().auth_type(), "pat");
    }

    #[test]
    fn a_bad_host_is_blamed_on_its_variable() {
        let error = from(&[(HOST, "ftp://x"), (TOKEN, "t")]).unwrap_err().to_string();
        assert!(error.starts_with("DATABRICKS_HOST: "), "{error}");
    }
}
