//! OAuth for machines: discovery, and the token endpoint with its two grants.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use databricks_transport::Body;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::Shown;
use crate::api_error::{Answer, ApiFailure, json_response, respond};
use crate::files::drain;
use crate::route::not_simulated;
use crate::workspace::Shared;

/// What the recorded discovery document lists. A token may be asked for any of these.
const SCOPES: [&str; 6] = ["all-apis", "email", "offline_access", "openid", "profile", "sql"];
const DEFAULT_SCOPE: &str = "all-apis";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_SUBJECT: &str = "urn:ietf:params:oauth:token-type:jwt";
const PERSONAL_SUBJECT: &str = "urn:databricks:params:oauth:token-type:personal-access-token";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Federated tokens can be long; nothing a client sends here is longer.
const FORM_LIMIT: usize = 256 * 1024;

/// The OAuth clients a workspace knows.
pub(crate) struct OAuth {
    /// Service principals by client id, each with its secrets.
    principals: HashMap<String, Vec<String>>,
    /// Principals by the foreign token that is taken for them.
    federated: HashMap<String, String>,
    pub(super) lifetime: Duration,
    pub(super) workspace_id: u64,
}

impl Default for OAuth {
    fn default() -> Self {
        Self {
            principals: HashMap::new(),
            federated: HashMap::new(),
            lifetime: Duration::from_secs(60 * 60),
            workspace_id: 5_134_017_000_000_001,
        }
    }
}

/// Secrets and foreign tokens stay hidden.
impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principals, federated, lifetime, workspace_id } = self;
        f.debug_struct("OAuth")
            .field("principals", &principals.keys().map(|id| Shown(id)).collect::<Vec<_>>())
            .field("federated", &federated.values().map(|id| Shown(id)).collect::<Vec<_>>())
            .field("lifetime", lifetime)
            .field("workspace_id", workspace_id)
            .finish()
    }
}

impl OAuth {
    pub(super) fn add_principal(&mut self, client_id: String, secret: String) {
        self.principals.entry(client_id).or_default().push(secret);
    }

    pub(super) fn add_federated(&mut self, principal: String, subject_token: String) {
        self.federated.insert(subject_token, principal);
    }

    pub(super) fn is_configured(&self) -> bool {
        !self.principals.is_empty() || !self.federated.is_empty()
    }
}

/// The API's origin as this caller reached it, without a trailing slash.
pub(crate) fn caller_origin(parts: &Parts) -> String {
    let header = || parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let scheme = parts.uri.scheme_str().unwrap_or("http");
    format!("{scheme}://{}", authority.or_else(header).unwrap_or("localhost"))
}

/// The discovery documents. Without OAuth clients there are none, as on a host that has no OAuth.
pub(super) fn discovery(shared: &Shared, parts: &Parts, path: &str) -> Answer {
    let (oauth, origin) = (&shared.access.oauth, caller_origin(parts));
    if !oauth.is_configured() {
        let message = "No OAuth endpoints are configured.";
        return Err(ApiFailure::new(StatusCode::NOT_FOUND, "NOT_FOUND", message));
    }
    match (parts.method.as_str(), path) {
        ("GET" | "HEAD", "/.well-known/databricks-config") => json_response(&json!({
            "oidc_endpoint": format!("{origin}/oidc"),
            "workspace_id": oauth.workspace_id.to_string(),
            "cloud": "AWS",
        })),
        (
            "GET" | "HEAD",
            "/oidc/.well-known/oauth-authorization-server" | "/oidc/.well-known/openid-configuration",
        ) => json_response(&server_metadata(&origin)),
        (method, path) => Err(not_simulated(method, path)),
    }
}

/// The shape of m2mauthintegrationtests.testsuccessfulm2mconnection, from the integration-test recordings of
/// github.com/databricks/databricks-jdbc (Apache License 2.0), with what is simulated here.
fn server_metadata(origin: &str) -> Value {
    json!({
        "authorization_endpoint": format!("{origin}/oidc/v1/authorize"),
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "jti", "name", "family_name", "given_name", "preferred_username"],
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": [CLIENT_CREDENTIALS, TOKEN_EXCHANGE],
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": format!("{origin}/oidc"),
        "jwks_uri": format!("{origin}/oidc/jwks.json"),
        "request_uri_parameter_supported": false,
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token"],
        "scopes_supported": SCOPES,
        "subject_types_supported": ["public"],
        "token_endpoint": format!("{origin}/oidc/v1/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    })
}

/// A refusal in OAuth's shape.
#[derive(Debug)]
struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl OAuthError {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        let status =
            if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        Self { status, error, description: description.into() }
    }

    fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    fn invalid_client() -> Self {
        Self::new("invalid_client", "Client authentication failed")
    }

    fn into_response(self) -> Response<Body> {
        let Self { status, error, description } = self;
        let mut response = no_store(status, &json!({ "error": error, "error_description": description }));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oidc\""));
        }
        response
    }
}

