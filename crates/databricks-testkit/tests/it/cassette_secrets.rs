//! What a saved cassette does not hold: every kind of secret is planted, and looked for in the files.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use databricks_testkit::{
    Cassette, CassetteBody, CassetteErrorKind, CassetteRequest, CassetteResponse, Interaction, Origin,
    Outcome, Sanitizers, SecretScan,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use serde_json::json;

const PAT: &str = "dapi0123456789abcdef0123456789abcdef-2";
const ECHOED: &str = "dapifedcba9876543210fedcba9876543210";
const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNyZXQtc3ViamVjdCJ9.c2VjcmV0LXNpZ25hdHVyZQ";
const REFRESH: &str = "refresh-me-quietly";
const CLIENT_SECRET: &str = "cl1ent s3cret&more";
const BASIC: &str = "Y2xpZW50LWlkOmJhc2ljLXBhc3N3b3Jk";
const AMZ: &str = "5f1e2d3c4b5a69788796a5b4c3d2e1f05f1e2d3c";
const SAS: &str = "c2FzLXNpZ25hdHVyZS1vZi10aGUtc3RvcmU%3D";
const LINK_HEADER: &str = "customer-key-of-the-link";
const HOST: &str = "adb-7405605123456789.9.azuredatabricks.net";
const WORKSPACE: &str = "7405605123456789";
const USER: &str = "Jane Q. Doe";
const MANAGEMENT: &str = "management-token-of-azure";
const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----";
const AWS: &str = "AKIAIOSFODNN7EXAMPLE";
const REGISTERED: &str = "correct horse battery";

