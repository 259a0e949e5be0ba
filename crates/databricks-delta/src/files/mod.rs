//! Files in Unity Catalog volumes, through the Files API.

mod listing;
mod local;
mod multipart;
mod path;
mod pieces;
mod resumable;
mod session;
mod upload;

use chrono::{DateTime, Utc};
use databricks_transport::{ApiRequest, Body, Client, Operation};
use futures::stream::Stream;
use http::header::{CONTENT_LENGTH, HeaderValue, LAST_MODIFIED, RANGE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::error::{DeltaError, Result};
use listing::Listing;
use path::{directory_url, file_url};

pub(crate) use local::body_of;
#[cfg(feature = "object-store")]
pub(crate) use multipart::PART;
#[cfg(feature = "object-store")]
pub(crate) use pieces::Pieces;
pub use upload::Upload;
#[cfg(feature = "object-store")]
pub(crate) use upload::{LARGEST_SINGLE, time_for};

const DOWNLOAD: Operation = Operation::new("files.download").idempotent();
const METADATA: Operation = Operation::new("files.get_metadata").idempotent();
const DELETE_FILE: Operation = Operation::new("files.delete").idempotent();
const CREATE_DIRECTORY: Operation = Operation::new("files.create_directory").idempotent();
const DELETE_DIRECTORY: Operation = Operation::new("files.delete_directory").idempotent();

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

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileMetadata {
    /// Its length in bytes.
    pub size: u64,
    /// When it was last changed.
    pub last_modified: Option<DateTime<Utc>>,
}

impl FilesClient {
    /// A client that sends through `client`.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// Uploads `content` as the file at `path`. Directories on the way are made by the server; the volume is not.
    ///
    /// Content of more than 50 MiB, and a stream of more than 10 MiB, goes up in parts of 10 MiB, a few at a time; a part
    /// that fails is sent again. The file is there whole or not at all.
    pub fn upload(&self, path: impl Into<String>, content: impl Into<Body>) -> Upload {
        Upload::new(self.client.clone(), path.into(), content.into())
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

    /// `length` bytes of the file at `path` from `start` on, or as many as it has, streamed.
    ///
    /// # Errors
    /// As [`download`](Self::download); the kind is `Invalid` when the file has no byte at `start`.
    pub async fn download_range(&self, path: &str, start: u64, length: u64) -> Result<Body> {
        let unexpected = |message: String| DeltaError::UnexpectedResult { statement: "a download", message };
        if length == 0 {
            return Ok(Body::empty());
        }
        let range = format!("bytes={start}-{}", start.saturating_add(length - 1));
        let range = HeaderValue::try_from(range).map_err(|error| unexpected(error.to_string()))?;
        let request = ApiRequest::get(file_url(path)?).header(RANGE, range);
        let answer = self.client.send(DOWNLOAD, request).await?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => Ok(answer.into_body()),
            status => {
                Err(unexpected(format!("bytes from {start} on were asked for, and the status is {status}")))
            }
        }
    }

    /// The length of the file at `path`, and when it was changed.
    ///
    /// # Errors
    /// As [`download`](Self::download), and [`DeltaError::UnexpectedResult`] when the answer names no length.
    pub async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        let answer = self.client.send(METADATA, ApiRequest::head(file_url(path)?)).await?;
        FileMetadata::of(answer.headers()).ok_or_else(|| DeltaError::UnexpectedResult {
            statement: "a question for a file",
            message: format!("no length of `{path}` is named"),
        })
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
        Listing::stream(self.client.clone(), path.to_owned())
    }

    /// Sends a request whose answer has nothing to read.
    async fn run(&self, operation: Operation, request: ApiRequest) -> Result<()> {
        self.client.send(operation, request).await?;
        Ok(())
    }
}

impl FileMetadata {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let time = text(LAST_MODIFIED).and_then(|text| DateTime::parse_from_rfc2822(text).ok());
        let size = text(CONTENT_LENGTH)?.parse().ok()?;
        Some(Self { size, last_modified: time.map(|time| time.to_utc()) })
    }
}

fn milliseconds<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let milliseconds = Option::<i64>::deserialize(deserializer)?;
    Ok(milliseconds.and_then(DateTime::from_timestamp_millis))
}