fn no_store(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = respond(status, "application/json", body.to_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `POST /oidc/v1/token`.
pub(super) async fn token(shared: &Shared, parts: &Parts, body: Body) -> Response<Body> {
    let answer = match Form::read(parts, body).await {
        Ok(form) => grant(shared, parts, &form),
        Err(error) => Err(error),
    };
    answer.map_or_else(OAuthError::into_response, |body| no_store(StatusCode::OK, &body))
}

fn grant(shared: &Shared, parts: &Parts, form: &Form) -> Result<Value, OAuthError> {
    let oauth = &shared.access.oauth;
    let principal = match form.required("grant_type")? {
        CLIENT_CREDENTIALS => oauth.authenticate(parts, form)?,
        TOKEN_EXCHANGE => exchanged(shared, form)?,
        other => {
            let message = format!(
                "The grant type '{other}' is not supported: use {CLIENT_CREDENTIALS} or {TOKEN_EXCHANGE}."
            );
            return Err(OAuthError::new("unsupported_grant_type", message));
        }
    };
    let scopes = requested_scopes(form)?;
    let mut answer = issue(shared, parts, principal, scopes);
    if form.get("grant_type") == Some(TOKEN_EXCHANGE) {
        answer["issued_token_type"] = json!(ACCESS_TOKEN);
    }
    Ok(answer)
}

impl OAuth {
    /// The client of a request, by HTTP Basic or by fields of the form.
    fn authenticate(&self, parts: &Parts, form: &Form) -> Result<String, OAuthError> {
        let posted =
            form.get("client_secret").map(|secret| (form.get("client_id").unwrap_or_default(), secret));
        let credentials = match (basic(parts)?, posted) {
            (Some(_), Some(_)) => {
                let message = "The client sent its secret twice: use HTTP Basic or the form, not both.";
                return Err(OAuthError::invalid_request(message));
            }
            (Some((id, secret)), None) => (id, secret),
            (None, Some((id, secret))) => (id.to_owned(), secret.to_owned()),
            (None, None) => return Err(OAuthError::invalid_client()),
        };
        // Some clients encode the two halves of Basic as form values, as the standard says; most do not.
        let decoded = (form_decoded(&credentials.0), form_decoded(&credentials.1));
        let known = [credentials, decoded].into_iter().find(|(id, secret)| {
            self.principals.get(id).is_some_and(|secrets| secrets.iter().any(|own| own == secret))
        });
        known.map(|(id, _)| id).ok_or_else(OAuthError::invalid_client)
    }
}

/// The user a subject token stands for.
fn exchanged(shared: &Shared, form: &Form) -> Result<String, OAuthError> {
    let (subject, kind) = (form.required("subject_token")?, form.required("subject_token_type")?);
    let principal = match kind {
        JWT_SUBJECT => shared.access.oauth.federated.get(subject).cloned(),
        PERSONAL_SUBJECT => shared.access.tokens.user_of_personal(subject, shared.clock.elapsed()),
        other => {
            let message = format!("The subject_token_type '{other}' is not supported: use {JWT_SUBJECT}.");
            return Err(OAuthError::invalid_request(message));
        }
    };
    let refused =
        || OAuthError::new("invalid_grant", "The subject token is not taken by any federation policy.");
    let principal = principal.ok_or_else(refused)?;
    match form.get("client_id") {
        Some(id) if id != principal => Err(refused()),
        _ => Ok(principal),
    }
}

fn requested_scopes(form: &Form) -> Result<Vec<String>, OAuthError> {
    let scope = form.get("scope").unwrap_or(DEFAULT_SCOPE);
    match scope.split_whitespace().find(|scope| !SCOPES.contains(scope)) {
        Some(unknown) => {
            let message = format!("The scope '{unknown}' is not one of {}.", SCOPES.join(", "));
            Err(OAuthError::new("invalid_scope", message))
        }
        None => Ok(scope.split_whitespace().map(str::to_owned).collect()),
    }
}

fn issue(shared: &Shared, parts: &Parts, principal: String, scopes: Vec<String>) -> Value {
    let (lifetime, scope) = (shared.access.oauth.lifetime, scopes.join(" "));
    let token = mint(shared, &caller_origin(parts), &principal, &scope);
    let expires = shared.clock.elapsed().saturating_add(lifetime);
    shared.access.tokens.issue(token.clone(), principal, scopes, expires);
    json!({
        "access_token": token,
        "scope": scope,
        "token_type": "Bearer",
        "expires_in": lifetime.as_secs(),
    })
}

/// A token that looks like a signed JWT. No key signed it: its last part is noise from the workspace's seed.
fn mint(shared: &Shared, origin: &str, principal: &str, scope: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let issued = shared.clock.now().timestamp();
    let lifetime = i64::try_from(shared.access.oauth.lifetime.as_secs()).unwrap_or(i64::MAX);
    let header = json!({ "kid": "simulated", "typ": "at+jwt", "alg": "RS256" });
    let claims = json!({
        "client_id": principal,
        "scope": scope,
        "iss": format!("{origin}/oidc"),
        "aud": shared.access.oauth.workspace_id.to_string(),
        "sub": principal,
        "iat": issued,
        "exp": issued.saturating_add(lifetime),
        "jti": shared.ids.next(),
    });
    let noise: Vec<u8> = (0..16).flat_map(|_| shared.ids.key().into_bytes()).collect();
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(noise))
}

/// The fields of a token request, each at most once.
struct Form(BTreeMap<String, String>);

impl Form {
    async fn read(parts: &Parts, body: Body) -> Result<Self, OAuthError> {
        let media = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            drain(body).await;
            let message =
                format!("The token request is a form (application/x-www-form-urlencoded), not '{media}'.");
            return Err(OAuthError::invalid_request(message));
        }
        let unreadable = |error| OAuthError::invalid_request(format!("The form could not be read: {error}"));
        let bytes = body.collect(FORM_LIMIT).await.map_err(unreadable)?;
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(&bytes).into_owned() {
            if fields.contains_key(&name) {
                return Err(OAuthError::invalid_request(format!(
                    "The field '{name}' was sent more than once."
                )));
            }
            fields.insert(name, value);
        }
        Ok(Self(fields))
    }

    /// A field by name; an empty one counts as absent, as the standard says.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::invalid_request(format!("The field '{name}' is missing.")))
    }
}

