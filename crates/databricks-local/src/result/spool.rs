//! Cuts a result into chunks while the engine produces it.

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use databricks_testkit::{EngineResult, ResultChunk};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::chunk::{IpcChunk, MemoryBudget, Place, SpoolFile};
use super::wire::{columns, to_wire, wire_schema};
use crate::error::{LocalError, Result};

/// Arrow bytes after which a chunk is closed. Databricks' chunks have a few MiB as well.
const CHUNK_BYTES: usize = 4 << 20;

/// Bytes of results a workspace keeps in memory; the rest lies on disk.
const MEMORY_BYTES: u64 = 48 << 20;

/// What the results of a workspace share.
#[derive(Clone, Debug)]
pub(crate) struct SpoolSettings {
    dir: PathBuf,
    memory: Arc<MemoryBudget>,
    chunk_bytes: usize,
}

impl SpoolSettings {
    /// Results spill into files in `dir`.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, memory: MemoryBudget::new(MEMORY_BYTES), chunk_bytes: CHUNK_BYTES }
    }

    /// Reads a stream to its end, or to `row_limit` rows, and gives the result.
    ///
    /// # Errors
    /// What the stream fails with; `[STORAGE_FULL]` when the result has no room on disk.
    pub(crate) async fn collect(
        &self,
        mut stream: SendableRecordBatchStream,
        row_limit: Option<u64>,
    ) -> Result<EngineResult> {
        let mut spool = Spool::new(self.clone(), &stream.schema())?;
        let mut left = row_limit.unwrap_or(u64::MAX);
        let mut truncated = false;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let rows = u64::try_from(batch.num_rows()).unwrap_or(u64::MAX);
            let wanted = rows.min(left);
            spool.push(batch.slice(0, usize::try_from(wanted).unwrap_or(0))).await?;
            left -= wanted;
            if rows > wanted {
                truncated = true;
                break;
            }
        }
        let mut result = spool.finish().await?;
        result.truncated = truncated;
        Ok(result)
    }

    /// A result of one batch.
    pub(crate) async fn one_batch(&self, batch: RecordBatch) -> Result<EngineResult> {
        let mut spool = Spool::new(self.clone(), &batch.schema())?;
        spool.push(batch).await?;
        spool.finish().await
    }
}

/// A result being written.
struct Spool {
    settings: SpoolSettings,
    schema: SchemaRef,
    pending: Vec<RecordBatch>,
    pending_bytes: usize,
    file: Option<SpoolFile>,
    result: EngineResult,
}

impl Spool {
    /// An empty result of this schema.
    fn new(settings: SpoolSettings, schema: &Schema) -> Result<Self> {
        let schema = wire_schema(schema);
        let result = EngineResult { columns: columns(&schema)?, ..EngineResult::default() };
        Ok(Self { settings, schema, pending: Vec::new(), pending_bytes: 0, file: None, result })
    }

    /// Adds rows.
    async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        for piece in pieces(&batch, self.settings.chunk_bytes) {
            let piece = to_wire(&piece, &self.schema)?;
            self.pending_bytes += memory_of(&piece);
            self.pending.push(piece);
            if self.pending_bytes >= self.settings.chunk_bytes {
                self.close_chunk().await?;
            }
        }
        Ok(())
    }

    /// Encodes what is pending into one chunk, off the async threads.
    async fn close_chunk(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let (schema, settings, file) = (Arc::clone(&self.schema), self.settings.clone(), self.file.clone());
        let store = tokio::task::spawn_blocking(move || store(&batches, &schema, &settings, file));
        let (chunk, file) = store.await.map_err(LocalError::internal)??;
        self.file = file;
        self.result.chunks.push(Arc::new(chunk) as Arc<dyn ResultChunk>);
        Ok(())
    }

    async fn finish(mut self) -> Result<EngineResult> {
        if !self.pending.is_empty() {
            self.close_chunk().await?;
        }
        Ok(self.result)
    }
}

