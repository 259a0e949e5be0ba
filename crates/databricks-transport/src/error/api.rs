//! The server's own words about a failure.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::kind::{ErrorKind, of_api_error};
use super::{OneLine, parse};
use crate::redact::{MASK, Sent, is_credential_name};

/// Texts of errors that pass by themselves, whatever status they come with.
const TRANSIENT: &[&str] = &[
    "worker environment not ready",
    "ClusterNotReadyException",
    "Timed out after ",
    "deadline exceeded",
    "REQUEST_LIMIT_EXCEEDED",
    "RPC token bucket limit has been exceeded",
];

/// Codes that say no more than that something is wrong.
const VAGUE: &[&str] = &["BAD_REQUEST", "INTERNAL_ERROR", "INVALID_STATE", "IO_ERROR", "UNKNOWN"];

/// An answer that is not 2xx, in whatever shape the endpoint phrased it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code, such as `RESOURCE_DOES_NOT_EXIST`. Some endpoints send a number (`401`).
    pub error_code: Option<String>,
    /// What happened; never empty (the status' own words when the body says nothing).
    pub message: String,
    /// The server's id of the request.
    pub request_id: Option<String>,
    /// Typed details (`ErrorInfo`, `RetryInfo`, ...) by their `@type`, as they came.
    pub details: Vec<Value>,
}

impl ApiError {
    /// An error with a status and a message, and nothing else known.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, error_code: None, message: message.into(), request_id: None, details: Vec::new() }
    }

    /// Reads an error answer: JSON of any known shape, `CODE: text`, HTML, plain text, or nothing.
    pub fn parse(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        parse::answer(status, headers, body)
    }

    /// Reads a storage host's error answer: its status and the code of its XML. The rest may repeat a presigned link,
    /// which is a credential.
    pub(crate) fn of_storage(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        parse::storage_answer(status, headers, body)
    }

    /// The `reason` of the `ErrorInfo` detail, such as `FILES_API_RESOURCE_NOT_FOUND`.
    pub fn reason(&self) -> Option<&str> {
        self.detail("ErrorInfo")?.get("reason")?.as_str()
    }

    /// How long the `RetryInfo` detail asks to wait.
    pub fn retry_delay(&self) -> Option<Duration> {
        parse::duration(self.detail("RetryInfo")?.get("retry_delay")?)
    }

    /// The detail of a type, by the last word of its `@type`.
    pub fn detail(&self, name: &str) -> Option<&Value> {
        self.details.iter().find(|detail| {
            let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
            kind.rsplit(['.', '/']).next() == Some(name)
        })
    }

    /// The kind of the error that this answer stands for.
    pub(crate) fn kind(&self) -> ErrorKind {
        of_api_error(self)
    }

    /// Whether the same call may succeed later: by its kind, or by its text. What the stack repeats and what an error
    /// calls retryable are the same by this.
    pub(crate) fn is_retryable(&self) -> bool {
        self.kind().is_transient() || self.is_transient()
    }

    /// The same without what the request carried and without what looks like a credential.
    pub(crate) fn cleaned(mut self, sent: &Sent) -> Self {
        self.message = sent.cleaned(&self.message);
        let cleaned = |text: &str| sent.cleaned(text);
        self.error_code = self.error_code.as_deref().map(cleaned);
        self.request_id = self.request_id.as_deref().map(cleaned);
        self.details = self.details.into_iter().map(|detail| cleaned_value(detail, &cleaned)).collect();
        self
    }

    /// Whether the text is one of those that mean "try again". It may also be a name of somebody's that is repeated, so
    /// it only counts where neither status nor code says what is wrong.
    pub(crate) fn is_transient(&self) -> bool {
        let code = self.error_code.as_deref().unwrap_or_default();
        let says_little =
            matches!(self.kind(), ErrorKind::Invalid | ErrorKind::Unavailable | ErrorKind::Other)
                && (code.is_empty() || code == self.status.as_str() || VAGUE.contains(&code));
        TRANSIENT.contains(&code) || says_little && TRANSIENT.iter().any(|text| self.message.contains(text))
    }
}

/// A detail with its texts cleaned and what stands under the name of a credential masked.
fn cleaned_value(value: Value, cleaned: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(cleaned(&text)),
        Value::Array(values) => values.into_iter().map(|value| cleaned_value(value, cleaned)).collect(),
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                let is_secret = is_credential_name(&name) && value.is_string();
                let value = if is_secret { MASK.into() } else { cleaned_value(value, cleaned) };
                (cleaned(&name), value)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        plain => plain,
    }
}

/// `403 Forbidden, PERMISSION_DENIED: message`, on one line.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        if let Some(reason) = self.status.canonical_reason() {
            write!(f, " {reason}")?;
        }
        // A code that only repeats the status (`"error_code": 401`) says nothing new.
        if let Some(code) = self.error_code.as_deref().filter(|code| *code != self.status.as_str()) {
            write!(f, ", {}", OneLine(code))?;
        }
        write!(f, ": {}", OneLine(&self.message))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn details_are_found_by_the_last_word_of_their_type() {
        let body = br#"{"error_code":"NOT_FOUND","message":"gone","details":[
            {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"FILES_API_RESOURCE_NOT_FOUND"},
            {"@type":"type.googleapis.com/google.rpc.RequestInfo","request_id":"abc"},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retry_delay":"1.5s"}]}"#;
        let api = ApiError::parse(StatusCode::NOT_FOUND, &HeaderMap::new(), body);
        assert_eq!(api.reason(), Some("FILES_API_RESOURCE_NOT_FOUND"));
        assert_eq!(api.request_id.as_deref(), Some("abc"));
        assert_eq!(api.retry_delay(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn transient_texts_are_known() {
        let api = ApiError::new(StatusCode::BAD_REQUEST, "x: ClusterNotReadyException: y");
        assert!(api.is_transient());
        assert!(!ApiError::new(StatusCode::BAD_REQUEST, "bad").is_transient());
    }

    #[test]
    fn a_name_that_reads_like_a_transient_failure_is_a_name() {
        let said = "`Timed out after deadline exceeded` does not exist or may not be used";
        let table = [
            (404, None, false),
            (403, None, false),
            (409, Some("RESOURCE_ALREADY_EXISTS"), false),
            (400, Some("INVALID_PARAMETER_VALUE"), false),
            (400, Some("RESOURCE_DOES_NOT_EXIST"), false),
            (503, Some("TEMPORARILY_UNAVAILABLE"), false),
            (500, None, true),
            (500, Some("INTERNAL_ERROR"), true),
        ];
        for (status, code, expected) in table {
            let mut api = ApiError::new(StatusCode::from_u16(status).unwrap(), said);
            api.error_code = code.map(str::to_owned);
            assert_eq!(api.is_transient(), expected, "{status} {code:?}");
        }
    }
}
