//! The Files API: files and directories below `/Volumes`, streamed both ways.

use std::error::Error as StdError;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use databricks_transport::Body;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LAST_MODIFIED};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::api_error::{Answer, ApiFailure, empty_response, json_response};
use crate::route::{Call, decode, not_simulated};
use crate::stores::{
    ByteStream, DirectoryEntry, FileMetadata, InvalidPath, PageRequest, VolumeError, VolumePath,
};

/// The domain of the Files API's `ErrorInfo`.
const DOMAIN: &str = "filesystem.databricks.com";
/// Entries a page when the client does not say, and at most.
const PAGE: usize = 1000;

/// Answers a call below `/api/2.0/fs/`; `rest` is what follows, still encoded.
pub(crate) async fn handle(call: &Call<'_>, method: &str, rest: &str, body: Body) -> Answer {
    // Some clients encode the slashes of the path as well, so it is decoded as a whole.
    if let Some(path) = rest.strip_prefix("files/") {
        return file(call, method, &format!("/{}", decode(path)?), body).await;
    }
    if let Some(path) = rest.strip_prefix("directories/") {
        return directory(call, method, &format!("/{}", decode(path)?)).await;
    }
    drain(body).await;
    Err(not_simulated(method, &format!("/api/2.0/fs/{rest}")))
}

async fn file(call: &Call<'_>, method: &str, path: &str, body: Body) -> Answer {
    let volumes = &call.shared.volumes;
    match method {
        "PUT" => put(call, path, body).await,
        "GET" => {
            let content = volumes.get(parse(path)?).await.map_err(failure)?;
            let stream = content.content.map_err(stream_error);
            Ok(file_response(&content.metadata, Body::from_sized_stream(stream, content.metadata.size)))
        }
        "HEAD" => Ok(file_response(&volumes.head(parse(path)?).await.map_err(failure)?, Body::empty())),
        "DELETE" => {
            volumes.delete(parse(path)?).await.map_err(failure)?;
            Ok(empty_response(StatusCode::NO_CONTENT))
        }
        method => Err(not_simulated(method, &format!("/api/2.0/fs/files{path}"))),
    }
}

async fn put(call: &Call<'_>, path: &str, body: Body) -> Answer {
    let body = shared(body);
    let result = store_file(call, path, shared_stream(body.clone())).await;
    if result.is_err() {
        // A client still sending would see its connection break instead of this answer.
        drain_rest(&body).await;
    }
    result?;
    Ok(empty_response(StatusCode::NO_CONTENT))
}

async fn store_file(call: &Call<'_>, path: &str, content: ByteStream) -> Result<(), ApiFailure> {
    let (path, overwrite) = (parse(path)?, call.query.flag("overwrite")?);
    call.shared.volumes.put(path, content, overwrite).await.map_err(failure)
}

type SharedStream = Arc<Mutex<BoxStream<'static, Result<Bytes, Box<dyn StdError + Send + Sync>>>>>;

/// A body that two may read, one after the other; the second may find it at its end, hence the fuse.
fn shared(body: Body) -> SharedStream {
    Arc::new(Mutex::new(body.into_stream().map_err(Into::into).fuse().boxed()))
}

async fn drain_rest(body: &SharedStream) {
    let mut rest = body.lock().await;
    while let Some(Ok(_)) = rest.next().await {}
}

/// A stream whose rest can be read by another once this one is dropped.
fn shared_stream(source: SharedStream) -> ByteStream {
    stream::unfold(source, |source| async move {
        let item = source.lock().await.next().await?;
        Some((item, source))
    })
    .boxed()
}

async fn directory(call: &Call<'_>, method: &str, path: &str) -> Answer {
    let volumes = &call.shared.volumes;
    let path = parse(path)?;
    match method {
        "PUT" => volumes.create_directory(path).await.map_err(failure)?,
        "DELETE" => volumes.delete_directory(path).await.map_err(failure)?,
        "HEAD" => {
            volumes.head_directory(path).await.map_err(failure)?;
            return Ok(empty_response(StatusCode::OK));
        }
        "GET" => return list(call, path).await,
        method => return Err(not_simulated(method, &format!("/api/2.0/fs/directories{path}"))),
    }
    Ok(empty_response(StatusCode::NO_CONTENT))
}

async fn list(call: &Call<'_>, path: VolumePath) -> Answer {
    let size = call.query.number("page_size")?.unwrap_or(PAGE).clamp(1, PAGE);
    let after = call.query.get("page_token").map(decode_token).transpose()?;
    let page = call.shared.volumes.list(path.clone(), PageRequest { after, size }).await.map_err(failure)?;
    let mut answer = Map::new();
    if !page.entries.is_empty() {
        let contents: Vec<Value> = page.entries.iter().map(|entry| entry_json(&path, entry)).collect();
        answer.insert("contents".to_owned(), json!(contents));
    }
    if let (true, Some(last)) = (page.more, page.entries.last()) {
        answer.insert("next_page_token".to_owned(), json!(URL_SAFE_NO_PAD.encode(&last.name)));
    }
    json_response(&answer)
}

