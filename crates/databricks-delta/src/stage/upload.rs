//! Encoding parts and uploading them, a few at a time.

use std::future::ready;

use arrow::array::RecordBatch;
use bytes::Bytes;
use databricks_transport::Body;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, Stream, StreamExt};
use tokio::sync::oneshot;

use super::layout::Layout;
use super::parts::{self, Part};
use super::{Stage, part_name};
use crate::error::{DeltaError, Result};
use crate::files;
use crate::write::LocalFile;

/// What was staged.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) parts: u64,
    /// The parts in the order of the rows.
    pub(crate) files: Vec<StagedFile>,
}

/// A file that a statement loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StagedFile {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

impl Staged {
    pub(crate) fn of(files: Vec<StagedFile>) -> Self {
        let rows = files.iter().map(|file| file.rows).sum();
        let bytes = files.iter().map(|file| file.bytes).sum();
        Self { rows, bytes, parts: files.len() as u64, files }
    }
}

type Upload<'s> = BoxFuture<'s, Result<(usize, StagedFile)>>;

impl Stage<'_> {
    /// Encodes and uploads all batches. No more than `concurrency` parts are in memory at once, the one being
    /// collected among them.
    pub(crate) async fn upload(
        &self,
        batches: BoxStream<'_, Result<RecordBatch>>,
        layout: &Layout,
    ) -> Result<Staged> {
        let parts = parts::parts(batches, self.pace.limits()).enumerate();
        self.upload_all(parts.map(|(index, part)| self.stage_part(index, part, layout).boxed())).await
    }

    /// Uploads files of this machine as they are.
    pub(crate) async fn upload_files(&self, files: &[LocalFile]) -> Result<Staged> {
        let files = stream::iter(files).enumerate();
        self.upload_all(files.map(|(index, file)| self.stage_file(index, file).boxed())).await
    }

    /// After a failure no part is begun, and those under way are waited for: an upload that is abandoned could still
    /// land after the files have been cleaned up.
    async fn upload_all<'s>(&'s self, parts: impl Stream<Item = Upload<'s>> + Send) -> Result<Staged> {
        if let Some(presence) = &self.presence {
            self.put(presence, Bytes::new()).await?;
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let mut stop = Some(stop);
        let mut uploads = parts.take_until(stopped).boxed().buffer_unordered(self.pace.concurrency);
        let mut staged = Vec::new();
        let mut failure = None;
        while let Some(part) = uploads.next().await {
            match part {
                Ok(part) => staged.push(part),
                Err(error) => {
                    failure.get_or_insert(error);
                    drop(stop.take());
                }
            }
        }
        staged.sort_unstable_by_key(|(index, _)| *index);
        let staged = Staged::of(staged.into_iter().map(|(_, file)| file).collect());
        failure.map_or(Ok(staged), Err)
    }

    async fn stage_part(
        &self,
        index: usize,
        part: Result<Part>,
        layout: &Layout,
    ) -> Result<(usize, StagedFile)> {
        let part = part?;
        let rows = parts::row_count(&part);
        let (layout, compression) = (layout.clone(), self.pace.compression);
        let file =
            self.encoders.run(move |buffer| parts::encode(&part, &layout, compression, buffer)).await?;
        let bytes = file.len() as u64;
        self.reporter.encoded(rows, bytes);
        let name = part_name(index);
        self.put(&self.path_of(&name), file).await?;
        self.reporter.uploaded(rows, bytes);
        Ok((index, StagedFile { name, bytes, rows }))
    }

    async fn stage_file(&self, index: usize, file: &LocalFile) -> Result<(usize, StagedFile)> {
        let LocalFile { path, bytes, rows } = file;
        let unreadable =
            move |error: std::io::Error| DeltaError::Input(format!("{}: {error}", path.display()).into());
        let name = part_name(index);
        let body = || async move {
            let body = files::body_of(path).await.map_err(unreadable)?;
            match http_body::Body::size_hint(&body).exact() {
                Some(length) if length == *bytes => Ok(body),
                _ => Err(unreadable(std::io::Error::other("it was changed while it was being written"))),
            }
        };
        self.storage.put(&self.path_of(&name), body).await?;
        self.reporter.uploaded(*rows, *bytes);
        Ok((index, StagedFile { name, bytes: *bytes, rows: *rows }))
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    pub(super) async fn put(&self, path: &str, file: Bytes) -> Result<()> {
        self.storage.put(path, || ready(Ok(Body::from_bytes(file.clone())))).await
    }
}
