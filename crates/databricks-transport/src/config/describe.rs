//! What a configuration holds and where each value came from, for people to read.

use std::fmt;

use super::setting::Origin;
use super::{CircuitBreakerConfig, DatabricksConfig};
use crate::error::OneLine;

/// A configuration in words, by [`DatabricksConfig::describe`]: one line a setting, secrets as `***`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The way to authenticate, such as `oauth-m2m`; `None` without a credential.
    pub auth_type: Option<String>,
    /// The methods that are configured too and not used.
    pub ignored_auth_types: Vec<String>,
    /// The settings that were given, in a fixed order.
    pub settings: Vec<DescribedSetting>,
}

/// One setting of a [`Description`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescribedSetting {
    /// Its name, as in a profile: `client_id`.
    pub name: &'static str,
    /// Its value; `***` for a secret.
    pub value: String,
    /// Where it was set: `code`, a variable's name, or a profile and its file.
    pub origin: String,
}

pub(super) fn describe(config: &DatabricksConfig) -> Description {
    let credential = config.credential.as_ref();
    let settings = config.settings.iter().map(|(key, value)| DescribedSetting {
        name: key.name(),
        value: value.shown(key),
        origin: value.origin.to_string(),
    });
    Description {
        auth_type: credential.map(|credential| credential.auth.auth_type().to_owned()),
        ignored_auth_types: credential
            .map(|credential| credential.ignored.iter().map(|name| (*name).to_owned()).collect())
            .unwrap_or_default(),
        settings: settings.chain(in_code_alone(config)).collect(),
    }
}

/// The settings that no variable and no profile has, where they are not what they are anyway.
fn in_code_alone(config: &DatabricksConfig) -> impl Iterator<Item = DescribedSetting> {
    let breaker =
        Some(&config.circuit_breaker).filter(|breaker| **breaker != CircuitBreakerConfig::default());
    let product = config.product.as_ref().map(|(name, version)| format!("{name}/{version}"));
    let values = [
        ("circuit_breaker", breaker.map(CircuitBreakerConfig::in_words)),
        ("plain_http", config.plain_http.then(|| "true".to_owned())),
        ("product", product),
    ];
    let origin = || Origin::Code.to_string();
    values.into_iter().filter_map(move |(name, value)| {
        value.map(|value| DescribedSetting { name, value, origin: origin() })
    })
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "authentication: {}", self.auth_type.as_deref().unwrap_or("none"))?;
        if !self.ignored_auth_types.is_empty() {
            write!(f, " (also configured and not used: {})", self.ignored_auth_types.join(", "))?;
        }
        for DescribedSetting { name, value, origin } in &self.settings {
            write!(f, "\n{name} = {} ({origin})", OneLine(value))?;
        }
        Ok(())
    }
}
