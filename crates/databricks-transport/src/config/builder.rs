//! A configuration from code, the environment and a profile together.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::auth::AuthConfig;
use super::setting::{Key, Settings};
use super::sources::{of_process, read_file};
use super::{DatabricksConfig, load};
use crate::auth::Authorize;
use crate::error::Error;

type VariableFn = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;
type ReadFn = Arc<dyn Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync>;

/// Collects a [`DatabricksConfig`]: what is set here goes before the environment, and that before the profile of
/// `.databrickscfg`. Each value comes from the first of the three that has it;
/// [`DatabricksConfig::describe`] tells from which.
///
/// ```no_run
/// use databricks_transport::DatabricksConfig;
///
/// # fn main() -> Result<(), databricks_transport::Error> {
/// let config = DatabricksConfig::builder().profile("PROD").warehouse_id("abcdef0123456789").load()?;
/// println!("{}", config.describe());
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `load`"]
pub struct ConfigBuilder {
    code: Settings,
    auth: Option<AuthConfig>,
    variable: VariableFn,
    read: ReadFn,
}

/// Setters of plain settings and of secret ones.
macro_rules! setters {
    ($into:ty: $($(#[$doc:meta])* $name:ident => $key:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(mut self, value: impl Into<$into>) -> Self {
            self.code.set_in_code(Key::$key, value.into());
            self
        })*
    };
}

impl ConfigBuilder {
    pub(super) fn new() -> Self {
        Self {
            code: Settings::default(),
            auth: None,
            variable: Arc::new(of_process),
            read: Arc::new(read_file),
        }
    }

    setters! { String:
        /// The workspace: a name or any URL of it (`DATABRICKS_HOST`).
        host => Host;
        /// The id of the workspace (`DATABRICKS_WORKSPACE_ID`).
        workspace_id => WorkspaceId;
        /// The id of the account, for hosts that serve a whole account (`DATABRICKS_ACCOUNT_ID`).
        account_id => AccountId;
        /// The profile of the configuration file (`DATABRICKS_CONFIG_PROFILE`).
        profile => Profile;
        /// The configuration file, `~/.databrickscfg` unless set (`DATABRICKS_CONFIG_FILE`).
        config_file => ConfigFile;
        /// The one way to authenticate, such as `oauth-m2m` (`DATABRICKS_AUTH_TYPE`).
        auth_type => AuthType;
        /// The application id of a service principal (`DATABRICKS_CLIENT_ID`).
        client_id => ClientId;
        /// The scopes of OAuth tokens, between commas or spaces; `all-apis` unless set.
        scopes => Scopes;
        /// The audience of the foreign token in federation (`DATABRICKS_TOKEN_AUDIENCE`).
        token_audience => TokenAudience;
        /// The variable that holds the foreign token (`DATABRICKS_OIDC_TOKEN_ENV`).
        oidc_token_env => OidcTokenEnv;
        /// The file that holds the foreign token (`DATABRICKS_OIDC_TOKEN_FILEPATH`).
        oidc_token_filepath => OidcTokenFile;
        /// The resource id of an Azure workspace (`DATABRICKS_AZURE_RESOURCE_ID`).
        azure_resource_id => AzureResourceId;
        /// The Azure cloud: `PUBLIC`, `USGOVERNMENT` or `CHINA`; the host's unless set (`ARM_ENVIRONMENT`).
        azure_environment => AzureEnvironment;
        /// The tenant of an Azure principal (`ARM_TENANT_ID`, `AZURE_TENANT_ID`).
        azure_tenant_id => AzureTenantId;
        /// The client id of an Azure principal (`ARM_CLIENT_ID`, `AZURE_CLIENT_ID`).
        azure_client_id => AzureClientId;
        /// The Databricks CLI, a path or a name (`DATABRICKS_CLI_PATH`).
        databricks_cli_path => CliPath;
        /// The default SQL warehouse (`DATABRICKS_WAREHOUSE_ID`).
        warehouse_id => WarehouseId;
        /// The default catalog (`DATABRICKS_CATALOG`).
        catalog => Catalog;
        /// The default schema (`DATABRICKS_SCHEMA`).
        schema => Schema;
        /// The proxy of every request; see [`DatabricksConfig::with_proxy`]. Without it `HTTPS_PROXY`, `HTTP_PROXY` and
        /// `ALL_PROXY` decide, in capitals or not.
        proxy => Proxy;
        /// The hosts that are reached without a proxy (`NO_PROXY`); see [`DatabricksConfig::with_no_proxy`].
        no_proxy => NoProxy;
        /// A file with further certificate authorities, in PEM form (`DATABRICKS_CA_FILE`).
        ca_file => CaFile;
    }

    setters! { SecretString:
        /// A personal access token (`DATABRICKS_TOKEN`).
        token => Token;
        /// The OAuth secret of a service principal (`DATABRICKS_CLIENT_SECRET`).
        client_secret => ClientSecret;
        /// The secret of an Azure principal (`ARM_CLIENT_SECRET`, `AZURE_CLIENT_SECRET`).
        azure_client_secret => AzureClientSecret;
    }

    /// Whether the identity of the Azure machine is used (`ARM_USE_MSI`).
    pub fn azure_use_msi(mut self, used: bool) -> Self {
        self.code.set_in_code(Key::AzureUseMsi, used.to_string());
        self
    }

    /// How many bytes of a text in a body a log shows at level TRACE (`DATABRICKS_DEBUG_TRUNCATE_BYTES`).
    pub fn debug_truncate_bytes(mut self, bytes: usize) -> Self {
        self.code.set_in_code(Key::DebugTruncateBytes, bytes.to_string());
        self
    }

    /// Whether a log shows headers at level DEBUG (`DATABRICKS_DEBUG_HEADERS`).
    pub fn debug_headers(mut self, shown: bool) -> Self {
        self.code.set_in_code(Key::DebugHeaders, shown.to_string());
        self
    }

    /// The credential, whatever the environment and the profile have.
    pub fn auth(mut self, auth: AuthConfig) -> Self {
        self.auth = Some(auth);
        self
    }

    /// A credential of the program's own making, whatever the environment and the profile have.
    pub fn authorize(self, authorize: impl Authorize) -> Self {
        self.auth(AuthConfig::custom(authorize))
    }

    /// Reads variables from a function instead of the environment: `HOME` and `PATH` too.
    pub fn variables(mut self, variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.variable = Arc::new(variable);
        self
    }

    /// Reads the configuration file by a function instead of from disk.
    pub fn files(mut self, read: impl Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        self.read = Arc::new(read);
        self
    }

    /// Reads the environment and the configuration file, and decides how to authenticate.
    ///
    /// The file is left out when no profile is asked for and a host or a credential is set already. Ways to
    /// authenticate are considered in this order: `pat`, `oauth-m2m`, `azure-client-secret`, `env-oidc`, `file-oidc`,
    /// `github-oidc`, `azure-cli`, `databricks-cli`, `azure-msi`. The first complete one is used, and a warning names
    /// the others; among several, one that code sets goes before one of the environment, and that before one of the
    /// profile. The two command-line tools are used only when nothing else is configured. An `auth_type` leaves only
    /// the method it names; one of the environment or the profile counts for nothing where code sets a whole credential.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) naming the variable or key at fault and where it is set. When no
    /// method applies, every one is listed with the reason.
    pub fn load(self) -> Result<DatabricksConfig, Error> {
        load::config(self.code, self.auth, &*self.variable, &*self.read)
    }
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, auth, variable: _, read: _ } = self;
        f.debug_struct("ConfigBuilder").field("code", code).field("auth", auth).finish_non_exhaustive()
    }
}
