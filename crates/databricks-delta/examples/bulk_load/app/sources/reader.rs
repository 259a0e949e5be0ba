//! Reads files in a thread of their own, a few batches ahead of the write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::stream::{self, Stream};
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;

use super::super::args::Format;
use super::super::bar::Bar;
use super::dataset::Dataset;
use super::error::SourceError;
use super::{csv, json, parquet};

/// Batches that wait for the write.
const BATCHES_AHEAD: usize = 4;

/// What was read so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    bytes: Arc<AtomicU64>,
    rows: AtomicU64,
    is_read: AtomicBool,
}

impl Tally {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether all files were read to their ends.
    pub(crate) fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Relaxed)
    }
}

/// The rows of all files.
pub(crate) struct Batches {
    schema: SchemaRef,
    batches: Receiver<RecordBatch>,
    reader: JoinHandle<Result<(), SourceError>>,
}

impl Batches {
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// All batches, or an error after some of them. That there are no more is believed only when the reader's thread
    /// says that it came to the end.
    pub(crate) fn stream(self) -> impl Stream<Item = Result<RecordBatch, SourceError>> + Send + 'static {
        stream::unfold(Some((self.batches, self.reader)), |state| async {
            let (mut batches, reader) = state?;
            if let Some(batch) = batches.recv().await {
                return Some((Ok(batch), Some((batches, reader))));
            }
            let ended = reader.await.unwrap_or_else(|error| {
                Err(SourceError::unusable("the files", format!("the thread that reads them failed: {error}")))
            });
            ended.err().map(|error| (Err(error), None))
        })
    }
}

/// Starts to read.
pub(crate) fn start(dataset: Dataset, bar: Bar) -> Batches {
    let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
    let (schema, tally) = (dataset.schema(), dataset.tally());
    let reader = tokio::task::spawn_blocking(move || {
        let mut emit = |batch: RecordBatch| {
            tally.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            bar.read(&tally);
            sender.blocking_send(batch).is_ok()
        };
        for source in &dataset.sources {
            let (file, plan) = (&source.file, dataset.plan(source));
            match file.format {
                Format::Csv => csv::read(file, &dataset.csv, &plan, &tally.bytes, &mut emit)?,
                Format::Json => json::read(file, &plan, &tally.bytes, &mut emit)?,
                Format::Parquet => parquet::read(file, &plan, &tally.bytes, &mut emit)?,
            }
        }
        tally.is_read.store(true, Ordering::Relaxed);
        Ok(())
    });
    Batches { schema, batches, reader }
}
