//! Which way to authenticate the settings describe. A function of values, apart from looking for programs on the `PATH`.

use std::path::{Path, PathBuf};

use super::auth::{AuthConfig, Credential};
use super::federation::{Federation, IdToken};
use super::load::Typed;
use super::setting::{Key, Origin, Settings, Value};
use crate::error::{Error, ErrorKind};
use crate::redact::scrubbed;

/// The methods in the order in which they are considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Pat,
    OAuthM2m,
    AzureClientSecret,
    EnvOidc,
    FileOidc,
    GithubOidc,
    AzureCli,
    DatabricksCli,
    AzureMsi,
}

/// Names that official tools know and this client does not.
const FOREIGN: &[&str] = &[
    "azure-devops-oidc",
    "basic",
    "external-browser",
    "github-oidc-azure",
    "google-credentials",
    "google-id",
    "metadata-service",
    "model-serving",
    "runtime",
    "runtime-oauth",
];

impl Method {
    const ALL: &[Self] = &[
        Self::Pat,
        Self::OAuthM2m,
        Self::AzureClientSecret,
        Self::EnvOidc,
        Self::FileOidc,
        Self::GithubOidc,
        Self::AzureCli,
        Self::DatabricksCli,
        Self::AzureMsi,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pat => "pat",
            Self::OAuthM2m => "oauth-m2m",
            Self::AzureClientSecret => "azure-client-secret",
            Self::EnvOidc => "env-oidc",
            Self::FileOidc => "file-oidc",
            Self::GithubOidc => "github-oidc",
            Self::AzureCli => "azure-cli",
            Self::DatabricksCli => "databricks-cli",
            Self::AzureMsi => "azure-msi",
        }
    }

    /// The settings that this method cannot do without.
    const fn needs(self) -> &'static [Key] {
        match self {
            Self::Pat => &[Key::Token],
            Self::OAuthM2m => &[Key::ClientId, Key::ClientSecret],
            Self::AzureClientSecret => &[Key::AzureTenantId, Key::AzureClientId, Key::AzureClientSecret],
            Self::EnvOidc => &[Key::OidcToken],
            Self::FileOidc => &[Key::OidcTokenFile],
            Self::GithubOidc => &[Key::GithubRequestUrl, Key::GithubRequestToken, Key::ClientId],
            Self::AzureMsi => &[Key::AzureUseMsi],
            Self::AzureCli | Self::DatabricksCli => &[],
        }
    }

    /// Whether it works on a machine without anybody having configured it for this program. Such a method is only used
    /// when nothing else is configured.
    const fn is_ambient(self) -> bool {
        matches!(self, Self::AzureCli | Self::DatabricksCli)
    }
}

/// What the choice is made from.
pub(super) struct Choice<'a> {
    pub(super) settings: &'a Settings,
    pub(super) typed: &'a Typed,
    pub(super) host: &'a url::Url,
    /// The folders where programs are looked for, as `PATH` has them.
    pub(super) path: Option<&'a str>,
}

