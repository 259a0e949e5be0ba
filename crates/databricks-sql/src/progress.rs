//! How far a statement has come, for progress bars.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt, stream};
use tokio::sync::watch;

use crate::StatementState;

/// How far a statement and the reading of its result have come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Where the statement stands on the server.
    pub state: StatementState,
    /// Chunks of the result that were fetched and decoded, and have their turn.
    pub chunks: u64,
    /// Chunks of the whole result, as the server announced them.
    pub total_chunks: Option<u64>,
    /// Batches that were delivered to the reader.
    pub batches: u64,
    /// Rows that were delivered to the reader.
    pub rows: u64,
    /// Rows of the whole result, as the server announced them.
    pub total_rows: Option<u64>,
    /// Bytes of the result as they came: compressed files, or the text of inline cells.
    pub bytes_compressed: u64,
    /// Bytes of the chunks in memory, once decoded.
    pub bytes_decoded: u64,
}

impl Progress {
    fn new() -> Self {
        Self {
            state: StatementState::Pending,
            chunks: 0,
            total_chunks: None,
            batches: 0,
            rows: 0,
            total_rows: None,
            bytes_compressed: 0,
            bytes_decoded: 0,
        }
    }

    /// The share of the rows that were delivered, from 0 to 1, where the server announced their number.
    pub fn fraction(&self) -> Option<f64> {
        match self.total_rows? {
            0 => Some(1.0),
            total => Some((self.rows as f64 / total as f64).min(1.0)),
        }
    }
}

/// The progress of one statement as a stream: how it stands now, and then each change.
///
/// Whoever looks rarely sees the latest state and not each one in between. The stream ends when the result was read or
/// given up; that of a [`StatementHandle`](crate::StatementHandle), which may be waited for again, when the handle is
/// dropped too.
pub struct ProgressStream {
    latest: watch::Receiver<Progress>,
    changes: Pin<Box<dyn Stream<Item = Progress> + Send>>,
}

impl ProgressStream {
    fn new(latest: watch::Receiver<Progress>) -> Self {
        let mut seen = latest.clone();
        seen.mark_changed();
        let changes = stream::unfold(seen, |mut seen| async move {
            seen.changed().await.ok()?;
            let progress = seen.borrow_and_update().clone();
            Some((progress, seen))
        });
        Self { latest, changes: changes.boxed() }
    }

    /// How it stands now, without waiting. After the end of the stream: how it stood at the end.
    pub fn latest(&self) -> Progress {
        self.latest.borrow().clone()
    }
}

impl Stream for ProgressStream {
    type Item = Progress;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Progress>> {
        self.changes.as_mut().poll_next(context)
    }
}

impl fmt::Debug for ProgressStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { latest, changes: _ } = self;
        f.debug_struct("ProgressStream").field("latest", &*latest.borrow()).finish_non_exhaustive()
    }
}

/// Where a statement reports its progress to: nowhere, unless somebody asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Option<watch::Sender<Progress>>);

impl Meter {
    /// Somebody asks: from now on there is something to report to.
    pub(crate) fn watch(&mut self) -> ProgressStream {
        let sender = self.0.get_or_insert_with(|| watch::Sender::new(Progress::new()));
        ProgressStream::new(sender.subscribe())
    }

    /// Whether counting is worth its while.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn state(&self, state: &str) {
        self.update(|progress| progress.state = StatementState::parse(state));
    }

    /// What the server says of the whole result.
    pub(crate) fn announced(&self, chunks: usize, rows: Option<u64>) {
        self.update(|progress| {
            progress.total_chunks = (chunks > 0).then_some(chunks as u64);
            progress.total_rows = rows;
        });
    }

    /// Bytes of a chunk came and could be decoded.
    pub(crate) fn received(&self, bytes: u64) {
        self.update(|progress| progress.bytes_compressed += bytes);
    }

    /// A chunk has its turn; it takes so many bytes in memory.
    pub(crate) fn chunk(&self, bytes: u64) {
        self.update(|progress| {
            progress.chunks += 1;
            progress.bytes_decoded += bytes;
        });
    }

    /// A batch was delivered.
    pub(crate) fn batch(&self, rows: u64) {
        self.update(|progress| {
            progress.batches += 1;
            progress.rows += rows;
        });
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(sender) = &self.0 {
            sender.send_modify(change);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use futures::FutureExt;

    #[test]
    fn stream_tells_the_present_then_each_change_then_ends() {
        let mut meter = Meter::default();
        let mut progress = meter.watch();
        let next = |progress: &mut ProgressStream| progress.next().now_or_never();
        assert_eq!(next(&mut progress).unwrap().unwrap(), Progress::new());
        assert!(next(&mut progress).is_none());
        meter.announced(2, Some(4));
        meter.batch(1);
        meter.batch(2);
        let seen = next(&mut progress).unwrap().unwrap();
        assert_eq!((seen.batches, seen.rows, seen.total_chunks), (2, 3, Some(2)));
        assert_eq!(seen.fraction(), Some(0.75));
        meter.state("SUCCEEDED");
        drop(meter);
        assert_eq!(next(&mut progress).unwrap().unwrap().state, StatementState::Succeeded);
        assert!(next(&mut progress).unwrap().is_none());
        assert_eq!(progress.latest().rows, 3);
    }

    #[test]
    fn nothing_is_kept_when_nobody_asked() {
        let meter = Meter::default();
        meter.batch(1);
        assert!(!meter.is_watched());
    }

    #[test]
    fn fraction_of_nothing_is_all_of_it() {
        let of = |total_rows| Progress { total_rows, ..Progress::new() }.fraction();
        assert_eq!((of(Some(0)), of(None), of(Some(2))), (Some(1.0), None, Some(0.0)));
    }
}
