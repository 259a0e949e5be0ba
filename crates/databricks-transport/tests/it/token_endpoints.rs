//! What each way to authenticate sends, field by field, and what it signs requests with.

use std::io::Write;

use crate::workspace::{SECRET, Workspace, config, m2m, with};
use databricks_transport::{
    ApiRequest, AuthConfig, AzureCloud, Client, DatabricksConfig, ErrorKind, Federation, IdToken, Operation,
};
use serde_json::json;

const READ: Operation = Operation::new("test.read").idempotent();
const AZURE: &str = "https://adb-1.2.azuredatabricks.net";
const RESOURCE_ID: &str = "/subscriptions/s1/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w";

async fn get(client: &Client) -> Result<(), databricks_transport::Error> {
    client.send(READ, ApiRequest::get("/api/2.0/x")).await.map(drop)
}

/// Every request as text: line, the headers that matter, body.
fn transcript(workspace: &Workspace) -> String {
    let mut text = String::new();
    for call in workspace.calls() {
        text.push_str(&format!("{}\n", call.line));
        let mut headers: Vec<_> = call.headers.iter().collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in headers.into_iter().filter(|(name, _)| *name != "user-agent") {
            let sensitive = if value.is_sensitive() { " (sensitive)" } else { "" };
            text.push_str(&format!("  {name}: {}{sensitive}\n", value.to_str().unwrap()));
        }
        if !call.body.is_empty() {
            text.push_str(&format!("  {}\n", call.body.replace('&', "\n  &")));
        }
    }
    text
}

async fn sent(config: DatabricksConfig) -> String {
    let workspace = Workspace::new(3600);
    get(&workspace.client(config)).await.unwrap();
    transcript(&workspace)
}

fn service_principal() -> AuthConfig {
    AuthConfig::service_principal("tenant-1", "client-1", SECRET)
}

#[tokio::test]
async fn oauth_of_machines() {
    insta::assert_snapshot!(sent(m2m()).await);
}

#[tokio::test]
async fn oauth_of_machines_with_scopes_odd_characters_and_an_account() {
    let auth = AuthConfig::oauth("a:b", "c d+é").with_scopes(["sql", "files"]);
    let config = config("https://accounts.cloud.databricks.com", auth).with_account("acc/1");
    insta::assert_snapshot!(sent(config).await);
}

#[tokio::test]
async fn azure_service_principal() {
    insta::assert_snapshot!(sent(config(AZURE, service_principal())).await);
}

#[tokio::test]
async fn azure_service_principal_of_a_workspace_with_a_resource_id() {
    let config = config("https://adb-1.2.databricks.azure.us", service_principal());
    insta::assert_snapshot!(sent(config.with_azure_resource_id(RESOURCE_ID)).await);
}

#[tokio::test]
async fn azure_cloud_that_the_host_does_not_tell() {
    let config = config("https://h.example", service_principal()).with_azure_cloud(AzureCloud::China);
    let sent = sent(config).await;
    assert!(sent.starts_with("POST https://login.chinacloudapi.cn/tenant-1/oauth2/token\n"), "{sent}");
}

#[tokio::test]
async fn federation_of_a_token_in_a_variable() {
    let federation = Federation::new(IdToken::Text("id-token".into())).with_client_id("client-1");
    insta::assert_snapshot!(sent(config("https://h.example", AuthConfig::Federation(federation))).await);
}

#[tokio::test(start_paused = true)]
async fn federation_of_a_file_reads_it_for_every_token() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, " first ").unwrap();
    let federation = Federation::new(IdToken::File(file.path().into())).with_scopes(["sql"]);
    let workspace = Workspace::new(100);
    let client = workspace.client(config("https://h.example", AuthConfig::Federation(federation)));
    get(&client).await.unwrap();
    std::fs::write(file.path(), "\u{feff}second\r\n").unwrap();
    tokio::time::advance(std::time::Duration::from_secs(100)).await;
    get(&client).await.unwrap();
    let bodies: Vec<_> =
        workspace.calls().iter().map(|call| call.body.clone()).filter(|b| !b.is_empty()).collect();
    for (body, token) in bodies.iter().zip(["first", "second"]) {
        let expected = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
             &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&subject_token={token}&scope=sql"
        );
        assert_eq!(*body, expected);
    }
    assert_eq!(bodies.len(), 2);
}

#[tokio::test]
async fn federation_of_a_file_that_holds_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("empty"), " \n").unwrap();
    std::fs::write(path("binary"), [0xff, 0xfe, 0]).unwrap();
    std::fs::write(path("large"), vec![b'x'; 1 << 20]).unwrap();
    for (name, expected) in [
        ("missing", "cannot be read"),
        ("empty", "is empty"),
        ("binary", "holds no token"),
        ("large", "holds no token"),
        ("", "cannot be read"),
    ] {
        let federation = Federation::new(IdToken::File(path(name)));
        let workspace = Workspace::new(100);
        let client = workspace.client(config("https://h.example", AuthConfig::Federation(federation)));
        let error = get(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        let shown = error.to_string();
        assert!(shown.contains("file-oidc: ") && shown.contains(expected), "{name}: {shown}");
    }
}

