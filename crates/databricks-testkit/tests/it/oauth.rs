//! Tokens that end, and OAuth for machines.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use databricks_testkit::{ScriptedEngine, SimulatedWorkspace};
use databricks_transport::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::support::{Answer, Caller, STATEMENTS, WAREHOUSE, builder};

const ME: &str = "/api/2.0/preview/scim/v2/Me";
const TOKEN_PATH: &str = "/oidc/v1/token";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

fn start_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn caller() -> Caller {
    let workspace = builder(&ScriptedEngine::new())
        .service_principal("loader", "s3cret/+ü")
        .service_principal("loader", "second")
        .federated_token("deployer", "foreign-jwt")
        .starting_at(start_of_time())
        .build();
    Caller::new(workspace)
}

fn basic(id: &str, secret: &str) -> Option<String> {
    Some(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
}

async fn ask(caller: &Caller, authorization: Option<String>, fields: &[(&str, &str)]) -> Answer {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut request = Request::post(format!("{}{TOKEN_PATH}", SimulatedWorkspace::HOST))
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    caller.send(request.body(Body::from(form)).unwrap()).await.unwrap()
}

async fn token_of(caller: &Caller, scope: &str) -> String {
    let fields = [("grant_type", "client_credentials"), ("scope", scope)];
    let answer = ask(caller, basic("loader", "second"), &fields).await.json();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn me(caller: &Caller, token: &str) -> (u16, Value) {
    let answer = caller.call_as(token, Method::GET, ME, ()).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn discovery_names_the_host_the_caller_used() {
    let caller = caller();
    let mut found = Vec::new();
    for path in ["/.well-known/databricks-config", "/oidc/.well-known/oauth-authorization-server"] {
        let uri = format!("https://my.workspace.test:8443{path}");
        let answer = caller.send(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.headers["content-type"], "application/json");
        found.push(answer.json());
    }
    insta::with_settings!({ sort_maps => true }, { insta::assert_json_snapshot!(found) });
}

#[tokio::test]
async fn a_host_without_oauth_says_so_and_what_is_not_simulated_is_named() {
    let plain = Caller::of(&ScriptedEngine::new());
    let discovery = Request::get("https://x.test/oidc/.well-known/oauth-authorization-server");
    let answer = plain.send(discovery.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status, 404);
    let authorize = Request::get("https://x.test/oidc/v1/authorize").body(Body::empty()).unwrap();
    let answer = caller().send(authorize).await.unwrap();
    assert_eq!(answer.status, 501);
    assert!(answer.json()["message"].as_str().unwrap().starts_with("GET /oidc/v1/authorize "));
}

#[tokio::test]
async fn a_service_principal_gets_a_token_by_either_way_and_is_its_user() {
    let caller = caller();
    let grant = ("grant_type", "client_credentials");
    let posted = [grant, ("client_id", "loader"), ("client_secret", "second")];
    let encoded = basic("loader", "s3cret%2F%2B%C3%BC");
    for answer in [
        ask(&caller, basic("loader", "s3cret/+ü"), &[grant, ("scope", "all-apis")]).await,
        ask(&caller, encoded, &[grant]).await,
        ask(&caller, None, &posted).await,
    ] {
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["cache-control"]),
            (200, &"no-store".parse().unwrap())
        );
        let answer = answer.json();
        let said = (&answer["token_type"], &answer["expires_in"], &answer["scope"]);
        assert_eq!(said, (&json!("Bearer"), &json!(3600), &json!("all-apis")));
        let (status, me) = me(&caller, answer["access_token"].as_str().unwrap()).await;
        assert_eq!((status, &me["userName"]), (200, &json!("loader")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_looks_like_a_jwt_and_is_the_same_in_every_run() {
    let token = token_of(&caller(), "sql").await;
    assert_eq!(token, token_of(&caller(), "sql").await);
    let parts: Vec<Vec<u8>> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let claims: Value = serde_json::from_slice(&parts[1]).unwrap();
    assert_eq!((parts.len(), parts[2].len()), (3, 256));
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("loader"), &json!("sql")));
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(1_700_000_000), &json!(1_700_003_600)));
    assert_eq!(claims["iss"], format!("{}/oidc", SimulatedWorkspace::HOST));
}

#[tokio::test]
async fn refusals_have_oauths_shape() {
    let caller = caller();
    let grant = ("grant_type", "client_credentials");
    let exchange = |token: &'static str| {
        vec![
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ]
    };
    let mut with_other_client = exchange("foreign-jwt");
    with_other_client.push(("client_id", "loader"));
    let good = || basic("loader", "second");
    let cases = [
        ("wrong secret", basic("loader", "wrong"), vec![grant]),
        ("unknown client", basic("nobody", "second"), vec![grant]),
        ("no client", None, vec![grant]),
        ("empty secret", None, vec![grant, ("client_id", "loader"), ("client_secret", "")]),
        ("bearer", Some("Bearer x".to_owned()), vec![grant]),
        ("twice", good(), vec![grant, ("client_id", "loader"), ("client_secret", "second")]),
        ("no grant", good(), vec![]),
        ("other grant", good(), vec![("grant_type", "password")]),
        ("repeated", good(), vec![grant, grant]),
        ("scope", good(), vec![grant, ("scope", "all-apis files")]),
        ("unknown subject", None, exchange("stolen")),
        ("other principal", None, with_other_client),
        ("no subject", None, vec![("grant_type", EXCHANGE)]),
        (
            "subject type",
            None,
            vec![("grant_type", EXCHANGE), ("subject_token", "x"), ("subject_token_type", "saml")],
        ),
    ];
    let mut seen = Vec::new();
    for (case, authorization, fields) in cases {
        let answer = ask(&caller, authorization, &fields).await;
        assert_eq!(answer.headers.contains_key("www-authenticate"), answer.status == 401, "{case}");
        seen.push(format!("{case}: {} {}", answer.status.as_u16(), answer.text()));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn what_is_no_form_or_far_too_long_is_refused_and_nothing_breaks() {
    let caller = caller();
    let request = |media: &str, body: Vec<u8>| {
        Request::post(format!("https://x.test{TOKEN_PATH}"))
            .header("content-type", media)
            .header("authorization", basic("loader", "second").unwrap())
            .body(Body::from(body))
            .unwrap()
    };
    let form = "application/x-www-form-urlencoded";
    for (media, body) in [
        ("application/json", b"{\"grant_type\":\"client_credentials\"}".to_vec()),
        ("", b"grant_type=client_credentials".to_vec()),
        (form, vec![0xFF; 1000]),
        (form, vec![b'a'; 1_000_000]),
        (form, Vec::new()),
    ] {
        let answer = caller.send(request(media, body)).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &json!("invalid_request")),
            "{media}"
        );
    }
}

