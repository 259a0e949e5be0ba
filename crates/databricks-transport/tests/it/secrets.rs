//! No secret is seen from outside: every public call runs against servers that repeat whatever they are sent, with every
//! log level on, and nothing that was planted appears in a log, a span, a metric, an error or a `{:?}`.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt::{Debug, Display};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::logs::logged;
use crate::workspace::{Workspace, m2m};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use databricks_transport::{
    ApiError, ApiRequest, AuthConfig, Authorization, Authorize, AzureCloud, Body, Client, DatabricksConfig,
    Error, ErrorKind, Federation, IdToken, Operation, Rate, RateLimits, RetryConfig, encode_segment,
};
use http::{HeaderName, HeaderValue, Request, Response};
use metrics_util::debugging::DebuggingRecorder;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");

/// What is planted, and where. The word in the middle says which one was found.
const TOKEN: &str = "plant-token+/x=";
const CLIENT_SECRET: &str = "plant-client+/x é";
const MINTED: &str = "plant-minted+/x=";
const ID_TOKEN: &str = "plant-subject+/x=";
const GITHUB: &str = "plant-github+/x=";
const OWN_HEADER: &str = "plant-header+/x=";
const QUERY: &str = "plant-query+/x=";
const LINK_PATH: &str = "plant-path";
const LINK_QUERY: &str = "plant-signature+/x=";
const BODY: &str = "plant-body+/x=";
const ANSWERED: &str = "plant-answered+/x=";
const COOKIE: &str = "plant-cookie";
const LOCATION: &str = "plant-location";
const HOST_PASSWORD: &str = "plant-password";
// A password of a proxy's URL belongs into this list as soon as the configuration takes one.

const ALL: &[&str] = &[
    TOKEN,
    CLIENT_SECRET,
    MINTED,
    ID_TOKEN,
    GITHUB,
    OWN_HEADER,
    QUERY,
    LINK_PATH,
    LINK_QUERY,
    BODY,
    ANSWERED,
    COOKIE,
    LOCATION,
    HOST_PASSWORD,
];

/// Each of them as it is, as URLs, forms and JSON have it, and in base64.
fn forms() -> Vec<(&'static str, String)> {
    let form = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let each = |secret: &'static str| {
        let basic = format!("client-1:{}", form(secret));
        let all = [
            secret.to_owned(),
            // However it is encoded, this much of it stays.
            secret.split('+').next().unwrap().to_owned(),
            form(secret),
            encode_segment(secret),
            BASE64_STANDARD.encode(secret),
            BASE64_URL_SAFE_NO_PAD.encode(secret),
            BASE64_STANDARD.encode(basic),
        ];
        all.map(|form| (secret, form))
    };
    ALL.iter().flat_map(|secret| each(secret)).collect()
}

/// Everything that can be seen, and which calls have been made.
#[derive(Clone, Default)]
struct Spy {
    seen: Arc<Mutex<BTreeSet<String>>>,
    called: Arc<Mutex<BTreeSet<&'static str>>>,
    failures: Arc<Mutex<usize>>,
}

impl Spy {
    fn debug(&self, value: &dyn Debug) {
        self.note(format!("{value:?}"));
        self.note(format!("{value:#?}"));
    }

    fn text(&self, value: &dyn Display) {
        self.note(value.to_string());
    }

    fn note(&self, text: String) {
        self.seen.lock().unwrap().insert(text);
    }

    fn call<T: Debug>(&self, name: &'static str, result: Result<T, Error>) -> Option<T> {
        self.called.lock().unwrap().insert(name);
        match result {
            Ok(value) => {
                self.debug(&value);
                Some(value)
            }
            Err(error) => {
                *self.failures.lock().unwrap() += 1;
                self.error(&error);
                None
            }
        }
    }

    fn error(&self, error: &Error) {
        self.debug(error);
        self.note(format!("{error} | {} | {:?}", error.message(), error.hint()));
        self.debug(&error.api_error());
        let mut source = error.source();
        while let Some(cause) = source {
            self.note(format!("{cause} {cause:?}"));
            source = cause.source();
        }
    }

