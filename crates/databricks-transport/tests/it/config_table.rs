//! Which way to authenticate wins, or which error: combinations of code, environment and profile file. Nothing of the
//! real environment is touched: variables and the file are values.

use std::io;
use std::path::Path;

use databricks_transport::{ConfigBuilder, DatabricksConfig, Error};

type Pairs = &'static [(&'static str, &'static str)];

/// Code, environment and file; then the method with those that are ignored (`pat -oauth-m2m`), or `! ` and parts of the
/// error, between `|`.
struct Row(Pairs, Pairs, &'static str, &'static str);

const H: (&str, &str) = ("DATABRICKS_HOST", "https://h.example");
const AZ: (&str, &str) = ("DATABRICKS_HOST", "adb-1.2.azuredatabricks.net");
const T: (&str, &str) = ("DATABRICKS_TOKEN", "hunter2-token");
const ID: (&str, &str) = ("DATABRICKS_CLIENT_ID", "client");
const SEC: (&str, &str) = ("DATABRICKS_CLIENT_SECRET", "hunter2-secret");
const ARM_T: (&str, &str) = ("ARM_TENANT_ID", "tenant");
const ARM_C: (&str, &str) = ("ARM_CLIENT_ID", "arm");
const ARM_S: (&str, &str) = ("ARM_CLIENT_SECRET", "hunter2-arm");
const AZ_T: (&str, &str) = ("AZURE_TENANT_ID", "tenant");
const AZ_C: (&str, &str) = ("AZURE_CLIENT_ID", "azure");
const AZ_S: (&str, &str) = ("AZURE_CLIENT_SECRET", "hunter2-azure");
const GH_U: (&str, &str) = ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://gh.example/?v=1");
const GH_T: (&str, &str) = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "hunter2-gh");
const OIDC: (&str, &str) = ("DATABRICKS_OIDC_TOKEN", "hunter2-id");
const FILE: (&str, &str) = ("DATABRICKS_OIDC_TOKEN_FILEPATH", "/tokens/id");
const MSI: (&str, &str) = ("ARM_USE_MSI", "true");
const PROD: (&str, &str) = ("DATABRICKS_CONFIG_PROFILE", "PROD");
/// A folder that holds fakes of both command-line tools, and one that holds none.
const TOOLS: (&str, &str) = ("PATH", "@tools");
const NO_TOOLS: (&str, &str) = ("PATH", "/nowhere:/nowhere/else");

const fn as_type(name: &'static str) -> (&'static str, &'static str) {
    ("DATABRICKS_AUTH_TYPE", name)
}

const PAT_FILE: &str = "[DEFAULT]\nhost = https://file.example\ntoken = hunter2-file\n";
const PROD_FILE: &str = "[DEFAULT]\nhost = https://default.example\ntoken = hunter2-default\n\
    [PROD]\nhost = https://prod.example\nclient_id = p\nclient_secret = hunter2-prod\n";
const HOSTLESS: &str = "[PROD]\ntoken = hunter2-file\n";
const TWO_WAYS: &str = "[PROD]\nhost = h\ntoken = hunter2-t\nclient_id = c\nclient_secret = hunter2-s\n";
const TYPED: &str =
    "[PROD]\nhost = h\ntoken = hunter2-t\nclient_id = c\nclient_secret = hunter2-s\nauth_type = oauth-m2m\n";
const AZURE_FILE: &str = "[DEFAULT]\nhost = adb-1.2.azuredatabricks.net\nazure_tenant_id = t\nazure_client_id = c\n\
    azure_client_secret = hunter2-a\n";
