//! A file's content: written whole, read whole or in part.

use std::error::Error as StdError;

use databricks_transport::Body;
use futures::TryStreamExt;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LAST_MODIFIED};
use http::{HeaderMap, Response, StatusCode};

use super::body::Upload;
use super::errors::{failure, parse};
use super::range::{Wanted, http_date, is_modified_since, wanted};
use crate::api_error::{Answer, ApiFailure, empty_response};
use crate::route::Call;
use crate::stores::{FileContent, FileMetadata, VolumeError, VolumePath, VolumeStore};

/// How often a range is resolved again because the file was replaced in between.
const ATTEMPTS: usize = 8;

/// Why a file, or the part asked for, is not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Store(Box<VolumeError>),
    #[error("The file was modified after the time in If-Unmodified-Since.")]
    Modified,
    #[error("The file has {size} bytes; the range asked for lies beyond them.")]
    NotSatisfiable { size: u64 },
    #[error("Several ranges in one request are not simulated by databricks-testkit: ask for one range.")]
    ManyRanges,
}

/// `PUT` of a whole file.
pub(super) async fn put(call: &Call<'_>, path: &str, body: Body) -> Answer {
    let body = Upload::new(body);
    let result = store(call, path, &body).await;
    if result.is_err() {
        // A client still sending would see its connection break instead of this answer.
        body.drain().await;
    }
    result?;
    Ok(empty_response(StatusCode::NO_CONTENT))
}

async fn store(call: &Call<'_>, path: &str, body: &Upload) -> Result<(), ApiFailure> {
    let (path, overwrite) = (parse(path)?, call.query.flag("overwrite")?);
    call.shared.volumes.put(path, body.stream(), overwrite).await.map_err(failure)
}

/// A file's size and age, without its content.
pub(super) async fn head(
    volumes: &dyn VolumeStore,
    path: VolumePath,
    headers: &HeaderMap,
) -> Result<Response<Body>, Unreadable> {
    let metadata = volumes.head(path).await.map_err(stored)?;
    check_age(headers, &metadata)?;
    Ok(response(&metadata, metadata.size, Body::empty()))
}

/// A file, or the one range of it that the request asks for.
pub(super) async fn read(
    volumes: &dyn VolumeStore,
    path: VolumePath,
    headers: &HeaderMap,
) -> Result<Response<Body>, Unreadable> {
    if wanted(headers, u64::MAX) == Wanted::Whole {
        let FileContent { metadata, content } = volumes.get(path).await.map_err(stored)?;
        check_age(headers, &metadata)?;
        let body = Body::from_sized_stream(content.map_err(stream_error), metadata.size);
        return Ok(response(&metadata, metadata.size, body));
    }
    for _ in 0..ATTEMPTS {
        if let Some(response) = read_part(volumes, &path, headers).await? {
            return Ok(response);
        }
    }
    let detail = "the file was replaced again and again while a range of it was read".to_owned();
    Err(stored(VolumeError::Internal { path, detail }))
}

/// One range; `None` when the file was replaced between looking and opening.
async fn read_part(
    volumes: &dyn VolumeStore,
    path: &VolumePath,
    headers: &HeaderMap,
) -> Result<Option<Response<Body>>, Unreadable> {
    let seen = volumes.head(path.clone()).await.map_err(stored)?;
    check_age(headers, &seen)?;
    let (first, last) = match wanted(headers, seen.size) {
        Wanted::Part { first, last } => (first, last),
        Wanted::Many => return Err(Unreadable::ManyRanges),
        Wanted::Whole | Wanted::Beyond => return Err(Unreadable::NotSatisfiable { size: seen.size }),
    };
    let length = last - first + 1;
    let opened = volumes.get_range(path.clone(), first, length).await.map_err(stored)?;
    if opened.metadata != seen {
        return Ok(None);
    }
    let body = Body::from_sized_stream(opened.content.map_err(stream_error), length);
    let mut response = response(&seen, length, body);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    if let Ok(value) = HeaderValue::from_str(&format!("bytes {first}-{last}/{}", seen.size)) {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    Ok(Some(response))
}

fn stored(error: VolumeError) -> Unreadable {
    Unreadable::Store(Box::new(error))
}

fn check_age(headers: &HeaderMap, metadata: &FileMetadata) -> Result<(), Unreadable> {
    if is_modified_since(headers, metadata.modified) { Err(Unreadable::Modified) } else { Ok(()) }
}

fn response(metadata: &FileMetadata, length: u64, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(value) = HeaderValue::from_str(&http_date(metadata.modified)) {
        headers.insert(LAST_MODIFIED, value);
    }
    response
}

fn stream_error(error: Box<dyn StdError + Send + Sync>) -> databricks_transport::Error {
    databricks_transport::Error::new(databricks_transport::ErrorKind::Io, "a stored file could not be read")
        .with_source(error)
}
