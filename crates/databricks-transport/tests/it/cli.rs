//! Command-line tools as sources of tokens: small shell scripts in their place.

use std::path::Path;
use std::process::Command;

use crate::workspace::Workspace;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use databricks_transport::{ApiRequest, Client, DatabricksConfig, Error, ErrorKind, Operation};
use serde_json::json;
use tempfile::TempDir;

const READ: Operation = Operation::new("test.read").idempotent();
const AZURE: &str = "adb-1.2.azuredatabricks.net";
const RESOURCE_ID: &str = "/subscriptions/s1/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";

/// A folder of tools. `$LOG` is a file that they may write to.
struct Tools(TempDir);

impl Tools {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Another process writes the program: one that this process has open for writing cannot be run while a thread of
    /// it starts a child.
    fn with(self, name: &str, script: &str) -> Self {
        let log = self.0.path().join("log");
        let source = self.0.path().join(format!("{name}.sh"));
        let text = format!("#!/bin/sh\nLOG='{}'\necho \"{name} $*\" >> \"$LOG\"\n{script}\n", log.display());
        std::fs::write(&source, text).unwrap();
        let target = self.0.path().join(name);
        let copied = Command::new("install").args(["-m", "755"]).arg(source).arg(target).status().unwrap();
        assert!(copied.success());
        self
    }

