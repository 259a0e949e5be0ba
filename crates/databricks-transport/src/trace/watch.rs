//! What the layers of a stack need to know in order to show what they do: whose traffic it is, how much may be shown, and
//! which secrets the client knows.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::endpoint::Endpoint;
use crate::config::{AuthConfig, DatabricksConfig, DebugConfig, IdToken};
use crate::rate_limit::{OTHERS, RateLimits};
use crate::redact::Secrets;

/// Whose traffic a stack carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// The workspace's API.
    Api,
    /// Presigned storage links. They are credentials themselves, so nothing of them is shown.
    Storage,
    /// Token endpoints. Bodies are secrets.
    Token,
}

/// Shared by the layers of a stack.
#[derive(Debug)]
pub(crate) struct Watch {
    traffic: Traffic,
    debug: DebugConfig,
    known: Secrets,
    limits: RateLimits,
    /// One for each class of the limits, in their order.
    classes: Vec<Arc<Endpoint>>,
    /// For everything else.
    others: Arc<Endpoint>,
}

impl Watch {
    pub(crate) fn new(config: &DatabricksConfig, traffic: Traffic) -> Arc<Self> {
        let limits = config.rate_limits().clone();
        let classes = limits.classes().map(|(prefix, _)| Endpoint::new(prefix)).collect();
        let others = Endpoint::new(match traffic {
            Traffic::Api => OTHERS,
            Traffic::Storage => "storage",
            Traffic::Token => "token",
        });
        Arc::new(Self { traffic, debug: config.debug(), known: configured(config), limits, classes, others })
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    pub(crate) fn debug(&self) -> DebugConfig {
        self.debug
    }

    /// The secrets that the client was configured with.
    pub(crate) fn known(&self) -> &Secrets {
        &self.known
    }

    /// What a call to this path is counted under.
    pub(super) fn endpoint(&self, path: &str) -> Arc<Endpoint> {
        if self.traffic != Traffic::Api {
            return Arc::clone(&self.others);
        }
        let class = self.limits.position_of(path).and_then(|at| self.classes.get(at));
        Arc::clone(class.unwrap_or(&self.others))
    }
}

/// Every secret of a configuration, used or not.
fn configured(config: &DatabricksConfig) -> Secrets {
    let mut secrets = Secrets::default();
    config.secret_settings().for_each(|secret| secrets.add(secret));
    config.proxy_users().for_each(|(user, password)| secrets.add_basic(&user, &password));
    if let Ok(credential) = config.credential() {
        std::iter::once(&credential.auth)
            .chain(&credential.fallbacks)
            .for_each(|auth| add(&mut secrets, auth));
    }
    secrets
}

fn add(secrets: &mut Secrets, auth: &AuthConfig) {
    match auth {
        AuthConfig::PersonalAccessToken { token } => secrets.add(token.expose_secret()),
        AuthConfig::OAuth { client_id, client_secret, .. }
        | AuthConfig::ServicePrincipal { client_id, client_secret, .. } => {
            secrets.add_basic(client_id, client_secret.expose_secret());
        }
        AuthConfig::Federation(federation) => match &federation.id_token {
            IdToken::Text(token) => secrets.add(token.expose_secret()),
            IdToken::GitHub { request_token, .. } => secrets.add(request_token.expose_secret()),
            IdToken::File(_) => {}
        },
        // These ask for their tokens, which are known once they sign a request.
        AuthConfig::AzureCli { .. }
        | AuthConfig::DatabricksCli { .. }
        | AuthConfig::ManagedIdentity { .. }
        | AuthConfig::Custom(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_endpoint_is_a_class_and_never_a_path() {
        let config = DatabricksConfig::new("h.example").unwrap();
        for (traffic, path, expected) in [
            (Traffic::Api, "/api/2.0/sql/statements/01ef", "/sql/statements"),
            (Traffic::Api, "/api/2.2/jobs/runs/get", "/jobs/runs/get"),
            (Traffic::Api, "/api/2.0/whatever/hunter2", "default"),
            (Traffic::Storage, "/hunter2", "storage"),
            (Traffic::Token, "/hunter2", "token"),
        ] {
            assert_eq!(Watch::new(&config, traffic).endpoint(path).name(), expected, "{path}");
        }
    }

    #[test]
    fn every_configured_secret_is_known_and_not_shown() {
        let config = DatabricksConfig::new("h.example").unwrap().with_token("hunter2-token".to_owned());
        let watch = Watch::new(&config, Traffic::Api);
        assert_eq!(watch.known().masked("hunter2-token"), "***");
        assert!(!format!("{watch:?}").contains("hunter2"));
    }

    #[test]
    fn the_password_of_a_proxy_is_known_in_every_spelling_wherever_it_was_set() {
        let url = "http://me:hunter2%2f%20x@p:1";
        let in_code = DatabricksConfig::new("h.example").unwrap().with_proxy(url).with_no_proxy("*");
        let of_variables = DatabricksConfig::from_vars(|name| match name {
            "DATABRICKS_HOST" => Some("h.example".to_owned()),
            "DATABRICKS_TOKEN" => Some("t".to_owned()),
            "all_proxy" => Some(url.to_owned()),
            _ => None,
        });
        for config in [in_code, of_variables.unwrap()] {
            let watch = Watch::new(&config, Traffic::Api);
            // `me:hunter2/ x`
            let said = "hunter2/ x, hunter2%2f%20x, hunter2%2F%20x, hunter2%2F+x, bWU6aHVudGVyMi8geA==";
            assert_eq!(watch.known().masked(said), "***, ***, ***, ***, ***");
        }
        let token = DatabricksConfig::new("h.example").unwrap().with_proxy("http://hunter2-token@p:1");
        assert_eq!(Watch::new(&token, Traffic::Api).known().masked("hunter2-token"), "***");
    }
}
