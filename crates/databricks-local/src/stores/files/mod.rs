//! The Files API over the folders of volumes.
//!
//! Paths arrive checked ([`VolumePath`] holds no `.`, `..` or slash in a segment), so none leaves its volume.

// `VolumeError` is the trait's, and carries the path it is about.
#![allow(clippy::result_large_err)]

mod upload;

use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use databricks_testkit::{
    ByteStream, DirectoryEntry, DirectoryPage, FileContent, FileMetadata, PageRequest, VolumeError,
    VolumePath, VolumeStore,
};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use self::upload::Upload;
use super::quota::Quota;
use crate::metastore::{Metastore, ObjectPath};

/// Bytes read from a file at a time.
const READ_BYTES: usize = 256 * 1024;

type Result<T> = std::result::Result<T, VolumeError>;

/// The volumes of a workspace folder.
#[derive(Clone)]
pub(crate) struct FolderVolumes {
    metastore: Arc<Metastore>,
    quota: Option<Quota>,
}

impl FolderVolumes {
    /// The volumes of this metastore; together they hold at most `quota` bytes.
    pub(crate) fn new(metastore: Arc<Metastore>, quota: Option<u64>) -> Self {
        let quota = quota.map(|limit| Quota::new(limit, Arc::clone(&metastore)));
        Self { metastore, quota }
    }

    /// Where a path lies; its volume is there.
    fn place(&self, path: &VolumePath) -> Result<PathBuf> {
        let missing =
            || VolumeError::VolumeNotFound(format!("{}.{}.{}", path.catalog(), path.schema(), path.volume()));
        let volume =
            ObjectPath::parse(path.catalog(), path.schema(), path.volume()).map_err(|_| missing())?;
        self.metastore.state().volume(&volume).map_err(|_| missing())?;
        Ok(path
            .segments()
            .iter()
            .fold(self.metastore.volume_dir(&volume), |place, segment| place.join(segment)))
    }

    async fn write(&self, path: &VolumePath, content: ByteStream, overwrite: bool) -> Result<()> {
        let place = self.place(path)?;
        if path.is_root() {
            return Err(invalid(path, "a volume is not a file: name a file in it"));
        }
        let replaced = self.replaceable(path, &place, overwrite).await?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).await.map_err(|error| above(path, &error))?;
        }
        let mut upload = Upload::begin(self, path).await?;
        upload.receive(content).await?;
        upload.publish(&place, overwrite, replaced).await
    }

    /// The bytes of the file that an upload replaces, when it may.
    async fn replaceable(&self, path: &VolumePath, place: &Path, overwrite: bool) -> Result<u64> {
        match fs::metadata(place).await {
            Ok(there) if there.is_file() && overwrite => Ok(there.len()),
            Ok(_) => Err(VolumeError::AlreadyExists(path.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(above(path, &error)),
        }
    }

    /// The bytes from `start` on, `length` at most.
    async fn read(&self, path: VolumePath, start: u64, length: u64) -> Result<FileContent> {
        let place = self.place(&path)?;
        let metadata = describe_file(&path, &place).await?;
        let mut file = File::open(&place).await.map_err(|error| file_error(&path, &error))?;
        file.seek(SeekFrom::Start(start)).await.map_err(|error| file_error(&path, &error))?;
        // Exactly the bytes that were promised, even when the file is replaced meanwhile.
        let promised = metadata.size.saturating_sub(start).min(length);
        let bytes = ReaderStream::with_capacity(file.take(promised), READ_BYTES);
        Ok(FileContent { metadata, content: bytes.map_err(|error| Box::new(error) as _).boxed() })
    }

    async fn remove(&self, path: VolumePath) -> Result<()> {
        let place = self.place(&path)?;
        let size = describe_file(&path, &place).await?.size;
        fs::remove_file(&place).await.map_err(|error| file_error(&path, &error))?;
        if let Some(quota) = &self.quota {
            quota.give(size);
        }
        Ok(())
    }

    async fn remove_directory(&self, path: VolumePath) -> Result<()> {
        let place = self.directory(&path).await?;
        if path.is_root() {
            return Err(invalid(&path, "a volume is not removed as a directory: drop the volume"));
        }
        fs::remove_dir(&place).await.map_err(|error| match error.kind() {
            ErrorKind::DirectoryNotEmpty => VolumeError::DirectoryNotEmpty(path.clone()),
            _ => file_error(&path, &error),
        })
    }

    /// The place of a directory that is there.
    async fn directory(&self, path: &VolumePath) -> Result<PathBuf> {
        let place = self.place(path)?;
        match fs::metadata(&place).await {
            Ok(there) if there.is_dir() => Ok(place),
            Ok(_) => Err(VolumeError::NotADirectory(path.clone())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(VolumeError::DirectoryNotFound(path.clone()))
            }
            Err(error) => Err(above(path, &error)),
        }
    }

    async fn page(&self, path: VolumePath, page: PageRequest) -> Result<DirectoryPage> {
        let place = self.directory(&path).await?;
        let listed = tokio::task::spawn_blocking(move || list_page(&place, &page)).await;
        let listed = listed.map_err(|error| internal(&path, error))?;
        listed.map_err(|error| file_error(&path, &error))
    }
}

impl VolumeStore for FolderVolumes {
    fn put(&self, path: VolumePath, content: ByteStream, overwrite: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.write(&path, content, overwrite).await })
    }

    fn get(&self, path: VolumePath) -> BoxFuture<'_, Result<FileContent>> {
        Box::pin(self.read(path, 0, u64::MAX))
    }

    fn get_range(&self, path: VolumePath, start: u64, length: u64) -> BoxFuture<'_, Result<FileContent>> {
        Box::pin(self.read(path, start, length))
    }

    fn spool_directory(&self) -> PathBuf {
        self.metastore.spool_dir()
    }

    fn head(&self, path: VolumePath) -> BoxFuture<'_, Result<FileMetadata>> {
        Box::pin(async move { describe_file(&path, &self.place(&path)?).await })
    }

    fn delete(&self, path: VolumePath) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.remove(path))
    }

    fn create_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let place = self.place(&path)?;
            fs::create_dir_all(&place).await.map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => VolumeError::AlreadyExists(path.clone()),
                _ => above(&path, &error),
            })
        })
    }

    fn delete_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.remove_directory(path))
    }

    fn head_directory(&self, path: VolumePath) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.directory(&path).await.map(drop) })
    }

    fn list(&self, path: VolumePath, page: PageRequest) -> BoxFuture<'_, Result<DirectoryPage>> {
        Box::pin(self.page(path, page))
    }
}

