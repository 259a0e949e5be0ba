//! Presigned URLs to whole files: one to read, one to write.

use chrono::{DateTime, Utc};
use databricks_transport::Body;
use http::request::Parts;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::{Upload, drain};
use super::content::{self, Unreadable};
use super::errors::{failure, parse};
use crate::access::guard;
use crate::api_error::{Answer, ApiFailure, empty_response, json_response};
use crate::route::{Call, decode};
use crate::statements::read_json;
use crate::storage::{Refusal, StorageAnswer, allow, check_link, no_such_key};
use crate::stores::{VolumeError, VolumePath};
use crate::workspace::Shared;

/// What a path keeps as it is in a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[derive(Default, Deserialize)]
struct UrlBody {
    path: Option<String>,
    expire_time: Option<String>,
}

/// `POST create-download-url`, with its fields in the query (official SDKs) or in a body (volume drivers).
pub(super) async fn download_url(call: &Call<'_>, body: Body) -> Answer {
    let (path, expires) = fields(call, true, body).await?;
    call.shared.volumes.head(path.clone()).await.map_err(failure)?;
    json_response(&presigned(call, &format!("/downloads/{}", encoded(&path)), expires))
}

/// `POST create-upload-url`. What is put there replaces a file, as an object store does.
pub(super) async fn upload_url(call: &Call<'_>, body: Body) -> Answer {
    let (path, expires) = fields(call, false, body).await?;
    json_response(&presigned(call, &format!("/objects/{}", encoded(&path)), expires))
}

/// The path a URL is for, and when the URL ends. Who may not do by a call what the URL allows gets none.
async fn fields(
    call: &Call<'_>,
    reading: bool,
    body: Body,
) -> Result<(VolumePath, DateTime<Utc>), ApiFailure> {
    let sent: UrlBody = if call.query.get("path").is_some() {
        drain(body).await;
        UrlBody::default()
    } else {
        read_json(body).await?
    };
    let path = call.query.get("path").or(sent.path.as_deref());
    let path = path.ok_or_else(|| ApiFailure::invalid("Missing required field: path"))?;
    let path = parse(path)?;
    guard::volume(call, reading, &path)?;
    let expires = call.query.get("expire_time").or(sent.expire_time.as_deref());
    Ok((path, expiry(call, expires)?))
}

/// When a URL ends: at the time asked for, or after the workspace's usual life of links.
pub(super) fn expiry(call: &Call<'_>, asked: Option<&str>) -> Result<DateTime<Utc>, ApiFailure> {
    let now = call.shared.clock.now();
    let Some(text) = asked.filter(|text| !text.is_empty()) else { return Ok(call.shared.links.expiry(now)) };
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).map_err(|_| {
        ApiFailure::invalid(format!(
            "expire_time '{text}' is no time: give one such as 2024-05-01T12:00:00Z."
        ))
    })?;
    if time <= now {
        let now = now.to_rfc3339();
        return Err(ApiFailure::invalid(format!("expire_time '{text}' is past: it is {now} here.")));
    }
    Ok(time)
}

/// A URL with the headers to send, as the API hands them out.
pub(super) fn presigned(call: &Call<'_>, path: &str, expires: DateTime<Utc>) -> Value {
    let links = &call.shared.links;
    let headers: Vec<Value> =
        links.header().map(|(name, value)| json!({ "name": name, "value": value })).into_iter().collect();
    json!({ "url": format!("{}{}", call.storage, links.sign(path, expires)), "headers": headers })
}

fn encoded(path: &VolumePath) -> String {
    let text = path.to_string();
    utf8_percent_encode(text.trim_start_matches('/'), PATH).to_string()
}

fn decoded(rest: &str) -> Result<VolumePath, Refusal> {
    let path = decode(rest).map_err(|_| no_such_key())?;
    VolumePath::parse(&format!("/{path}")).map_err(|_| no_such_key())
}

/// Reads a file by its URL.
pub(super) async fn download(shared: &Shared, request: &Parts, rest: &str) -> StorageAnswer {
    allow(&request.method, &[Method::GET, Method::HEAD])?;
    check_link(shared, request)?;
    let (volumes, path) = (shared.volumes.as_ref(), decoded(rest)?);
    let answer = if request.method == Method::HEAD {
        content::head(volumes, path, &request.headers).await
    } else {
        content::read(volumes, path, &request.headers).await
    };
    answer.map_err(unreadable)
}

/// Writes a file by its URL.
pub(super) async fn upload(shared: &Shared, request: &Parts, rest: &str, body: &Upload) -> StorageAnswer {
    allow(&request.method, &[Method::PUT])?;
    check_link(shared, request)?;
    shared.volumes.put(decoded(rest)?, body.stream(), true).await.map_err(not_stored)?;
    Ok(empty_response(StatusCode::OK))
}

/// A store's refusal in an object store's words.
pub(super) fn not_stored(error: VolumeError) -> Refusal {
    let (status, code) = match &error {
        VolumeError::VolumeNotFound(_) => (StatusCode::NOT_FOUND, "NoSuchBucket"),
        VolumeError::FileNotFound(_) | VolumeError::DirectoryNotFound(_) => {
            (StatusCode::NOT_FOUND, "NoSuchKey")
        }
        // What official clients take for "it exists already".
        VolumeError::AlreadyExists(_) => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
        VolumeError::StorageFull { .. } => (StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage"),
        VolumeError::UploadInterrupted { .. } => (StatusCode::BAD_REQUEST, "IncompleteBody"),
        VolumeError::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        VolumeError::NotADirectory(_) | VolumeError::DirectoryNotEmpty(_) | VolumeError::Invalid { .. } => {
            (StatusCode::BAD_REQUEST, "InvalidArgument")
        }
    };
    Refusal::new(status, code, error.to_string())
}

fn unreadable(error: Unreadable) -> Refusal {
    let message = error.to_string();
    match error {
        Unreadable::Store(error) => not_stored(*error),
        Unreadable::Modified => Refusal::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message),
        Unreadable::NotSatisfiable { .. } => {
            Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message)
        }
        Unreadable::ManyRanges => Refusal::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message),
    }
}