fn github(audience: Option<&str>) -> DatabricksConfig {
    let mut federation =
        Federation::new(IdToken::github("https://github.example/id?api-version=2.0", "request-token"))
            .with_client_id("client-1");
    if let Some(audience) = audience {
        federation = federation.with_audience(audience);
    }
    config("https://h.example", AuthConfig::Federation(federation))
}

fn github_answering(body: serde_json::Value) -> Workspace {
    Workspace::new(3600).answering(move |call, _| {
        call.line.contains("github.example").then(|| with(200, body.clone())).flatten()
    })
}

#[tokio::test]
async fn federation_of_github() {
    let workspace = github_answering(json!({"value": "id-token", "count": 1}));
    get(&workspace.client(github(None))).await.unwrap();
    insta::assert_snapshot!(transcript(&workspace));
}

#[tokio::test]
async fn federation_of_github_for_an_audience_of_ones_own() {
    let workspace = github_answering(json!({"value": "id-token"}));
    get(&workspace.client(github(Some("a b&c")))).await.unwrap();
    assert_eq!(workspace.calls()[1].line, "GET https://github.example/id?api-version=2.0&audience=a+b%26c");
    let empty = github_answering(json!({"count": 0}));
    let error = get(&empty.client(github(None))).await.unwrap_err();
    assert!(error.to_string().contains("GitHub's answer has no `value`"), "{error}");
}

#[tokio::test]
async fn managed_identity() {
    let auth = AuthConfig::managed_identity(Some("client-1".into()));
    insta::assert_snapshot!(sent(config(AZURE, auth).with_azure_resource_id(RESOURCE_ID)).await);
}

#[tokio::test]
async fn managed_identity_that_the_machine_does_not_have() {
    let workspace = Workspace::new(3600).answering(|call, _| {
        call.line
            .contains("169.254")
            .then(|| {
                with(400, json!({"error": "invalid_request", "error_description": "Identity not found"}))
            })
            .flatten()
    });
    let auth = AuthConfig::managed_identity(None);
    let error = get(&workspace.client(config(AZURE, auth))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "test.read: azure-msi: http://169.254.169.254 refused to give a token (400 Bad Request): invalid_request: \
         Identity not found. Check that this machine has a managed identity."
    );
}

#[tokio::test]
async fn a_secret_is_sent_neither_in_the_clear_nor_to_what_is_no_endpoint() {
    for (endpoint, kind, expected) in [
        (json!("http://h.example/token"), ErrorKind::Config, "http://h.example is not encrypted"),
        (json!("ftp://h.example/token"), ErrorKind::Config, "not encrypted"),
        (json!("file:///etc/passwd"), ErrorKind::Auth, "no usable `token_endpoint`"),
        (json!("/oidc/v1/token"), ErrorKind::Auth, "no usable `token_endpoint`"),
        (json!(7), ErrorKind::Auth, "no usable `token_endpoint`"),
        (json!(null), ErrorKind::Auth, "no usable `token_endpoint`"),
    ] {
        let document = json!({"token_endpoint": endpoint});
        let workspace = Workspace::new(3600).answering(move |call, _| {
            call.line.contains("well-known").then(|| with(200, document.clone())).flatten()
        });
        let error = get(&workspace.client(m2m())).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(workspace.calls().len(), 1, "the secret was sent");
    }
}

#[tokio::test]
async fn a_host_that_is_no_workspace_is_told_apart() {
    for (status, body, expected) in [
        (
            404,
            "{}",
            "https://h.example refused to give a token (404 Not Found) (looking for the token endpoint)",
        ),
        (200, "<html>sign in</html>", "https://h.example did not answer with JSON"),
        (200, "[]", "https://h.example did not answer with JSON"),
        (302, "", "302 Found"),
    ] {
        let workspace = Workspace::new(3600).answering(move |_, _| {
            let response = http::Response::builder().status(status).body(body.into()).unwrap();
            Some(Box::pin(futures::future::ready(Ok(response))))
        });
        let error = get(&workspace.client(m2m())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_token_never_signs_a_request() {
    for body in [
        json!({}),
        json!({"access_token": " "}),
        json!({"access_token": "a\nb"}),
        json!({"access_token": ["x"]}),
    ] {
        let workspace = Workspace::new(3600)
            .answering(move |call, _| call.is_token_call().then(|| with(200, body.clone())).flatten());
        let error = get(&workspace.client(m2m())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        assert!(workspace.signatures().is_empty());
    }
}