fn entry_json(directory: &VolumePath, entry: &DirectoryEntry) -> Value {
    let DirectoryEntry { name, file, modified } = entry;
    let path = format!("{directory}/{name}");
    match file {
        Some(FileMetadata { size, modified }) => json!({
            "path": path,
            "name": name,
            "is_directory": false,
            "file_size": size,
            "last_modified": modified.timestamp_millis(),
        }),
        None => json!({
            "path": format!("{path}/"),
            "name": name,
            "is_directory": true,
            "last_modified": modified.timestamp_millis(),
        }),
    }
}

fn decode_token(token: &str) -> Result<String, ApiFailure> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| ApiFailure::invalid(format!("'{token}' is not a page token of this workspace.")))
}

fn file_response(metadata: &FileMetadata, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(metadata.size));
    let modified = metadata.modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(value) = HeaderValue::from_str(&modified) {
        headers.insert(LAST_MODIFIED, value);
    }
    response
}

fn stream_error(error: Box<dyn StdError + Send + Sync>) -> databricks_transport::Error {
    databricks_transport::Error::new(databricks_transport::ErrorKind::Io, "a stored file could not be read")
        .with_source(error)
}

fn parse(path: &str) -> Result<VolumePath, ApiFailure> {
    VolumePath::parse(path).map_err(invalid_path)
}

fn invalid_path(error: InvalidPath) -> ApiFailure {
    let first = error.path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let message = if first == "Volumes" {
        format!("Invalid path '{}': {}", error.path, error.reason)
    } else {
        format!("Invalid path: unsupported first path component: {first}")
    };
    ApiFailure::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message).reason("FILES_API_INVALID_PATH", DOMAIN)
}

/// A store's refusal in the Files API's words.
fn failure(error: VolumeError) -> ApiFailure {
    let (status, code, reason) = match &error {
        VolumeError::VolumeNotFound(_) | VolumeError::FileNotFound(_) => {
            (StatusCode::NOT_FOUND, "NOT_FOUND", "FILES_API_RESOURCE_NOT_FOUND")
        }
        VolumeError::DirectoryNotFound(_) => {
            (StatusCode::NOT_FOUND, "NOT_FOUND", "FILES_API_DIRECTORY_IS_NOT_FOUND")
        }
        VolumeError::AlreadyExists(_) => {
            (StatusCode::CONFLICT, "ALREADY_EXISTS", "FILES_API_RESOURCE_ALREADY_EXISTS")
        }
        VolumeError::NotADirectory(_) => {
            (StatusCode::CONFLICT, "ALREADY_EXISTS", "FILES_API_NOT_A_DIRECTORY")
        }
        VolumeError::DirectoryNotEmpty(_) => {
            (StatusCode::BAD_REQUEST, "BAD_REQUEST", "FILES_API_DIRECTORY_IS_NOT_EMPTY")
        }
        VolumeError::StorageFull { .. } => {
            (StatusCode::INSUFFICIENT_STORAGE, "RESOURCE_EXHAUSTED", "FILES_API_STORAGE_FULL")
        }
        VolumeError::UploadInterrupted { .. } => {
            (StatusCode::BAD_REQUEST, "BAD_REQUEST", "FILES_API_UPLOAD_INTERRUPTED")
        }
        VolumeError::Invalid { .. } => (StatusCode::BAD_REQUEST, "BAD_REQUEST", "FILES_API_INVALID_PATH"),
        VolumeError::Internal { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "FILES_API_INTERNAL_ERROR")
        }
    };
    ApiFailure::new(status, code, error.to_string()).reason(reason, DOMAIN)
}

/// Reads what is left of a body and forgets it, so that a client still sending gets the answer.
pub(crate) async fn drain(body: Body) {
    let mut rest = std::pin::pin!(body.into_stream());
    while let Some(Ok(_)) = rest.next().await {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_store_that_fails_at_the_end_of_an_upload_leaves_nothing_to_drain() {
        let body = shared(Body::from("all of it"));
        let read: Vec<_> = shared_stream(body.clone()).try_collect().await.unwrap();
        assert_eq!(read.concat(), b"all of it");
        drain_rest(&body).await;
    }

    #[test]
    fn a_full_store_is_507_and_names_the_file() {
        let path = VolumePath::parse("/Volumes/main/default/stage/part-1.parquet").unwrap();
        let error = failure(VolumeError::StorageFull { path, detail: "2 of 10 bytes are free".to_owned() });
        assert_eq!(error.status(), 507);
        insta::assert_snapshot!(error.body()["message"].as_str().unwrap(), @"No space left to write '/Volumes/main/default/stage/part-1.parquet': 2 of 10 bytes are free");
    }

    #[test]
    fn a_path_outside_volumes_is_refused_as_the_service_words_it() {
        let body = parse("/Workspace/Users/x").unwrap_err().body();
        assert_eq!(body["message"], "Invalid path: unsupported first path component: Workspace");
        assert_eq!(body["details"][0]["reason"], "FILES_API_INVALID_PATH");
    }
}