impl Choice<'_> {
    /// The credential: of the method that is asked for, else of the first that is complete, where what code sets goes
    /// before what the environment sets and that before what the profile sets.
    pub(super) fn credential(&self) -> Result<Credential, Error> {
        if let Some(asked) = self.settings.get(Key::AuthType).filter(|asked| !self.is_overruled(asked)) {
            return self.forced(asked);
        }
        let mut ready = Vec::new();
        let mut ambient = Vec::new();
        let mut skipped = Vec::new();
        for method in Method::ALL {
            match self.assess(*method) {
                Ok(auth) if method.is_ambient() => ambient.push((*method, auth)),
                Ok(auth) => ready.push((*method, auth)),
                Err(why) => skipped.push(format!("{}: {why}", method.name())),
            }
        }
        // A stable sort: within one source the documented order stays.
        ready.sort_by_key(|(method, _)| self.rank(*method));
        let mut ready = ready.into_iter();
        if let Some((method, auth)) = ready.next() {
            return Ok(self.chosen(method, auth, ready.map(|(method, _)| method.name()).collect()));
        }
        let mut ambient = ambient.into_iter();
        let Some((method, auth)) = ambient.next() else { return Err(self.nothing(&skipped)) };
        let mut credential = Credential::new(auth, self.origin(method));
        credential.fallbacks = ambient.map(|(_, auth)| auth).collect();
        credential.skipped = skipped;
        Ok(credential)
    }

    /// Whether code sets all that a method needs, while the method asked for is not code's choice.
    fn is_overruled(&self, asked: &Value) -> bool {
        let in_code = |key: &Key| self.settings.get(*key).is_some_and(|value| value.origin == Origin::Code);
        let is_whole = |method: &&Method| !method.needs().is_empty() && method.needs().iter().all(in_code);
        let mut of_code = Method::ALL.iter().filter(is_whole);
        asked.origin != Origin::Code && of_code.any(|method| self.assess(*method).is_ok())
    }

    fn chosen(&self, method: Method, auth: AuthConfig, ignored: Vec<&'static str>) -> Credential {
        if !ignored.is_empty() {
            tracing::warn!(
                used = method.name(),
                ?ignored,
                "several ways to authenticate are configured; name one by {} to be sure",
                Key::AuthType.variable()
            );
        }
        Credential { ignored, ..Credential::new(auth, self.origin(method)) }
    }

    fn forced(&self, asked: &Value) -> Result<Credential, Error> {
        let (name, label) = (asked.text(), asked.label(Key::AuthType));
        let Some(method) = Method::ALL.iter().find(|method| method.name() == name) else {
            let known: Vec<_> = Method::ALL.iter().map(|method| method.name()).collect();
            let what = if FOREIGN.contains(&name) { "not supported by this client" } else { "no auth type" };
            return Err(config_error(format!(
                "{label} is `{}`, {what}: use one of {}",
                scrubbed(name),
                known.join(", ")
            )));
        };
        match self.assess(*method) {
            Ok(auth) => Ok(Credential::new(auth, self.origin(*method))),
            Err(why) => Err(config_error(format!(
                "{label} asks for `{name}`, which is not complete: {why}{}",
                self.note()
            ))),
        }
    }

    fn nothing(&self, skipped: &[String]) -> Error {
        let host = self.host.host_str().unwrap_or_default();
        let methods = skipped.join("; ");
        config_error(format!("no way to authenticate to {host} is configured: {methods}{}", self.note()))
    }

    fn note(&self) -> String {
        self.settings.file_note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default()
    }

    /// The most explicit source of what a method uses.
    fn rank(&self, method: Method) -> u8 {
        let values = method.needs().iter().filter_map(|key| self.settings.get(*key));
        values.map(|value| value.origin.rank()).min().unwrap_or(u8::MAX)
    }

    fn origin(&self, method: Method) -> String {
        let labels = method.needs().iter().filter_map(|key| Some(self.settings.get(*key)?.label(*key)));
        let labels: Vec<_> = labels.collect();
        if labels.is_empty() { "this machine".to_owned() } else { labels.join(" and ") }
    }

    /// What a method needs and has, or why it does not apply.
    fn assess(&self, method: Method) -> Result<AuthConfig, String> {
        self.complete(method.needs())?;
        let text = |key: Key| self.settings.text(key).unwrap_or_default().to_owned();
        let secret = |key: Key| self.settings.get(key).map(Value::secret).unwrap_or_default();
        match method {
            Method::Pat => Ok(AuthConfig::PersonalAccessToken { token: secret(Key::Token) }),
            Method::OAuthM2m => Ok(AuthConfig::OAuth {
                client_id: text(Key::ClientId),
                client_secret: secret(Key::ClientSecret),
                scopes: self.typed.scopes.clone(),
            }),
            Method::AzureClientSecret => Ok(AuthConfig::ServicePrincipal {
                tenant_id: text(Key::AzureTenantId),
                client_id: text(Key::AzureClientId),
                client_secret: secret(Key::AzureClientSecret),
            }),
            Method::EnvOidc => Ok(self.federation(IdToken::Text(secret(Key::OidcToken)))),
            Method::FileOidc => Ok(self.federation(IdToken::File(text(Key::OidcTokenFile).into()))),
            Method::GithubOidc => Ok(self.federation(IdToken::GitHub {
                request_url: text(Key::GithubRequestUrl),
                request_token: secret(Key::GithubRequestToken),
            })),
            Method::AzureCli => self.azure_cli(),
            Method::DatabricksCli => self.databricks_cli(),
            Method::AzureMsi if self.typed.azure_use_msi => {
                Ok(AuthConfig::ManagedIdentity { client_id: self.own(Key::AzureClientId) })
            }
            Method::AzureMsi => Err(format!("{} is false", Key::AzureUseMsi.variable())),
        }
    }

    fn own(&self, key: Key) -> Option<String> {
        self.settings.text(key).map(str::to_owned)
    }

    fn complete(&self, needs: &[Key]) -> Result<(), String> {
        let (have, missing): (Vec<Key>, Vec<Key>) =
            needs.iter().partition(|key| self.settings.get(**key).is_some());
        let names = |keys: &[Key]| keys.iter().map(|key| self.wanted(*key)).collect::<Vec<_>>().join(" and ");
        let verb = |keys: &[Key]| if keys.len() == 1 { "is" } else { "are" };
        match (missing.is_empty(), have.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => Err(format!("{} {} not set", names(&missing), verb(&missing))),
            (false, false) => {
                let labels = have.iter().filter_map(|key| Some(self.settings.get(*key)?.label(*key)));
                let labels = labels.collect::<Vec<_>>().join(" and ");
                Err(format!("{} {} not set beside {labels}", names(&missing), verb(&missing)))
            }
        }
    }

    /// The variable to set. That of the foreign token is itself a setting.
    fn wanted(&self, key: Key) -> String {
        match (key, self.settings.get(Key::OidcTokenEnv)) {
            (Key::OidcToken, Some(named)) => {
                format!("{} (named by {})", scrubbed(named.text()), named.label(Key::OidcTokenEnv))
            }
            _ => key.variable().to_owned(),
        }
    }

    fn federation(&self, id_token: IdToken) -> AuthConfig {
        AuthConfig::Federation(Federation {
            id_token,
            client_id: self.own(Key::ClientId),
            audience: self.own(Key::TokenAudience),
            scopes: self.typed.scopes.clone(),
        })
    }

    fn is_forced(&self) -> bool {
        self.settings.get(Key::AuthType).is_some()
    }

    fn azure_cli(&self) -> Result<AuthConfig, String> {
        let is_azure = crate::auth::AzureCloud::of_host(self.host.host_str().unwrap_or_default()).is_some()
            || self.settings.get(Key::AzureResourceId).is_some();
        if !self.is_forced() && !is_azure {
            return Err("the host is not one of Azure's".to_owned());
        }
        self.not_msi()?;
        let path = self.find("az")?;
        Ok(AuthConfig::AzureCli { path, tenant_id: self.own(Key::AzureTenantId) })
    }

    fn databricks_cli(&self) -> Result<AuthConfig, String> {
        self.not_msi()?;
        let path = self.find(self.settings.text(Key::CliPath).unwrap_or("databricks"))?;
        let config_file = self.own(Key::ConfigFile).map(PathBuf::from);
        Ok(AuthConfig::DatabricksCli { path, profile: self.own(Key::Profile), config_file })
    }

    /// Whoever asks for the machine's identity does not want that of the person who is signed in on it.
    fn not_msi(&self) -> Result<(), String> {
        match self.settings.get(Key::AzureUseMsi) {
            Some(asked) if self.typed.azure_use_msi && !self.is_forced() => {
                Err(format!("{} asks for azure-msi", asked.label(Key::AzureUseMsi)))
            }
            _ => Ok(()),
        }
    }

    /// A program by its path, or by its name on the `PATH`.
    fn find(&self, program: &str) -> Result<PathBuf, String> {
        let given = Path::new(program);
        if given.components().count() > 1 {
            return if given.is_file() { Ok(given.into()) } else { Err(format!("there is no {program}")) };
        }
        let folders = self.path.map(std::env::split_paths).into_iter().flatten();
        let suffixes = if cfg!(windows) { &[".exe", ".cmd", ""][..] } else { &[""] };
        let mut candidates = folders
            .flat_map(|folder| suffixes.iter().map(move |suffix| folder.join(format!("{program}{suffix}"))));
        candidates.find(|path| path.is_file()).ok_or_else(|| format!("`{program}` is not on the PATH"))
    }
}

fn config_error(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}
