//! Files in Unity Catalog volumes, through the Files API.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};
use databricks_transport::{ApiRequest, Body, Client, Operation, encode_path};
use futures::stream::{self, Stream};
use http::Method;
use serde::Deserialize;

use crate::error::{DeltaError, Result};

const UPLOAD: Operation = Operation::new("files.upload");
const DOWNLOAD: Operation = Operation::new("files.download").idempotent();
const DELETE_FILE: Operation = Operation::new("files.delete").idempotent();
const LIST: Operation = Operation::new("files.list").idempotent();
const CREATE_DIRECTORY: Operation = Operation::new("files.create_directory").idempotent();
const DELETE_DIRECTORY: Operation = Operation::new("files.delete_directory").idempotent();

/// The slowest upload that is waited for, in bytes a second. One that stands still ends by its inactivity, long before.
const SLOWEST_UPLOAD: u64 = 256 << 10;
/// The time for an upload whose length is not known.
const STREAM_TIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Reads and writes files in volumes. Paths are absolute: `/Volumes/<catalog>/<schema>/<volume>/..`.
///
/// ```no_run
/// # async fn example(client: &databricks_transport::Client) -> Result<(), databricks_delta::DeltaError> {
/// use databricks_delta::FilesClient;
///
/// let files = FilesClient::new(client);
/// files.upload("/Volumes/main/weather/raw/days.csv", "date,wind\n").overwrite().send().await?;
/// let text = files.download("/Volumes/main/weather/raw/days.csv").await?.collect(1 << 20).await?;
/// # let _ = text;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FilesClient {
    client: Client,
}

/// A file or a directory in a volume.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// The absolute path.
    pub path: String,
    /// The last part of the path.
    #[serde(default)]
    pub name: String,
    /// Whether this is a directory.
    #[serde(default)]
    pub is_directory: bool,
    /// The file's length in bytes; none for a directory.
    #[serde(default)]
    pub file_size: Option<u64>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "milliseconds")]
    pub last_modified: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    contents: Vec<DirectoryEntry>,
    #[serde(default)]
    next_page_token: Option<String>,
}

impl FilesClient {
    /// A client that sends through `client`.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// Uploads `content` as the file at `path`. Directories on the way are made by the server; the volume is not.
    ///
    /// A streamed body is sent once: it cannot be sent again after a failure.
    pub fn upload(&self, path: impl Into<String>, content: impl Into<Body>) -> Upload {
        Upload { client: self.client.clone(), path: path.into(), content: content.into(), overwrite: false }
    }

    /// The content of the file at `path`, streamed.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`] for a path outside `/Volumes`, [`DeltaError::Transport`] otherwise: its kind is
    /// `NotFound` when there is no such file.
    pub async fn download(&self, path: &str) -> Result<Body> {
        let request = ApiRequest::get(file_url(path)?);
        Ok(self.client.send(DOWNLOAD, request).await?.into_body())
    }

    /// Deletes the file at `path`.
    ///
    /// # Errors
    /// As [`download`](Self::download).
    pub async fn delete_file(&self, path: &str) -> Result<()> {
        self.run(DELETE_FILE, ApiRequest::delete(file_url(path)?)).await
    }

    /// Makes the directory at `path`, and those above it. One that exists is left as it is.
    ///
    /// # Errors
    /// As [`download`](Self::download); the kind is `NotFound` when there is no such volume.
    pub async fn create_directory(&self, path: &str) -> Result<()> {
        self.run(CREATE_DIRECTORY, ApiRequest::put(directory_url(path)?)).await
    }

    /// Deletes the directory at `path`, which must be empty.
    ///
    /// # Errors
    /// As [`download`](Self::download).
    pub async fn delete_directory(&self, path: &str) -> Result<()> {
        self.run(DELETE_DIRECTORY, ApiRequest::delete(directory_url(path)?)).await
    }

    /// What the directory at `path` holds, fetched page by page as the stream is read.
    ///
    /// # Errors
    /// The stream ends with the first error; errors as in [`download`](Self::download).
    pub fn list_directory(&self, path: &str) -> impl Stream<Item = Result<DirectoryEntry>> + Send + use<> {
        let listing = Listing {
            client: self.client.clone(),
            path: path.to_owned(),
            next: Next::First,
            ready: VecDeque::new(),
        };
        stream::try_unfold(listing, |mut listing| async move {
            Ok(listing.next_entry().await?.map(|entry| (entry, listing)))
        })
    }

    /// Sends a request whose answer has nothing to read.
    async fn run(&self, operation: Operation, request: ApiRequest) -> Result<()> {
        self.client.send(operation, request).await?;
        Ok(())
    }
}

/// An upload being prepared.
#[must_use = "an upload is sent by `send`"]
#[derive(Debug)]
pub struct Upload {
    client: Client,
    path: String,
    content: Body,
    overwrite: bool,
}

impl Upload {
    /// Replaces a file that is there. Without this, such a file is an error of kind `AlreadyExists`.
    pub fn overwrite(mut self) -> Self {
        self.overwrite = true;
        self
    }

