//! A world that repeats whatever it is sent, and the credentials that it is met with.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::plants::*;
use bytes::Bytes;
use databricks_transport::{
    AuthConfig, Authorization, Authorize, Body, Error, ErrorKind, Federation, IdToken,
};
use http::{HeaderName, HeaderValue, Request, Response};

/// How the world answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Odd,
    Refuses(u16),
    Html(u16),
    Truncated(u16),
    Text(u16),
    Redirects,
    Breaks,
    Fails(ErrorKind),
}

pub(super) const MOODS: &[Mood] = &[
    Mood::Good,
    Mood::Odd,
    Mood::Refuses(400),
    Mood::Refuses(401),
    Mood::Refuses(403),
    Mood::Refuses(429),
    Mood::Refuses(503),
    Mood::Html(502),
    Mood::Truncated(500),
    Mood::Text(404),
    Mood::Redirects,
    Mood::Breaks,
    Mood::Fails(ErrorKind::Connect),
    Mood::Fails(ErrorKind::Unavailable),
    Mood::Fails(ErrorKind::Config),
];

/// A network that repeats what it is sent in every answer and failure. `sent` keeps it, to prove that the secrets were
/// really there.
#[derive(Clone)]
pub(super) struct Echo {
    pub(super) tokens: Mood,
    pub(super) api: Mood,
    pub(super) sent: Arc<Mutex<String>>,
}

impl Echo {
    pub(super) fn is_well(&self) -> bool {
        (self.tokens, self.api) == (Mood::Good, Mood::Good)
    }

    pub(super) async fn serve(self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let body = body.collect(1 << 20).await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let mut said = head.uri.to_string();
        for value in head.headers.values() {
            said = format!("{said} {}", String::from_utf8_lossy(value.as_bytes()));
        }
        // A proxy on the way repeats what it was sent by the network below.
        let said = format!("{said} {PROXY_PASSWORD} {}", proxy_basic());
        *self.sent.lock().unwrap() += &format!("{said} {body}\n");
        let path = head.uri.path();
        if path.contains(".well-known") {
            let host = head.uri.authority().map(ToString::to_string).unwrap_or_default();
            return Ok(json(
                200,
                &serde_json::json!({"token_endpoint": format!("https://{host}/oidc/v1/token")}),
            ));
        }
        let is_token =
            path.contains("token") || path.contains("github") || head.uri.host() == Some("169.254.169.254");
        if is_token {
            return answered(self.tokens, &format!("{said} {body}"), true);
        }
        // A workspace quotes SQL in its errors, and shall; it does not quote other bodies.
        answered(self.api, &said, false)
    }
}

