//! Whether an answer is a storage's own, and what its refusal asks of the caller. Pure.
//!
//! A store reads a page of something in between as a list without files, and files that are not seen would be neither
//! loaded nor removed.

use bytes::Bytes;
use databricks_transport::{Error, ErrorKind};
use http::header::CONTENT_TYPE;
use http::{Method, Response, StatusCode, Uri};

/// Lists name what they are in their first element.
const BEGINNING: usize = 1024;
/// What S3 says when a request was signed for another region.
const OTHER_REGION: &[&str] =
    &["AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"];

/// The elements one of which an answer must begin with; none where any content will do.
pub(super) fn expected(method: &Method, uri: &Uri) -> Option<&'static [&'static str]> {
    let has = |pair: &str| uri.query().is_some_and(|query| query.split('&').any(|given| given == pair));
    match *method {
        Method::GET if has("list-type=2") => Some(&["ListBucketResult"]),
        Method::GET if has("comp=list") => Some(&["EnumerationResults"]),
        Method::POST if has("delete") || has("delete=") => Some(&["DeleteResult"]),
        _ => None,
    }
}

/// The answer, if it is one of a storage.
pub(super) fn checked(answer: Response<Bytes>, expected: Option<&[&str]>) -> Result<Response<Bytes>, Error> {
    let body = answer.body();
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Some say this of no content at all.
    let is_page = !body.is_empty() && content_type.is_some_and(|kind| kind.starts_with("text/html"));
    let beginning = String::from_utf8_lossy(body.get(..BEGINNING).unwrap_or(body.as_ref()));
    let is_other = expected.is_some_and(|names| !names.iter().any(|name| beginning.contains(name)));
    if !is_page && !is_other {
        return Ok(answer);
    }
    let message = match expected {
        Some(names) => format!("the storage's answer is no {}", names.join(" or ")),
        None => "the storage's answer is a web page".to_owned(),
    };
    let hint = "Check what answers at the storage's address: a proxy or a login page may.";
    Err(Error::new(ErrorKind::Decode, message).with_hint(hint))
}

/// The error, with what to check where it is known.
pub(super) fn explained(error: Error) -> Error {
    let code = error.api_error().and_then(|api| api.error_code.as_deref());
    let is_elsewhere = code.is_some_and(|code| OTHER_REGION.contains(&code))
        || matches!(error.status(), Some(StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT));
    match is_elsewhere {
        true => error.with_hint("Check the region of the bucket, which `region` names."),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use databricks_transport::ApiError;
    use http::HeaderMap;

    use super::*;

    fn accepted(method: Method, uri: &str, kind: &str, body: &'static str) -> bool {
        let answer = Response::builder().header(CONTENT_TYPE, kind).body(Bytes::from(body)).unwrap();
        checked(answer, expected(&method, &uri.parse().unwrap())).is_ok()
    }

    #[test]
    fn a_page_is_no_answer_of_a_storage() {
        let list = "https://s3.example/b?delimiter=%2F&list-type=2&prefix=p%2F";
        let azure = "https://a.example/c?restype=container&comp=list&sv=1&sig=x";
        let delete = "https://s3.example/b?delete";
        let object = "https://s3.example/b/p/list-type=2";
        let page = "<html><body>We will be back soon</body></html>";
        for (method, uri, kind, body, ok) in [
            (Method::GET, list, "application/xml", "<?xml?>\n<ListBucketResult xmlns=\"x\"/>", true),
            (Method::GET, list, "application/xml", page, false),
            (Method::GET, list, "application/xml", "<Error><Code>InternalError</Code></Error>", false),
            (Method::GET, list, "application/xml", "", false),
            (Method::GET, azure, "application/xml", "\u{feff}<EnumerationResults/>", true),
            (Method::GET, azure, "application/xml", "<ListBucketResult/>", false),
            (Method::POST, delete, "application/xml", "<DeleteResult/>", true),
            (Method::POST, delete, "application/xml", page, false),
            (Method::GET, object, "application/octet-stream", page, true),
            (Method::GET, object, "text/html; charset=UTF-8", page, false),
            (Method::PUT, object, "text/html; charset=UTF-8", page, false),
            // So Google Cloud Storage answers.
            (Method::PUT, object, "text/html; charset=UTF-8", "", true),
        ] {
            assert_eq!(accepted(method.clone(), uri, kind, body), ok, "{method} {uri} {kind} {body}");
        }
    }

    #[test]
    fn a_bucket_of_another_region_says_what_to_check() {
        let answered = |status: StatusCode, code: &str| {
            // As the transport reads it from the storage's XML.
            let mut api = ApiError::parse(status, &HeaderMap::new(), b"");
            api.error_code = Some(code.to_owned());
            explained(Error::from_api(api)).to_string()
        };
        for (status, code, is_told) in [
            (StatusCode::MOVED_PERMANENTLY, "PermanentRedirect", true),
            (StatusCode::TEMPORARY_REDIRECT, "TemporaryRedirect", true),
            (StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed", true),
            (StatusCode::FORBIDDEN, "AccessDenied", false),
        ] {
            let text = answered(status, code);
            assert_eq!(text.contains("`region`"), is_told, "{text}");
        }
    }
}