#[tokio::test]
async fn foreign_and_personal_tokens_are_exchanged() {
    let caller = caller();
    let fields = |kind: &'static str, token: &'static str| {
        vec![
            ("grant_type", EXCHANGE),
            ("subject_token_type", kind),
            ("subject_token", token),
            ("scope", "all-apis"),
        ]
    };
    let mut federated = fields("urn:ietf:params:oauth:token-type:jwt", "foreign-jwt");
    federated.push(("client_id", "deployer"));
    let personal = fields("urn:databricks:params:oauth:token-type:personal-access-token", "dapi-test");
    for (fields, user) in [(federated, "deployer"), (personal, "user@simulated.invalid")] {
        let answer = ask(&caller, None, &fields).await.json();
        assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
        assert_eq!(me(&caller, answer["access_token"].as_str().unwrap()).await.1["userName"], user);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_end_on_the_workspaces_clock() {
    let workspace = builder(&ScriptedEngine::new())
        .service_principal("loader", "second")
        .oauth_token_lifetime(Duration::from_secs(60))
        .token_expires_in("dapi-short", Duration::from_secs(30))
        .build();
    let caller = Caller::new(workspace);
    let jwt = token_of(&caller, "all-apis").await;
    tokio::time::advance(Duration::from_secs(30)).await;
    let (status, body) = me(&caller, "dapi-short").await;
    assert_eq!((status, body), (403, json!({ "error_code": 403, "message": "Invalid access token." })));
    assert_eq!(me(&caller, &jwt).await.0, 200);
    tokio::time::advance(Duration::from_secs(30)).await;
    let (status, body) = me(&caller, &jwt).await;
    assert_eq!((status, body), (403, json!({ "error_code": 403, "message": "JWT has expired" })));
    assert_eq!(me(&caller, &token_of(&caller, "all-apis").await).await.0, 200);
    assert_eq!(me(&caller, "dapi-test").await.0, 200);
}

#[tokio::test]
async fn a_token_is_revoked_while_the_workspace_runs() {
    let caller = caller();
    let jwt = token_of(&caller, "all-apis").await;
    caller.workspace.add_token("eve", "dapi-eve");
    assert_eq!(me(&caller, "dapi-eve").await.1["userName"], "eve");
    assert!(caller.workspace.revoke_token("dapi-eve"));
    assert_eq!((me(&caller, "dapi-eve").await.0, caller.workspace.revoke_token("dapi-eve")), (403, false));
    assert_eq!(caller.workspace.revoke_tokens_of("loader"), 1);
    assert_eq!(me(&caller, &jwt).await.0, 403);
}

#[tokio::test]
async fn a_scope_opens_what_it_names_only() {
    let caller = caller();
    let sql = token_of(&caller, "sql openid").await;
    let body = json!({ "statement": "x", "warehouse_id": WAREHOUSE }).to_string();
    assert_eq!(caller.call_as(&sql, Method::POST, STATEMENTS, body).await.status, 200);
    let (status, body) = me(&caller, &sql).await;
    let message = "Provided OAuth token does not have required scopes: all-apis";
    assert_eq!((status, &body["message"]), (403, &json!(message)));
}

#[tokio::test]
async fn a_workspace_with_principals_only_has_no_default_token() {
    let workspace = SimulatedWorkspace::builder().service_principal("loader", "second").build();
    let caller = Caller::new(workspace);
    assert_eq!(me(&caller, SimulatedWorkspace::DEFAULT_TOKEN).await.0, 403);
    assert!(!format!("{:?}", caller.workspace).contains("second"));
}

#[tokio::test]
async fn telemetry_is_counted_with_and_without_a_token() {
    let caller = caller();
    let body = json!({ "uploadTime": 1, "items": [], "protoLogs": ["{}", "{}"] });
    let counted = json!({ "errors": [], "numSuccess": 0, "numProtoSuccess": 2 });
    assert_eq!(caller.post("/telemetry-ext", body.clone()).await.json(), counted);
    let open = Request::post("https://x.test/telemetry-unauth").body(Body::from(body.to_string())).unwrap();
    assert_eq!(caller.send(open).await.unwrap().json(), counted);
    let closed = Request::post("https://x.test/telemetry-ext").body(Body::from(body.to_string())).unwrap();
    assert_eq!(caller.send(closed).await.unwrap().status, 401);
}
