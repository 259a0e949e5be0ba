//! Calls to token endpoints: over the client's own leaf, so that whatever stands in for the network sees them, with
//! deadlines and retries of their own and without the workspace's limits. Nothing secret gets into an error or a log.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::body::Body;
use crate::config::DatabricksConfig;
use crate::error::{ApiError, Error, ErrorKind, OneLine};
use crate::network::OnThisMachine;
use crate::operation::Operation;
use crate::place::is_loopback;
use crate::redact::{Secrets, SentSecrets};
use crate::service::{Exchange, Outgoing, Stack};
use crate::stack::{Answer, CallState, Deadline, Inactivity, Jitter, Retry, RetryPolicy};
use crate::trace::{TraceAttempt, Traffic, Watch};

/// Asking twice does no harm: each answer is a token of its own.
const OPERATION: Operation = Operation::new("auth.token").idempotent();
/// How long one attempt may be silent. Token endpoints answer at once or not at all.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a call may take with its repetitions.
const TOTAL: Duration = Duration::from_secs(40);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;
/// The longest text of a token endpoint that an error repeats.
const SHOWN: usize = 600;

/// Sends requests to token endpoints.
#[derive(Clone, Debug)]
pub(crate) struct TokenCaller {
    stack: Stack,
    plain_http: bool,
    watch: Arc<Watch>,
}

impl TokenCaller {
    pub(crate) fn new(leaf: impl Exchange, config: &DatabricksConfig, jitter: Jitter) -> Self {
        let watch = Watch::new(config, Traffic::Token);
        let attempt = TraceAttempt::new(leaf, Arc::clone(&watch));
        let attempt = Inactivity::new(attempt, SILENCE.min(config.timeout()));
        let attempt = Answer::new(attempt, Arc::clone(&watch));
        let retry = RetryPolicy::new(config.retry().clone(), jitter);
        let call = Deadline::new(Retry::new(attempt, retry), true);
        Self { stack: Stack::new(call), plain_http: config.plain_http(), watch }
    }

    /// The JSON object that an endpoint answers with. `purpose` says what it is for, such as `oauth-m2m`.
    pub(super) async fn call(&self, purpose: &str, call: TokenCall) -> Result<Map<String, Value>, Error> {
        let host = call.host();
        let failed = |what: &str| Error::new(ErrorKind::Auth, format!("{purpose}: {what}"));
        if !self.may_reach(&call) {
            let why = format!("{host} is not encrypted, so no secret is sent to it: use https");
            return Err(Error::new(ErrorKind::Config, format!("{purpose}: {why}")));
        }
        let (request, secrets) = call.into_request().map_err(|why| failed(&why))?;
        // Its retries are safe whatever the method is.
        let state = Arc::new(CallState::start(&Method::GET, TOTAL).reading_whole(LARGEST));
        let (head, body) = match self.stack.send(Outgoing::new(request, &OPERATION, &state)).await {
            Ok(response) => response.into_parts(),
            Err(error) => {
                let what = format!("no answer from {host}: {}", self.repeatable(&secrets, error.message()));
                return Err(failed(&what).with_transient(error.is_retryable()).with_source(error));
            }
        };
        let body = body.collect(LARGEST).await.unwrap_or_default();
        let object = serde_json::from_slice::<Map<String, Value>>(&body).ok();
        match object {
            Some(object) if head.status.is_success() => Ok(object),
            None if head.status.is_success() => {
                Err(failed(&format!("{host} did not answer with JSON: check that it is the right host")))
            }
            object => {
                let reason = object.as_ref().map(|object| self.repeatable(&secrets, &reason(object)));
                Err(refused(purpose, &host, head.status, reason.as_deref()))
            }
        }
    }

    /// Somebody else's words without the call's secrets and without those that the client was configured with, such as
    /// a proxy's password.
    fn repeatable(&self, secrets: &Secrets, text: &str) -> String {
        let mut all = secrets.clone();
        all.extend(self.watch.known());
        masked(&all, text)
    }

    /// Secrets travel encrypted, or do not leave the machine.
    fn may_reach(&self, call: &TokenCall) -> bool {
        let url = &call.url;
        url.scheme() == "https"
            || url.scheme() == "http"
                && (self.plain_http
                    || call.on_this_machine
                    || is_loopback(url.host_str().unwrap_or_default()))
    }
}

/// What an endpoint says about a refusal: OAuth's code and description, or what others have in their place.
fn reason(object: &Map<String, Value>) -> String {
    let text = |names: &[&str]| {
        names.iter().find_map(|name| object.get(*name)?.as_str().filter(|text| !text.trim().is_empty()))
    };
    let code = text(&["error", "errorCode", "error_code"]);
    let description = text(&["error_description", "errorSummary", "message"]);
    match (code, description) {
        (Some(code), Some(description)) => format!("{code}: {description}"),
        (one, other) => one.or(other).unwrap_or_default().to_owned(),
    }
}

fn refused(purpose: &str, host: &str, status: StatusCode, reason: Option<&str>) -> Error {
    let reason = reason.filter(|reason| !reason.is_empty()).map(|reason| format!(": {reason}"));
    let verb = if status.is_server_error() { "could not give" } else { "refused to give" };
    let message = format!("{purpose}: {host} {verb} a token ({status}){}", reason.unwrap_or_default());
    let is_transient = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    Error::new(ErrorKind::Auth, message).with_transient(is_transient)
}

