//! Objects as files: written whole or not at all, read, and deleted with the folders that they leave empty.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use databricks_transport::{Body, Error, ErrorKind};
use futures::{StreamExt, TryStreamExt};
use http::header::{CONTENT_LENGTH, ETAG, HeaderValue, LAST_MODIFIED};
use http::{Response, StatusCode};
use tempfile::TempPath;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::keys::Grant;
use super::xml::{escaped, texts};
use super::{Buckets, Object, broken, document};
use crate::api_error::empty_response;
use crate::files::Upload;
use crate::storage::{Refusal, StorageAnswer};

/// Where uploads are kept until they are whole, in a location's folder. Lists pass over it.
pub(super) const UNFINISHED: &str = ".unfinished";
/// The largest list of keys that is read.
const LARGEST_LIST: usize = 4 << 20;
/// How often a file is put into its folder, which a deletion may take away in between.
const TRIES: u32 = 5;

/// `PUT`.
pub(super) async fn put(object: &Object<'_>, body: &Upload, etag: String) -> StorageAnswer {
    let file = receive(&object.location.folder, body).await?;
    settle(file, &object.place()).await.map_err(|error| broken(&error))?;
    Ok(tagged(empty_response(StatusCode::OK), &etag))
}

/// `GET` and `HEAD`.
pub(super) async fn read(object: &Object<'_>) -> StorageAnswer {
    let opened = async {
        let file = File::open(object.place()).await?;
        let about = file.metadata().await?;
        if about.is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok((about.len(), DateTime::<Utc>::from(about.modified()?), file))
    };
    let (length, changed, file) = opened.await.map_err(|error| broken(&error))?;
    let failed = |error: io::Error| Error::new(ErrorKind::Io, error.to_string());
    let body = Body::from_sized_stream(ReaderStream::new(file).map_err(failed), length);
    let mut response = tagged(Response::new(body), &format!("{length}-{}", changed.timestamp_micros()));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(changed) = HeaderValue::from_str(&changed.format("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
        response.headers_mut().insert(LAST_MODIFIED, changed);
    }
    Ok(response)
}

/// `DELETE`. What is not there is deleted.
pub(super) async fn delete(object: &Object<'_>) -> StorageAnswer {
    remove(&object.location.folder, &object.place()).await.map_err(|error| broken(&error))?;
    Ok(empty_response(StatusCode::NO_CONTENT))
}

/// `POST ?delete`.
pub(super) async fn delete_many(
    buckets: &Buckets,
    grant: &Grant,
    bucket: &str,
    body: &Upload,
) -> StorageAnswer {
    let mut out = String::from("<DeleteResult>");
    for key in texts(&text(body).await?, "Key") {
        let object = buckets.object(bucket, key)?;
        match grant.covers(&object.url()) {
            Ok(()) => {
                delete(&object).await?;
                out.push_str(&format!("<Deleted><Key>{}</Key></Deleted>", escaped(&object.key)));
            }
            Err(_) => out.push_str(&format!(
                "<Error><Key>{}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
                escaped(&object.key)
            )),
        }
    }
    out.push_str("</DeleteResult>");
    Ok(document(out))
}

/// A body that is text.
pub(super) async fn text(body: &Upload) -> Result<String, Refusal> {
    let mut text = Vec::new();
    let mut pieces = body.stream();
    while let Some(piece) = pieces.next().await {
        text.extend_from_slice(&piece.map_err(|_| incomplete())?);
        if text.len() > LARGEST_LIST {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "MaxMessageLengthExceeded",
                "Your request was too big.",
            ));
        }
    }
    String::from_utf8(text)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "MalformedXML", "The body is not UTF-8."))
}

/// The body in a file, which is gone when it is dropped.
pub(super) async fn receive(folder: &Path, body: &Upload) -> Result<TempPath, Refusal> {
    let (path, mut file) = unfinished(folder).await.map_err(|error| broken(&error))?;
    let mut pieces = body.stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| incomplete())?;
        file.write_all(&piece).await.map_err(|error| broken(&error))?;
    }
    file.flush().await.map_err(|error| broken(&error))?;
    Ok(path)
}

/// A new file for what is not whole yet.
pub(super) async fn unfinished(folder: &Path) -> io::Result<(TempPath, File)> {
    let folder = folder.join(UNFINISHED);
    fs::create_dir_all(&folder).await?;
    let made = tokio::task::spawn_blocking(move || tempfile::NamedTempFile::new_in(folder));
    let (file, path) = made.await.map_err(io::Error::other)??.into_parts();
    Ok((path, File::from_std(file)))
}

/// Puts a file that is whole into its place.
pub(super) async fn settle(file: TempPath, place: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).await?;
        }
        tries += 1;
        match fs::rename(&file, place).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
            Err(error) => return Err(error),
            Ok(()) => {
                // It is not at its old path any more.
                let _moved = file.keep();
                return Ok(());
            }
        }
    }
}

/// Removes a file, and the folders that hold nothing without it: a bucket has none.
async fn remove(root: &Path, place: &Path) -> io::Result<()> {
    match fs::remove_file(place).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut folder: Option<PathBuf> = place.parent().map(Path::to_owned);
    while let Some(empty) = folder.filter(|folder| folder.starts_with(root) && folder != root) {
        if fs::remove_dir(&empty).await.is_err() {
            break;
        }
        folder = empty.parent().map(Path::to_owned);
    }
    Ok(())
}

pub(super) fn tagged(mut response: Response<Body>, etag: &str) -> Response<Body> {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

fn incomplete() -> Refusal {
    let message = "You did not provide the number of bytes specified by the Content-Length HTTP header.";
    Refusal::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
}
