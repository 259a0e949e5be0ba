//! A request and what came of it, as a cassette keeps them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use databricks_transport::{Error, ErrorKind};
use http::{HeaderMap, Method, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::body::CassetteBody;
use super::variables::ids::masked;
use crate::request_log::Origin;

/// The headers of a request that carry meaning. No other is recorded: credentials are never even looked at.
const REQUEST_HEADERS: [&str; 7] = [
    "content-range",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
];
/// The headers of an answer that a client acts on.
const RESPONSE_HEADERS: [&str; 10] = [
    "accept-ranges",
    "content-encoding",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "location",
    "retry-after",
    "x-databricks-request-id",
    "x-request-id",
];
/// The headers of an answer that differ each time. Errors show them; no two answers differ by them.
pub(crate) const NAMES_OF_REQUESTS: [&str; 2] = ["x-databricks-request-id", "x-request-id"];
/// What stands unencoded in the segment of a recorded path.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// One recorded request with its outcome.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Interaction {
    /// What was asked.
    pub request: CassetteRequest,
    /// What came of it.
    pub outcome: Outcome,
    /// How many times in a row it was asked and answered so: 1, or more for polls.
    pub repeats: u32,
    /// How long the (first) answer took.
    pub elapsed: Duration,
}

impl Interaction {
    /// An interaction that happened once and took no time.
    pub fn new(request: CassetteRequest, outcome: Outcome) -> Self {
        Self { request, outcome, repeats: 1, elapsed: Duration::ZERO }
    }

    /// The answer, when there was one.
    pub fn response(&self) -> Option<&CassetteResponse> {
        match &self.outcome {
            Outcome::Response(response) => Some(response),
            Outcome::Failure(_) => None,
        }
    }
}

/// A recorded request. Credentials are not part of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CassetteRequest {
    /// The method.
    pub method: Method,
    /// The API, or the object store behind links.
    pub origin: Origin,
    /// The path, percent-encoded in one way: `%41` and `A` are the same path and read `A`.
    pub path: String,
    /// The query, decoded: the values of each name in their order.
    pub query: BTreeMap<String, Vec<String>>,
    /// The few headers that carry meaning, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: CassetteBody,
}

impl CassetteRequest {
    /// A request without query, headers and body.
    pub fn new(method: Method, origin: Origin, path: &str) -> Self {
        Self {
            method,
            origin,
            path: canonical_path(path),
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            body: CassetteBody::Empty,
        }
    }

    /// The request that goes to `uri`, of which only what carries meaning is kept.
    pub fn from_http(method: &Method, uri: &Uri, headers: &HeaderMap, origin: Origin, body: Bytes) -> Self {
        let mut request = Self::new(method.clone(), origin, uri.path());
        request.query = parse_query(uri.query().unwrap_or_default());
        request.headers = kept(headers, &REQUEST_HEADERS);
        request.body = CassetteBody::from_bytes(body, content_type(headers));
        request
    }

    /// The path and the query as they would be sent.
    pub fn path_and_query(&self) -> String {
        let pairs =
            self.query.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// What is the same about this request from run to run: the stable key of requests that were sent at once.
    pub(crate) fn shape(&self) -> String {
        let body = match &self.body {
            CassetteBody::Empty => String::new(),
            CassetteBody::Json(value) => masked(&value.to_string()),
            CassetteBody::Text(text) => masked(text),
            CassetteBody::Binary(bytes) => uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, bytes).to_string(),
        };
        format!("{} {} {body}", masked(&self.path_and_query()), self.method)
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// An answer, whatever its status.
    Response(CassetteResponse),
    /// No answer: the connection could not be made, broke, or was silent for too long.
    Failure(CassetteFailure),
}

/// A recorded answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CassetteResponse {
    /// The status.
    pub status: StatusCode,
    /// The few headers that a client acts on, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: CassetteBody,
}

impl CassetteResponse {
    /// An answer without headers.
    pub fn new(status: StatusCode, body: CassetteBody) -> Self {
        Self { status, headers: BTreeMap::new(), body }
    }

    /// The answer of which only what a client acts on is kept.
    ///
    /// `Content-Length` is kept where it says something that the body does not: for an answer to HEAD.
    pub fn from_http(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        let mut kept = kept(headers, &RESPONSE_HEADERS);
        if body.is_empty() {
            kept.extend(self::kept(headers, &["content-length"]));
        }
        Self { status, headers: kept, body: CassetteBody::from_bytes(body, content_type(headers)) }
    }

    /// Whether it says the same, under whatever name the server gave to the request.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let meant = |(name, _): &(&String, &String)| !NAMES_OF_REQUESTS.contains(&name.as_str());
        let headers = self.headers.iter().filter(meant).eq(other.headers.iter().filter(meant));
        headers && self.status == other.status && self.body == other.body
    }
}

