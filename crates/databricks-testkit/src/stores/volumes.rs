//! The seam behind the Files API: files and directories in volumes.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;

use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};

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

    /// Opens `length` bytes of a file, from byte `start` on. The metadata is that of the whole file; the content ends
    /// early where the file does.
    ///
    /// Default: [`get`](Self::get), reading past what comes before. A store that can seek does better.
    fn get_range(
        &self,
        path: VolumePath,
        start: u64,
        length: u64,
    ) -> BoxFuture<'_, Result<FileContent, VolumeError>> {
        Box::pin(async move {
            let FileContent { metadata, content } = self.get(path).await?;
            Ok(FileContent { metadata, content: cut(content, start, length) })
        })
    }

    /// Where the bytes of an upload in several requests wait until it is complete and goes through
    /// [`put`](Self::put). Default: the system's folder for temporary files.
    ///
    /// The files are removed when an upload ends. A process that is killed leaves them, so a store with a folder that
    /// it empties when it starts does well to name that one.
    fn spool_directory(&self) -> PathBuf {
        std::env::temp_dir()
    }
}

/// `length` bytes of a stream, from byte `start` on; the stream is read no further.
fn cut(content: ByteStream, start: u64, length: u64) -> ByteStream {
    stream::unfold((content, start, length), |(mut content, mut skip, mut left)| async move {
        while left > 0 {
            let mut piece = match content.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error), (content, 0, 0))),
            };
            let skipped = piece.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            piece.advance(skipped);
            skip -= skipped as u64;
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= piece.len() as u64;
            if !piece.is_empty() {
                return Some((Ok(piece), (content, skip, left)));
            }
        }
        None
    })
    .boxed()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use futures::TryStreamExt;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cut_stream_is_the_slice(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..5), 0..6),
            start in 0usize..20,
            length in 0usize..20,
        ) {
            let whole = pieces.concat();
            let expected: Vec<u8> = whole.iter().skip(start).take(length).copied().collect();
            let source = stream::iter(pieces.into_iter().map(|piece| Ok(Bytes::from(piece)))).boxed();
            let read = cut(source, start as u64, length as u64).try_collect::<Vec<Bytes>>();
            let read = futures::executor::block_on(read).unwrap().concat();
            prop_assert_eq!(read, expected);
        }
    }
}
