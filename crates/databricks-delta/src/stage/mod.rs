//! Staging: the parts of a write as Parquet files in a volume, where one statement finds them.

pub(crate) mod parts;

use std::collections::HashSet;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use databricks_schema::TableName;
use databricks_transport::ErrorKind;
use futures::FutureExt;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::sync::{OnceCell, oneshot};

use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::files::DirectoryEntry;
use crate::progress::Reporter;
use crate::statement::ddl;
use crate::write_id::WriteId;
use parts::Part;

/// Rows a part unless the caller says otherwise.
pub(crate) const DEFAULT_BATCH_SIZE: usize = 10_000;
/// Parts in work at once unless the caller says otherwise.
pub(crate) const DEFAULT_CONCURRENCY: usize = 4;
/// The staging volume's name unless the caller says otherwise.
pub(crate) const DEFAULT_VOLUME: &str = "_staging";

/// Where and how the parts of one write are staged.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    remote: &'a Remote,
    volume: TableName,
    directory: String,
    batch_size: usize,
    concurrency: usize,
    reporter: &'a Reporter,
    volume_created: OnceCell<()>,
}

/// How a write cuts and sends its parts.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    pub(crate) batch_size: usize,
    pub(crate) concurrency: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch_size: DEFAULT_BATCH_SIZE, concurrency: DEFAULT_CONCURRENCY }
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
}

/// The directory of a write's files: a function of the volume and the write alone.
pub(crate) fn directory(volume: &TableName, write_id: WriteId) -> String {
    format!("/Volumes/{}/{}/{}/{write_id}", volume.catalog(), volume.schema(), volume.table())
}

fn part_name(index: usize) -> String {
    format!("part-{index:05}.parquet")
}

impl<'a> Stage<'a> {
    pub(crate) fn new(
        remote: &'a Remote,
        volume: TableName,
        write_id: WriteId,
        pace: &Pace,
        reporter: &'a Reporter,
    ) -> Self {
        Self {
            remote,
            directory: directory(&volume, write_id),
            volume,
            batch_size: pace.batch_size,
            concurrency: pace.concurrency,
            reporter,
            volume_created: OnceCell::new(),
        }
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
        schema: &SchemaRef,
    ) -> Result<Staged> {
        let (stop, stopped) = oneshot::channel::<()>();
        let mut stop = Some(stop);
        let parts = parts::parts(batches, self.batch_size).take_until(stopped).enumerate().boxed();
        let mut uploads = parts
            .map(|(index, part)| self.stage_part(index, part, schema).boxed())
            .buffer_unordered(self.concurrency);
        let mut staged = Staged::default();
        let mut failure = None;
        while let Some(part) = uploads.next().await {
            match part {
                Ok((rows, bytes)) => {
                    staged.rows += rows;
                    staged.bytes += bytes;
                    staged.parts += 1;
                }
                Err(error) => {
                    failure.get_or_insert(error);
                    drop(stop.take());
                }
            }
        }
        failure.map_or(Ok(staged), Err)
    }

    async fn stage_part(&self, index: usize, part: Result<Part>, schema: &SchemaRef) -> Result<(u64, u64)> {
        let part = part?;
        let rows = parts::row_count(&part);
        let schema = SchemaRef::clone(schema);
        let encoding = tokio::task::spawn_blocking(move || parts::encode(&part, &schema));
        let file = encoding.await.map_err(DeltaError::data)??;
        let bytes = file.len() as u64;
        self.reporter.encoded(rows, bytes);
        let path = format!("{}/{}", self.directory, part_name(index));
        self.put(&path, file).await?;
        self.reporter.uploaded(rows, bytes);
        Ok((rows, bytes))
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

    /// Deletes files that an earlier, longer attempt of this write left and that are not among its parts now.
    pub(crate) async fn remove_stale(&self, staged: &Staged) -> Result<()> {
        let parts: HashSet<String> = (0..staged.parts as usize).map(part_name).collect();
        let stale = self.list().await?.into_iter().filter(|entry| !parts.contains(&entry.name));
        let paths: Vec<String> = stale.filter(|entry| !entry.is_directory).map(|entry| entry.path).collect();
        self.delete(paths).await
    }

    /// Removes all that was staged. Answers the directory when something is left in it.
    pub(crate) async fn clean(&self) -> Option<String> {
        match self.try_clean().await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(directory = self.directory, %error, "staged files could not be removed");
                Some(self.directory.clone())
            }
        }
    }

    async fn try_clean(&self) -> Result<()> {
        let paths = self.list().await?.into_iter().map(|entry| entry.path).collect();
        self.delete(paths).await?;
        ignore_missing(self.remote.files.delete_directory(&self.directory).await)
    }

    /// What the directory holds; nothing when it is not there.
    async fn list(&self) -> Result<Vec<DirectoryEntry>> {
        match self.remote.files.list_directory(&self.directory).try_collect().await {
            Err(error) if is_not_found(&error) => Ok(Vec::new()),
            listed => listed,
        }
    }

    async fn delete(&self, paths: Vec<String>) -> Result<()> {
        let files = &self.remote.files;
        let deletes =
            paths.into_iter().map(|path| async move { ignore_missing(files.delete_file(&path).await) });
        stream::iter(deletes).buffer_unordered(self.concurrency).try_collect().await
    }
}

fn is_not_found(error: &DeltaError) -> bool {
    matches!(error, DeltaError::Transport(error) if error.kind() == ErrorKind::NotFound)
}

fn ignore_missing(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if is_not_found(&error) => Ok(()),
        other => other,
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
