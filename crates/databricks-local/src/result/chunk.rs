//! One piece of a result: an Arrow IPC stream in memory or in the spool file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use databricks_testkit::{ResultChunk, StatementFailure};

use super::cells;
use crate::error::Result;

/// The temporary file of one result. It has no name, so it goes with its last chunk, even after a crash.
pub(super) type SpoolFile = Arc<Mutex<File>>;

/// Bytes of results in memory, shared by all results of a workspace.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    used: AtomicU64,
    limit: u64,
}

impl MemoryBudget {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), limit })
    }

    /// Takes room for `bytes`, if there is any; the room comes back when the reservation is dropped.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(bytes).filter(|total| *total <= self.limit)
        });
        taken.ok().map(|_| Reservation { budget: Arc::clone(self), bytes })
    }
}

/// Room taken from a [`MemoryBudget`].
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Where a chunk's bytes are.
pub(super) enum Place {
    Memory { bytes: Bytes, _room: Reservation },
    File { file: SpoolFile, offset: u64 },
}

/// A chunk: one complete Arrow IPC stream.
pub(super) struct IpcChunk {
    pub(super) rows: u64,
    pub(super) length: u64,
    pub(super) place: Place,
}

impl IpcChunk {
    fn bytes(&self) -> std::io::Result<Bytes> {
        match &self.place {
            Place::Memory { bytes, .. } => Ok(bytes.clone()),
            Place::File { file, offset } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(*offset))?;
                let mut bytes = vec![0; usize::try_from(self.length).map_err(std::io::Error::other)?];
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }

    fn rows_as_text(&self, bytes: &[u8]) -> Result<Vec<Vec<Option<String>>>> {
        let mut rows = Vec::with_capacity(usize::try_from(self.rows).unwrap_or(0));
        for batch in StreamReader::try_new(bytes, None)? {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                rows.push(
                    batch.columns().iter().map(|column| cells::text(column, row)).collect::<Result<_>>()?,
                );
            }
        }
        Ok(rows)
    }
}

impl ResultChunk for IpcChunk {
    fn row_count(&self) -> u64 {
        self.rows
    }

    fn byte_count(&self) -> u64 {
        self.length
    }

    fn json_rows(&self) -> Result<Vec<Vec<Option<String>>>, StatementFailure> {
        let bytes = self.arrow_stream()?;
        self.rows_as_text(&bytes).map_err(|error| StatementFailure::internal(error.to_string()))
    }

    fn arrow_stream(&self) -> Result<Bytes, StatementFailure> {
        self.bytes()
            .map_err(|error| StatementFailure::internal(format!("The result cannot be read back: {error}")))
    }
}