/// A batch in pieces of about `bytes`: one batch of long texts can be larger than a chunk should be.
fn pieces(batch: &RecordBatch, bytes: usize) -> Vec<RecordBatch> {
    let parts = memory_of(batch).div_ceil(bytes.max(1)).clamp(1, batch.num_rows().max(1));
    let step = batch.num_rows().div_ceil(parts).max(1);
    (0..batch.num_rows())
        .step_by(step)
        .map(|from| batch.slice(from, step.min(batch.num_rows() - from)))
        .collect()
}

/// The bytes of a batch's own rows; a slice does not count the buffers it shares.
fn memory_of(batch: &RecordBatch) -> usize {
    let sizes = batch
        .columns()
        .iter()
        .map(|c| c.to_data().get_slice_memory_size().unwrap_or_else(|_| c.get_array_memory_size()));
    sizes.sum()
}

fn store(
    batches: &[RecordBatch],
    schema: &Schema,
    settings: &SpoolSettings,
    file: Option<SpoolFile>,
) -> Result<(IpcChunk, Option<SpoolFile>)> {
    let bytes = encode(batches, schema)?;
    let rows = batches.iter().map(|b| b.num_rows() as u64).sum();
    let length = bytes.len() as u64;
    if let Some(room) = settings.memory.reserve(length) {
        let place = Place::Memory { bytes: bytes.into(), _room: room };
        return Ok((IpcChunk { rows, length, place }, file));
    }
    let io = |e: std::io::Error| LocalError::io("Cannot write the result", &settings.dir, &e);
    let file = match file {
        Some(file) => file,
        None => Arc::new(Mutex::new(tempfile::tempfile_in(&settings.dir).map_err(io)?)),
    };
    let offset = {
        let mut open = file.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = open.seek(SeekFrom::End(0)).map_err(io)?;
        open.write_all(&bytes).map_err(io)?;
        offset
    };
    Ok((IpcChunk { rows, length, place: Place::File { file: Arc::clone(&file), offset } }, Some(file)))
}

fn encode(batches: &[RecordBatch], schema: &Schema) -> Result<Vec<u8>> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.into_inner()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    fn batch(from: i64, rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + rows));
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter_values((from..from + rows).map(|n| format!("row {n}"))));
        RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap()
    }

    fn stream(batches: Vec<RecordBatch>) -> SendableRecordBatchStream {
        let schema = batches[0].schema();
        Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches.into_iter().map(Ok))))
    }

    fn numbers(result: &EngineResult) -> Vec<i64> {
        let rows = result.chunks.iter().flat_map(|chunk| chunk.json_rows().unwrap());
        rows.map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_exceeds_the_memory_bound_comes_back_from_disk_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let settings =
            SpoolSettings { dir: dir.path().into(), memory: MemoryBudget::new(3_000), chunk_bytes: 1_500 };
        let result = settings.collect(stream(vec![batch(0, 400), batch(400, 100)]), None).await.unwrap();
        let on_disk = settings.memory.reserve(1_500).is_none();
        assert!(result.chunks.len() > 3 && on_disk, "{} chunks", result.chunks.len());
        assert_eq!(numbers(&result), (0..500).collect::<Vec<_>>());
        assert_eq!(result.chunks.iter().map(|c| c.row_count()).sum::<u64>(), 500);
        drop(result);
        assert!(settings.memory.reserve(3_000).is_some(), "a dropped result frees its memory");
    }

    #[tokio::test]
    async fn a_row_limit_cuts_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let settings = SpoolSettings::new(dir.path().into());
        let cut = settings.collect(stream(vec![batch(0, 5), batch(5, 5)]), Some(7)).await.unwrap();
        assert_eq!((numbers(&cut), cut.truncated), ((0..7).collect(), true));
        let whole = settings.collect(stream(vec![batch(0, 5), batch(5, 5)]), Some(10)).await.unwrap();
        assert_eq!((numbers(&whole).len(), whole.truncated), (10, false));
    }

    #[tokio::test]
    async fn no_rows_are_columns_without_chunks() {
        let dir = tempfile::tempdir().unwrap();
        let result = SpoolSettings::new(dir.path().into()).one_batch(batch(0, 0)).await.unwrap();
        assert_eq!((result.columns.len(), result.chunks.len()), (2, 0));
    }
}