/// Everything above, where it stands in real traffic.
fn planted() -> Vec<&'static str> {
    vec![
        PAT,
        ECHOED,
        JWT,
        REFRESH,
        "cl1ent",
        "s3cret",
        BASIC,
        AMZ,
        SAS,
        LINK_HEADER,
        HOST,
        WORKSPACE,
        USER,
        "jane.doe",
        "jane-doe",
        MANAGEMENT,
        "MIIEvQIB",
        AWS,
        REGISTERED,
        "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5",
    ]
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn exchange(
    method: &str,
    uri: &str,
    sent: &[(&str, &str)],
    body: impl Into<Bytes>,
    answered: &[(&str, &str)],
    answer: impl Into<Bytes>,
) -> Interaction {
    let origin =
        if uri.contains("amazonaws") || uri.contains("windows.net") { Origin::Storage } else { Origin::Api };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let uri = uri.parse().unwrap();
    let request = CassetteRequest::from_http(&method, &uri, &headers(sent), origin, body.into());
    let response = CassetteResponse::from_http(StatusCode::OK, &headers(answered), answer.into());
    Interaction::new(request, Outcome::Response(response))
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// A story in which every kind of secret occurs.
fn story() -> Vec<Interaction> {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let bearer = format!("Bearer {PAT}");
    let basic = format!("Basic {BASIC}");
    let token_form = "grant_type=client_credentials&client_secret=cl1ent+s3cret%26more&scope=all-apis";
    let tokens = json!({"access_token": JWT, "refresh_token": REFRESH, "expires_in": 3600});
    let amazon = format!(
        "https://root.s3.us-west-2.amazonaws.com/results/{WORKSPACE}/a?X-Amz-Signature={AMZ}&X-Amz-Credential={AWS}"
    );
    let azure = format!("https://acct.blob.core.windows.net/c/b?sv=2024&sig={SAS}");
    let sql = format!("SELECT '{AWS}', note FROM t WHERE mail = 'jane.doe@corp.example' -- {PEM}");
    let answer = json!({
        "statement_id": "01ef9de2-db21-16af-b4cb-9ccf302d746b",
        "result": {
            "external_links": [
                {"external_link": amazon, "http_headers": {"x-amz-server-side-encryption-customer-key": LINK_HEADER}},
                {"external_link": azure}
            ],
            "data_array": [["jane.doe@corp.example", format!("see https://{HOST}/?o={WORKSPACE}#job/1")]],
        },
        "workspace_id": 7_405_605_123_456_789_u64,
        "created_by": USER, "owner": "jane-doe", "comment": format!("made by {USER}, {REGISTERED}, {}", STANDARD.encode(REGISTERED)),
    });
    vec![
        exchange(
            "POST",
            &format!("https://{HOST}/oidc/v1/token?o={WORKSPACE}"),
            &[form, ("authorization", &basic)],
            token_form,
            &[JSON],
            tokens.to_string(),
        ),
        exchange(
            "POST",
            &format!("https://{HOST}/api/2.0/sql/statements"),
            &[JSON, ("authorization", &bearer), ("x-databricks-azure-sp-management-token", MANAGEMENT)],
            json!({"statement": sql, "parameters": [{"name": "password", "value": CLIENT_SECRET}]})
                .to_string(),
            &[JSON, ("x-databricks-org-id", WORKSPACE), ("set-cookie", "session=cl1ent")],
            answer.to_string(),
        ),
        exchange(
            "GET",
            &amazon,
            &[("x-amz-server-side-encryption-customer-key", LINK_HEADER)],
            "",
            &[],
            "rows",
        ),
        exchange("PUT", &azure, &[], "rows", &[], ""),
        exchange(
            "POST",
            &format!("https://{HOST}/api/2.0/token/create"),
            &[JSON],
            "{}",
            &[JSON],
            json!({"token_value": ECHOED, "note": format!("use {ECHOED}")}).to_string(),
        ),
        exchange(
            "GET",
            &format!("https://{HOST}/api/2.0/fs/files/Users/jane.doe@corp.example/{WORKSPACE}.txt"),
            &[],
            "",
            &[("content-type", "text/plain")],
            format!("key:\n{PEM}\n{AWS} {JWT}"),
        ),
        exchange(
            "GET",
            &format!("https://{HOST}/api/2.0/secrets/get?scope=s&key=k"),
            &[],
            "",
            &[JSON],
            json!({"key": "k", "value": STANDARD.encode(CLIENT_SECRET)}).to_string(),
        ),
    ]
}

fn sanitizers() -> Sanitizers {
    Sanitizers::default()
        .with_secret(REGISTERED, "[PASSPHRASE]")
        .with_workspace_id(WORKSPACE)
        .with_user_name(USER)
}

fn as_file(interactions: &[Interaction]) -> Cassette {
    // The builder of cassettes is the player's; a file is the way in that everybody has.
    let entries: Vec<String> = interactions.iter().map(entry).collect();
    let text = format!(r#"{{"format": "databricks-cassette/1", "interactions": [{}]}}"#, entries.join(","));
    Cassette::from_json(&text).unwrap()
}

fn entry(interaction: &Interaction) -> String {
    let body = |body: &CassetteBody| match body {
        CassetteBody::Empty => json!(null),
        CassetteBody::Json(value) => json!({ "json": value }),
        CassetteBody::Text(text) => json!({ "text": text }),
        CassetteBody::Binary(bytes) => json!({ "base64": STANDARD.encode(bytes) }),
    };
    let request = &interaction.request;
    let response = interaction.response().unwrap();
    let origin = if request.origin == Origin::Api { "api" } else { "storage" };
    let query: serde_json::Map<_, _> =
        request.query.iter().map(|(name, all)| (name.clone(), json!(all))).collect();
    json!({
        "request": {"method": request.method.as_str(), "origin": origin, "path": request.path, "query": query,
            "headers": request.headers, "body": body(&request.body)},
        "response": {"status": 200, "headers": response.headers, "body": body(&response.body)},
    })
    .to_string()
}

fn everything_in(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &everything_in(&path);
        } else {
            all += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn a_saved_cassette_has_none_of_the_planted_secrets() {
    let sanitizers = sanitizers();
    let mut interactions = story();
    let raw: String = interactions.iter().map(entry).collect();
    for secret in
        ["dapifedc", JWT, REFRESH, "cl1ent", AMZ, LINK_HEADER, WORKSPACE, USER, "jane.doe", AWS, REGISTERED]
    {
        assert!(raw.contains(secret), "the story does not hold {secret}");
    }
    interactions.iter_mut().for_each(|interaction| sanitizers.sanitize(interaction));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.json");
    as_file(&interactions).save_with(&path, &sanitizers.secret_scan()).unwrap();
    let saved = everything_in(folder.path());
    for secret in planted() {
        assert!(!saved.contains(secret), "{secret} is in {saved}");
    }
    insta::assert_snapshot!(saved);
}

#[test]
fn what_is_sanitized_twice_is_the_same() {
    let sanitizers = sanitizers();
    for mut interaction in story() {
        sanitizers.sanitize(&mut interaction);
        let once = interaction.clone();
        sanitizers.sanitize(&mut interaction);
        assert_eq!(entry(&interaction), entry(&once));
    }
}

/// The same story without sanitizers is refused, for every secret alone.
#[test]
fn every_shape_of_a_secret_is_refused_without_sanitizers() {
    let pem_at_once = format!("x {PEM}");
    let texts = [
        (PAT, "Databricks token"),
        (JWT, "JSON web token"),
        (AWS, "AWS access key"),
        (&pem_at_once, "private key"),
        ("?X-Amz-Signature=5f1e2d3c4b5a6978", "signature of a URL"),
        ("https://a/b?sig=c2FzLXNpZ25hdHVyZS1v", "signature of a URL"),
        ("Bearer 0123456789abcdefgh", "value of an Authorization header"),
        ("Basic Y2xpZW50LWlkOmJhc2ljLXBhc3N3b3Jk", "value of an Authorization header"),
        ("AccountKey=MTIzNDU2Nzg5MDEyMzQ1Ng==", "key of a storage account"),
        ("jdbc:postgresql://u:hidden@h/db", "password in an address"),
    ];
    for (text, kind) in texts {
        for body in [
            json!({"json": {"a": [text]}}),
            json!({ "text": text }),
            json!({"base64": STANDARD.encode(text)}),
        ] {
            let error = refused(&body, &SecretScan::new());
            assert!(error.starts_with("interaction 1: response/body") && error.contains(kind), "{error}");
            assert!(!error.contains(text), "{error}");
        }
    }
    let error = refused(&json!({"json": {"client_secret": "plain words"}}), &SecretScan::new());
    assert!(error.contains("response/body/client_secret") && !error.contains("plain"), "{error}");
}

fn refused(body: &serde_json::Value, scan: &SecretScan) -> String {
    let request = json!({"method": "GET", "origin": "api", "path": "/"});
    let interaction = json!({"request": request, "response": {"status": 200, "body": body}});
    let text = json!({"format": "databricks-cassette/1", "interactions": [interaction]}).to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let error = Cassette::from_json(&text).unwrap().save_with(&path, scan).unwrap_err();
    assert_eq!((error.kind(), error.file()), (CassetteErrorKind::Secret, Some(path.as_path())));
    assert!(!path.exists());
    error.message().to_owned()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_known_secret_is_found_inside_of_encodings() {
    let scan = Sanitizers::default().with_secret(REGISTERED, "[PASSPHRASE]").secret_scan();
    let rows = format!("{}{REGISTERED}", "row ".repeat(1000));
    let two_frames = [lz4(b"schema"), lz4(rows.as_bytes())].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(rows.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let attachment = STANDARD.encode(&two_frames);
    let bodies = [
        json!({"json": {"result": {"attachment": attachment}}}),
        json!({"base64": attachment}),
        json!({"base64": STANDARD.encode(&gzip)}),
        json!({"json": {"content": STANDARD.encode(&gzip)}}),
        json!({"text": format!("path/{}", STANDARD.encode(&rows))}),
        json!({"json": {"url": "correct%20horse%20battery"}}),
        json!({"base64": STANDARD.encode(REGISTERED)}),
    ];
    for body in bodies {
        let error = refused(&body, &scan);
        assert!(error.contains("one that the sanitizers were told") && !error.contains("correct"), "{error}");
    }
}

#[test]
fn a_secret_that_a_variable_cuts_in_pieces_is_found() {
    let text = json!({
        "format": "databricks-cassette/1",
        "variables": {"test_id": "0123456789ab"},
        "interactions": [{
            "request": {"method": "GET", "origin": "api", "path": "/"},
            "response": {"status": 200, "body": {"text": "dapi{{test_id}}cdef0123456789abcdef"}},
        }],
    });
    let error = SecretScan::new().check(&Cassette::from_json(&text.to_string()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("Databricks token"), "{error}");
}

#[test]
fn nothing_prints_what_it_removes() {
    let sanitizers = sanitizers();
    let printed = format!("{sanitizers:?} {:?} {:?}", sanitizers.secret_scan(), as_file(&story()));
    assert!(!planted().iter().any(|secret| printed.contains(secret)), "{printed}");
}