const SETTINGS: &str = "[__settings__]\ndefault_profile = PROD\n[PROD]\nhost = h\ntoken = hunter2-t\n";
const LOST: &str = "[__settings__]\ndefault_profile = GONE\n[PROD]\nhost = h\ntoken = hunter2-t\n";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // One method, by the environment.
    Row(&[], &[H, T], "", "pat"),
    Row(&[], &[H, ID, SEC], "", "oauth-m2m"),
    Row(&[], &[H, ARM_T, ARM_C, ARM_S], "", "azure-client-secret"),
    Row(&[], &[H, AZ_T, AZ_C, AZ_S], "", "azure-client-secret"),
    Row(&[], &[H, OIDC], "", "env-oidc"),
    Row(&[], &[H, OIDC, ID], "", "env-oidc"),
    Row(&[], &[H, ("DATABRICKS_OIDC_TOKEN_ENV", "MY"), ("MY", "hunter2")], "", "env-oidc"),
    Row(&[], &[H, FILE], "", "file-oidc"),
    Row(&[], &[H, ("DATABRICKS_OIDC_TOKEN_FILE", "/t")], "", "file-oidc"),
    Row(&[], &[H, GH_U, GH_T, ID], "", "github-oidc"),
    Row(&[], &[H, MSI], "", "azure-msi"),
    Row(&[], &[AZ, TOOLS], "", "azure-cli"),
    Row(&[], &[H, TOOLS], "", "databricks-cli"),
    Row(&[], &[H, TOOLS, ("DATABRICKS_AZURE_RESOURCE_ID", "/subscriptions/s")], "", "azure-cli"),
    // Several methods: the documented order, and what is ignored.
    Row(&[], &[H, T, ID, SEC], "", "pat -oauth-m2m"),
    Row(&[], &[H, T, ARM_T, ARM_C, ARM_S], "", "pat -azure-client-secret"),
    Row(&[], &[H, ID, SEC, AZ_T, AZ_C, AZ_S], "", "oauth-m2m -azure-client-secret"),
    Row(&[], &[H, ID, SEC, OIDC, FILE], "", "oauth-m2m -env-oidc -file-oidc"),
    Row(&[], &[H, ID, SEC, GH_U, GH_T], "", "oauth-m2m -github-oidc"),
    Row(&[], &[H, ARM_T, ARM_C, ARM_S, MSI], "", "azure-client-secret -azure-msi"),
    Row(&[], &[H, FILE, GH_U, GH_T, ID], "", "file-oidc -github-oidc"),
    Row(&[], &[H, T, ID, SEC, ARM_T, ARM_C, ARM_S, OIDC, FILE, GH_U, GH_T, MSI], "",
        "pat -oauth-m2m -azure-client-secret -env-oidc -file-oidc -github-oidc -azure-msi"),
    // The tools of a machine are used only when nothing else is configured.
    Row(&[], &[AZ, T, TOOLS], "", "pat"),
    Row(&[], &[AZ, ID, SEC, TOOLS], "", "oauth-m2m"),
    Row(&[], &[AZ, MSI, TOOLS], "", "azure-msi"),
    Row(&[], &[AZ, ("ARM_USE_MSI", "false"), TOOLS], "", "azure-cli"),
    // One method forced.
    Row(&[], &[H, T, ID, SEC, as_type("oauth-m2m")], "", "oauth-m2m"),
    Row(&[], &[H, T, ID, SEC, as_type("pat")], "", "pat"),
    Row(&[], &[H, T, AZ_T, AZ_C, AZ_S, as_type("azure-client-secret")], "", "azure-client-secret"),
    Row(&[], &[H, T, MSI, as_type("azure-msi")], "", "azure-msi"),
    Row(&[], &[H, T, TOOLS, as_type("databricks-cli")], "", "databricks-cli"),
    Row(&[], &[H, T, TOOLS, as_type("azure-cli")], "", "azure-cli"),
    Row(&[], &[H, T, MSI, TOOLS, as_type("azure-cli")], "", "azure-cli"),
    Row(&[], &[H, T, as_type("oauth-m2m")], "",
        "! DATABRICKS_AUTH_TYPE asks for `oauth-m2m`, which is not complete|DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET are not set"),
    Row(&[], &[H, T, ID, as_type("oauth-m2m")], "", "! DATABRICKS_CLIENT_SECRET is not set beside DATABRICKS_CLIENT_ID"),
    Row(&[], &[H, T, as_type("azure-msi")], "", "! ARM_USE_MSI is not set"),
    Row(&[], &[H, T, ("ARM_USE_MSI", "0"), as_type("azure-msi")], "", "! ARM_USE_MSI is false"),
    Row(&[], &[H, T, NO_TOOLS, as_type("databricks-cli")], "", "! `databricks` is not on the PATH"),
    Row(&[], &[H, T, as_type("azure-cli")], "", "! `az` is not on the PATH"),
    Row(&[], &[H, T, as_type("external-browser")], "", "! `external-browser`, not supported by this client|use one of pat, oauth-m2m"),
    Row(&[], &[H, T, as_type("PAT")], "", "! DATABRICKS_AUTH_TYPE is `PAT`, no auth type"),
    Row(&[], &[H, ("DATABRICKS_OIDC_TOKEN_ENV", "MY"), as_type("env-oidc")], "", "! MY (named by DATABRICKS_OIDC_TOKEN_ENV) is not set"),
    // Nothing complete: every method and why.
    Row(&[], &[H], "", "! no way to authenticate to h.example|pat: DATABRICKS_TOKEN is not set|azure-msi: ARM_USE_MSI is not set"),
    Row(&[], &[H, ID], "", "! oauth-m2m: DATABRICKS_CLIENT_SECRET is not set beside DATABRICKS_CLIENT_ID"),
    Row(&[], &[H, ARM_T, ARM_C], "", "! azure-client-secret: ARM_CLIENT_SECRET is not set beside ARM_TENANT_ID and ARM_CLIENT_ID"),
    Row(&[], &[H, AZ_T, AZ_S], "", "! azure-client-secret: ARM_CLIENT_ID is not set beside AZURE_TENANT_ID and AZURE_CLIENT_SECRET"),
    Row(&[], &[H, GH_U, GH_T], "", "! github-oidc: DATABRICKS_CLIENT_ID is not set beside"),
    Row(&[], &[H, NO_TOOLS], "", "! azure-cli: the host is not one of Azure's|databricks-cli: `databricks` is not on the PATH"),
    Row(&[], &[H, ("DATABRICKS_TOKEN", "  ")], "", "! pat: DATABRICKS_TOKEN is not set"),
    // Two spellings of Azure are never mixed into one principal; the tenant may come from either.
    Row(&[], &[H, ARM_C, AZ_T, AZ_S], "", "! ARM_CLIENT_SECRET is not set beside AZURE_TENANT_ID and ARM_CLIENT_ID"),
    Row(&[], &[H, ARM_C, ARM_S, AZ_T], "", "azure-client-secret"),
    Row(&[], &[H, ARM_T, AZ_C, AZ_S], "", "azure-client-secret"),
    // No host.
    Row(&[], &[], "", "! DATABRICKS_HOST is not set|DATABRICKS_CONFIG_PROFILE"),
    Row(&[], &[T], PAT_FILE, "! DATABRICKS_HOST is not set|no profile was read because DATABRICKS_TOKEN is set"),
    Row(&[], &[("DATABRICKS_HOST", "ftp://x"), T], "", "! DATABRICKS_HOST: |ftp"),
    Row(&[], &[("DATABRICKS_HOST", "https://u:hunter2@h"), T], "", "! DATABRICKS_HOST: |user name or password"),
    // The file.
    Row(&[], &[], PAT_FILE, "pat"),
    Row(&[], &[], AZURE_FILE, "azure-client-secret"),
    Row(&[], &[PROD], PROD_FILE, "oauth-m2m"),
    Row(&[], &[("DATABRICKS_CONFIG_PROFILE", "DEFAULT")], PROD_FILE, "pat"),
    Row(&[], &[], SETTINGS, "pat"),
    Row(&[], &[], LOST, "! there is no profile `GONE`: it has PROD"),
    Row(&[], &[("DATABRICKS_CONFIG_PROFILE", "NOPE")], PROD_FILE, "! no profile `NOPE`: it has DEFAULT, PROD (asked for by DATABRICKS_CONFIG_PROFILE)"),
    Row(&[], &[("DATABRICKS_CONFIG_PROFILE", "__settings__")], SETTINGS, "! reserved"),
    Row(&[], &[PROD], "", "! cannot be read|asked for by DATABRICKS_CONFIG_PROFILE"),
    Row(&[], &[("DATABRICKS_CONFIG_FILE", "/gone")], "", "! /gone: the configuration file cannot be read"),
    Row(&[], &[PROD], "[PROD]\nhost = h\nhunter2\n", "! line 3"),
    Row(&[], &[], "[OTHER]\nhost = h\ntoken = hunter2\n", "! DATABRICKS_HOST is not set|has no profile `DEFAULT`"),
    // The file is left out when the environment has a host or a credential and no profile is asked for.
    Row(&[], &[H], PAT_FILE, "! no profile was read because DATABRICKS_HOST is set"),
    Row(&[], &[H, T], PROD_FILE, "pat"),
    Row(&[], &[H, PROD], PROD_FILE, "oauth-m2m"),
    Row(&[], &[H, PROD], HOSTLESS, "pat"),
    Row(&[], &[PROD], HOSTLESS, "! DATABRICKS_HOST is not set"),
    // Other programs' identity on Azure does not hide the file, unless it is complete.
    Row(&[], &[AZ_T, AZ_C], PAT_FILE, "pat"),
    Row(&[], &[AZ_T, AZ_C, AZ_S], PAT_FILE, "! DATABRICKS_HOST is not set|AZURE_"),
    // Environment before profile.
    Row(&[], &[PROD, T], PROD_FILE, "pat -oauth-m2m"),
    Row(&[], &[PROD, ID, SEC], TWO_WAYS, "oauth-m2m -pat"),
    Row(&[], &[PROD], TWO_WAYS, "pat -oauth-m2m"),
    Row(&[], &[PROD], TYPED, "oauth-m2m"),
    Row(&[], &[PROD, as_type("pat")], TYPED, "pat"),
    Row(&[], &[PROD], "[PROD]\nhost = h\ntoken = hunter2\nauth_type = nope\n", "! `auth_type` in profile `PROD` of |is `nope`"),
    // Code before all.
    Row(&[("token", "hunter2-code")], &[H, ID, SEC], "", "pat -oauth-m2m"),
    Row(&[("client_id", "c"), ("client_secret", "hunter2")], &[H, T], "", "oauth-m2m -pat"),
    Row(&[("client_id", "c")], &[H, T, SEC], "", "oauth-m2m -pat"),
    Row(&[("client_id", "c")], &[H, T], "", "pat"),
    Row(&[("host", "code.example"), ("token", "hunter2")], &[], PROD_FILE, "pat"),
    Row(&[("profile", "PROD")], &[H], PROD_FILE, "oauth-m2m"),
    Row(&[("profile", "PROD"), ("token", "hunter2")], &[], PROD_FILE, "pat -oauth-m2m"),
    Row(&[("auth_type", "oauth-m2m")], &[H, T, ID, SEC, as_type("pat")], "", "oauth-m2m"),
    Row(&[("auth_type", "oauth-m2m")], &[H, T], "", "! `auth_type` set in code asks for `oauth-m2m`"),
    Row(&[("azure_tenant_id", "t"), ("azure_client_id", "c"), ("azure_client_secret", "hunter2")], &[H, T, ARM_S], "",
        "azure-client-secret -pat"),
    Row(&[("azure_use_msi", "")], &[H, T], "", "azure-msi -pat"),
    Row(&[("token", "hunter2-code")], &[H, as_type("oauth-m2m")], "", "pat"),
    Row(&[("token", "hunter2-code")], &[H, ID, SEC, as_type("oauth-m2m")], "", "pat -oauth-m2m"),
    Row(&[("token", "hunter2-code"), ("profile", "PROD")], &[], TYPED, "pat -oauth-m2m"),
    Row(&[("client_id", "c")], &[H, T, SEC, as_type("pat")], "", "pat"),
    Row(&[("token", "hunter2-code"), ("auth_type", "oauth-m2m")], &[H, ID, SEC], "", "oauth-m2m"),
    Row(&[("auth", "hunter2")], &[H, ID, SEC, as_type("oauth-m2m")], "", "pat"),
    Row(&[("auth", "hunter2"), ("auth_type", "oauth-m2m")], &[H], "", "! code asks for auth type `oauth-m2m` and gives a credential of `pat`"),
    // Bad values, needed or not.
    Row(&[], &[H, T, ("ARM_USE_MSI", "maybe")], "", "! ARM_USE_MSI is `maybe`: it must be true or false"),
    Row(&[], &[H, T, ("ARM_ENVIRONMENT", "MOON")], "", "! ARM_ENVIRONMENT is `MOON`"),
    Row(&[], &[H, T, ("DATABRICKS_TIMEOUT_SECS", "soon")], "", "! DATABRICKS_TIMEOUT_SECS is `soon`"),
    Row(&[], &[PROD], "[PROD]\nhost = h\ntoken = hunter2\nrate_limit = fast\n", "! `rate_limit` in profile `PROD` of /home/me/.databrickscfg is `fast`"),
    Row(&[], &[H, ("DATABRICKS_TOKEN", "hunter2 hunter3")], "", "! DATABRICKS_TOKEN has characters that cannot be sent"),
    Row(&[], &[H, ("ARM_TENANT_ID", "../x"), ARM_C, ARM_S], "", "! has no tenant id"),
];

