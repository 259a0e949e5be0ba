//! Error answers made up on purpose: of the workspace, of the proxies before it, of object stores.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use databricks_transport::Body;
use http::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::fault::{Cloud, ErrorBody, RetryAfterForm, TokenKind};

/// How long a link had been good that is refused.
const LINK_LIFE: TimeDelta = TimeDelta::minutes(15);

/// What an error answer says.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error_code: Option<String>,
    pub(super) message: String,
    pub(super) body: ErrorBody,
}

impl Refusal {
    pub(super) fn into_response(self) -> Response<Body> {
        let Self { status, error_code, message, body } = self;
        let code = error_code.unwrap_or_else(|| default_code(status).to_owned());
        let json_type = "application/json";
        let (content_type, text) = match body {
            ErrorBody::Json => (json_type, json!({ "error_code": code, "message": message }).to_string()),
            ErrorBody::Legacy => (json_type, json!({ "error": message }).to_string()),
            ErrorBody::Scim => {
                let schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"];
                let error = json!({ "detail": message, "schemas": schemas, "status": status.as_str() });
                ("application/scim+json", error.to_string())
            }
            ErrorBody::Html => ("text/html;charset=utf-8", page(status, &message)),
            ErrorBody::Plain => ("text/plain", format!("{code}: {message}")),
            ErrorBody::Empty => return answer(status, None, String::new()),
        };
        answer(status, Some(content_type), text)
    }
}