pub(super) fn json(status: u16, value: &serde_json::Value) -> Response<Body> {
    let body = Body::from(value.to_string());
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

pub(super) fn answered(mood: Mood, said: &str, is_token: bool) -> Result<Response<Body>, Error> {
    let secret = if is_token { MINTED } else { ANSWERED };
    let text = |status: u16, text: String| Response::builder().status(status).body(Body::from(text)).unwrap();
    let mut response = match mood {
        Mood::Good => json(
            200,
            &serde_json::json!({
                "access_token": secret, "value": secret, "expires_in": 3600, "presigned_url": said,
                "data_array": [[secret]], "note": said, "token_value": secret,
            }),
        ),
        Mood::Odd => json(200, &serde_json::json!({"id_token": secret, "refresh_token": [secret]})),
        Mood::Refuses(status) => json(
            status,
            &serde_json::json!({
                "error_code": "BAD", "error": "invalid_client", "error_description": format!("you sent {said}"),
                "message": format!("you sent {said}"), "access_token": secret, "request_id": said,
                "details": [
                    {"@type": "x/google.rpc.ErrorInfo", "reason": said, "domain": said, "metadata": {said: said},
                        "token": secret, "list": [said]},
                    {"@type": "x/google.rpc.QuotaFailure", "violations": [{"subject": said, "description": said}]},
                    {"@type": "x/google.rpc.BadRequest", "field_violations": [{"field": said, "description": said}]},
                    {"@type": "x/google.rpc.ResourceInfo", "resource_name": said, "owner": said, "description": said},
                    {"@type": "x/google.rpc.RequestInfo", "request_id": said},
                ],
            }),
        ),
        Mood::Html(status) => text(status, format!("<html><pre>{said}</pre><!-- {secret} --></html>")),
        Mood::Truncated(status) => text(status, format!("{{\"note\":\"{said}\",\"access_token\":\"{secret}")),
        Mood::Text(status) => text(status, format!("BAD_THING: {said}")),
        Mood::Redirects => text(302, String::new()),
        Mood::Breaks => {
            let parts = [
                Ok(Bytes::from("{\"a\":")),
                Err(Error::new(ErrorKind::Unavailable, format!("reading {said} broke")).with_source(said)),
            ];
            Response::new(Body::from_stream(futures::stream::iter(parts)))
        }
        Mood::Fails(kind) => {
            let error = Error::new(kind, format!("sending {said} failed")).with_source(said).with_hint(said);
            return Err(error);
        }
    };
    let is_good = response.status().is_success();
    let headers = response.headers_mut();
    headers.append("set-cookie", HeaderValue::from_str(&format!("a={COOKIE}")).unwrap());
    headers.append("set-cookie", HeaderValue::from_str(&format!("b={COOKIE}")).unwrap());
    let location = format!("https://me:{HOST_PASSWORD}@login.example/?error=no&code={LOCATION}#{LOCATION}");
    // Longer than any call may take, or it would be tried until then.
    headers.insert("retry-after", HeaderValue::from_static("600"));
    headers.insert("location", HeaderValue::from_str(&location).unwrap());
    // The headers of a good answer are the caller's, whatever they say.
    if !is_good {
        headers.insert("x-unknown", HeaderValue::from_str(secret).unwrap());
        headers.insert("x-request-id", HeaderValue::from_bytes(said.as_bytes()).unwrap());
    }
    Ok(response)
}

pub(super) struct Own {
    pub(super) mood: Mood,
}

impl Authorize for Own {
    async fn authorize(&self) -> Result<Authorization, Error> {
        match self.mood {
            // What it says itself is its own to keep clean.
            Mood::Fails(kind) => Err(Error::new(kind, "the vault is closed")),
            _ => Authorization::bearer(MINTED)?.with_header(HeaderName::from_static("x-more"), MINTED),
        }
    }

    fn auth_type(&self) -> &str {
        "vault"
    }
}

pub(super) fn every_method(mood: Mood, tools: &Path) -> Vec<AuthConfig> {
    let github = IdToken::github("https://gh.example/github", GITHUB);
    let tool = |name: &str| tools.join(name);
    vec![
        AuthConfig::pat(TOKEN),
        AuthConfig::oauth("client-1", CLIENT_SECRET).with_scopes(["sql"]),
        AuthConfig::service_principal("tenant-1", "client-1", CLIENT_SECRET),
        AuthConfig::Federation(Federation::new(IdToken::Text(ID_TOKEN.into())).with_client_id("c")),
        AuthConfig::Federation(Federation::new(IdToken::File(tool("id-token")))),
        AuthConfig::Federation(Federation::new(github)),
        AuthConfig::azure_cli(tool("az"), None),
        AuthConfig::databricks_cli(tool("databricks"), None),
        AuthConfig::managed_identity(Some("c".into())),
        AuthConfig::custom(Own { mood }),
    ]
}

/// A folder with a file that holds a token, and tools that print one.
pub(super) fn tools() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("id-token"), ID_TOKEN).unwrap();
    #[cfg(unix)]
    for (name, field) in [("az", "accessToken"), ("databricks", "access_token")] {
        // Another process writes the program: one that is open for writing here could not be run.
        let script = format!("#!/bin/sh\necho '{{\"{field}\": \"{MINTED}\"}}'\n");
        let source = folder.path().join(format!("{name}.sh"));
        std::fs::write(&source, script).unwrap();
        let target = folder.path().join(name);
        let copied =
            std::process::Command::new("install").args(["-m", "755"]).arg(source).arg(target).status();
        assert!(copied.unwrap().success());
    }
    folder
}