    fn shows_nothing(&self) {
        let forms = forms();
        let seen = self.seen.lock().unwrap();
        let shows = |text: &&String| forms.iter().find(|(_, form)| text.contains(form.as_str()));
        let leaks: Vec<_> = seen.iter().filter_map(|text| Some((shows(&text)?, text))).collect();
        let some: Vec<_> = leaks
            .iter()
            .take(10)
            .map(|((secret, form), text)| format!("`{secret}`, as `{form}`, is in:\n{text}\n"))
            .collect();
        assert!(leaks.is_empty(), "{} leaks\n{}", leaks.len(), some.join("\n"));
    }
}

/// How the world answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
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

const MOODS: &[Mood] = &[
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
struct Echo {
    tokens: Mood,
    api: Mood,
    sent: Arc<Mutex<String>>,
}

impl Echo {
    async fn serve(self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let body = body.collect(1 << 20).await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let mut said = head.uri.to_string();
        for value in head.headers.values() {
            said = format!("{said} {}", String::from_utf8_lossy(value.as_bytes()));
        }
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

fn json(status: u16, value: &serde_json::Value) -> Response<Body> {
    let body = Body::from(value.to_string());
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

fn answered(mood: Mood, said: &str, is_token: bool) -> Result<Response<Body>, Error> {
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
                "details": [{"@type": "x/google.rpc.ErrorInfo", "reason": said, "token": secret, "list": [said]}],
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

struct Own {
    mood: Mood,
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

fn every_method(mood: Mood, tools: &Path) -> Vec<AuthConfig> {
    let github =
        IdToken::GitHub { request_url: "https://gh.example/github".into(), request_token: GITHUB.into() };
    let tool = |name: &str| tools.join(name);
    vec![
        AuthConfig::PersonalAccessToken { token: TOKEN.into() },
        AuthConfig::OAuth {
            client_id: "client-1".into(),
            client_secret: CLIENT_SECRET.into(),
            scopes: vec!["sql".into()],
        },
        AuthConfig::ServicePrincipal {
            tenant_id: "tenant-1".into(),
            client_id: "client-1".into(),
            client_secret: CLIENT_SECRET.into(),
        },
        AuthConfig::Federation(Federation::new(IdToken::Text(ID_TOKEN.into())).with_client_id("c")),
        AuthConfig::Federation(Federation::new(IdToken::File(tool("id-token")))),
        AuthConfig::Federation(Federation::new(github)),
        AuthConfig::AzureCli { path: tool("az"), tenant_id: None },
        AuthConfig::DatabricksCli { path: tool("databricks"), profile: None },
        AuthConfig::ManagedIdentity { client_id: Some("c".into()) },
        AuthConfig::custom(Own { mood }),
    ]
}

/// A folder with a file that holds a token, and tools that print one.
fn tools() -> tempfile::TempDir {
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

fn client(spy: &Spy, auth: AuthConfig, echo: &Echo) -> Client {
    let config = spy
        .call("DatabricksConfig::new", DatabricksConfig::new("https://h.example"))
        .unwrap()
        .with_auth(auth)
        .with_azure_resource_id("/subscriptions/s/x")
        .with_debug_headers(true)
        .with_debug_truncate_bytes(100_000)
        .with_rate_limits(RateLimits::unlimited())
        .with_total_timeout(Duration::from_secs(20))
        .with_retry(RetryConfig::default().with_max_attempts(2).with_delays(Duration::ZERO, Duration::ZERO));
    spy.debug(&config);
    spy.debug(&config.auth());
    spy.text(&config.describe());
    spy.debug(&config.describe());
    let world = echo.clone();
    let leaf = tower::service_fn(move |request: Request<Body>| world.clone().serve(request));
    let builder = Client::builder(config).leaf(leaf);
    spy.debug(&builder);
    let client = spy.call("ClientBuilder::build", builder.build()).unwrap();
    spy.debug(&client);
    client
}

fn request(spy: &Spy) -> ApiRequest {
    let body = serde_json::json!({
        "statement": format!("SELECT '{BODY}'"), "parameters": [{"name": "a", "value": BODY}], "string_value": BODY,
    });
    let request = ApiRequest::post(format!("/api/2.0/sql/statements?access_token={}", encode_segment(QUERY)))
        .query("sig", QUERY)
        .header(HeaderName::from_static("x-own-key"), HeaderValue::from_static(OWN_HEADER));
    let request = spy.call("ApiRequest::json", request.json(&body)).unwrap();
    spy.debug(&request);
    request
}

fn link() -> Request<Body> {
    let query = encode_segment(LINK_QUERY);
    let link = format!("https://storage.example/{LINK_PATH}?X-Amz-Signature={query}&v=1");
    Request::get(link).header("authorization", format!("Bearer {TOKEN}")).body(Body::from(BODY)).unwrap()
}

/// Every call of a client, and what becomes of the answers.
async fn every_call(spy: &Spy, client: &Client) {
    for operation in [READ, WRITE] {
        if let Some(answer) = spy.call("Client::send", client.send(operation, request(spy)).await) {
            spy.debug(&answer.headers());
            spy.call("Body::collect", answer.into_body().collect(1 << 20).await.map(|bytes| bytes.len()));
        }
        let whole = client.call::<serde_json::Value>(operation, request(spy)).await;
        spy.call("Client::call", whole.map(drop));
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(dead_code)]
        enum Other {
            A,
        }
        spy.call("Client::call", client.call::<Vec<u8>>(operation, request(spy)).await);
        spy.call("Client::call", client.call::<Other>(operation, request(spy)).await);
        let typed = client.call::<std::collections::BTreeMap<String, u64>>(operation, request(spy)).await;
        spy.call("Client::call", typed);
        if let Some(answer) = spy.call("Client::fetch_link", client.fetch_link(operation, link()).await) {
            use futures::StreamExt;
            let parts: Vec<_> = answer.into_body().into_stream().collect().await;
            for part in parts {
                spy.call("Body::into_stream", part.map(|bytes| bytes.len()));
            }
        }
    }
}

/// What fails before anything is sent.
async fn every_refusal(spy: &Spy, client: &Client) {
    for host in [
        format!("https://me:{HOST_PASSWORD}@h.example"),
        format!("me:{HOST_PASSWORD}@h.example"),
        format!("ftp://me:{HOST_PASSWORD}@h.example"),
    ] {
        spy.call("DatabricksConfig::new", DatabricksConfig::new(&host));
    }
    let variables = |name: &str| match name {
        "DATABRICKS_HOST" => Some("h.example".to_owned()),
        "DATABRICKS_TOKEN" | "DATABRICKS_CLIENT_SECRET" | "ARM_CLIENT_SECRET" => Some(TOKEN.to_owned()),
        "DATABRICKS_OIDC_TOKEN" | "ACTIONS_ID_TOKEN_REQUEST_TOKEN" => Some(ID_TOKEN.to_owned()),
        "DATABRICKS_CLIENT_ID" => Some("client-1".to_owned()),
        _ => None,
    };
    let config = spy.call("DatabricksConfig::from_vars", DatabricksConfig::from_vars(variables)).unwrap();
    spy.text(&config.describe());
    for bad in ["DATABRICKS_TOKEN", "DATABRICKS_TIMEOUT_SECS", "DATABRICKS_AUTH_TYPE"] {
        let value = if bad == "DATABRICKS_TOKEN" { format!("{TOKEN} \u{7}") } else { "bad".to_owned() };
        let vars = |name: &str| if name == bad { Some(value.clone()) } else { variables(name) };
        spy.call("DatabricksConfig::from_vars", DatabricksConfig::from_vars(vars));
    }
    let builder = || {
        DatabricksConfig::builder()
            .token(TOKEN)
            .client_secret(CLIENT_SECRET)
            .azure_client_secret(CLIENT_SECRET)
            .variables(|name| (name == "HOME").then(|| "/home/me".to_owned()))
    };
    spy.debug(&builder());
    let file = format!("[P]\nhost = h.example\ntoken = {TOKEN}\ntoken = {TOKEN}\n");
    for text in [file.clone(), format!("[P]\n{TOKEN}\n"), format!("[P]\nhost = h\npassword = {TOKEN}\n")] {
        let files = move |_: &Path| Ok(text.clone().into_bytes());
        spy.call("ConfigBuilder::load", builder().files(files).profile("P").load());
    }
    spy.call("DatabricksConfig::from_env", DatabricksConfig::from_env().map(drop));

    let link = format!("https://me:{HOST_PASSWORD}@s.example/{LINK_PATH}?sig={LINK_QUERY}");
    for path in
        [link.clone(), format!("//s.example/{LINK_PATH}"), format!("/x y?sig={QUERY}"), format!("x?{QUERY}")]
    {
        let request = ApiRequest::get(path.clone()).query("token", QUERY);
        spy.debug(&request);
        spy.call("ApiRequest::build", request.build().map(drop));
        spy.call("Client::send", client.send(READ, ApiRequest::get(path)).await);
    }
    let relative = Request::get(format!("/{LINK_PATH}?sig={LINK_QUERY}")).body(Body::empty()).unwrap();
    spy.call("Client::fetch_link", client.fetch_link(READ, relative).await);
    spy.call("Body::collect", Body::from(BODY).collect(1).await);
    spy.call("Authorization::bearer", Authorization::bearer(TOKEN));
    spy.call("Authorization::bearer", Authorization::bearer(format!("{TOKEN}\n{TOKEN}")));
    let name = HeaderName::from_static("x-own");
    let bearer = || Authorization::bearer(TOKEN).unwrap();
    spy.call("Authorization::with_header", bearer().with_header(name.clone(), TOKEN));
    spy.call("Authorization::with_header", bearer().with_header(name, format!("{TOKEN}\n")));
    spy.called.lock().unwrap().insert("Client::new");
    spy.debug(
        &Client::new(DatabricksConfig::new("http://h.example").unwrap().with_token(TOKEN)).unwrap_err(),
    );
}

/// `Debug` of the types that no call above has shown.
fn every_other_type(spy: &Spy) {
    let api = ApiError::parse(http::StatusCode::BAD_REQUEST, &http::HeaderMap::new(), b"{}");
    spy.debug(&api);
    spy.debug(&Body::from(BODY));
    spy.debug(&(READ, ErrorKind::Auth, AzureCloud::Public));
    spy.debug(&(Rate::per_second(1.0), RateLimits::default(), RetryConfig::default()));
    if let AuthConfig::Custom(custom) = AuthConfig::custom(Own { mood: Mood::Good }) {
        spy.debug(&custom);
    }
    spy.debug(&IdToken::Text(ID_TOKEN.into()));
    spy.debug(&Federation::new(IdToken::Text(ID_TOKEN.into())));
    spy.debug(&DatabricksConfig::new("h.example").unwrap().describe().settings);
}

#[tokio::test]
async fn nothing_that_is_planted_is_seen() {
    let spy = Spy::default();
    let sent: Arc<Mutex<String>> = Arc::default();
    let tools = tools();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let guard = metrics::set_default_local_recorder(&recorder);
    let log = logged(async {
        for &mood in MOODS {
            let echo = |tokens, api| Echo { tokens, api, sent: Arc::clone(&sent) };
            // Each mood of the workspace with each way to sign; each mood of a token endpoint with each that has one.
            for auth in every_method(mood, tools.path()) {
                let well = client(&spy, auth.clone(), &echo(Mood::Good, mood));
                match auth {
                    AuthConfig::PersonalAccessToken { .. } | AuthConfig::OAuth { .. } => {
                        every_call(&spy, &well).await
                    }
                    _ => drop(spy.call("Client::send", well.send(READ, request(&spy)).await)),
                }
                if mood != Mood::Good {
                    let ill = client(&spy, auth, &echo(mood, Mood::Good));
                    spy.call("Client::send", ill.send(READ, request(&spy)).await);
                }
            }
        }
        let auth = AuthConfig::PersonalAccessToken { token: TOKEN.into() };
        let echo = Echo { tokens: Mood::Good, api: Mood::Good, sent: Arc::clone(&sent) };
        every_refusal(&spy, &client(&spy, auth, &echo)).await;
        every_other_type(&spy);
        spy.called.lock().unwrap().insert("Authorize::authorize");
    })
    .await;
    drop(guard);

    // The story is told, and the secrets were there to be told.
    for told in ["databricks.call", "request body", "answer body", "no token", "trying again", "x-own-key"] {
        assert!(log.contains(told), "`{told}` is not in the log");
    }
    let sent = sent.lock().unwrap();
    for secret in [TOKEN, MINTED, GITHUB, OWN_HEADER, LINK_PATH] {
        assert!(sent.contains(secret), "`{secret}` was never sent");
    }
    assert!(*spy.failures.lock().unwrap() > 300, "{}", spy.failures.lock().unwrap());
    for (key, ..) in snapshotter.snapshot().into_vec() {
        spy.note(format!("{key:?}"));
    }
    // Without the time, most lines of the many calls are the same.
    log.lines().for_each(|line| spy.note(line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned()));
    spy.shows_nothing();
    assert_eq!(*spy.called.lock().unwrap(), public_calls().iter().map(String::as_str).collect());
}

/// Every public function that is asynchronous or can fail, as the sources have them: `Client::send`.
fn public_calls() -> BTreeSet<String> {
    let exported = exported();
    let mut calls = BTreeSet::new();
    for text in sources() {
        let mut of = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.starts_with("impl") || line.starts_with("pub trait") {
                of = implemented(line);
            }
            let Some(name) = function(line, &of) else { continue };
            let mut signature = line.to_owned();
            while !signature.contains(['{', ';']) {
                signature += lines.next().unwrap_or(";");
            }
            let returns = signature.rsplit_once("->").map_or("", |(_, returns)| returns);
            let is_call = signature.contains("async fn") || returns.contains("Result<");
            if is_call && exported.contains(&of) {
                calls.insert(format!("{of}::{name}"));
            }
        }
    }
    calls
}

/// The type of `impl<T> fmt::Debug for Client {`, or the trait of `pub trait Authorize: Send {`.
fn implemented(line: &str) -> String {
    let line = line.split('{').next().unwrap_or_default();
    let of = line.rsplit(" for ").next().unwrap_or_default();
    let of = of.trim_start_matches("impl").trim_start_matches("pub trait").trim();
    of.split([':', '<', ' ']).next().unwrap_or_default().to_owned()
}

fn function<'a>(line: &'a str, of: &str) -> Option<&'a str> {
    let line = line.strip_prefix("    ").unwrap_or(line);
    // The functions of a public trait are public without saying so.
    let line = if of == "Authorize" && line.starts_with("fn ") { line } else { line.strip_prefix("pub ")? };
    let line = line.trim_start_matches("const ").trim_start_matches("async ").strip_prefix("fn ")?;
    line.split(['(', '<']).next()
}

/// The names that `lib.rs` exports.
fn exported() -> BTreeSet<String> {
    let root = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let uses: Vec<_> = root.split("pub use ").skip(1).map(|rest| rest.split(';').next().unwrap()).collect();
    let names = uses.iter().flat_map(|text| text.split(['{', '}', ',', ':']));
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The sources of the crate without their tests.
fn sources() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                texts.push(text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned());
            }
        }
    }
    texts
}

