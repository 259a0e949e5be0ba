//! Which token of another issuer is exchanged for one of the workspace.

use std::path::PathBuf;

use secrecy::SecretString;

/// Token federation: which foreign token is exchanged, and for whom.
///
/// ```
/// use databricks_transport::{AuthConfig, Federation, IdToken};
///
/// let federation = Federation::new(IdToken::File("/var/run/secrets/tokens/databricks".into()))
///     .with_client_id("5c8a1f2e-0000-0000-0000-000000000000");
/// assert_eq!(AuthConfig::Federation(federation).auth_type(), "file-oidc");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Federation {
    /// Where the foreign token comes from.
    pub id_token: IdToken,
    /// The service principal that the workload acts as. Without one the account's federation policy decides by the
    /// token's subject.
    pub client_id: Option<String>,
    /// The audience that a foreign token is asked for; the workspace's token endpoint unless set.
    pub audience: Option<String>,
    /// What the token shall be good for; empty means `all-apis`.
    pub scopes: Vec<String>,
}

impl Federation {
    /// Exchanges this token.
    pub fn new(id_token: IdToken) -> Self {
        Self { id_token, client_id: None, audience: None, scopes: Vec::new() }
    }

    /// Acts as this service principal.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Asks for a foreign token that is meant for this audience.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Asks for these scopes.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }
}

/// A token of another issuer, or where to get it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IdToken {
    /// The token itself, as it was in a variable of the environment when the configuration was read.
    Text(SecretString),
    /// A file, read again for every exchange, as its owner renews it.
    File(PathBuf),
    /// The token service of GitHub Actions: [`IdToken::github`].
    #[non_exhaustive]
    GitHub {
        /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
        request_url: String,
        /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
        request_token: SecretString,
    },
}

impl IdToken {
    /// The token service of GitHub Actions, by what its two variables hold.
    pub fn github(request_url: impl Into<String>, request_token: impl Into<SecretString>) -> Self {
        Self::GitHub { request_url: request_url.into(), request_token: request_token.into() }
    }

    pub(super) fn auth_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "env-oidc",
            Self::File(_) => "file-oidc",
            Self::GitHub { .. } => "github-oidc",
        }
    }
}