/// A request to a token endpoint, and the secrets in it.
pub(super) struct TokenCall {
    method: Method,
    url: Url,
    headers: HeaderMap,
    form: Option<String>,
    secrets: Secrets,
    on_this_machine: bool,
}

impl TokenCall {
    pub(super) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            form: None,
            secrets: Secrets::default(),
            on_this_machine: false,
        }
    }

    /// A form.
    pub(super) fn post(url: Url) -> Self {
        Self { method: Method::POST, form: Some(String::new()), ..Self::get(url) }
    }

    /// A field of the form.
    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        if let Some(form) = &mut self.form {
            let separator = if form.is_empty() { "" } else { "&" };
            form.push_str(separator);
            form.extend(byte_serialize(name.as_bytes()));
            form.push('=');
            form.extend(byte_serialize(value.as_bytes()));
        }
        self
    }

    /// A field of the form that holds a secret.
    pub(super) fn secret_field(mut self, name: &str, value: &SecretString) -> Self {
        self.secrets.add(value.expose_secret());
        self.field(name, value.expose_secret())
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The id and secret of a client, by HTTP Basic. OAuth has both form-encoded first.
    pub(super) fn basic(mut self, id: &str, secret: &SecretString) -> Self {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(id), encoded(secret.expose_secret()));
        let basic = BASE64_STANDARD.encode(pair);
        self.secrets.add_basic(id, secret.expose_secret());
        self.sensitive(format!("Basic {basic}"))
    }

    /// A token in the `Authorization` header.
    pub(super) fn bearer(mut self, token: &SecretString) -> Self {
        self.secrets.add(token.expose_secret());
        self.sensitive(format!("Bearer {}", token.expose_secret()))
    }

    fn sensitive(mut self, text: String) -> Self {
        // What no header can carry is left out; the endpoint then says that the credential is missing.
        if let Ok(mut value) = HeaderValue::try_from(text) {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
        self
    }

    /// Marks an endpoint of the machine itself, which is reached without encryption.
    pub(super) fn on_this_machine(mut self) -> Self {
        self.on_this_machine = true;
        self
    }

    /// Scheme, host and port: what an error may repeat.
    fn host(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    fn into_request(self) -> Result<(Request<Body>, Arc<Secrets>), String> {
        let host = self.host();
        let Self { method, url, headers, form, secrets, on_this_machine } = self;
        let secrets = Arc::new(secrets);
        let is_form = form.is_some();
        let mut request = Request::new(form.map_or(Body::empty(), Body::from));
        *request.method_mut() = method;
        *request.uri_mut() =
            url.as_str().parse().map_err(|_| format!("the URL of {host} cannot be used in a request"))?;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(crate::client::NAME));
        if is_form {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        let extensions = request.extensions_mut();
        extensions.insert(SentSecrets(Arc::clone(&secrets)));
        if on_this_machine {
            extensions.insert(OnThisMachine);
        }
        Ok((request, secrets))
    }
}

/// One line of bounded length without any of the secrets.
fn masked(secrets: &Secrets, text: &str) -> String {
    let line = OneLine(&secrets.cleaned(text)).to_string();
    let mut short: String = line.chars().take(SHOWN).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// The error of a token endpoint as the stack and its logs may see it: the status, and OAuth's code when it is a plain
/// word. Its text may repeat what was sent.
pub(crate) fn token_error(status: StatusCode, _: &HeaderMap, body: &[u8]) -> ApiError {
    let mut error = ApiError::new(status, "the token endpoint answered with an error");
    let object = serde_json::from_slice::<Map<String, Value>>(body).unwrap_or_default();
    let code = object.get("error").and_then(Value::as_str).unwrap_or_default();
    let is_plain =
        (1..=40).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    error.error_code = is_plain.then(|| code.to_owned());
    error
}

impl std::fmt::Debug for TokenCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCall")
            .field("method", &self.method)
            .field("host", &self.host())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_was_sent_is_masked_in_whatever_comes_back() {
        let url = Url::parse("https://t.example/token").unwrap();
        let secret: SecretString = "hun ter2".to_owned().into();
        let call = TokenCall::post(url).basic("id", &secret).secret_field("client_secret", &secret);
        assert!(!format!("{call:?}").contains("ter2"));
        let (request, secrets) = call.into_request().unwrap();
        let basic = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
        assert!(request.headers()[AUTHORIZATION].is_sensitive());
        let form = String::from_utf8(request.body().as_bytes().unwrap().to_vec()).unwrap();
        let masked = super::masked(&secrets, &format!("you sent hun ter2, {basic} and {form}"));
        assert_eq!(masked, "you sent ***, Basic *** and client_secret=***");
    }

    #[test]
    fn a_long_text_is_cut_and_kept_on_one_line() {
        let masked = super::masked(&Secrets::default(), &format!("a\nb{}", "é".repeat(5000)));
        assert!(masked.starts_with("a b") && masked.chars().count() == SHOWN + 1);
    }

    #[test]
    fn only_a_plain_code_of_an_error_is_kept_for_logs() {
        let code =
            |body: &str| token_error(StatusCode::BAD_REQUEST, &HeaderMap::new(), body.as_bytes()).error_code;
        assert_eq!(code(r#"{"error":"invalid_client"}"#).as_deref(), Some("invalid_client"));
        for body in [r#"{"error":"the secret X is wrong"}"#, r#"{"error":7}"#, "<html>", "[]", ""] {
            assert_eq!(code(body), None, "{body}");
        }
    }
}
