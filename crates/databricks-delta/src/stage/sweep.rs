//! Removing staged files: of one write, and of writes whose process ended before it could.

use std::time::Duration;

use chrono::{DateTime, Utc};
use databricks_transport::ErrorKind;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::storage::Storage;
use crate::error::{DeltaError, Result};
use crate::files::{DirectoryEntry, FilesClient};
use crate::write_id::WriteId;

/// Deletions at the same time.
const DELETES_AT_ONCE: usize = 4;

/// What a sweep of a place for staging did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SweepResult {
    /// Directories of writes that were removed.
    pub removed: Vec<String>,
    /// Directories of writes that were left: something in them is younger than was asked for.
    pub kept: Vec<String>,
    /// Bytes of the files that were removed.
    pub bytes_removed: u64,
}

/// Removes the directories of writes in which nothing was changed for so long. What is no write's is left alone.
pub(crate) async fn sweep(
    storage: &Storage,
    older_than: Duration,
    now: DateTime<Utc>,
) -> Result<SweepResult> {
    let mut result = SweepResult::default();
    for entry in storage.list(&storage.base()).await? {
        if !entry.is_directory || name_of(&entry.path).parse::<WriteId>().is_err() {
            continue;
        }
        let content = storage.tree(&entry.path).await?;
        let is_old = |entry: &DirectoryEntry| age(entry, now).is_some_and(|age| age >= older_than);
        if content.iter().filter(|entry| !entry.is_directory).all(is_old) {
            result.bytes_removed += content.iter().filter_map(|entry| entry.file_size).sum::<u64>();
            storage.remove_tree(&entry.path, DELETES_AT_ONCE).await?;
            result.removed.push(entry.path);
        } else {
            result.kept.push(entry.path);
        }
    }
    Ok(result)
}

/// How long ago an entry was changed; none when the server does not say.
fn age(entry: &DirectoryEntry, now: DateTime<Utc>) -> Option<Duration> {
    Some((now - entry.last_modified?).to_std().unwrap_or_default())
}

/// What a directory of a volume and those in it hold.
pub(super) fn tree(files: &FilesClient, directory: String) -> BoxFuture<'_, Result<Vec<DirectoryEntry>>> {
    async move {
        let mut content = list(files, &directory).await?;
        let inner: Vec<String> =
            content.iter().filter(|entry| entry.is_directory).map(|entry| entry.path.clone()).collect();
        for directory in inner {
            content.extend(tree(files, directory).await?);
        }
        Ok(content)
    }
    .boxed()
}

/// Removes a directory of a volume and all in it. One that is not there is no error.
pub(super) async fn remove_tree(files: &FilesClient, directory: &str, at_once: usize) -> Result<()> {
    let (inner, plain): (Vec<_>, Vec<_>) =
        tree(files, directory.to_owned()).await?.into_iter().partition(|entry| entry.is_directory);
    delete(files, plain.into_iter().map(|entry| entry.path).collect(), at_once).await?;
    // Those that were found last lie deepest.
    for entry in inner.into_iter().rev() {
        ignore_missing(files.delete_directory(&entry.path).await)?;
    }
    ignore_missing(files.delete_directory(directory).await)
}

/// What a directory of a volume holds; nothing when it is not there.
pub(crate) async fn list(files: &FilesClient, directory: &str) -> Result<Vec<DirectoryEntry>> {
    match files.list_directory(directory).try_collect().await {
        Err(error) if is_not_found(&error) => Ok(Vec::new()),
        listed => listed,
    }
}

pub(super) async fn delete(files: &FilesClient, paths: Vec<String>, at_once: usize) -> Result<()> {
    let deletes = paths.into_iter().map(|path| async move { ignore_missing(files.delete_file(&path).await) });
    stream::iter(deletes).buffer_unordered(at_once).try_collect().await
}

/// The last part of a path: the server may leave `name` out.
pub(crate) fn name_of(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

pub(crate) fn is_not_found(error: &DeltaError) -> bool {
    matches!(error, DeltaError::Transport(error) if error.kind() == ErrorKind::NotFound)
}

pub(crate) fn ignore_missing(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if is_not_found(&error) => Ok(()),
        other => other,
    }
}
