//! Token federation: a token of another issuer (a file, a variable, GitHub) is exchanged at the workspace.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use url::Url;

use super::authorize::{Authorization, Authorize};
use super::oauth::{Discovery, scope};
use super::token::{Expiry, Token};
use super::token_call::{TokenCall, TokenCaller};
use crate::config::{Federation, IdToken};
use crate::error::{Error, ErrorKind};

/// The largest token file that is read, in bytes.
const LARGEST_FILE: u64 = 64 * 1024;

/// The token exchange grant (`env-oidc`, `file-oidc`, `github-oidc`).
#[derive(Debug)]
pub(super) struct TokenExchange {
    pub(super) caller: TokenCaller,
    pub(super) discovery: Discovery,
    pub(super) federation: Federation,
    pub(super) auth_type: String,
}

impl Authorize for TokenExchange {
    async fn authorize(&self) -> Result<Authorization, Error> {
        let purpose = self.auth_type.as_str();
        let endpoint = self.discovery.token_endpoint(purpose, &self.caller).await?;
        let subject = self.subject(&endpoint).await?;
        let call = TokenCall::post(endpoint)
            .field("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .field("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .secret_field("subject_token", &subject)
            .field("scope", &scope(&self.federation.scopes));
        let call = match &self.federation.client_id {
            Some(client_id) => call.field("client_id", client_id),
            None => call,
        };
        let answer = self.caller.call(purpose, call).await?;
        Token::read(purpose, &answer, "access_token", &[Expiry::In("expires_in")])?.authorization(purpose)
    }

    fn auth_type(&self) -> &str {
        &self.auth_type
    }
}

impl TokenExchange {
    /// The token to exchange, fetched anew each time: its issuer renews it.
    async fn subject(&self, endpoint: &Url) -> Result<SecretString, Error> {
        match &self.federation.id_token {
            IdToken::Text(token) => self.whole(token.expose_secret(), "the variable of the token"),
            IdToken::File(path) => {
                let text = self.read(path).await?;
                self.whole(text.expose_secret(), &path.display().to_string())
            }
            IdToken::GitHub { request_url, request_token } => {
                let audience = self.federation.audience.as_deref().unwrap_or(endpoint.as_str());
                self.of_github(request_url, request_token, audience).await
            }
        }
    }

    fn failed(&self, what: &str) -> Error {
        Error::new(ErrorKind::Auth, format!("{}: {what}", self.auth_type))
    }

    fn whole(&self, text: &str, place: &str) -> Result<SecretString, Error> {
        // Editors and shells of Windows begin a file with a mark.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(self.failed(&format!("{place} is empty")));
        }
        Ok(text.to_owned().into())
    }

    async fn read(&self, path: &Path) -> Result<SecretString, Error> {
        let unreadable = |error: std::io::Error| {
            self.failed(&format!("the token file {} cannot be read: {error}", path.display()))
                .with_source(error)
        };
        let mut bytes = Vec::new();
        let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).await.map_err(unreadable)?;
        let is_token = bytes.len() as u64 <= LARGEST_FILE;
        let text = String::from_utf8(bytes).ok().filter(|_| is_token);
        let text = text.ok_or_else(|| self.failed(&format!("the file {} holds no token", path.display())))?;
        Ok(text.into())
    }

    async fn of_github(
        &self,
        request_url: &str,
        request_token: &SecretString,
        audience: &str,
    ) -> Result<SecretString, Error> {
        let mut url = Url::parse(request_url).ok().filter(Url::has_host).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                format!(
                    "{}: ACTIONS_ID_TOKEN_REQUEST_URL is not a URL: allow the job `id-token: write`",
                    self.auth_type
                ),
            )
        })?;
        url.query_pairs_mut().append_pair("audience", audience);
        let answer = self.caller.call(&self.auth_type, TokenCall::get(url).bearer(request_token)).await?;
        match answer.get("value").and_then(Value::as_str).map(str::trim) {
            Some(token) if !token.is_empty() => Ok(token.to_owned().into()),
            _ => Err(self.failed("GitHub's answer has no `value`, so it is no token")),
        }
    }
}