fn answer(status: StatusCode, content_type: Option<&'static str>, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

fn page(status: StatusCode, message: &str) -> String {
    let (message, number) = (escaped(message), status.as_u16());
    format!(
        "<html>\n<head>\n<title>Error {number} {message}</title>\n</head>\n<body><h2>HTTP ERROR {number}</h2>\n\
         <p>Reason:\n<pre>    {message}</pre></p>\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The code that goes with a status.
fn default_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "BAD_REQUEST",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "RESOURCE_DOES_NOT_EXIST",
        409 => "RESOURCE_CONFLICT",
        429 => "REQUEST_LIMIT_EXCEEDED",
        503 => "TEMPORARILY_UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL_ERROR",
    }
}

/// Adds a `Retry-After`; whole seconds, rounded up.
pub(super) fn retry_after(
    response: &mut Response<Body>,
    after: Duration,
    form: RetryAfterForm,
    now: DateTime<Utc>,
) {
    let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
    let value = match form {
        RetryAfterForm::Seconds => Some(HeaderValue::from(seconds)),
        RetryAfterForm::HttpDate => {
            insert_text(response, DATE, &http_date(now));
            let span = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
            let then = span.and_then(|span| now.checked_add_signed(span)).unwrap_or(latest());
            HeaderValue::from_str(&http_date(then)).ok()
        }
    };
    if let Some(value) = value {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
}

/// The last second that an HTTP date can name.
fn latest() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn before(time: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
    time.checked_sub_signed(span).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

fn http_date(time: DateTime<Utc>) -> String {
    time.min(latest()).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn insert_text(response: &mut Response<Body>, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(name, value);
    }
}

/// A token that is too old. The gateway's codes are numbers, as recorded.
pub(super) fn expired_token(kind: TokenKind) -> Response<Body> {
    let (status, message) = match kind {
        TokenKind::Personal => (StatusCode::FORBIDDEN, "Invalid access token."),
        TokenKind::OAuth => (StatusCode::UNAUTHORIZED, "Token is expired"),
    };
    let body = json!({ "error_code": status.as_u16(), "message": message }).to_string();
    let mut response = answer(status, Some("application/json; charset=utf-8"), body);
    insert_text(&mut response, HeaderName::from_static("x-databricks-reason-phrase"), message);
    response
}

/// A link that is too old, in the words of a cloud's object store.
pub(super) fn expired_link(cloud: Cloud, path: &str, now: DateTime<Utc>) -> Response<Body> {
    // Looks like a request's id, and is the same in every run.
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{path} {now}").as_bytes());
    let expired = before(now, TimeDelta::seconds(1));
    match cloud {
        Cloud::Aws => aws_expired(id, expired, now),
        Cloud::Azure => azure_expired(id, expired, now),
        Cloud::Gcp => {
            let at = expired.to_rfc3339_opts(SecondsFormat::Secs, false);
            let details = format!("Request signature expired at: {at}");
            let error = format!(
                "<?xml version='1.0' encoding='UTF-8'?><Error><Code>ExpiredToken</Code><Message>The provided token \
                 has expired.</Message><Details>{details}</Details></Error>"
            );
            answer(StatusCode::BAD_REQUEST, Some("application/xml; charset=UTF-8"), error)
        }
    }
}

fn aws_expired(id: Uuid, expired: DateTime<Utc>, now: DateTime<Utc>) -> Response<Body> {
    let id = id.simple().to_string().to_uppercase();
    let (request_id, host_id) = id.split_at_checked(16).unwrap_or((&id, ""));
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let (life, expires, server_time) = (LINK_LIFE.num_seconds(), time(expired), time(now));
    let error = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired\
         </Message><X-Amz-Expires>{life}</X-Amz-Expires><Expires>{expires}</Expires><ServerTime>{server_time}\
         </ServerTime><RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>"
    );
    answer(StatusCode::FORBIDDEN, Some("application/xml"), error)
}

fn azure_expired(id: Uuid, expired: DateTime<Utc>, now: DateTime<Utc>) -> Response<Body> {
    let time = now.to_rfc3339_opts(SecondsFormat::Micros, true);
    let (start, expiry, current) =
        (http_date(before(expired, LINK_LIFE)), http_date(expired), http_date(now));
    let error = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to \
         authenticate the request. Make sure the value of Authorization header is formed correctly including the \
         signature.\nRequestId:{id}\nTime:{time}</Message><AuthenticationErrorDetail>Signature not valid in the \
         specified time frame: Start [{start}] - Expiry [{expiry}] - Current [{current}]\
         </AuthenticationErrorDetail></Error>"
    );
    let mut response = answer(StatusCode::FORBIDDEN, Some("application/xml"), error);
    insert_text(&mut response, HeaderName::from_static("x-ms-error-code"), "AuthenticationFailed");
    insert_text(&mut response, HeaderName::from_static("x-ms-request-id"), &id.to_string());
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn now() -> DateTime<Utc> {
        "2024-05-01T12:00:00Z".parse().unwrap()
    }

    fn text(response: Response<Body>) -> String {
        let body = response.body().as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        format!("{} {:?}\n{}", response.status(), response.headers(), body.unwrap())
    }

    #[test]
    fn retry_after_is_in_whole_seconds_rounded_up_or_a_date_beside_the_servers_own() {
        let mut response = Response::new(Body::empty());
        retry_after(&mut response, Duration::from_millis(1200), RetryAfterForm::Seconds, now());
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        retry_after(&mut response, Duration::from_millis(1200), RetryAfterForm::HttpDate, now());
        assert_eq!(response.headers()[DATE], "Wed, 01 May 2024 12:00:00 GMT");
        assert_eq!(response.headers()[RETRY_AFTER], "Wed, 01 May 2024 12:00:02 GMT");
        retry_after(&mut response, Duration::MAX, RetryAfterForm::HttpDate, now());
        assert_eq!(response.headers()[RETRY_AFTER], "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn no_calendar_is_too_odd_for_an_answer() {
        for now in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            for cloud in [Cloud::Aws, Cloud::Azure, Cloud::Gcp] {
                assert!(expired_link(cloud, "", now).status().is_client_error());
            }
            let mut response = Response::new(Body::empty());
            retry_after(&mut response, Duration::MAX, RetryAfterForm::HttpDate, now);
        }
    }

    #[test]
    fn every_shape_of_an_error_is_written() {
        let shapes = [
            ErrorBody::Json,
            ErrorBody::Legacy,
            ErrorBody::Scim,
            ErrorBody::Html,
            ErrorBody::Plain,
            ErrorBody::Empty,
        ];
        let written = shapes.map(|body| {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            text(Refusal { status, error_code: None, message: "a <b> & c".to_owned(), body }.into_response())
        });
        insta::assert_snapshot!(written.join("\n---\n"));
    }

    #[test]
    fn expiry_is_told_as_each_cloud_does() {
        let links =
            [Cloud::Aws, Cloud::Azure, Cloud::Gcp].map(|cloud| text(expired_link(cloud, "/x", now())));
        let tokens = [TokenKind::Personal, TokenKind::OAuth].map(|kind| text(expired_token(kind)));
        insta::assert_snapshot!([links.join("\n---\n"), tokens.join("\n---\n")].join("\n---\n"));
    }
}
