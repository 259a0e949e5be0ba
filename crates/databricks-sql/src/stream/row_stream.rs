//! The public stream of serde rows.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use crate::{BatchStream, Column, Result, StatementId, rows};

/// Rows read into `T` ahead of the reader: few, because they are outside the budget of bytes.
const ROWS_AHEAD: usize = 256;

/// A result as rows of `T`, in order. See [`BatchStream`] for what it holds and when it cancels.
#[derive(Debug)]
pub struct RowStream<T> {
    batches: BatchStream,
    current: Option<(RecordBatch, usize)>,
    ready: VecDeque<Result<T>>,
    read: u64,
    failed: bool,
}

// Nothing in it is pinned in place.
impl<T> Unpin for RowStream<T> {}

impl<T: DeserializeOwned> RowStream<T> {
    pub(crate) fn new(batches: BatchStream) -> Self {
        Self { batches, current: None, ready: VecDeque::new(), read: 0, failed: false }
    }

    /// The columns with their SQL types, as the server describes them.
    pub fn columns(&self) -> &[Column] {
        self.batches.columns()
    }

    /// The statement behind the stream.
    pub fn statement_id(&self) -> &StatementId {
        self.batches.statement_id()
    }

    /// The rows of the whole result, as the server announced them.
    pub fn total_rows(&self) -> Option<u64> {
        self.batches.total_rows()
    }

    /// Reads the next few rows of the current batch; `false` when it has no more.
    fn read_ahead(&mut self) -> bool {
        let Some((batch, start)) = self.current.take() else { return false };
        let end = batch.num_rows().min(start + ROWS_AHEAD);
        self.ready.extend(rows::read(&batch, self.batches.columns(), start..end, self.read));
        self.read += (end - start) as u64;
        if end < batch.num_rows() {
            self.current = Some((batch, end));
        }
        end > start
    }
}

impl<T: DeserializeOwned> Stream for RowStream<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            // A reader that goes on after an error would take the rest for the whole.
            if this.failed {
                return Poll::Ready(None);
            }
            if let Some(row) = this.ready.pop_front() {
                this.failed = row.is_err();
                return Poll::Ready(Some(row));
            }
            if this.read_ahead() {
                continue;
            }
            match ready!(this.batches.poll_next_unpin(context)) {
                Some(Ok(batch)) => this.current = Some((batch, 0)),
                Some(Err(error)) => {
                    this.failed = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
    }
}
