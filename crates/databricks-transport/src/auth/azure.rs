//! Azure: its clouds, tokens of Microsoft Entra for a service principal, and the managed identity of a machine.

use futures::future::try_join;
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use super::authorize::{Authorization, Authorize};
use super::token::{Expiry, Token};
use super::token_call::{TokenCall, TokenCaller};
use crate::config::DatabricksConfig;
use crate::error::{Error, ErrorKind};

/// Azure Databricks as a resource of Entra, in every cloud.
pub(super) const DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";
/// The metadata service, at an address that leads nowhere but to the machine's own host.
const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const MANAGEMENT_TOKEN: HeaderName = HeaderName::from_static("x-databricks-azure-sp-management-token");
const RESOURCE_ID: HeaderName = HeaderName::from_static("x-databricks-azure-workspace-resource-id");

/// A cloud of Azure, each with endpoints of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AzureCloud {
    /// The public cloud.
    Public,
    /// Azure Government of the United States.
    UsGovernment,
    /// Azure operated by 21Vianet.
    China,
}

impl AzureCloud {
    /// By a name that `ARM_ENVIRONMENT` may have: `PUBLIC`, `AzurePublicCloud`, `usgovernment`, ...
    pub(crate) fn named(text: &str) -> Option<Self> {
        let name = text.trim().to_ascii_uppercase();
        let name = name.strip_prefix("AZURE").unwrap_or(&name);
        match name.strip_suffix("CLOUD").unwrap_or(name) {
            "PUBLIC" => Some(Self::Public),
            "USGOVERNMENT" => Some(Self::UsGovernment),
            "CHINA" => Some(Self::China),
            _ => None,
        }
    }

    /// By the name of a workspace's host; `None` when it is not one of Azure's.
    pub(crate) fn of_host(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let zones = [
            (".azuredatabricks.net", Self::Public),
            (".databricks.azure.us", Self::UsGovernment),
            (".databricks.azure.cn", Self::China),
        ];
        zones.into_iter().find(|(zone, _)| host.ends_with(zone)).map(|(_, cloud)| cloud)
    }

    /// The name that `ARM_ENVIRONMENT` has for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::UsGovernment => "USGOVERNMENT",
            Self::China => "CHINA",
        }
    }

    const fn entra(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com/",
            Self::UsGovernment => "https://login.microsoftonline.us/",
            Self::China => "https://login.chinacloudapi.cn/",
        }
    }

    const fn management(self) -> &'static str {
        match self {
            Self::Public => "https://management.core.windows.net/",
            Self::UsGovernment => "https://management.core.usgovcloudapi.net/",
            Self::China => "https://management.core.chinacloudapi.cn/",
        }
    }
}

/// The workspace as Azure knows it.
#[derive(Clone, Debug)]
pub(super) struct AzureWorkspace {
    pub(super) cloud: AzureCloud,
    pub(super) resource_id: Option<String>,
}

impl AzureWorkspace {
    pub(super) fn new(config: &DatabricksConfig) -> Self {
        let of_host = || AzureCloud::of_host(config.host().host_str().unwrap_or_default());
        let cloud = config.azure().cloud.or_else(of_host).unwrap_or(AzureCloud::Public);
        Self { cloud, resource_id: config.azure().resource_id.clone() }
    }

    pub(super) fn management(&self) -> &'static str {
        self.cloud.management()
    }

    /// The headers of a token for Databricks, and of one for Azure's management if there is one. They last as long as
    /// the shorter-lived token.
    pub(super) fn authorization(
        &self,
        purpose: &str,
        token: &Token,
        management: Option<&Token>,
    ) -> Result<Authorization, Error> {
        let mut authorization = token.authorization(purpose)?;
        if let Some(id) = &self.resource_id {
            authorization = authorization.with_header(RESOURCE_ID, id.clone())?;
        }
        let Some(management) = management else { return Ok(authorization) };
        let value = management.access_token.expose_secret().to_owned();
        let authorization = authorization.with_header(MANAGEMENT_TOKEN, value)?;
        Ok(match token.lifetime.into_iter().chain(management.lifetime).min() {
            Some(lifetime) => authorization.expires_in(lifetime),
            None => authorization,
        })
    }

    /// Both tokens from one source: that for management only when the workspace's resource id shows that it is needed.
    async fn both<F>(
        &self,
        purpose: &str,
        token_for: impl Fn(&'static str) -> F,
    ) -> Result<Authorization, Error>
    where
        F: Future<Output = Result<Token, Error>>,
    {
        if self.resource_id.is_none() {
            return self.authorization(purpose, &token_for(DATABRICKS).await?, None);
        }
        let (token, management) = try_join(token_for(DATABRICKS), token_for(self.management())).await?;
        self.authorization(purpose, &token, Some(&management))
    }
}

