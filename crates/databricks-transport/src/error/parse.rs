//! Reading the many shapes of an error answer. Pure: a status, headers and bytes in, an [`ApiError`] out.

use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::{ApiError, decode, is_blank};
use crate::place::without_user;

/// The longest piece of a body of unknown shape that becomes the message.
const TEXT: usize = 1000;
/// The longest code that a storage host may name; theirs are words such as `InvalidQueryParameterValue`.
const STORAGE_CODE: usize = 64;

pub(super) fn answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let text = decode::text(body);
    let mut error = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(object)) => from_object(status, &object),
        Ok(Value::String(text)) => from_text(status, &text),
        Ok(Value::Null) => ApiError::new(status, ""),
        _ if looks_like_html(headers, &text) => ApiError::new(status, html_text(&text)),
        _ => from_text(status, &text),
    };
    if error.request_id.is_none() {
        error.request_id = request_id(headers);
    }
    if let Some(location) = redirect(status, headers) {
        error.message = format!("redirected to {location}: check the host");
    }
    if is_blank(&error.message) {
        error.message = silent(status);
    }
    error
}

/// The code of an error as S3, Azure and Google Cloud Storage write it: `<Error><Code>AccessDenied</Code>..</Error>`.
/// Nothing else of the answer is kept, neither its text nor where it redirects to.
pub(super) fn storage_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let text = decode::text(body);
    let mut error = ApiError::new(status, storage_message(status));
    error.error_code = storage_code(&text).map(str::to_owned);
    error.request_id = request_id(headers);
    error
}

fn storage_message(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "the storage redirects the link, which is not followed",
        400..=499 => "the storage refused the link",
        _ => "the storage could not serve the link",
    }
}

fn storage_code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let plain = (1..=STORAGE_CODE).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then_some(code)
}

/// `{error_code, message, details}`, API 1.2's `{error}`, SCIM's `{detail, status, scimType}`, and gRPC's `{code}`; or one of
/// these inside: the first of `{errors: [..]}`, or a statement's `{status: {error}}`.
fn from_object(status: StatusCode, object: &Map<String, Value>) -> ApiError {
    if message(object).is_none() {
        match inner(object) {
            Some(Value::Object(inner)) => return from_object(status, inner),
            Some(Value::String(text)) => return from_text(status, text),
            _ => {}
        }
    }
    let mut error = ApiError::new(status, message(object).unwrap_or_default());
    error.error_code = ["error_code", "scimType", "code"].iter().find_map(|name| scalar(object.get(*name)));
    if let Some(Value::Array(details)) = object.get("details") {
        error.details = details.clone();
    }
    error.request_id = error
        .detail("RequestInfo")
        .and_then(|info| scalar(info.get("request_id")))
        .or_else(|| scalar(object.get("request_id")));
    error
}

fn inner(object: &Map<String, Value>) -> Option<&Value> {
    let first = object.get("errors").and_then(|errors| errors.get(0));
    first.or_else(|| object.get("status")?.get("error"))
}

fn message(object: &Map<String, Value>) -> Option<String> {
    // OAuth's `error` is a code and its description the message; API 1.2's `error` is the message.
    let names = ["message", "detail", "error_description", "error"];
    names.iter().find_map(|name| match object.get(*name) {
        Some(Value::Object(inner)) => scalar(inner.get("message")),
        other => scalar(other),
    })
}

/// The text of a value that is a text or a number, unless it is blank.
fn scalar(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !is_blank(text) && text != "null" => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `CODE: text`, or any text.
fn from_text(status: StatusCode, text: &str) -> ApiError {
    let text = text.trim();
    if let Some((code, rest)) = text.split_once(": ").filter(|(code, _)| is_code(code)) {
        let mut error = ApiError::new(status, shortened(rest));
        error.error_code = Some(code.to_owned());
        return error;
    }
    ApiError::new(status, shortened(text))
}

fn is_code(text: &str) -> bool {
    text.len() > 2
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn looks_like_html(headers: &HeaderMap, text: &str) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.starts_with("text/html")
        || text
            .trim_start()
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("<html") || start.eq_ignore_ascii_case("<!doc"))
}

/// What a page says: its `<pre>` (a proxy's error), its `<title>`, or its text without tags.
fn html_text(page: &str) -> String {
    let picked = ["pre", "title", "h1"].iter().find_map(|tag| element(page, tag));
    shortened(&picked.unwrap_or_else(|| without_tags(page)))
}

