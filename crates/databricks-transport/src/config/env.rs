//! The configuration in environment variables.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use super::{AuthConfig, Credential, DatabricksConfig};
use crate::error::{Error, ErrorKind};
use crate::rate_limit::Rate;

const HOST: &str = "DATABRICKS_HOST";
const TOKEN: &str = "DATABRICKS_TOKEN";

/// A week: longer waits are mistakes in the unit.
const MAX_TIMEOUT_SECS: f64 = 604_800.0;

/// Ways to authenticate that the environment may describe, by the variables that make each complete. The first row
/// that is complete is named.
const OTHER_METHODS: &[(&str, &[&str])] = &[
    ("OAuth (client credentials)", &["DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"]),
    ("an Azure service principal", &["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"]),
    ("an Azure service principal", &["ARM_TENANT_ID", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET"]),
    ("an Azure managed identity", &["ARM_USE_MSI"]),
    ("OIDC token federation", &["DATABRICKS_OIDC_TOKEN_ENV"]),
    ("OIDC token federation", &["DATABRICKS_OIDC_TOKEN_FILEPATH"]),
    ("OIDC token federation", &["DATABRICKS_OIDC_TOKEN_FILE"]),
    ("a configuration profile", &["DATABRICKS_CONFIG_PROFILE"]),
];

pub(super) fn config(variable: impl Fn(&str) -> Option<String>) -> Result<DatabricksConfig, Error> {
    let get =
        |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let credential = credential(&get);
    let Some(host) = get(HOST) else {
        return Err(missing_host(get(TOKEN).is_some()));
    };
    let mut config = DatabricksConfig::new(&host)
        .map_err(|error| Error::new(ErrorKind::Config, format!("{HOST}: {}", error.message())))?;
    config.credential = Some(credential?);
    config.warehouse_id = get("DATABRICKS_WAREHOUSE_ID");
    config.catalog = get("DATABRICKS_CATALOG");
    config.schema = get("DATABRICKS_SCHEMA");
    numbers(config, &get)
}

fn numbers(
    mut config: DatabricksConfig,
    get: &impl Fn(&str) -> Option<String>,
) -> Result<DatabricksConfig, Error> {
    const TIMEOUT: &str = "DATABRICKS_TIMEOUT_SECS";
    if let Some(seconds) = number::<f64>(get, TIMEOUT, "a number of seconds")? {
        if !(seconds > 0.0 && seconds <= MAX_TIMEOUT_SECS) {
            return Err(bad_value(TIMEOUT, seconds, "a number of seconds above 0 and up to 604800 (a week)"));
        }
        config.timeout = Duration::from_secs_f64(seconds);
    }
    const RATE: &str = "DATABRICKS_RATE_LIMIT";
    if let Some(per_second) = number::<f64>(get, RATE, "a number of requests a second")? {
        let rate = Rate::per_second(per_second);
        rate.validate()
            .map_err(|error| Error::new(ErrorKind::Config, format!("{RATE}: {}", error.message())))?;
        config.limits = config.limits.with_client(rate);
    }
    if let Some(attempts) = number::<u32>(get, "DATABRICKS_MAX_RETRIES", "a whole number of attempts")? {
        config.retry.max_attempts = attempts;
    }
    Ok(config)
}

fn number<T: FromStr>(
    get: &impl Fn(&str) -> Option<String>,
    name: &str,
    expected: &str,
) -> Result<Option<T>, Error> {
    let Some(text) = get(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| bad_value(name, text, expected))
}

fn bad_value(name: &str, value: impl Display, expected: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name} is `{value}`: it must be {expected}"))
}

fn missing_host(has_token: bool) -> Error {
    let what = if has_token { HOST.to_owned() } else { format!("{HOST} and {TOKEN}") };
    let verb = if has_token { "is" } else { "are" };
    Error::new(
        ErrorKind::Config,
        format!(
            "{what} {verb} not set: set {HOST} to the workspace's URL and {TOKEN} to a personal access token"
        ),
    )
}

/// The token, and a warning for every other method that is complete beside it.
fn credential(get: &impl Fn(&str) -> Option<String>) -> Result<Credential, Error> {
    let others: Vec<_> =
        OTHER_METHODS.iter().filter(|(_, names)| names.iter().all(|name| get(name).is_some())).collect();
    if let Some(wanted) = get("DATABRICKS_AUTH_TYPE").filter(|wanted| wanted != "pat") {
        return Err(unsupported(&format!("DATABRICKS_AUTH_TYPE is `{wanted}`")));
    }
    match (get(TOKEN), others.first()) {
        (Some(token), _) => {
            for (method, names) in others {
                tracing::warn!(variables = ?names, "{TOKEN} is used; {method} is configured too and ignored");
            }
            let auth = AuthConfig::PersonalAccessToken { token: token.into() };
            Ok(Credential { auth, origin: TOKEN })
        }
        (None, Some((method, names))) => {
            let verb = if names.len() == 1 { "is" } else { "are" };
            Err(unsupported(&format!("{} {verb} set, which means {method}", names.join(", "))))
        }
        (None, None) => Err(Error::new(
            ErrorKind::Config,
            format!("{TOKEN} is not set: set it to a personal access token of the workspace"),
        )),
    }
}

fn unsupported(found: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!(
            "{found}: this release supports personal access tokens only, so set {TOKEN} (auth type `pat`)"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use secrecy::ExposeSecret;

    fn from(variables: &[(&str, &str)]) -> Result<DatabricksConfig, Error> {
        config(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
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
        let AuthConfig::PersonalAccessToken { token } = config.auth().unwrap();
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
        let both = from(&[]).unwrap_err().to_string();
        assert!(both.starts_with("DATABRICKS_HOST and DATABRICKS_TOKEN are not set"), "{both}");
        let host = from(&[(TOKEN, "dapi-secret")]).unwrap_err().to_string();
        assert!(host.starts_with("DATABRICKS_HOST is not set"), "{host}");
        let token = from(&[(HOST, "h.example"), (TOKEN, " ")]).unwrap_err().to_string();
        assert!(token.starts_with("DATABRICKS_TOKEN is not set"), "{token}");
    }

    #[test]
    fn other_methods_are_refused_by_name_and_without_their_secrets() {
        for variables in [
            &[("DATABRICKS_CLIENT_ID", "id"), ("DATABRICKS_CLIENT_SECRET", "hunter2")][..],
            &[("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", "hunter2")],
            &[("DATABRICKS_CONFIG_PROFILE", "PROD")],
            &[("DATABRICKS_AUTH_TYPE", "oauth-m2m")],
        ] {
            let error = from(&[&[(HOST, "h.example")], variables].concat()).unwrap_err().to_string();
            assert!(error.contains("personal access tokens only"), "{error}");
            assert!(error.contains(variables[0].0) && !error.contains("hunter2"), "{error}");
        }
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