/// A type that is exported and not named here has not been thought about.
#[test]
fn every_public_type_is_one_whose_debug_is_checked() {
    let checked = [
        "ApiError",
        "ApiRequest",
        "AuthConfig",
        "Authorization",
        "Authorize",
        "AzureCloud",
        "Body",
        "Client",
        "ClientBuilder",
        "ConfigBuilder",
        "CustomAuth",
        "DatabricksConfig",
        "DescribedSetting",
        "Description",
        "Error",
        "ErrorKind",
        "Federation",
        "IdToken",
        "Operation",
        "Rate",
        "RateLimits",
        "RetryConfig",
    ];
    let no_types = ["BoxError", "HttpService", "encode_path", "encode_segment"];
    let types: BTreeSet<_> = exported()
        .into_iter()
        .filter(|name| name.starts_with(char::is_uppercase) || name.contains("encode"))
        .collect();
    let known: BTreeSet<_> = checked.iter().chain(&no_types).map(|name| (*name).to_owned()).collect();
    assert_eq!(types, known, "plant a secret in the new type above, show its Debug, and name it here");
}

#[tokio::test]
async fn the_requests_of_a_token_call_mark_their_secrets() {
    let workspace = Workspace::new(3600);
    let client = workspace.client(m2m());
    client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap();
    for call in workspace.calls() {
        assert!(!format!("{:?}", call.headers).contains("hunter2"));
        assert!(!format!("{:?}", call.headers).contains("t1"), "{:?}", call.headers);
    }
    assert!(!format!("{client:?}").contains("t1\""));
}
