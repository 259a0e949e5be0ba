//! The public stream of Arrow batches: order, row count, metrics, cancellation.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use metrics::histogram;
use tracing::Instrument;

use super::Reading;
use super::chunk::Chunk;
use super::plan::Plan;
use super::task::Task;
use super::walker::{Chunks, OnItsWay, Walker};
use crate::cancel::{CancelGuard, runtime};
use crate::decode::Layout;
use crate::progress::Meter;
use crate::wire::Manifest;
use crate::{Column, Result, SqlError, StatementId};

/// A result as Arrow batches, in order, all of one schema.
///
/// It fetches ahead of its reader within its budget of bytes. Dropping it before its end stops the downloads and
/// cancels the statement on the server.
#[derive(Debug)]
pub struct BatchStream {
    id: StatementId,
    layout: Arc<Layout>,
    schema: SchemaRef,
    total_rows: Option<u64>,
    delivered: u64,
    /// Taken while the schema was looked up.
    peeked: Option<RecordBatch>,
    state: State,
    queue: Chunks,
    guard: Option<CancelGuard>,
    meter: Meter,
    walker: Task<()>,
}

#[derive(Debug)]
enum State {
    /// Between chunks.
    Idle,
    /// The next chunk is on its way.
    Waiting(OnItsWay),
    /// A chunk is being handed out.
    Draining(Chunk),
    Done,
}

impl BatchStream {
    pub(crate) async fn open(reading: Reading) -> Result<Self> {
        let Reading { api, response, mut guard, row_limit, fetch, meter } = reading;
        let manifest = response.manifest.unwrap_or_default();
        let id = response.statement_id;
        if let Err(error) = check_complete(&id, &manifest, row_limit) {
            guard.iter_mut().for_each(CancelGuard::disarm);
            return Err(error);
        }
        let runtime = runtime().map_err(|error| error.after_acceptance(&id))?;
        let layout = Arc::new(Layout::new(&manifest.schema));
        let plan = Plan::new(api, id.clone(), Arc::clone(&layout), &manifest, fetch).watched(&meter);
        meter.announced(manifest.chunks.len(), manifest.total_row_count);
        let (walker, queue) = Walker::new(plan, runtime.clone());
        let walk = walker.run(response.result.unwrap_or_default()).in_current_span();
        let stream = Self {
            id,
            schema: layout.schema(),
            layout,
            total_rows: manifest.total_row_count,
            delivered: 0,
            peeked: None,
            state: State::Idle,
            queue,
            guard,
            meter,
            walker: Task::owning(runtime.spawn(walk)),
        };
        stream.peek().await
    }

    /// Takes the first batch, because only it names the session's time zone.
    async fn peek(mut self) -> Result<Self> {
        if let Some(batch) = self.next().await.transpose()? {
            self.schema = batch.schema();
            self.peeked = Some(batch);
        }
        Ok(self)
    }

    /// The Arrow schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The columns with their SQL types, as the server describes them.
    pub fn columns(&self) -> &[Column] {
        self.layout.columns()
    }

    /// The statement behind the stream.
    pub fn statement_id(&self) -> &StatementId {
        &self.id
    }

    /// The rows of the whole result, as the server announced them.
    pub fn total_rows(&self) -> Option<u64> {
        self.total_rows
    }

    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        loop {
            match &mut self.state {
                State::Done => return Poll::Ready(None),
                State::Idle => match ready!(self.queue.poll_recv(context)) {
                    Some(Ok(chunk)) => self.state = State::Waiting(chunk),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    // Chunks also end when their task does, as with its runtime: that is not the end of the result.
                    None => {
                        return Pin::new(&mut self.walker).poll(context).map(|walked| walked.err().map(Err));
                    }
                },
                State::Waiting(chunk) => match ready!(Pin::new(chunk).poll(context)) {
                    Ok(chunk) => {
                        self.meter.chunk(chunk.bytes());
                        self.state = State::Draining(chunk);
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                State::Draining(chunk) => match chunk.pop() {
                    Some(batch) if batch.num_rows() == 0 => {}
                    Some(batch) => return Poll::Ready(Some(Ok(batch))),
                    None => self.state = State::Idle,
                },
            }
        }
    }

    /// Nothing follows: the statement needs no cancelling, the downloads stop, what they brought is dropped, and who
    /// watches has seen the last, however long the stream is held.
    fn finish(&mut self) {
        self.guard.iter_mut().for_each(CancelGuard::disarm);
        self.walker.stop();
        self.queue.close();
        while self.queue.try_recv().is_ok() {}
        self.state = State::Done;
        self.meter = Meter::default();
        histogram!("databricks_sql_rows_returned").record(self.delivered as f64);
    }

    /// At the end, what was delivered must be what was announced.
    fn end(&mut self) -> Option<Result<RecordBatch>> {
        self.finish();
        match self.total_rows {
            Some(expected) if expected != self.delivered => {
                Some(Err(SqlError::RowCountMismatch { expected, actual: self.delivered }))
            }
            _ => None,
        }
    }

    fn deliver(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.delivered > 0 && batch.schema_ref() != &self.schema {
            return Err(SqlError::decode(format!(
                "a later chunk has another schema: {:?}, not {:?}",
                batch.schema_ref().fields(),
                self.schema.fields()
            )));
        }
        self.delivered += batch.num_rows() as u64;
        self.meter.batch(batch.num_rows() as u64);
        Ok(batch)
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(batch) = self.peeked.take() {
            return Poll::Ready(Some(Ok(batch)));
        }
        if matches!(self.state, State::Done) {
            return Poll::Ready(None);
        }
        let item = match ready!(self.poll_batch(context)) {
            None => return Poll::Ready(self.end()),
            Some(batch) => batch.and_then(|batch| self.deliver(batch)),
        };
        let item = item.map_err(|error| error.after_acceptance(&self.id));
        if item.is_err() {
            self.finish();
        }
        Poll::Ready(Some(item))
    }
}

/// A result that the server cut is an error, unless it is as long as the caller asked: the server cuts for reasons of
/// its own too, such as the size of the result.
fn check_complete(id: &StatementId, manifest: &Manifest, row_limit: Option<u64>) -> Result<()> {
    let rows = manifest.total_row_count.unwrap_or_default();
    let by_caller = row_limit.is_some_and(|limit| rows >= limit);
    if manifest.truncated && !by_caller {
        return Err(SqlError::Truncated { statement_id: id.clone(), rows });
    }
    Ok(())
}
