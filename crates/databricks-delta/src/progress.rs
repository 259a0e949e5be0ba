//! What a caller is told while a write runs.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How far a write has come: what has just happened, and the counts since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteProgress {
    /// What has just happened.
    pub event: WriteEvent,
    /// Rows encoded as Parquet.
    pub rows_encoded: u64,
    /// Rows that are staged.
    pub rows_uploaded: u64,
    /// Rows committed to the table: none or all.
    pub rows_committed: u64,
    /// Bytes of Parquet encoded.
    pub bytes_encoded: u64,
    /// Bytes that are staged.
    pub bytes_uploaded: u64,
    /// Parts (files) encoded.
    pub parts_encoded: u64,
    /// Parts (files) that are staged.
    pub parts_uploaded: u64,
    /// Rows of the whole write, where they are known before it ends.
    pub total_rows: Option<u64>,
}

/// The steps of a write, in the order a part takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteEvent {
    /// A part was encoded as Parquet.
    Encoded,
    /// A part was staged.
    Uploaded,
    /// The table has all the rows. The last event of a write.
    Committed,
}

pub(crate) type Callback = dyn Fn(WriteProgress) + Send + Sync;

/// Counts what a write has done and tells the caller's function.
#[derive(Default)]
pub(crate) struct Reporter {
    callback: Option<Arc<Callback>>,
    total_rows: Option<u64>,
    encoded: Tally,
    uploaded: Tally,
    committed: AtomicU64,
    /// Counts are added and told under one lock, so that a caller never sees them go down.
    order: Mutex<()>,
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").field("callback", &self.callback.is_some()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Tally {
    rows: AtomicU64,
    bytes: AtomicU64,
    parts: AtomicU64,
}

impl Tally {
    fn add(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.parts.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.rows), read(&self.bytes), read(&self.parts))
    }
}

impl Reporter {
    pub(crate) fn new(callback: Option<Arc<Callback>>, total_rows: Option<u64>) -> Self {
        Self { callback, total_rows, ..Self::default() }
    }

    pub(crate) fn encoded(&self, rows: u64, bytes: u64) {
        self.tell(WriteEvent::Encoded, || self.encoded.add(rows, bytes));
    }

    pub(crate) fn uploaded(&self, rows: u64, bytes: u64) {
        self.tell(WriteEvent::Uploaded, || self.uploaded.add(rows, bytes));
    }

    pub(crate) fn committed(&self, rows: u64) {
        self.tell(WriteEvent::Committed, || self.committed.store(rows, Ordering::Relaxed));
    }

    fn tell(&self, event: WriteEvent, count: impl FnOnce()) {
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        count();
        let Some(callback) = &self.callback else { return };
        let (rows_encoded, bytes_encoded, parts_encoded) = self.encoded.read();
        let (rows_uploaded, bytes_uploaded, parts_uploaded) = self.uploaded.read();
        callback(WriteProgress {
            event,
            rows_encoded,
            rows_uploaded,
            rows_committed: self.committed.load(Ordering::Relaxed),
            bytes_encoded,
            bytes_uploaded,
            parts_encoded,
            parts_uploaded,
            total_rows: self.total_rows,
        });
    }
}
