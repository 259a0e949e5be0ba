//! The storage origin: what lies behind presigned URLs. It knows URLs, and no tokens.

use databricks_transport::Body;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use crate::api_error::respond;
use crate::buckets;
use crate::files;
use crate::files::Upload;
use crate::presign::LinkError;
use crate::route::Query;
use crate::statements;
use crate::workspace::Shared;

/// What a handler of this origin gives.
pub(crate) type StorageAnswer = Result<Response<Body>, Refusal>;

/// Answers a request to the storage origin.
pub(crate) async fn answer(shared: &Shared, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = Upload::new(body);
    let answer = route(shared, &parts, &body).await;
    // A client still sending would see its connection break instead of the answer.
    body.drain().await;
    answer.unwrap_or_else(Refusal::into_response)
}

async fn route(shared: &Shared, request: &Parts, body: &Upload) -> StorageAnswer {
    let path = request.uri.path();
    // No presigned URLs: each request is signed by its sender.
    if path.starts_with("/s3/") {
        return buckets::handle(shared, request, body).await;
    }
    if request.headers.contains_key(AUTHORIZATION) {
        let message = "Only one auth mechanism allowed: a presigned URL takes no Authorization header.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", message));
    }
    match path.split('/').nth(1).unwrap_or_default() {
        "results" => {
            allow(&request.method, &[Method::GET])?;
            check_link(shared, request)?;
            statements::download(shared, path).await
        }
        "uploads" | "downloads" | "objects" => files::storage(shared, request, body).await,
        _ => Err(no_such_key()),
    }
}

/// 405 for any other method.
pub(crate) fn allow(method: &Method, allowed: &[Method]) -> Result<(), Refusal> {
    if allowed.contains(method) {
        return Ok(());
    }
    let message = format!("{method} is not allowed on this URL.");
    Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message))
}

/// 403 unless the URL is one that was given out, in time, and not revoked; 503 past a rate limit.
pub(crate) fn check_link(shared: &Shared, request: &Parts) -> Result<(), Refusal> {
    check_signed(shared, request)?;
    let taken = shared.access.limits.take(&request.method, request.uri.path(), shared.clock.elapsed());
    taken.map_err(|seconds| {
        let refusal =
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.");
        Refusal { retry_after: Some(seconds), ..refusal }
    })
}

fn check_signed(shared: &Shared, request: &Parts) -> Result<(), Refusal> {
    let query = Query::parse(request.uri.query());
    let checked = shared.links.check(request.uri.path(), &query, &request.headers, shared.clock.now());
    let denied = |code, message| Refusal::new(StatusCode::FORBIDDEN, code, message);
    checked.map_err(|error| match error {
        LinkError::BadSignature => {
            denied("SignatureDoesNotMatch", "The link's signature does not fit its request.")
        }
        // Official clients know an expired URL by exactly this code and text.
        LinkError::Expired => denied("AccessDenied", "Request has expired"),
        LinkError::Revoked => denied("AccessDenied", "Access Denied"),
        LinkError::HeaderMissing => {
            denied("AccessDenied", "A header that was signed is missing: send the link's http_headers.")
        }
    })
}

/// An object store's error answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds to wait, where that helps.
    retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let Self { status, code, message, retry_after } = self;
        let escaped = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{escaped}</Message></Error>"
        );
        let mut response = respond(status, "application/xml", xml);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// 404 of an object that is not there.
pub(crate) fn no_such_key() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
}
