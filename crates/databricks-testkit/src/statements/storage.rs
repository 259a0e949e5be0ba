//! The object store behind external links. It knows links, and no tokens.

use databricks_transport::Body;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::answer::{blocking, encode};
use super::links::LinkError;
use super::registry::Phase;
use crate::api_error::respond;
use crate::route::Query;
use crate::workspace::Shared;

/// Answers a request to the storage origin.
pub(crate) async fn storage(shared: &Shared, request: &Parts) -> Response<Body> {
    download(shared, request).await.unwrap_or_else(Refusal::into_response)
}

/// An object store's error answer.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn into_response(self) -> Response<Body> {
        let Self { status, code, message } = self;
        let escaped = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{escaped}</Message></Error>"
        );
        respond(status, "application/xml", xml)
    }
}

async fn download(shared: &Shared, request: &Parts) -> Result<Response<Body>, Refusal> {
    if request.headers.contains_key(AUTHORIZATION) {
        let message = "Only one auth mechanism allowed: a presigned link takes no Authorization header.";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", message));
    }
    if request.method != Method::GET {
        let message = format!("{} is not allowed on a result.", request.method);
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
    }
    let query = Query::parse(request.uri.query());
    let target = shared.links.check(request.uri.path(), &query, &request.headers, shared.clock.now());
    let (statement_id, index) = target.map_err(refuse)?;
    shared.statements.make_room(shared.clock.elapsed());
    let entry = shared.statements.get(statement_id).ok_or_else(gone)?;
    let Phase::Succeeded(result) = entry.phase() else { return Err(gone()) };
    let chunk = result.chunks.get(index).ok_or_else(gone)?;
    let (format, lz4) = (entry.delivery.format, entry.delivery.lz4);
    let bytes = blocking(chunk, move |chunk| encode(format, lz4, chunk)).await.map_err(|failure| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", failure.message)
    })?;
    Ok(respond(StatusCode::OK, "binary/octet-stream", bytes))
}

fn refuse(error: LinkError) -> Refusal {
    let denied = |code, message: &str| Refusal::new(StatusCode::FORBIDDEN, code, message);
    match error {
        LinkError::NotFound => gone(),
        LinkError::BadSignature => {
            denied("SignatureDoesNotMatch", "The link's signature does not fit its request.")
        }
        LinkError::Expired => denied("AccessDenied", "Request has expired"),
        LinkError::HeaderMissing => {
            denied("AccessDenied", "A header that was signed is missing: send the link's http_headers.")
        }
    }
}

fn gone() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
}
