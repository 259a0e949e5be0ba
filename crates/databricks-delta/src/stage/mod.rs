//! Staging: the parts of a write as Parquet files in a volume, where one statement finds them.

pub(crate) mod layout;
mod parts;
mod sizes;
pub(crate) mod sweep;

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;
use bytes::Bytes;
use databricks_schema::TableName;
use futures::FutureExt;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::{OnceCell, oneshot};
use uuid::Uuid;

use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::files::DirectoryEntry;
use crate::progress::Reporter;
use crate::statement::ddl;
use crate::write::WriteCompression;
use crate::write_id::WriteId;
use layout::Layout;
use parts::{Limits, Part};
use sweep::{ignore_missing, is_not_found, name_of};

/// Rows a part unless the caller says otherwise.
pub(crate) const DEFAULT_BATCH_SIZE: usize = 10_000;
/// Bytes of rows in memory at which a part ends before it has all its rows. Part of what makes a rerun name the same
/// files: it never changes.
const PART_BYTES: u64 = 128 << 20;
/// Parts in work at once unless the caller says otherwise.
pub(crate) const DEFAULT_CONCURRENCY: usize = 4;
/// The staging volume's name unless the caller says otherwise.
pub(crate) const DEFAULT_VOLUME: &str = "_staging";
/// How the names of files begin that show a run at work. Readers of data pass over names that begin with `_`.
const PRESENCE: &str = "_run-";

/// Where and how the parts of one write are staged.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    remote: &'a Remote,
    volume: TableName,
    /// The directory of the write.
    root: String,
    /// Where this run's parts lie: the root, or a directory of its own in it.
    directory: String,
    /// The file that shows other runs of the same write, which share the directory, that this one is at work in it.
    presence: Option<String>,
    pace: &'a Pace,
    reporter: &'a Reporter,
    volume_created: OnceCell<()>,
}

/// What runs of one write have in common in the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Its id is random: there is no other run.
    Alone,
    /// All runs name the same files, so that what one of them loaded is known to the others.
    SameFiles,
    /// Each run has files of its own.
    OwnFiles,
}

/// How a write cuts and sends its parts.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    pub(crate) batch_size: usize,
    pub(crate) concurrency: usize,
    pub(crate) compression: WriteCompression,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch_size: DEFAULT_BATCH_SIZE,
            concurrency: DEFAULT_CONCURRENCY,
            compression: WriteCompression::default(),
        }
    }
}

impl Pace {
    pub(crate) fn check(&self) -> Result<()> {
        let zero = |option| DeltaError::InvalidOption {
            option,
            value: "0".to_owned(),
            reason: "it must be at least 1".to_owned(),
        };
        match self {
            Self { batch_size: 0, .. } => Err(zero("batch_size")),
            Self { concurrency: 0, .. } => Err(zero("concurrency")),
            _ => Ok(()),
        }
    }
}

/// What was staged.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) parts: u64,
    /// The parts' names and lengths in bytes, in the order of the rows.
    pub(crate) files: Vec<(String, u64)>,
}

/// A part that was staged.
struct StagedPart {
    index: usize,
    rows: u64,
    bytes: u64,
}

/// The directory of a write's files: a function of the volume and the write alone.
pub(crate) fn directory(volume: &TableName, write_id: WriteId) -> String {
    format!("{}/{write_id}", volume_path(volume))
}

/// The path of a volume, whose three-part name is written as a table's.
pub(crate) fn volume_path(volume: &TableName) -> String {
    format!("/Volumes/{}/{}/{}", volume.catalog(), volume.schema(), volume.table())
}

/// Where the statement of an append is kept while its outcome is unknown. Its presence shows that all parts are there.
pub(crate) fn statement_path(directory: &str) -> String {
    format!("{directory}/_statement.sql")
}

fn part_name(index: usize) -> String {
    format!("part-{index:05}.parquet")
}

