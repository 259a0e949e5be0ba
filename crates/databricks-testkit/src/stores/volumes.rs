//! The seam behind the Files API: files and directories in volumes.

use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use super::path::VolumePath;

/// File content on its way in or out.
pub type ByteStream = BoxStream<'static, Result<Bytes, Box<dyn StdError + Send + Sync>>>;

/// Keeps the files of volumes.
///
/// Stores are shared by many requests at once. A `put` that does not end well leaves the path as it was.
pub trait VolumeStore: Send + Sync + 'static {
    /// Writes a file, making the directories above it. `overwrite` replaces a file that is there.
    fn put(
        &self,
        path: VolumePath,
        content: ByteStream,
        overwrite: bool,
    ) -> BoxFuture<'_, Result<(), VolumeError>>;

    /// Opens a file.
    fn get(&self, path: VolumePath) -> BoxFuture<'_, Result<FileContent, VolumeError>>;

    /// Describes a file.
    fn head(&self, path: VolumePath) -> BoxFuture<'_, Result<FileMetadata, VolumeError>>;

    /// Removes a file.
    fn delete(&self, path: VolumePath) -> BoxFuture<'_, Result<(), VolumeError>>;

    /// Makes a directory and those above it. One that is there already is no error.
    fn create_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<(), VolumeError>>;

    /// Removes an empty directory.
    fn delete_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<(), VolumeError>>;

    /// Succeeds when the directory is there.
    fn head_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<(), VolumeError>>;

    /// Lists a directory's own entries, by name, one page at a time.
    fn list(&self, path: VolumePath, page: PageRequest) -> BoxFuture<'_, Result<DirectoryPage, VolumeError>>;
}

/// An open file.
pub struct FileContent {
    /// Size and age.
    pub metadata: FileMetadata,
    /// The bytes, exactly `metadata.size` of them.
    pub content: ByteStream,
}

impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metadata, content: _ } = self;
        f.debug_struct("FileContent").field("metadata", metadata).finish_non_exhaustive()
    }
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: DateTime<Utc>,
}

/// Which part of a listing is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Only entries whose name sorts after this one.
    pub after: Option<String>,
    /// At most this many entries.
    pub size: usize,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryPage {
    /// The entries, sorted by name (bytewise).
    pub entries: Vec<DirectoryEntry>,
    /// Whether more follow.
    pub more: bool,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The last segment.
    pub name: String,
    /// Size and age of a file; `None` for a directory.
    pub file: Option<FileMetadata>,
    /// When the entry last changed.
    pub modified: DateTime<Utc>,
}

/// Why a store could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// No such volume.
    #[error("Volume '{0}' does not exist.")]
    VolumeNotFound(String),
    /// No such file.
    #[error("The file '{0}' does not exist.")]
    FileNotFound(VolumePath),
    /// No such directory.
    #[error("The directory '{0}' does not exist.")]
    DirectoryNotFound(VolumePath),
    /// The path is taken, and overwriting was not asked for or is not possible (a directory is there).
    #[error("'{0}' already exists.")]
    AlreadyExists(VolumePath),
    /// A segment above the path is a file.
    #[error("'{0}' is a file, not a directory.")]
    NotADirectory(VolumePath),
    /// The directory still holds something.
    #[error("The directory '{0}' is not empty.")]
    DirectoryNotEmpty(VolumePath),
    /// The store has no room for the file.
    #[error("No space left to write '{path}': {detail}")]
    StorageFull {
        /// The file being written.
        path: VolumePath,
        /// How much there is and how much was needed, or what the disk said.
        detail: String,
    },
    /// The upload stopped before its end; nothing was written.
    #[error("The upload of '{path}' ended early: {detail}")]
    UploadInterrupted {
        /// The file being written.
        path: VolumePath,
        /// What the sender's stream said.
        detail: String,
    },
    /// The operation makes no sense on this path.
    #[error("'{path}': {reason}")]
    Invalid {
        /// The path.
        path: VolumePath,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The store itself failed.
    #[error("'{path}': {detail}")]
    Internal {
        /// The path.
        path: VolumePath,
        /// What went wrong.
        detail: String,
    },
}