/// The two halves of HTTP Basic.
fn basic(parts: &Parts) -> Result<Option<(String, String)>, OAuthError> {
    let Some(value) = parts.headers.get(AUTHORIZATION) else { return Ok(None) };
    let decoded = || {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        scheme.eq_ignore_ascii_case("basic").then(|| (id.to_owned(), secret.to_owned()))
    };
    decoded().map(Some).ok_or_else(OAuthError::invalid_client)
}

fn form_decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::Request;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn documents_name_the_host_the_caller_used() {
        let cases = [
            ("https://adb-1.azuredatabricks.net/x", None, "https://adb-1.azuredatabricks.net"),
            ("/x", Some("127.0.0.1:8080"), "http://127.0.0.1:8080"),
            ("/x", Some("[::1]:9"), "http://[::1]:9"),
            ("/x", None, "http://localhost"),
        ];
        for (uri, host, origin) in cases {
            let headers: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
            assert_eq!(caller_origin(&parts(uri, &headers)), origin);
        }
    }

    #[test]
    fn basic_is_read_and_what_is_not_basic_is_a_failed_client() {
        let of = |value: &str| basic(&parts("/x", &[("authorization", value)]));
        let encoded = STANDARD.encode("id:se:cret");
        assert_eq!(
            of(&format!("Basic {encoded}")).unwrap().unwrap(),
            ("id".to_owned(), "se:cret".to_owned())
        );
        for bad in ["Basic", "Basic ****", "Bearer abc", &format!("Basic {}", STANDARD.encode("no-colon"))] {
            assert_eq!(of(bad).unwrap_err().error, "invalid_client", "{bad}");
        }
        assert!(basic(&parts("/x", &[])).unwrap().is_none());
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut oauth = OAuth::default();
        oauth.add_principal("client-1".to_owned(), "planted-secret".to_owned());
        oauth.add_federated("client-2".to_owned(), "planted-jwt".to_owned());
        let shown = format!("{oauth:?}");
        assert!(shown.contains("client-1") && shown.contains("client-2"), "{shown}");
        assert!(!shown.contains("planted"), "{shown}");
    }
}
