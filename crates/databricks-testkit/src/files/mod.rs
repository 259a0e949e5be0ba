//! The Files API: files and directories below `/Volumes`, streamed both ways; uploads in parts; presigned URLs.

mod body;
mod content;
mod directories;
mod errors;
mod presigned;
mod range;
mod uploads;

use databricks_transport::Body;
use http::StatusCode;
use http::request::Parts;

pub(crate) use body::{Upload, drain};
use errors::{failure, parse};
pub use uploads::UploadProtocol;
pub(crate) use uploads::Uploads;

use crate::api_error::{Answer, empty_response};
use crate::route::{Call, decode, not_simulated};
use crate::storage::{StorageAnswer, no_such_key};
use crate::workspace::Shared;

/// Answers a call below `/api/2.0/fs/`; `rest` is what follows, still encoded.
pub(crate) async fn handle(call: &Call<'_>, method: &str, rest: &str, body: Body) -> Answer {
    // Some clients encode the slashes of the path as well, so it is decoded as a whole.
    if let Some(path) = rest.strip_prefix("files/") {
        return file(call, method, &format!("/{}", decode(path)?), body).await;
    }
    if let Some(path) = rest.strip_prefix("directories/") {
        drain(body).await;
        return directories::handle(call, method, &format!("/{}", decode(path)?)).await;
    }
    match (method, rest) {
        ("POST", "create-upload-part-urls") => uploads::part_urls(call, body).await,
        ("POST", "create-resumable-upload-url") => uploads::resumable_url(call, body).await,
        ("POST", "create-abort-upload-url") => uploads::abort_url(call, body).await,
        ("POST", "create-download-url") => presigned::download_url(call, body).await,
        ("POST", "create-upload-url") => presigned::upload_url(call, body).await,
        ("GET", "list") => {
            drain(body).await;
            directories::list_all(call).await
        }
        _ => {
            drain(body).await;
            Err(not_simulated(method, &format!("/api/2.0/fs/{rest}")))
        }
    }
}

async fn file(call: &Call<'_>, method: &str, path: &str, body: Body) -> Answer {
    // A part or an abort sent to the API itself, as to a storage proxy, must not pass for a whole file or a delete.
    let of_upload =
        ["action", "upload_type", "session_token"].iter().any(|name| call.query.get(name).is_some());
    match (method, call.query.get("action")) {
        ("POST", Some("initiate-upload")) => {
            drain(body).await;
            uploads::initiate(call, path).await
        }
        ("POST", Some("complete-upload")) => uploads::complete(call, path, body).await,
        ("PUT", _) if !of_upload => content::put(call, path, body).await,
        ("GET" | "HEAD" | "DELETE", _) if !of_upload => {
            drain(body).await;
            stored(call, method, path).await
        }
        (method, action) => {
            drain(body).await;
            let action = action.or(call.query.get("upload_type"));
            let action = action.map(|action| format!(" ({action})")).unwrap_or_default();
            Err(not_simulated(method, &format!("/api/2.0/fs/files{path}{action}")))
        }
    }
}

/// A call on a file that is there.
async fn stored(call: &Call<'_>, method: &str, path: &str) -> Answer {
    let (volumes, path) = (call.shared.volumes.as_ref(), parse(path)?);
    match method {
        "GET" => content::read(volumes, path, call.headers).await.map_err(errors::unreadable),
        "HEAD" => content::head(volumes, path, call.headers).await.map_err(errors::unreadable),
        _ => {
            volumes.delete(path).await.map_err(failure)?;
            Ok(empty_response(StatusCode::NO_CONTENT))
        }
    }
}

/// Answers a request to the storage origin that is about files.
pub(crate) async fn storage(shared: &Shared, request: &Parts, body: &Upload) -> StorageAnswer {
    let path = request.uri.path();
    if let Some(rest) = path.strip_prefix("/uploads/") {
        return uploads::storage(shared, request, rest, body).await;
    }
    if let Some(rest) = path.strip_prefix("/downloads/") {
        return presigned::download(shared, request, rest).await;
    }
    if let Some(rest) = path.strip_prefix("/objects/") {
        return presigned::upload(shared, request, rest, body).await;
    }
    Err(no_such_key())
}
