//! Credentials as they are configured. Secrets stay in `SecretString`, which prints nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::federation::Federation;
use crate::auth::{Authorize, DynAuthorize};
use crate::error::{Error, ErrorKind};

/// How requests are signed.
///
/// The official tools know the same methods by the names that [`auth_type`](AuthConfig::auth_type) gives. `Debug` never
/// shows a secret.
///
/// ```
/// use databricks_transport::{AuthConfig, DatabricksConfig};
///
/// # fn run() -> Result<(), databricks_transport::Error> {
/// let auth = AuthConfig::oauth("5c8a1f2e-0000-0000-0000-000000000000", "dose-example").with_scopes(["sql"]);
/// let config = DatabricksConfig::new("h.example")?.with_auth(auth);
/// # let _ = config;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuthConfig {
    /// A personal access token, sent as it is (`pat`).
    #[non_exhaustive]
    PersonalAccessToken {
        /// The token, such as `dapi...`.
        token: SecretString,
    },
    /// OAuth for machines (`oauth-m2m`): a service principal's id and secret are exchanged at the workspace's own token
    /// endpoint, which the workspace names itself.
    #[non_exhaustive]
    OAuth {
        /// The application id of the service principal.
        client_id: String,
        /// Its OAuth secret, such as `dose...`.
        client_secret: SecretString,
        /// What the token shall be good for; empty means `all-apis`.
        scopes: Vec<String>,
    },
    /// A service principal of Azure (`azure-client-secret`), which signs in at Microsoft Entra.
    #[non_exhaustive]
    ServicePrincipal {
        /// The tenant (directory) id.
        tenant_id: String,
        /// The application (client) id.
        client_id: String,
        /// The client secret.
        client_secret: SecretString,
    },
    /// A token of another issuer is exchanged for one of the workspace (`env-oidc`, `file-oidc`, `github-oidc`).
    Federation(Federation),
    /// The account that `az login` signed in (`azure-cli`).
    #[non_exhaustive]
    AzureCli {
        /// The program: a path, or a name to look up (`az`).
        path: PathBuf,
        /// The tenant to ask for, when it is not the account's own.
        tenant_id: Option<String>,
    },
    /// The account that `databricks auth login` signed in (`databricks-cli`).
    #[non_exhaustive]
    DatabricksCli {
        /// The program: a path, or a name to look up.
        path: PathBuf,
        /// The profile to ask for. Without one the workspace's host decides.
        profile: Option<String>,
        /// The configuration file that has the profile, when it is not the tool's own choice.
        config_file: Option<PathBuf>,
    },
    /// The identity of the Azure machine that this runs on (`azure-msi`).
    #[non_exhaustive]
    ManagedIdentity {
        /// The client id of a user-assigned identity; `None` for the machine's own.
        client_id: Option<String>,
    },
    /// Credentials of the program's own making; see [`Authorize`].
    Custom(CustomAuth),
}

impl AuthConfig {
    /// A personal access token, such as `dapi...`.
    pub fn pat(token: impl Into<SecretString>) -> Self {
        Self::PersonalAccessToken { token: token.into() }
    }

    /// OAuth for machines: the application id of a service principal and its OAuth secret, good for `all-apis` unless
    /// [`with_scopes`](AuthConfig::with_scopes) says less.
    pub fn oauth(client_id: impl Into<String>, client_secret: impl Into<SecretString>) -> Self {
        Self::OAuth { client_id: client_id.into(), client_secret: client_secret.into(), scopes: Vec::new() }
    }