async fn describe_file(path: &VolumePath, place: &Path) -> Result<FileMetadata> {
    match fs::metadata(place).await {
        Ok(there) if there.is_file() => Ok(file_metadata(&there)),
        Ok(_) => Err(VolumeError::FileNotFound(path.clone())),
        Err(error) => Err(file_error(path, &error)),
    }
}

fn file_metadata(metadata: &std::fs::Metadata) -> FileMetadata {
    FileMetadata { size: metadata.len(), modified: modified(metadata) }
}

fn modified(metadata: &std::fs::Metadata) -> DateTime<Utc> {
    metadata.modified().map_or(DateTime::UNIX_EPOCH, DateTime::from)
}

fn list_page(place: &Path, page: &PageRequest) -> std::io::Result<DirectoryPage> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        // Names that are no text cannot have come through the API.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if page.after.as_ref().is_some_and(|after| name <= *after) {
            continue;
        }
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let file = metadata.is_file().then(|| file_metadata(&metadata));
        entries.push(DirectoryEntry { name, file, modified: modified(&metadata) });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let more = entries.len() > page.size;
    entries.truncate(page.size);
    Ok(DirectoryPage { entries, more })
}

/// A failure where a segment above the path may be a file.
fn above(path: &VolumePath, error: &std::io::Error) -> VolumeError {
    match error.kind() {
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            VolumeError::NotADirectory(path.parent().unwrap_or_else(|| path.clone()))
        }
        _ => file_error(path, error),
    }
}

fn file_error(path: &VolumePath, error: &std::io::Error) -> VolumeError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => VolumeError::FileNotFound(path.clone()),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            VolumeError::StorageFull { path: path.clone(), detail: error.to_string() }
        }
        ErrorKind::InvalidFilename => invalid(path, "the file system does not take this name"),
        _ => internal(path, error),
    }
}

fn invalid(path: &VolumePath, reason: &str) -> VolumeError {
    VolumeError::Invalid { path: path.clone(), reason: reason.to_owned() }
}

