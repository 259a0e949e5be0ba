//! From a configured credential to what signs requests.

use std::sync::Arc;

use super::Source;
use super::authorize::DynAuthorize;
use super::azure::{AzureWorkspace, ManagedIdentity, ServicePrincipal};
use super::cache::TokenCache;
use super::chain::FirstThatWorks;
use super::cli::{AzureCli, DatabricksCli};
use super::federation::TokenExchange;
use super::oauth::{ClientCredentials, Discovery};
use super::token_call::TokenCaller;
use crate::config::{AuthConfig, Credential, DatabricksConfig};
use crate::error::Error;
use crate::service::Exchange;
use crate::stack::Jitter;

/// The source of the configured credential. Its token calls end at `leaf`, and wait between attempts by `jitter`.
pub(crate) fn source(
    config: &DatabricksConfig,
    leaf: impl Exchange,
    jitter: &Jitter,
) -> Result<Source, Error> {
    let credential = config.credential()?;
    if let AuthConfig::PersonalAccessToken { token } = &credential.auth {
        return Ok(Source::Fixed(credential.header(token)?));
    }
    let caller = TokenCaller::new(leaf, config, jitter.clone());
    Ok(Source::Renewed(TokenCache::new(of_credential(credential, config, &caller))))
}

fn of_credential(
    credential: &Credential,
    config: &DatabricksConfig,
    caller: &TokenCaller,
) -> Arc<dyn DynAuthorize> {
    let tried = std::iter::once(&credential.auth).chain(&credential.fallbacks);
    let mut methods: Vec<_> = tried.filter_map(|auth| method(auth, config, caller)).collect();
    match methods.pop() {
        Some(only) if methods.is_empty() && credential.skipped.is_empty() => only,
        last => {
            methods.extend(last);
            Arc::new(FirstThatWorks::new(methods, credential.skipped.clone()))
        }
    }
}

fn method(
    auth: &AuthConfig,
    config: &DatabricksConfig,
    caller: &TokenCaller,
) -> Option<Arc<dyn DynAuthorize>> {
    let caller = caller.clone();
    Some(match auth.clone() {
        // Signed without asking anybody.
        AuthConfig::PersonalAccessToken { .. } => return None,
        AuthConfig::OAuth { client_id, client_secret, scopes } => {
            let discovery = Discovery::new(config);
            Arc::new(ClientCredentials { caller, discovery, client_id, client_secret, scopes })
        }
        AuthConfig::ServicePrincipal { tenant_id, client_id, client_secret } => {
            let workspace = AzureWorkspace::new(config);
            Arc::new(ServicePrincipal { caller, workspace, tenant_id, client_id, client_secret })
        }
        AuthConfig::Federation(federation) => {
            let (discovery, auth_type) = (Discovery::new(config), auth.auth_type().to_owned());
            Arc::new(TokenExchange { caller, discovery, federation, auth_type })
        }
        AuthConfig::AzureCli { path, tenant_id } => {
            Arc::new(AzureCli::new(path, AzureWorkspace::new(config), tenant_id))
        }
        AuthConfig::DatabricksCli { path, profile, config_file } => {
            let cli = DatabricksCli::new(path, profile.as_deref(), config.host(), config.account_id());
            Arc::new(cli.reading(config_file))
        }
        AuthConfig::ManagedIdentity { client_id } => {
            let workspace = AzureWorkspace::new(config);
            Arc::new(ManagedIdentity { caller, workspace, client_id })
        }
        AuthConfig::Custom(custom) => custom.0,
    })
}