fn element(page: &str, tag: &str) -> Option<String> {
    // ASCII lowering keeps every byte offset.
    let lower = page.to_ascii_lowercase();
    let open = lower.find(&format!("<{tag}"))?;
    let start = open + lower.get(open..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find(&format!("</{tag}"))?;
    let text = without_tags(page.get(start..end)?);
    (!text.is_empty()).then_some(text)
}

fn without_tags(text: &str) -> String {
    let mut outside = String::with_capacity(text.len());
    let mut in_tag = false;
    for character in text.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                outside.push(' ');
            }
            _ if !in_tag => outside.push(character),
            _ => {}
        }
    }
    let decoded = outside.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let decoded = decoded.replace("&#39;", "'").replace("&amp;", "&");
    decoded.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// Where an answer redirects to, without what a redirect may carry: a user, and a query but for what it calls an error.
fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !status.is_redirection() {
        return None;
    }
    Some(shortened(&repeatable(headers.get(LOCATION)?.to_str().ok()?)))
}

/// Where a redirect leads, without what may be a secret in it: of a query only `error` is kept, which says why.
fn repeatable(location: &str) -> String {
    let (location, _) = location.split_once('#').unwrap_or((location, ""));
    let (path, query) = location.split_once('?').unwrap_or((location, ""));
    let path = match path.split_once("//") {
        Some((scheme, rest)) => {
            let (authority, path) =
                rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = without_user(authority);
            format!("{scheme}//{host}{}", path.map(|path| format!("/{path}")).unwrap_or_default())
        }
        None => path.to_owned(),
    };
    let plain = |why: &str| why.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    match query.split('&').find(|pair| pair.strip_prefix("error=").is_some_and(plain)) {
        Some(why) => format!("{path}?{why}"),
        None => path,
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    ["x-request-id", "x-databricks-request-id"]
        .iter()
        .find_map(|name| headers.get(*name))
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

fn silent(status: StatusCode) -> String {
    match status.as_u16() {
        401 => "the credential was refused".to_owned(),
        404 => "there is nothing under this path".to_owned(),
        _ => "the server gave no reason".to_owned(),
    }
}

/// A protobuf duration: `"1.5s"`, or `{"seconds": 1, "nanos": 500000000}`.
pub(super) fn duration(value: &Value) -> Option<Duration> {
    match value {
        Value::String(text) => {
            let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        }
        Value::Object(parts) => {
            let seconds = parts.get("seconds").map_or(Some(0), whole)?;
            let nanos = parts.get("nanos").map_or(Some(0), whole)?;
            Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos))
        }
        _ => None,
    }
}

fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn parse(status: u16, body: &[u8]) -> ApiError {
        answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body)
    }

    #[test]
    fn every_known_shape_is_read() {
        let table: &[(u16, &[u8], Option<&str>, &str)] = &[
            // As recorded: connectionintegrationtests.testincorrectcredentialsforpat.jsonl of databricks-jdbc.
            (
                401,
                br#"{"error_code":401,"message":"Credential was not sent or was of an unsupported type for this API."}"#,
                Some("401"),
                "Credential was not sent or was of an unsupported type for this API.",
            ),
            (403, br#"{"error_code":"403","message":"Invalid access token."}"#, Some("403"), "Invalid access token."),
            (
                404,
                br#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Run 1 does not exist.","details":[]}"#,
                Some("RESOURCE_DOES_NOT_EXIST"),
                "Run 1 does not exist.",
            ),
            (400, br#"{"error":"ContextNotFound: context 1"}"#, None, "ContextNotFound: context 1"),
            (
                409,
                br#"{"schemas":["urn:x"],"detail":"User exists","status":"409","scimType":"uniqueness"}"#,
                Some("uniqueness"),
                "User exists",
            ),
            (404, br#"{"detail":"null","message":null,"status":"404"}"#, None, "there is nothing under this path"),
            (400, br#"{"error":"invalid_client","error_description":"bad secret"}"#, None, "bad secret"),
            (500, br#"{"error":{"code":7,"message":"inner"}}"#, None, "inner"),
            (400, b"MALFORMED_REQUEST: Could not parse\n the body", Some("MALFORMED_REQUEST"), "Could not parse\n the body"),
            (400, b"Some: plain text", None, "Some: plain text"),
            (502, b"<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", None, "502 Bad Gateway"),
            (
                400,
                b"<!DOCTYPE html><body><h2>HTTP ERROR 400</h2><pre class=\"a\">unknown &lt;path&gt;\n x</pre></body>",
                None,
                "unknown <path> x",
            ),
            (400, br#"{"errors":[{"code":"X_Y","message":"first"},{"message":"second"}]}"#, Some("X_Y"), "first"),
            (400, br#"{"errors":["BAD_REQUEST: first","second"]}"#, Some("BAD_REQUEST"), "first"),
            (400, br#"{"message":"outer","errors":["inner"]}"#, None, "outer"),
            (400, br#"{"errors":[]}"#, None, "the server gave no reason"),
            (400, br#"{"errors":[[]],"status":{"error":7}}"#, None, "the server gave no reason"),
            (
                400,
                br#"{"statement_id":"01f0","status":{"state":"FAILED","error":{"error_code":"BAD_REQUEST","message":"no table"}}}"#,
                Some("BAD_REQUEST"),
                "no table",
            ),
            (503, b"", None, "the server gave no reason"),
            (503, b" \n", None, "the server gave no reason"),
            (500, b"\xff\xff broken", None, "\u{fffd}\u{fffd} broken"),
            (500, b"\"quoted text\"", None, "quoted text"),
            (500, b"[1,2]", None, "[1,2]"),
            (500, br#"{"error_code":"X_Y"}"#, Some("X_Y"), "the server gave no reason"),
            (500, br#"{"message":"cut"#, None, r#"{"message":"cut"#),
        ];
        for (status, body, code, message) in table {
            let error = parse(*status, body);
            let shown = String::from_utf8_lossy(body);
            assert_eq!(error.error_code.as_deref(), *code, "{shown}");
            assert_eq!(error.message, *message, "{shown}");
        }
    }

    #[test]
    fn the_request_id_comes_from_the_header_or_the_details() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "from-header".parse().unwrap());
        let error = answer(StatusCode::BAD_REQUEST, &headers, b"{}");
        assert_eq!(error.request_id.as_deref(), Some("from-header"));
        let body = br#"{"details":[{"@type":"x/google.rpc.RequestInfo","request_id":"inside"}]}"#;
        let error = answer(StatusCode::BAD_REQUEST, &headers, body);
        assert_eq!(error.request_id.as_deref(), Some("inside"));
    }

    #[test]
    fn a_redirect_says_where_to() {
        let mut headers = HeaderMap::new();
        headers
            .insert(LOCATION, "https://h/login.html?error=private-link-validation-error:1".parse().unwrap());
        let error = answer(StatusCode::FOUND, &headers, b"");
        assert!(error.message.contains("private-link-validation-error"), "{error}");
        for (location, shown) in [
            ("https://h/a?state=s3cret&error=denied&token=s3cret#s3cret", "https://h/a?error=denied"),
            ("https://me:s3cret@h:8443", "https://h:8443"),
            ("//h/a?s3cret", "//h/a"),
            ("/login.html?next=s3cret", "/login.html"),
        ] {
            assert_eq!(repeatable(location), shown);
        }
    }

    #[test]
    fn storage_errors_keep_their_code_and_nothing_else() {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, "https://s/o?sig=s3cret".parse().unwrap());
        headers.insert("x-request-id", "r-1".parse().unwrap());
        let signed = b"<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
            <StringToSign>s3cret</StringToSign></Error>";
        for (body, code) in [
            (&signed[..], Some("SignatureDoesNotMatch")),
            (b"<Error><Code>s3cret&sig=</Code></Error>", None),
            (b"{\"error_code\":\"s3cret\",\"message\":\"s3cret\"}", None),
            (b"https://s/o?sig=s3cret", None),
            (b"<Code>", None),
        ] {
            for status in [StatusCode::FORBIDDEN, StatusCode::FOUND, StatusCode::SERVICE_UNAVAILABLE] {
                let error = storage_answer(status, &headers, body);
                assert_eq!((error.error_code.as_deref(), error.request_id.as_deref()), (code, Some("r-1")));
                assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
            }
        }
    }

    #[test]
    fn durations_come_as_text_or_as_an_object() {
        let two = Duration::from_secs(2);
        assert_eq!(duration(&serde_json::json!("2s")), Some(two));
        assert_eq!(duration(&serde_json::json!({"seconds": "2"})), Some(two));
        assert_eq!(duration(&serde_json::json!({"seconds": 1, "nanos": 1_000_000_000})), Some(two));
        for bad in [
            serde_json::json!("-1s"),
            serde_json::json!("2"),
            serde_json::json!("1e400s"),
            serde_json::json!(2),
        ] {
            assert_eq!(duration(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_body_is_too_strange_to_read(body in proptest::collection::vec(any::<u8>(), 0..200), html in any::<bool>()) {
            let mut headers = HeaderMap::new();
            if html {
                headers.insert(CONTENT_TYPE, "text/html; charset=utf-8".parse().unwrap());
            }
            let error = answer(StatusCode::INTERNAL_SERVER_ERROR, &headers, &body);
            prop_assert!(!error.message.trim().is_empty());
        }
    }
}