    fn config(&self, env: &[(&'static str, &'static str)]) -> Result<DatabricksConfig, Error> {
        let (env, path) = (env.to_vec(), self.0.path().to_str().unwrap().to_owned());
        DatabricksConfig::from_vars(|name| match env.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => Some((*value).to_owned()),
            None => (name == "PATH").then(|| path.clone()),
        })
    }

    fn log(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.0.path().join("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

async fn get(client: &Client) -> Result<(), Error> {
    client.send(READ, ApiRequest::get("/api/2.0/x")).await.map(drop)
}

fn jwt(claims: &serde_json::Value) -> String {
    format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn az_prints(token: &str) -> String {
    format!(
        "echo '{{\"accessToken\": \"{token}\", \"expiresOn\": \"2099-01-01 00:00:00.000000\", \"expires_on\": 4070908800, \
         \"tokenType\": \"Bearer\"}}'"
    )
}

const DATABRICKS: &str = r#"echo '{"access_token": "cli-token", "token_type": "Bearer", "expiry": "2099-01-01T00:00:00.123456+02:00"}'"#;

#[tokio::test]
async fn the_databricks_cli_is_asked_for_the_host_once() {
    let tools = Tools::new().with("databricks", DATABRICKS);
    let workspace = Workspace::new(0);
    let client = workspace.client(tools.config(&[("DATABRICKS_HOST", "h.example")]).unwrap());
    for _ in 0..3 {
        get(&client).await.unwrap();
    }
    assert_eq!(workspace.signatures(), ["cli-token"; 3]);
    assert_eq!(tools.log(), ["databricks auth token --host https://h.example"]);
}

#[tokio::test]
async fn the_databricks_cli_is_asked_for_the_profile_that_was_asked_for() {
    let script = format!("echo \"$DATABRICKS_CONFIG_FILE\" >> \"$LOG\"\n{DATABRICKS}");
    let tools = Tools::new().with("databricks", &script);
    std::fs::write(tools.path().join("cfg"), "[MY PROD]\nhost = h.example\n").unwrap();
    let file = tools.path().join("cfg").to_str().unwrap().to_owned();
    let path = tools.path().to_str().unwrap().to_owned();
    let config = DatabricksConfig::builder()
        .variables(move |name| (name == "PATH").then(|| path.clone()))
        .config_file(file.as_str())
        .profile("MY PROD")
        .load()
        .unwrap();
    get(&Workspace::new(0).client(config)).await.unwrap();
    assert_eq!(tools.log(), ["databricks auth token --profile MY PROD", file.as_str()]);
}

#[tokio::test]
async fn the_azure_cli_signs_a_person_in() {
    let token = jwt(&json!({"upn": "ann@example.com"}));
    let tools = Tools::new().with("az", &az_prints(&token));
    let workspace = Workspace::new(0);
    let env = [
        ("DATABRICKS_HOST", AZURE),
        ("DATABRICKS_AZURE_RESOURCE_ID", RESOURCE_ID),
        ("ARM_TENANT_ID", "tenant-1"),
    ];
    let client = workspace.client(tools.config(&env).unwrap());
    get(&client).await.unwrap();
    let call = &workspace.calls()[0];
    assert_eq!(call.header("authorization"), format!("Bearer {token}"));
    assert_eq!(call.header("x-databricks-azure-workspace-resource-id"), RESOURCE_ID);
    assert_eq!(call.header("x-databricks-azure-sp-management-token"), "");
    assert_eq!(
        tools.log(),
        ["az account get-access-token --resource 2ff814a6-3304-4ab8-85cb-cd0e6f879c1d --output json \
          --subscription s1"]
    );
}

#[tokio::test]
async fn the_azure_cli_is_never_given_a_tenant_and_a_subscription_at_once() {
    let refusal = "ERROR: Please specify only one of subscription and tenant, not both";
    let script = format!(
        r#"case "$*" in *--tenant*--subscription*|*--subscription*--tenant*) echo '{refusal}' >&2; exit 1;; esac
{}"#,
        az_prints("opaque")
    );
    let env = [("DATABRICKS_HOST", AZURE), ("ARM_TENANT_ID", "tenant-1")];
    for (subscription, runs) in [(None, 1), (Some(("DATABRICKS_AZURE_RESOURCE_ID", RESOURCE_ID)), 2)] {
        let tools = Tools::new().with("az", &script);
        let env: Vec<_> = env.into_iter().chain(subscription).collect();
        get(&Workspace::new(0).client(tools.config(&env).unwrap())).await.unwrap();
        // One run for each token: a principal needs one for Azure's management too.
        assert_eq!(tools.log().len(), runs, "{:?}", tools.log());
    }
}

#[tokio::test]
async fn the_azure_cli_adds_a_management_token_for_a_principal_and_does_without_the_subscription() {
    let script = r#"case "$*" in *--subscription*) echo "ERROR: no access" >&2; exit 1;; esac
case "$*" in *management.core*) t=management;; *) t=opaque;; esac
echo "{\"accessToken\": \"$t\", \"expires_on\": 4070908800}""#;
    let tools = Tools::new().with("az", script);
    let workspace = Workspace::new(0);
    let env = [("DATABRICKS_HOST", AZURE), ("DATABRICKS_AZURE_RESOURCE_ID", RESOURCE_ID)];
    get(&workspace.client(tools.config(&env).unwrap())).await.unwrap();
    let call = &workspace.calls()[0];
    assert_eq!(call.header("authorization"), "Bearer opaque");
    assert_eq!(call.header("x-databricks-azure-sp-management-token"), "management");
    assert_eq!(tools.log().len(), 4);
}

#[tokio::test]
async fn when_the_first_tool_fails_the_next_is_used_and_kept() {
    let tools = Tools::new()
        .with("az", "echo 'ERROR: Please run az login' >&2; exit 1")
        .with("databricks", r#"echo '{"access_token": "cli-token", "expiry": "2020-01-01T00:00:00Z"}'"#);
    let workspace = Workspace::new(0);
    let client = workspace.client(tools.config(&[("DATABRICKS_HOST", AZURE)]).unwrap());
    get(&client).await.unwrap();
    get(&client).await.unwrap();
    assert_eq!(workspace.signatures(), ["cli-token"; 2]);
    let used: Vec<_> = tools.log().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(used, ["az", "databricks", "databricks"]);
}

#[tokio::test]
async fn when_no_tool_works_the_error_lists_all_and_every_other_method() {
    let tools = Tools::new()
        .with("az", "echo 'ERROR: Please run az login' >&2; exit 1")
        .with("databricks", "echo 'Error: databricks OAuth is not configured for this host' >&2; exit 2");
    let workspace = Workspace::new(0);
    let client = workspace.client(tools.config(&[("DATABRICKS_HOST", AZURE)]).unwrap());
    let error = get(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Auth, 0));
    insta::assert_snapshot!(error.to_string());
    assert!(workspace.calls().is_empty());
}

#[tokio::test]
async fn a_tool_that_is_asked_for_and_fails_is_not_replaced_by_another() {
    let tools = Tools::new().with("az", "exit 1").with("databricks", DATABRICKS);
    let env = [("DATABRICKS_HOST", AZURE), ("DATABRICKS_AUTH_TYPE", "azure-cli")];
    let error = get(&Workspace::new(0).client(tools.config(&env).unwrap())).await.unwrap_err();
    assert!(error.to_string().contains("azure-cli: `az` failed (exit status: 1)"), "{error}");
    assert_eq!(tools.log().len(), 1);
}

#[tokio::test]
async fn a_path_to_the_databricks_cli_is_used_as_it_is() {
    let tools = Tools::new().with("dbx", DATABRICKS);
    let path = tools.path().join("dbx").to_str().unwrap().to_owned();
    let config = |path: String| {
        DatabricksConfig::builder()
            .variables(|_| None)
            .host("h.example")
            .auth_type("databricks-cli")
            .databricks_cli_path(path)
            .load()
    };
    get(&Workspace::new(0).client(config(path).unwrap())).await.unwrap();
    assert_eq!(tools.log().len(), 1);
    let error = config("/nowhere/dbx".to_owned()).unwrap_err();
    assert!(error.to_string().contains("there is no /nowhere/dbx"), "{error}");
}