/// A request that got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CassetteFailure {
    /// The kind of error that the transport had.
    pub kind: ErrorKind,
    /// Its text.
    pub message: String,
    /// Whether the request may have taken effect all the same.
    pub ambiguous: bool,
    /// Whether there was no error: the client gave the request up before an answer came. A replay leaves it without
    /// an answer, too.
    pub given_up: bool,
}

impl CassetteFailure {
    /// A failure of a kind that left no doubt about its effect.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), ambiguous: false, given_up: false }
    }

    /// What is to be kept of a request that the client gave up. It has taken effect, or not.
    pub(crate) fn given_up(changes: bool) -> Self {
        let message = "the client gave the request up before an answer came";
        Self { ambiguous: changes, given_up: true, ..Self::new(ErrorKind::Timeout, message) }
    }

    /// What is to be kept of an error.
    pub fn from_error(error: &Error) -> Self {
        Self { ambiguous: error.is_ambiguous(), ..Self::new(error.kind(), error.message()) }
    }

    /// The same error again.
    pub fn to_error(&self) -> Error {
        Error::new(self.kind, self.message.clone()).with_ambiguous(self.ambiguous)
    }
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::CONTENT_TYPE)?.to_str().ok()
}

fn kept(headers: &HeaderMap, names: &[&str]) -> BTreeMap<String, String> {
    let text = |name: &str| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    };
    names
        .iter()
        .filter(|name| headers.contains_key(**name))
        .map(|name| ((*name).to_owned(), text(name)))
        .collect()
}

fn parse_query(query: &str) -> BTreeMap<String, Vec<String>> {
    let mut parsed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parsed.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    parsed
}

/// The path with each segment encoded in one way.
pub(crate) fn canonical_path(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let decoded: Vec<u8> = percent_decode_str(segment).collect();
        percent_encode(&decoded, SEGMENT).to_string()
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn one_path_is_written_in_one_way() {
        for path in ["/a%20b/%7Ec=1/%c3%a4%2F%25", "/a%20b/~c%3D1/%C3%A4%2f%25"] {
            assert_eq!(canonical_path(path), "/a%20b/~c=1/%C3%A4%2F%25");
            assert_eq!(canonical_path(&canonical_path(path)), canonical_path(path));
        }
    }

    #[test]
    fn credentials_are_not_even_read() {
        let sent = headers(&[
            ("authorization", "Bearer x"),
            ("x-databricks-azure-sp-management-token", "x"),
            ("cookie", "x"),
            ("content-type", "application/json"),
            ("range", "bytes=0-1"),
        ]);
        let uri = "https://h/a?b=2&b=1&a=x%20y+z".parse().unwrap();
        let request =
            CassetteRequest::from_http(&Method::POST, &uri, &sent, Origin::Api, Bytes::from_static(b"{}"));
        assert_eq!(request.headers.keys().collect::<Vec<_>>(), ["content-type", "range"]);
        assert_eq!(request.query["b"], ["2", "1"]);
        assert_eq!(request.path_and_query(), "/a?a=x+y+z&b=2&b=1");
        assert!(request.body.as_json().is_some());
    }

    #[test]
    fn the_length_that_head_answers_with_is_kept() {
        let sent = headers(&[("content-length", "9"), ("x-databricks-org-id", "1"), ("retry-after", "3")]);
        let head = CassetteResponse::from_http(StatusCode::OK, &sent, Bytes::new());
        assert_eq!(head.headers.keys().collect::<Vec<_>>(), ["content-length", "retry-after"]);
        let get = CassetteResponse::from_http(StatusCode::OK, &sent, Bytes::from_static(b"123456789"));
        assert_eq!(get.headers.keys().collect::<Vec<_>>(), ["retry-after"]);
        let sent = headers(&[("content-length", "0")]);
        let empty = CassetteResponse::from_http(StatusCode::OK, &sent, Bytes::new());
        assert_eq!(empty.headers["content-length"], "0", "the file is there and empty");
    }

    #[test]
    fn answers_are_the_same_under_other_names_of_their_requests() {
        let answer = |pairs| CassetteResponse::from_http(StatusCode::OK, &headers(pairs), Bytes::new());
        let first = answer(&[("x-request-id", "r-1"), ("etag", "a")]);
        assert_eq!(first.headers["x-request-id"], "r-1");
        assert!(first.says_the_same(&answer(&[("x-request-id", "r-2"), ("etag", "a")])));
        assert!(!first.says_the_same(&answer(&[("x-request-id", "r-1"), ("etag", "b")])));
    }

    #[test]
    fn a_failure_comes_back_as_the_same_error() {
        let error = Error::new(ErrorKind::Timeout, "silent for 60 s").with_ambiguous(true);
        let again = CassetteFailure::from_error(&error).to_error();
        assert_eq!(
            (again.kind(), again.message(), again.is_ambiguous()),
            (ErrorKind::Timeout, "silent for 60 s", true)
        );
    }
}