    /// A service principal of Azure, which signs in at Microsoft Entra.
    pub fn service_principal(
        tenant_id: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<SecretString>,
    ) -> Self {
        Self::ServicePrincipal {
            tenant_id: tenant_id.into(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
        }
    }

    /// The account that `az login` signed in: the program, and the tenant when it is not the account's own.
    pub fn azure_cli(path: impl Into<PathBuf>, tenant_id: Option<String>) -> Self {
        Self::AzureCli { path: path.into(), tenant_id }
    }

    /// The account that `databricks auth login` signed in: the program, and the profile when not the host decides.
    pub fn databricks_cli(path: impl Into<PathBuf>, profile: Option<String>) -> Self {
        Self::DatabricksCli { path: path.into(), profile, config_file: None }
    }

    /// The identity of the Azure machine that this runs on; of a user-assigned one the client id.
    pub fn managed_identity(client_id: Option<String>) -> Self {
        Self::ManagedIdentity { client_id }
    }

    /// What the token shall be good for. Only OAuth for machines and federation have scopes; the others stay as they are.
    #[must_use]
    pub fn with_scopes(mut self, wanted: impl IntoIterator<Item = impl Into<String>>) -> Self {
        if let Self::OAuth { scopes, .. } | Self::Federation(Federation { scopes, .. }) = &mut self {
            *scopes = wanted.into_iter().map(Into::into).collect();
        }
        self
    }

    /// Signs with what an [`Authorize`] of the program's own returns.
    pub fn custom(authorize: impl Authorize) -> Self {
        Self::Custom(CustomAuth(Arc::new(authorize)))
    }

    /// The name that `DATABRICKS_AUTH_TYPE` and the `User-Agent` use.
    pub fn auth_type(&self) -> &str {
        match self {
            Self::PersonalAccessToken { .. } => "pat",
            Self::OAuth { .. } => "oauth-m2m",
            Self::ServicePrincipal { .. } => "azure-client-secret",
            Self::Federation(federation) => federation.id_token.auth_type(),
            Self::AzureCli { .. } => "azure-cli",
            Self::DatabricksCli { .. } => "databricks-cli",
            Self::ManagedIdentity { .. } => "azure-msi",
            Self::Custom(custom) => custom.0.auth_type(),
        }
    }
}

/// An [`Authorize`] of the program's own, in an [`AuthConfig`].
#[derive(Clone)]
pub struct CustomAuth(pub(crate) Arc<dyn DynAuthorize>);

impl fmt::Debug for CustomAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CustomAuth").field(&self.0.auth_type()).finish()
    }
}

/// A credential and where it was configured, so that a refusal can say what to look at.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) auth: AuthConfig,
    /// The settings it was made of, in words: `DATABRICKS_TOKEN`.
    pub(crate) origin: String,
    /// What is tried when `auth` does not work. Only methods that nobody asked for have such.
    pub(crate) fallbacks: Vec<AuthConfig>,
    /// Why the methods that are not tried do not apply.
    pub(crate) skipped: Vec<String>,
    /// The methods that are complete too and not used.
    pub(crate) ignored: Vec<&'static str>,
}

impl Credential {
    pub(crate) fn new(auth: AuthConfig, origin: impl Into<String>) -> Self {
        let origin = origin.into();
        Self { auth, origin, fallbacks: Vec::new(), skipped: Vec::new(), ignored: Vec::new() }
    }

    /// What was used and from where, in words.
    pub(crate) fn describe(&self) -> String {
        let what = match &self.auth {
            AuthConfig::PersonalAccessToken { .. } => "the personal access token",
            AuthConfig::OAuth { .. } => "the OAuth client",
            AuthConfig::ServicePrincipal { .. } => "the Azure service principal",
            AuthConfig::Federation(_) => "the federated identity",
            AuthConfig::AzureCli { .. } => return "the account of `az login`".to_owned(),
            AuthConfig::DatabricksCli { .. } => return "the account of `databricks auth login`".to_owned(),
            AuthConfig::ManagedIdentity { .. } => return "the managed identity of this machine".to_owned(),
            AuthConfig::Custom(_) => return "the credential of the program's own `Authorize`".to_owned(),
        };
        format!("{what} from {}", self.origin)
    }