fn with_code(builder: ConfigBuilder, code: Pairs) -> ConfigBuilder {
    code.iter().fold(builder, |builder, (name, value)| match *name {
        "host" => builder.host(*value),
        "token" => builder.token(*value),
        "client_id" => builder.client_id(*value),
        "client_secret" => builder.client_secret(*value),
        "profile" => builder.profile(*value),
        "auth_type" => builder.auth_type(*value),
        "azure_tenant_id" => builder.azure_tenant_id(*value),
        "azure_client_id" => builder.azure_client_id(*value),
        "azure_client_secret" => builder.azure_client_secret(*value),
        "azure_use_msi" => builder.azure_use_msi(true),
        "auth" => builder.auth(databricks_transport::AuthConfig::pat(*value)),
        other => panic!("{other}"),
    })
}

fn load(row: &Row, tools: &str) -> Result<DatabricksConfig, Error> {
    let Row(code, env, file, _) = *row;
    let tools = tools.to_owned();
    let variable = move |name: &str| match env.iter().find(|(known, _)| *known == name) {
        Some((_, "@tools")) => Some(tools.clone()),
        Some((_, value)) => Some((*value).to_owned()),
        None => (name == "HOME").then(|| "/home/me".to_owned()),
    };
    let read = move |path: &Path| {
        let there = path == Path::new("/home/me/.databrickscfg") && !file.is_empty();
        if there { Ok(file.as_bytes().to_vec()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    with_code(DatabricksConfig::builder().variables(variable).files(read), code).load()
}

#[test]
fn the_way_to_authenticate_follows_from_code_environment_and_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["az", "databricks", "az.cmd", "databricks.exe"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let tools = folder.path().to_str().unwrap();
    assert!(TABLE.len() >= 60);
    let mut wrong = Vec::new();
    for (number, row) in TABLE.iter().enumerate() {
        let outcome = match load(row, tools) {
            Ok(config) => {
                let described = config.describe();
                let ignored: String =
                    described.ignored_auth_types.iter().map(|name| format!(" -{name}")).collect();
                format!("{}{ignored}", described.auth_type.unwrap())
            }
            Err(error) => format!("! {error}"),
        };
        let right = match row.3.strip_prefix("! ") {
            Some(parts) => outcome.starts_with("! ") && parts.split('|').all(|part| outcome.contains(part)),
            None => outcome == row.3,
        };
        if !right || outcome.contains("hunter") {
            wrong.push(format!(
                "{number}: {:?} {:?}\n  expected {}\n  got      {outcome}",
                row.0, row.1, row.3
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
