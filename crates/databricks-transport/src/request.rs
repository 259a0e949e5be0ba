//! A request to the workspace's REST API, built without a runtime and without knowing the host.

use std::fmt::{self, Display, Write as _};

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::body::Body;
use crate::error::{Error, ErrorKind};
use crate::redact::{MASK, is_secret_header, scrubbed, shown_path};
use crate::stack::CallOff;

/// Everything but RFC 3986's unreserved characters is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// The room that is made for a query's value at once, in bytes.
const TYPICAL_VALUE: usize = 32;

/// Percent-encodes one segment of a path or one query value: `/` is encoded too.
///
/// ```
/// assert_eq!(databricks_transport::encode_segment("a b/c"), "a%20b%2Fc");
/// ```
pub fn encode_segment(text: &str) -> String {
    // Dot segments would be resolved away by a proxy or a server, so they never appear bare.
    match text {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => utf8_percent_encode(text, SEGMENT).to_string(),
    }
}

/// Percent-encodes a path of several segments and keeps its slashes.
///
/// ```
/// assert_eq!(databricks_transport::encode_path("/Volumes/c/s/v/day 1.csv"), "/Volumes/c/s/v/day%201.csv");
/// ```
pub fn encode_path(path: &str) -> String {
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return path.split('/').map(encode_segment).collect::<Vec<_>>().join("/");
    }
    utf8_percent_encode(path, PATH).to_string()
}

/// A request to the workspace: method, path, query, headers and body. The [`Client`](crate::Client) adds the host and the
/// credential.
///
/// Building one is pure, so what a program sends is tested without a runtime. `Debug` shows the names of the query and the
/// headers, and no value.
///
/// ```
/// use databricks_transport::{ApiRequest, encode_segment};
///
/// # fn main() -> Result<(), databricks_transport::Error> {
/// let table = encode_segment("main.weather.days");
/// let request = ApiRequest::patch(format!("/api/2.1/unity-catalog/tables/{table}"))
///     .query("force", true)
///     .json(&serde_json::json!({ "owner": "weather-team" }))?
///     .build()?;
/// assert_eq!(request.uri(), "/api/2.1/unity-catalog/tables/main.weather.days?force=true");
/// assert_eq!(request.headers()["content-type"], "application/json");
/// # Ok(()) }
/// ```
#[must_use = "a request does nothing until a client sends it"]
pub struct ApiRequest {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Body,
    call_off: Option<CallOff>,
}

impl ApiRequest {
    /// A request to `path`, which starts with `/` and is percent-encoded already ([`encode_segment`],
    /// [`encode_path`]).
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Body::empty(),
            call_off: None,
        }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A `POST`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// A `PUT`.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// A `PATCH`.
    pub fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path)
    }

    /// A `DELETE`.
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// A `HEAD`.
    pub fn head(path: impl Into<String>) -> Self {
        Self::new(Method::HEAD, path)
    }

    /// Adds a query parameter; name and value are encoded here.
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        let separator = if self.query.is_empty() { "" } else { "&" };
        self.query.reserve(name.len() + TYPICAL_VALUE);
        self.query.push_str(separator);
        self.query.extend(utf8_percent_encode(name, SEGMENT));
        self.query.push('=');
        // Writing to a String cannot fail.
        let _ = write!(Encoded(&mut self.query), "{value}");
        self
    }

    /// Sets a header, replacing an earlier value. One that is not known to be harmless is marked sensitive: no log and no
    /// error shows it.
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(value.is_sensitive() || is_secret_header(&name));
        self.headers.insert(name, value);
        self
    }

    /// Sets a JSON body and its content type.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the value has no JSON form (a map with keys that are not text, say).
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self, Error> {
        let json = serde_json::to_vec(value).map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("the request cannot be written as JSON: {error}"))
                .with_source(error)
        })?;
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Body::from_bytes(json);
        Ok(self)
    }

    /// Sets the body, as it is.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Lets somebody call it off while it has not been sent.
    pub fn unless(mut self, call_off: &CallOff) -> Self {
        self.call_off = Some(call_off.clone());
        self
    }

    pub(crate) fn call_off(&self) -> Option<&CallOff> {
        self.call_off.as_ref()
    }

    /// The request, its URI a path and query without a host.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the path does not start with `/` or has characters that need encoding.
    pub fn build(self) -> Result<Request<Body>, Error> {
        self.build_with(Parts::default())
    }

    /// The request to a host.
    pub(crate) fn build_for(self, origin: Origin) -> Result<Request<Body>, Error> {
        let Origin { scheme, authority } = origin;
        let mut parts = Parts::default();
        (parts.scheme, parts.authority) = (Some(scheme), Some(authority));
        self.build_with(parts)
    }

    fn build_with(self, mut parts: Parts) -> Result<Request<Body>, Error> {
        let Self { method, path, query, headers, body, call_off: _ } = self;
        parts.path_and_query = Some(path_and_query(&path, &query)?);
        let uri = Uri::from_parts(parts).map_err(|_| not_a_path(&path, "it leads nowhere"))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Where a request goes: scheme, host and port.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
}

/// Percent-encodes what is written to it.
struct Encoded<'a>(&'a mut String);

impl fmt::Write for Encoded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(utf8_percent_encode(text, SEGMENT));
        Ok(())
    }
}

impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, query, headers, body, call_off: _ } = self;
        let (path, own) = path.split_once('?').unwrap_or((path, ""));
        // What will be refused as a path may be a whole presigned link.
        let shown = if is_path(path) { path } else { &repeated(path) };
        let separator = if own.is_empty() || query.is_empty() { "" } else { "&" };
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("ApiRequest")
            .field("method", method)
            .field("path", &shown_path(shown, Some(&format!("{own}{separator}{query}"))))
            .field("headers", &names)
            .field("body", body)
            .finish()
    }
}

fn path_and_query(path: &str, query: &str) -> Result<PathAndQuery, Error> {
    if !is_path(path) {
        return Err(not_a_path(path, "it must start with a single `/`"));
    }
    // The parser takes what follows for a fragment and drops it, the query too: another thing would be asked for.
    if path.contains('#') {
        return Err(not_a_path(path, UNENCODED));
    }
    let mut text = String::with_capacity(path.len() + 1 + query.len());
    text.push_str(path);
    if !query.is_empty() {
        text.push(if path.contains('?') { '&' } else { '?' });
        text.push_str(query);
    }
    // From the text itself: parsing a borrowed one copies it again.
    PathAndQuery::try_from(text).map_err(|_| not_a_path(path, UNENCODED))
}

const UNENCODED: &str = "percent-encode what is special in it (`encode_path`, `encode_segment`)";

fn not_a_path(path: &str, why: &str) -> Error {
    let shown = repeated(path);
    Error::new(ErrorKind::Invalid, format!("`{shown}` is not the path of a request: {why}"))
}

/// Whether a text is no more than a path: a second slash would name a host.
fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

/// A path that is refused, as its error repeats it. A whole URL in its place may be a presigned link: its host is shown.
fn repeated(path: &str) -> String {
    let (path, _query) = path.split_once('?').unwrap_or((path, ""));
    let Some((scheme, rest)) = path.split_once("//") else { return scrubbed(path).into_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}//{host}/{MASK}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn query_values_are_encoded_and_joined() {
        let request = ApiRequest::get("/api/2.2/jobs/list")
            .query("name", "a b&c=d/é")
            .query("limit", 25)
            .build()
            .unwrap();
        assert_eq!(request.uri(), "/api/2.2/jobs/list?name=a%20b%26c%3Dd%2F%C3%A9&limit=25");
    }

    #[test]
    fn a_query_is_added_to_the_one_in_a_servers_own_link() {
        let request = ApiRequest::get("/api/2.0/x?row_offset=3").query("a", 1).build().unwrap();
        assert_eq!(request.uri(), "/api/2.0/x?row_offset=3&a=1");
    }

    #[test]
    fn json_sets_body_and_content_type() {
        let request = ApiRequest::post("/x").json(&serde_json::json!({"a": 1})).unwrap().build().unwrap();
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(request.body().as_bytes(), Some(&br#"{"a":1}"#[..]));
        assert_eq!(request.method(), Method::POST);
    }

    #[test]
    fn a_path_that_would_name_a_host_or_break_the_request_is_refused() {
        for path in ["api/2.0", "//evil.example/x", "https://evil.example/", "/a b", "/a\r\nHost: x", ""] {
            let error = ApiRequest::get(path).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{path}");
        }
    }

    #[test]
    fn a_path_is_sent_whole_or_refused() {
        for path in ["/api/2.0/fs/files/Volumes/c/s/v/day#1.csv", "/x?row=1#2", "/x#", "/#"] {
            let error = ApiRequest::delete(path).query("force", true).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{path}");
            assert!(error.to_string().contains("percent-encode"), "{error}");
        }
        let encoded = ApiRequest::delete(encode_path("/day#1.csv")).query("force", true).build().unwrap();
        assert_eq!(encoded.uri(), "/day%231.csv?force=true");
    }

    #[test]
    fn a_request_shows_names_and_no_values() {
        let request = ApiRequest::post("/api/2.0/x?own=hunter2")
            .query("name", "hunter2")
            .header(HeaderName::from_static("x-key"), HeaderValue::from_static("hunter2"))
            .body("hunter2");
        assert_eq!(
            format!("{request:?}"),
            r#"ApiRequest { method: POST, path: "/api/2.0/x?own&name", headers: ["x-key"], body: Body(7 bytes) }"#
        );
        assert!(!format!("{:?}", request.build().unwrap().headers()).contains("hunter2"));
    }

    #[test]
    fn a_link_in_the_place_of_a_path_is_not_repeated() {
        for path in ["https://u:hunter2@s.example/hunter2?sig=hunter2", "//s.example/hunter2", "x?hunter2"] {
            let shown = format!("{:?} {}", ApiRequest::get(path), ApiRequest::get(path).build().unwrap_err());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn dot_segments_never_climb() {
        assert_eq!(encode_segment(".."), "%2E%2E");
        assert_eq!(encode_path("/Volumes/../x y"), "/Volumes/%2E%2E/x%20y");
    }

    proptest! {
        #[test]
        fn an_encoded_segment_is_a_legal_path_and_decodes_to_itself(text in "\\PC{1,40}") {
            let encoded = encode_segment(&text);
            prop_assert!(!encoded.contains('/'));
            let request = ApiRequest::get(format!("/x/{encoded}")).build().unwrap();
            let decoded = percent_encoding::percent_decode_str(&request.uri().path()[3..]).decode_utf8().unwrap();
            prop_assert_eq!(decoded, text);
        }
    }
}
