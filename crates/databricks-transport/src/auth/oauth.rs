//! OAuth at the workspace: its token endpoint, found by discovery, and the exchange of a client's id and secret.

use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::authorize::{Authorization, Authorize};
use super::token::{Expiry, Token};
use super::token_call::{TokenCall, TokenCaller};
use crate::config::DatabricksConfig;
use crate::error::{Error, ErrorKind};

/// What a token is good for when nothing else is asked for.
const ALL_APIS: &str = "all-apis";

/// The scopes as OAuth sends them.
pub(super) fn scope(scopes: &[String]) -> String {
    if scopes.is_empty() { ALL_APIS.to_owned() } else { scopes.join(" ") }
}

/// Where a workspace, or an account, says what its token endpoint is.
#[derive(Clone, Debug)]
pub(super) struct Discovery {
    host: Url,
    account_id: Option<String>,
}

impl Discovery {
    pub(super) fn new(config: &DatabricksConfig) -> Self {
        let host = config.host().clone();
        let is_account = host.host_str().is_some_and(|name| name.starts_with("accounts."));
        let account_id = config.account_id().filter(|_| is_account).map(str::to_owned);
        Self { host, account_id }
    }

    fn url(&self) -> Url {
        let mut url = self.host.clone();
        let path = match &self.account_id {
            Some(id) => format!("/oidc/accounts/{}", crate::request::encode_segment(id)),
            None => "/oidc".to_owned(),
        };
        url.set_path(&format!("{path}/.well-known/oauth-authorization-server"));
        url
    }

    pub(super) async fn token_endpoint(&self, purpose: &str, caller: &TokenCaller) -> Result<Url, Error> {
        let answer = caller.call(purpose, TokenCall::get(self.url())).await.map_err(|error| {
            let transient = error.is_retryable();
            let what = format!("{} (looking for the token endpoint)", error.message());
            Error::new(error.kind(), what).with_transient(transient).with_source(error)
        })?;
        let endpoint = answer.get("token_endpoint").and_then(Value::as_str);
        endpoint.and_then(|text| Url::parse(text).ok()).filter(Url::has_host).ok_or_else(|| {
            let host = self.host.host_str().unwrap_or_default();
            let what =
                format!("{purpose}: {host} names no usable `token_endpoint`: check that it is a workspace");
            Error::new(ErrorKind::Auth, what)
        })
    }
}

/// The client credentials grant (`oauth-m2m`).
#[derive(Debug)]
pub(super) struct ClientCredentials {
    pub(super) caller: TokenCaller,
    pub(super) discovery: Discovery,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    pub(super) scopes: Vec<String>,
}

impl Authorize for ClientCredentials {
    async fn authorize(&self) -> Result<Authorization, Error> {
        let purpose = self.auth_type();
        let endpoint = self.discovery.token_endpoint(purpose, &self.caller).await?;
        let call = TokenCall::post(endpoint)
            .basic(&self.client_id, &self.client_secret)
            .field("grant_type", "client_credentials")
            .field("scope", &scope(&self.scopes));
        let answer = self.caller.call(purpose, call).await?;
        Token::read(purpose, &answer, "access_token", &[Expiry::In("expires_in")])?.authorization(purpose)
    }

    fn auth_type(&self) -> &str {
        "oauth-m2m"
    }
}
