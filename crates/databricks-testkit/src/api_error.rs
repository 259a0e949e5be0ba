//! Error answers in the API's shapes, and JSON answers beside them.

use databricks_transport::Body;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

/// What a handler gives.
pub(crate) type Answer = Result<Response<Body>, ApiFailure>;

/// An error answer: status, code, message, details.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiFailure {
    status: StatusCode,
    error_code: Value,
    message: String,
    details: Vec<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiFailure {
    pub(crate) fn new(status: StatusCode, error_code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            error_code: json!(error_code),
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The gateway's own refusals have the status as their code, as a number.
    pub(crate) fn numbered(status: StatusCode, message: &str) -> Self {
        let code = json!(status.as_u16());
        Self { error_code: code, ..Self::new(status, "", message) }
    }

    /// 400 `INVALID_PARAMETER_VALUE`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", message)
    }

    /// 404 `RESOURCE_DOES_NOT_EXIST`.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST", message)
    }

    /// 500 `INTERNAL_ERROR`.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message)
    }

    /// Says in front of the message where it belongs: `Task 'a': ...`.
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Adds an `ErrorInfo` detail.
    pub(crate) fn reason(mut self, reason: &str, domain: &str) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": domain,
        }));
        self
    }

    /// Adds an `ErrorInfo` detail with metadata.
    pub(crate) fn reason_with(mut self, reason: &str, domain: &str, metadata: Value) -> Self {
        self.details.push(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": domain,
            "metadata": metadata,
        }));
        self
    }

    /// Adds a `Retry-After` header, in seconds.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }

    /// Adds a response header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a `RequestInfo` detail, where there are details at all.
    pub(crate) fn request_id(mut self, request_id: &str) -> Self {
        if !self.details.is_empty() {
            self.details.push(json!({
                "@type": "type.googleapis.com/google.rpc.RequestInfo",
                "request_id": request_id,
                "serving_data": "",
            }));
        }
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn body(&self) -> Value {
        let Self { status: _, error_code, message, details, headers: _ } = self;
        let mut body = json!({ "error_code": error_code, "message": message });
        if let (false, Some(object)) = (details.is_empty(), body.as_object_mut()) {
            object.insert("details".to_owned(), json!(details));
        }
        body
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = respond(self.status, "application/json; charset=utf-8", self.body().to_string());
        response.headers_mut().extend(self.headers);
        response
    }
}

/// 200 with a JSON body.
pub(crate) fn json_response<T: Serialize>(value: &T) -> Answer {
    let text = serde_json::to_string(value)
        .map_err(|error| ApiFailure::internal(format!("The answer could not be written: {error}")))?;
    Ok(respond(StatusCode::OK, "application/json", text))
}

/// An answer without a body.
pub(crate) fn empty_response(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer with a body of a type.
pub(crate) fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbers_at_the_gateway_and_words_behind_it() {
        let gateway = ApiFailure::numbered(StatusCode::FORBIDDEN, "no");
        assert_eq!(gateway.request_id("r-1").body(), json!({"error_code": 403, "message": "no"}));
        let api = ApiFailure::not_found("gone").reason("WHY", "example.com").request_id("r-1");
        let details = json!([
            { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "WHY", "domain": "example.com" },
            { "@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": "r-1", "serving_data": "" },
        ]);
        let expected =
            json!({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone", "details": details});
        assert_eq!(api.body(), expected);
    }
}