/// The client credentials grant at Entra (`azure-client-secret`).
#[derive(Debug)]
pub(super) struct ServicePrincipal {
    pub(super) caller: TokenCaller,
    pub(super) workspace: AzureWorkspace,
    pub(super) tenant_id: String,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
}

impl Authorize for ServicePrincipal {
    async fn authorize(&self) -> Result<Authorization, Error> {
        self.workspace.both(self.auth_type(), |resource| self.token(resource)).await
    }

    fn auth_type(&self) -> &str {
        "azure-client-secret"
    }
}

impl ServicePrincipal {
    async fn token(&self, resource: &'static str) -> Result<Token, Error> {
        let purpose = self.auth_type();
        let url = format!("{}{}/oauth2/token", self.workspace.cloud.entra(), self.tenant_id);
        let url = Url::parse(&url).map_err(|_| {
            Error::new(ErrorKind::Config, format!("{purpose}: the tenant id `{}` is none", self.tenant_id))
        })?;
        let call = TokenCall::post(url)
            .field("grant_type", "client_credentials")
            .field("client_id", &self.client_id)
            .secret_field("client_secret", &self.client_secret)
            .field("resource", resource);
        let answer = self.caller.call(purpose, call).await?;
        read(purpose, &answer, &[Expiry::In("expires_in"), Expiry::At("expires_on")])
    }
}

/// The identity that Azure gives a machine (`azure-msi`).
#[derive(Debug)]
pub(super) struct ManagedIdentity {
    pub(super) caller: TokenCaller,
    pub(super) workspace: AzureWorkspace,
    pub(super) client_id: Option<String>,
}

impl Authorize for ManagedIdentity {
    async fn authorize(&self) -> Result<Authorization, Error> {
        self.workspace.both(self.auth_type(), |resource| self.token(resource)).await
    }

    fn auth_type(&self) -> &str {
        "azure-msi"
    }
}

impl ManagedIdentity {
    async fn token(&self, resource: &'static str) -> Result<Token, Error> {
        let purpose = self.auth_type();
        let mut url = Url::parse(METADATA)
            .map_err(|error| Error::new(ErrorKind::Config, format!("{purpose}: {error}")))?;
        url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", resource);
        if let Some(client_id) = &self.client_id {
            url.query_pairs_mut().append_pair("client_id", client_id);
        }
        let call = TokenCall::get(url)
            .header(HeaderName::from_static("metadata"), HeaderValue::from_static("true"))
            .on_this_machine();
        let answer = self.caller.call(purpose, call).await.map_err(|error| match error.kind() {
            ErrorKind::Auth => error.with_hint("Check that this machine has a managed identity."),
            _ => error,
        })?;
        // The service keeps tokens, and its `expires_in` may count from when one was issued.
        read(purpose, &answer, &[Expiry::At("expires_on"), Expiry::In("expires_in")])
    }
}

fn read(purpose: &str, answer: &Map<String, Value>, expiries: &[Expiry]) -> Result<Token, Error> {
    Token::read(purpose, answer, "access_token", expiries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn clouds_are_known_by_their_names_and_hosts() {
        for (name, cloud) in [
            ("public", Some(AzureCloud::Public)),
            ("AzurePublicCloud", Some(AzureCloud::Public)),
            ("USGOVERNMENT", Some(AzureCloud::UsGovernment)),
            ("AzureUSGovernmentCloud", Some(AzureCloud::UsGovernment)),
            ("china", Some(AzureCloud::China)),
            ("GERMANY", None),
            ("", None),
        ] {
            assert_eq!(AzureCloud::named(name), cloud, "{name}");
        }
        for (host, cloud) in [
            ("adb-1.2.azuredatabricks.net", Some(AzureCloud::Public)),
            ("ADB-1.2.AzureDatabricks.net", Some(AzureCloud::Public)),
            ("adb-1.2.databricks.azure.us", Some(AzureCloud::UsGovernment)),
            ("adb-1.2.databricks.azure.cn", Some(AzureCloud::China)),
            ("azuredatabricks.net.evil.example", None),
            ("evilazuredatabricks.net", None),
            ("x.cloud.databricks.com", None),
        ] {
            assert_eq!(AzureCloud::of_host(host), cloud, "{host}");
        }
        for cloud in [AzureCloud::Public, AzureCloud::UsGovernment, AzureCloud::China] {
            assert_eq!(AzureCloud::named(cloud.name()), Some(cloud));
        }
    }
}