impl<'a> Stage<'a> {
    pub(crate) fn new(
        remote: &'a Remote,
        volume: TableName,
        write_id: WriteId,
        sharing: Sharing,
        pace: &'a Pace,
        reporter: &'a Reporter,
    ) -> Self {
        let root = directory(&volume, write_id);
        let run = Uuid::new_v4();
        let own = format!("{root}/{run}");
        let (directory, presence) = match sharing {
            Sharing::Alone => (root.clone(), None),
            Sharing::SameFiles => (root.clone(), Some(format!("{root}/{PRESENCE}{run}"))),
            Sharing::OwnFiles => (own, None),
        };
        Self { remote, root, directory, presence, volume, pace, reporter, volume_created: OnceCell::new() }
    }

    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    /// Encodes and uploads all batches. No more than `concurrency` parts are in memory at once, the one being
    /// collected among them.
    ///
    /// After a failure no part is begun, and those under way are waited for: an upload that is abandoned could still
    /// land after the files have been cleaned up.
    pub(crate) async fn upload(
        &self,
        batches: BoxStream<'_, Result<RecordBatch>>,
        layout: &Layout,
    ) -> Result<Staged> {
        if let Some(presence) = &self.presence {
            self.put(presence, Bytes::new()).await?;
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let mut stop = Some(stop);
        let parts = parts::parts(batches, self.limits()).take_until(stopped).enumerate().boxed();
        let mut uploads = parts
            .map(|(index, part)| self.stage_part(index, part, layout).boxed())
            .buffer_unordered(self.pace.concurrency);
        let mut staged = Staged::default();
        let mut lengths = BTreeMap::new();
        let mut failure = None;
        while let Some(part) = uploads.next().await {
            match part {
                Ok(part) => {
                    staged.rows += part.rows;
                    staged.bytes += part.bytes;
                    staged.parts += 1;
                    lengths.insert(part.index, part.bytes);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                    drop(stop.take());
                }
            }
        }
        staged.files = lengths.into_iter().map(|(index, bytes)| (part_name(index), bytes)).collect();
        failure.map_or(Ok(staged), Err)
    }

    fn limits(&self) -> Limits {
        Limits { rows: self.pace.batch_size, bytes: PART_BYTES }
    }

    async fn stage_part(&self, index: usize, part: Result<Part>, layout: &Layout) -> Result<StagedPart> {
        let part = part?;
        let rows = parts::row_count(&part);
        let (layout, compression) = (layout.clone(), self.pace.compression);
        let encoding = tokio::task::spawn_blocking(move || parts::encode(&part, &layout, compression));
        let file = encoding.await.map_err(DeltaError::data)??;
        let bytes = file.len() as u64;
        self.reporter.encoded(rows, bytes);
        let path = format!("{}/{}", self.directory, part_name(index));
        self.put(&path, file).await?;
        self.reporter.uploaded(rows, bytes);
        Ok(StagedPart { index, rows, bytes })
    }

    /// Uploads a file; makes the volume first when the server says that it is missing.
    async fn put(&self, path: &str, file: Bytes) -> Result<()> {
        match self.put_once(path, file.clone()).await {
            Err(error) if is_not_found(&error) => {
                self.volume_created.get_or_try_init(|| self.create_volume()).await?;
                self.put_once(path, file).await
            }
            done => done,
        }
        .map_err(|error| match error {
            DeltaError::Transport(source) => DeltaError::upload(path, source),
            other => other,
        })
    }

    async fn put_once(&self, path: &str, file: Bytes) -> Result<()> {
        self.remote.files.upload(path, file).overwrite().send().await
    }

    async fn create_volume(&self) -> Result<()> {
        tracing::info!(volume = %self.volume, "creating the staging volume");
        self.remote.sql.statement(ddl::create_volume(&self.volume)).idempotent().execute().await?;
        Ok(())
    }

    /// Makes sure that the directory holds the parts of this write and no others: deletes those that an earlier, longer
    /// attempt left.
    ///
    /// # Errors
    /// [`DeltaError::StagingChanged`] when a part is gone or has another length: another run of the same write, which
    /// shares the directory, has removed or replaced it.
    pub(crate) async fn settle(&self, staged: &Staged) -> Result<()> {
        let mut missing: HashMap<&str, u64> =
            staged.files.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        let mut stale = Vec::new();
        for entry in self.list(&self.directory).await?.into_iter().filter(|entry| !entry.is_directory) {
            let name = name_of(&entry.path);
            match missing.get(name) {
                Some(bytes) if entry.file_size.is_none_or(|size| size == *bytes) => {
                    missing.remove(name);
                }
                Some(_) => {}
                None if name.starts_with(PRESENCE) => {}
                None => stale.push(entry.path),
            }
        }
        if let Some(name) = missing.into_keys().min() {
            return Err(DeltaError::StagingChanged { path: format!("{}/{name}", self.directory) });
        }
        self.delete(stale).await
    }

    /// Keeps the statement that loads the parts, for a later look at what became of it. Nothing depends on it.
    pub(crate) async fn keep_statement(&self, sql: String) {
        if let Err(error) = self.put(&statement_path(&self.directory), Bytes::from(sql)).await {
            tracing::warn!(directory = self.directory, %error, "the statement of unknown outcome could not be kept");
        }
    }

    /// Removes what this run staged, after a failure. Parts that another run at work shares stay for it.
    pub(crate) async fn abandon(&self) {
        self.report(self.try_abandon().await);
    }

    /// Removes all that any run of this write staged, once the write is in the table. Answers the directory when
    /// something is left in it.
    pub(crate) async fn clean(&self) -> Option<String> {
        self.report(self.remove_tree(&self.root).await)
    }

    fn report(&self, removed: Result<()>) -> Option<String> {
        let error = removed.err()?;
        tracing::warn!(directory = self.root, %error, "staged files could not be removed");
        Some(self.root.clone())
    }

    async fn try_abandon(&self) -> Result<()> {
        if let Some(presence) = &self.presence {
            ignore_missing(self.remote.files.delete_file(presence).await)?;
            let entries = self.list(&self.directory).await?;
            if entries.iter().any(|entry| name_of(&entry.path).starts_with(PRESENCE)) {
                return Ok(());
            }
        }
        self.remove_tree(&self.directory).await?;
        if self.directory != self.root && self.list(&self.root).await?.is_empty() {
            self.remove_tree(&self.root).await?;
        }
        Ok(())
    }

    async fn remove_tree(&self, directory: &str) -> Result<()> {
        sweep::remove_tree(&self.remote.files, directory, self.pace.concurrency).await
    }

    async fn list(&self, directory: &str) -> Result<Vec<DirectoryEntry>> {
        sweep::list(&self.remote.files, directory).await
    }

    async fn delete(&self, paths: Vec<String>) -> Result<()> {
        sweep::delete(&self.remote.files, paths, self.pace.concurrency).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_paths_are_a_function_of_the_write() {
        let volume = TableName::new("main", "weather", DEFAULT_VOLUME).unwrap();
        let table = TableName::new("main", "weather", "days").unwrap();
        let path = format!("{}/{}", directory(&volume, WriteId::derived("k", &table)), part_name(7));
        insta::assert_snapshot!(path);
    }

    #[test]
    fn a_pace_of_nothing_is_refused() {
        assert!(Pace::default().check().is_ok());
        let error = Pace { batch_size: 0, ..Pace::default() }.check().unwrap_err();
        assert!(error.to_string().starts_with("batch_size = 0"));
        assert!(Pace { concurrency: 0, ..Pace::default() }.check().is_err());
    }
}