    /// Sends the content. The more bytes it has, the longer it may take: one second for each 256 KiB beyond the
    /// client's total timeout, or half a day for a stream.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`] for a path outside `/Volumes`; [`DeltaError::Transport`] with the kind `NotFound`
    /// when there is no such volume, `AlreadyExists`, or `StorageFull`.
    pub async fn send(self) -> Result<()> {
        let url = file_url(&self.path)?;
        let time = time_to_send(&self.content, self.client.config().total_timeout());
        // The server's default for `overwrite` has changed over time, so it is always said.
        let request = ApiRequest::new(Method::PUT, url).query("overwrite", self.overwrite).body(self.content);
        // The same bytes twice leave the same file; without `overwrite` the second attempt would meet the first's file.
        let operation = if self.overwrite { UPLOAD.idempotent() } else { UPLOAD };
        let operation = operation.with_total_timeout(time);
        self.client.send(operation, request).await?;
        Ok(())
    }
}

/// How long an upload may take in all, attempts and pauses included.
fn time_to_send(content: &Body, base: Duration) -> Duration {
    match content.as_bytes() {
        Some(bytes) => base.saturating_add(Duration::from_secs(bytes.len() as u64 / SLOWEST_UPLOAD)),
        None => base.max(STREAM_TIME),
    }
}

struct Listing {
    client: Client,
    path: String,
    next: Next,
    ready: VecDeque<DirectoryEntry>,
}

enum Next {
    First,
    Page(String),
    End,
}

impl Listing {
    async fn next_entry(&mut self) -> Result<Option<DirectoryEntry>> {
        // A page can be empty and still name a next one.
        while self.ready.is_empty() {
            let mut request = ApiRequest::get(directory_url(&self.path)?);
            match std::mem::replace(&mut self.next, Next::End) {
                Next::First => {}
                Next::Page(token) => request = request.query("page_token", token),
                Next::End => return Ok(None),
            }
            let page: Page = self.client.call(LIST, request).await?;
            self.ready = page.contents.into();
            self.next = page.next_page_token.filter(|token| !token.is_empty()).map_or(Next::End, Next::Page);
        }
        Ok(self.ready.pop_front())
    }
}

fn file_url(path: &str) -> Result<String> {
    Ok(format!("/api/2.0/fs/files{}", encoded(path)?))
}

fn directory_url(path: &str) -> Result<String> {
    Ok(format!("/api/2.0/fs/directories{}", encoded(path)?))
}

/// The path, percent-encoded segment by segment. Dot segments are refused: a proxy would resolve them to another path.
fn encoded(path: &str) -> Result<String> {
    let invalid = |reason: &str| DeltaError::InvalidName { name: path.to_owned(), reason: reason.to_owned() };
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let inside = trimmed
        .strip_prefix("/Volumes/")
        .ok_or_else(|| invalid("a path of a file must start with /Volumes/<catalog>/<schema>/<volume>"))?;
    if inside.split('/').count() < 3 {
        return Err(invalid(
            "it must name a catalog, a schema and a volume: /Volumes/<catalog>/<schema>/<volume>",
        ));
    }
    if inside.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(invalid("it has an empty, `.` or `..` segment"));
    }
    Ok(encode_path(trimmed))
}

fn milliseconds<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let milliseconds = Option::<i64>::deserialize(deserializer)?;
    Ok(milliseconds.and_then(DateTime::from_timestamp_millis))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_segment_of_a_path_is_encoded() {
        assert_eq!(
            file_url("/Volumes/main/s/v/#!#_a b/50%?.csv").unwrap(),
            "/api/2.0/fs/files/Volumes/main/s/v/%23%21%23_a%20b/50%25%3F.csv".to_owned()
        );
        assert_eq!(
            directory_url("/Volumes/main/s/v/d/").unwrap(),
            "/api/2.0/fs/directories/Volumes/main/s/v/d"
        );
    }

    #[test]
    fn a_larger_upload_may_take_longer() {
        let base = Duration::from_secs(300);
        let time = |content: Body| time_to_send(&content, base);
        assert_eq!(time(Body::from("few")), base);
        assert_eq!(time(Body::from(vec![0; 1 << 20])), base + Duration::from_secs(4));
        let stream = || Body::from_stream(stream::empty());
        assert_eq!(time(stream()), STREAM_TIME);
        assert_eq!(time_to_send(&stream(), STREAM_TIME * 2), STREAM_TIME * 2);
    }

    #[test]
    fn a_path_that_leaves_its_volume_is_refused() {
        for path in [
            "",
            "days.csv",
            "/dbfs/x",
            "/Volumes/main/s",
            "/Volumes/a/b/c/../d",
            "/Volumes/a/b/c//d",
            "/Volumes/a/b/c/./d",
        ] {
            assert!(matches!(file_url(path), Err(DeltaError::InvalidName { .. })), "{path}");
        }
    }

    #[test]
    fn a_listed_file_has_its_size_and_time() {
        let page: Page = serde_json::from_str(
            r#"{"contents":[{"path":"/Volumes/a/b/c/x","is_directory":false,"file_size":5,"last_modified":1717406255000,"name":"x"},
               {"path":"/Volumes/a/b/c/d","is_directory":true,"name":"d"}],"next_page_token":"t"}"#,
        )
        .unwrap();
        let [file, directory] = page.contents.as_slice() else { panic!("two entries") };
        assert_eq!((file.file_size, file.is_directory), (Some(5), false));
        assert_eq!(file.last_modified.unwrap().timestamp(), 1_717_406_255);
        assert!(directory.is_directory && directory.last_modified.is_none());
    }
}