    /// Checks that the credential can be sent at all.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let missing = |what: &str| Err(self.unusable(&format!("has no {what}")));
        match &self.auth {
            AuthConfig::PersonalAccessToken { token } => self.header(token).map(drop),
            AuthConfig::OAuth { client_id, client_secret, .. } => {
                match (blank(client_id), blank(client_secret.expose_secret())) {
                    (true, _) => missing("client id"),
                    (_, true) => missing("client secret"),
                    _ => Ok(()),
                }
            }
            AuthConfig::ServicePrincipal { tenant_id, client_id, client_secret } => match () {
                () if !is_tenant(tenant_id) => missing("tenant id (a UUID or a domain name)"),
                () if blank(client_id) => missing("client id"),
                () if blank(client_secret.expose_secret()) => missing("client secret"),
                () => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn unusable(&self, why: &str) -> Error {
        Error::new(ErrorKind::Config, format!("{} {why}", self.describe()))
    }

    /// The header of a personal access token.
    pub(crate) fn header(&self, token: &SecretString) -> Result<HeaderValue, Error> {
        bearer(token).map_err(|why| self.unusable(why))
    }
}

fn blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// A tenant becomes part of a URL that secrets are sent to, so it must not be able to change it.
fn is_tenant(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// The `Authorization` header of a token, marked sensitive so that nothing downstream logs or indexes it.
pub(crate) fn bearer(token: &SecretString) -> Result<HeaderValue, &'static str> {
    const UNUSABLE: &str = "has characters that cannot be sent in a header: copy it again";
    let token = token.expose_secret().trim();
    if token.is_empty() {
        return Err("is empty");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UNUSABLE);
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| UNUSABLE)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::config::IdToken;

    fn pat(token: &str) -> Credential {
        let auth = AuthConfig::PersonalAccessToken { token: token.to_owned().into() };
        Credential::new(auth, "DATABRICKS_TOKEN")
    }

    #[test]
    fn the_header_is_sensitive_and_trimmed() {
        let header = bearer(&" dapi-secret\n".to_owned().into()).unwrap();
        assert!(header.is_sensitive());
        assert_eq!(header.as_bytes(), b"Bearer dapi-secret");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn an_unusable_token_is_refused_without_showing_it() {
        for token in ["", "  ", "sec ret", "sec\u{7}ret", "sécret"] {
            let error = pat(token).validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("DATABRICKS_TOKEN"), "{error}");
            assert!(!error.to_string().contains("ret"), "{error}");
        }
    }

    #[test]
    fn a_tenant_cannot_lead_the_secret_elsewhere() {
        for (tenant, good) in [
            ("72f988bf-86f1-41af-91ab-2d7cd011db47", true),
            ("contoso.onmicrosoft.com", true),
            ("", false),
            ("../evil", false),
            ("a/b", false),
            ("a?b", false),
            ("a@evil.example", false),
        ] {
            let auth = AuthConfig::ServicePrincipal {
                tenant_id: tenant.into(),
                client_id: "c".into(),
                client_secret: "s".into(),
            };
            assert_eq!(Credential::new(auth, "code").validate().is_ok(), good, "{tenant}");
        }
    }

    #[test]
    fn debug_shows_no_secret_of_any_method() {
        struct Own;
        impl Authorize for Own {
            async fn authorize(&self) -> Result<crate::Authorization, Error> {
                crate::Authorization::bearer("hunter2")
            }
        }
        let secret = || SecretString::from("hunter2");
        let github = IdToken::GitHub { request_url: "https://g.example".into(), request_token: secret() };
        let all = [
            AuthConfig::PersonalAccessToken { token: secret() },
            AuthConfig::OAuth { client_id: "c".into(), client_secret: secret(), scopes: Vec::new() },
            AuthConfig::ServicePrincipal {
                tenant_id: "t".into(),
                client_id: "c".into(),
                client_secret: secret(),
            },
            AuthConfig::Federation(Federation::new(IdToken::Text(secret()))),
            AuthConfig::Federation(Federation::new(github)),
            AuthConfig::custom(Own),
        ];
        for auth in all {
            let credential = Credential::new(auth, "code");
            let shown = format!("{credential:?} {credential:#?} {}", credential.describe());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
