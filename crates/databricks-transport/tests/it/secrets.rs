//! No public type that holds a secret shows it, however it is formatted.

use crate::workspace::{SECRET, Workspace, config, m2m};
use databricks_transport::{
    AuthConfig, Authorization, Authorize, Client, DatabricksConfig, Error, Federation, IdToken,
};

struct Own;

impl Authorize for Own {
    async fn authorize(&self) -> Result<Authorization, Error> {
        Authorization::bearer(SECRET)
    }
}

fn every_method() -> Vec<AuthConfig> {
    let id = || "id".to_owned();
    let github = IdToken::GitHub { request_url: "https://gh.example".into(), request_token: SECRET.into() };
    vec![
        AuthConfig::PersonalAccessToken { token: SECRET.into() },
        AuthConfig::OAuth { client_id: id(), client_secret: SECRET.into(), scopes: Vec::new() },
        AuthConfig::ServicePrincipal { tenant_id: id(), client_id: id(), client_secret: SECRET.into() },
        AuthConfig::Federation(Federation::new(IdToken::Text(SECRET.into()))),
        AuthConfig::Federation(Federation::new(github)),
        AuthConfig::custom(Own),
    ]
}

#[test]
fn no_format_of_a_public_type_shows_a_secret() {
    let mut shown = Vec::new();
    for auth in every_method() {
        shown.push(format!("{auth:?} {auth:#?}"));
        let builder = DatabricksConfig::builder().auth(auth.clone()).client_secret(SECRET).token(SECRET);
        shown.push(format!("{builder:?} {builder:#?}"));
        let config = config("https://h.example", auth);
        shown.push(format!("{config:?} {config:#?} {} {:?}", config.describe(), config.describe()));
        let builder = Client::builder(config.clone());
        shown.push(format!("{builder:?}"));
        shown.push(format!("{:?}", builder.build().unwrap()));
    }
    let variable = |name: &str| match name {
        "DATABRICKS_HOST" => Some("h.example".to_owned()),
        "DATABRICKS_TOKEN"
        | "DATABRICKS_CLIENT_ID"
        | "DATABRICKS_CLIENT_SECRET"
        | "ARM_CLIENT_SECRET"
        | "DATABRICKS_OIDC_TOKEN"
        | "ACTIONS_ID_TOKEN_REQUEST_TOKEN" => Some(SECRET.to_owned()),
        _ => None,
    };
    // A client id is no secret, so it is left out of what must not be seen.
    let config =
        DatabricksConfig::from_vars(|name| variable(name).filter(|_| name != "DATABRICKS_CLIENT_ID"));
    let config = config.unwrap();
    shown.push(format!("{config:?} {} {:?}", config.describe(), config.describe()));
    shown.push(format!("{:?}", Authorization::bearer(SECRET).unwrap()));
    for text in shown {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn the_requests_of_a_token_call_mark_their_secrets() {
    let workspace = Workspace::new(3600);
    let client = workspace.client(m2m());
    const READ: databricks_transport::Operation = databricks_transport::Operation::new("test.read");
    client.send(READ, databricks_transport::ApiRequest::get("/api/2.0/x")).await.unwrap();
    for call in workspace.calls() {
        assert!(!format!("{:?}", call.headers).contains("hunter2"));
        assert!(!format!("{:?}", call.headers).contains("t1"), "{:?}", call.headers);
    }
    assert!(!format!("{client:?}").contains("t1\""));
}