fn internal(path: &VolumePath, error: impl std::fmt::Display) -> VolumeError {
    VolumeError::Internal { path: path.clone(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use bytes::Bytes;

    use super::*;
    use crate::metastore::Entry;

    fn volumes(quota: Option<u64>) -> (tempfile::TempDir, FolderVolumes) {
        let dir = tempfile::tempdir().unwrap();
        let metastore = Arc::new(Metastore::open(dir.path()).unwrap());
        let path = ObjectPath::parse("main", "default", "v").unwrap();
        metastore.create_volume(&path, Entry::new("u", None), false).unwrap();
        (dir, FolderVolumes::new(metastore, quota))
    }

    fn path(inner: &str) -> VolumePath {
        VolumePath::parse(&format!("/Volumes/main/default/v/{inner}")).unwrap()
    }

    fn content(parts: &[&'static str]) -> ByteStream {
        let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part.as_bytes()))).collect();
        futures::stream::iter(parts).boxed()
    }

    async fn text(store: &FolderVolumes, inner: &str) -> String {
        let parts: Vec<Bytes> = store.get(path(inner)).await.unwrap().content.try_collect().await.unwrap();
        String::from_utf8(parts.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_file_goes_in_and_comes_out() {
        let (_dir, store) = volumes(None);
        store.put(path("a/b.txt"), content(&["one", "two"]), false).await.unwrap();
        assert_eq!(text(&store, "a/b.txt").await, "onetwo");
        assert_eq!(store.head(path("a/b.txt")).await.unwrap().size, 6);
        let error = store.put(path("a/b.txt"), content(&["x"]), false).await.unwrap_err();
        assert!(matches!(error, VolumeError::AlreadyExists(_)), "{error}");
        store.put(path("a/b.txt"), content(&["x"]), true).await.unwrap();
        assert_eq!(text(&store, "a/b.txt").await, "x");
        store.delete(path("a/b.txt")).await.unwrap();
        assert!(matches!(store.get(path("a/b.txt")).await, Err(VolumeError::FileNotFound(_))));
    }

    #[tokio::test]
    async fn a_range_is_read_from_where_it_starts() {
        let (_dir, store) = volumes(None);
        store.put(path("f"), content(&["0123456789"]), false).await.unwrap();
        for (start, length, expected) in [(0, 3, "012"), (8, 9, "89"), (10, 1, ""), (99, 1, "")] {
            let range = store.get_range(path("f"), start, length).await.unwrap();
            let bytes: Vec<Bytes> = range.content.try_collect().await.unwrap();
            assert_eq!((range.metadata.size, bytes.concat()), (10, expected.as_bytes().to_vec()), "{start}");
        }
    }

    #[tokio::test]
    async fn an_interrupted_upload_leaves_the_old_file() {
        let (dir, store) = volumes(None);
        store.put(path("a"), content(&["old"]), false).await.unwrap();
        let broken =
            futures::stream::iter([Ok(Bytes::from_static(b"ne")), Err("connection reset".into())]).boxed();
        let error = store.put(path("a"), broken, true).await.unwrap_err();
        assert!(matches!(error, VolumeError::UploadInterrupted { .. }), "{error}");
        assert_eq!(text(&store, "a").await, "old");
        assert_eq!(std::fs::read_dir(dir.path().join("metastore/spool")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_quota_refuses_what_does_not_fit_and_counts_what_goes() {
        let (_dir, store) = volumes(Some(10));
        store.put(path("a"), content(&["123456"]), false).await.unwrap();
        let error = store.put(path("b"), content(&["12345"]), false).await.unwrap_err();
        assert!(
            matches!(&error, VolumeError::StorageFull { detail, .. } if detail.contains("10 bytes")),
            "{error}"
        );
        assert!(store.head(path("b")).await.is_err());
        store.put(path("a"), content(&["12"]), true).await.unwrap();
        store.delete(path("a")).await.unwrap();
        store.put(path("b"), content(&["1234567890"]), false).await.unwrap();
    }

    #[tokio::test]
    async fn directories_are_listed_in_pages() {
        let (_dir, store) = volumes(None);
        for name in ["b", "a", "d/inner", "c"] {
            store.put(path(name), content(&["1"]), false).await.unwrap();
        }
        let root = VolumePath::root("main", "default", "v").unwrap();
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let page = store.list(root.clone(), PageRequest { after: after.clone(), size: 3 }).await.unwrap();
            names.extend(page.entries.iter().map(|entry| (entry.name.clone(), entry.file.is_some())));
            after = page.entries.last().map(|entry| entry.name.clone());
            if !page.more {
                break;
            }
        }
        let expected = [("a", true), ("b", true), ("c", true), ("d", false)].map(|(n, f)| (n.to_owned(), f));
        assert_eq!(names, expected);
        assert!(matches!(store.delete_directory(path("d")).await, Err(VolumeError::DirectoryNotEmpty(_))));
        assert!(matches!(
            store.list(path("a"), PageRequest { after: None, size: 1 }).await,
            Err(VolumeError::NotADirectory(_))
        ));
        assert!(matches!(
            store.put(path("a/x"), content(&["1"]), false).await,
            Err(VolumeError::NotADirectory(_))
        ));
    }

    #[tokio::test]
    async fn an_unknown_volume_is_named() {
        let (_dir, store) = volumes(None);
        let elsewhere = VolumePath::parse("/Volumes/main/default/other/a").unwrap();
        let error = store.put(elsewhere, content(&["1"]), false).await.unwrap_err();
        assert!(error.to_string().contains("main.default.other"), "{error}");
    }
}
