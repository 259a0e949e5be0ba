//! Streams over a result: chunks fetched ahead, in order, within a budget of bytes.
//!
//! One task walks the chunks and opens their downloads; each download is a task; the stream takes them in order.
//! Everything ends when the stream is dropped.

mod attempt;
mod batches;
mod budget;
mod chunk;
mod download;
mod growth;
mod pace;
mod plan;
mod row_stream;
mod scratch;
mod streams;
mod task;
mod walker;
mod window;

pub use batches::BatchStream;
pub use row_stream::RowStream;

use self::growth::Growth;
use crate::api::Api;
use crate::cancel::CancelGuard;
use crate::progress::Meter;
use crate::wire::StatementResponse;

/// The most chunks that wait for the reader, whatever their bytes: a manifest may leave sizes out.
const MOST_QUEUED: usize = 256;
/// Downloads at once until the first ones are well under way, so that the chunk which the reader waits for shares the line
/// with few; then; and as many as there may be if that pays.
const FIRST_STREAMS: usize = 8;
const STREAMS: usize = 16;
const MOST_STREAMS: usize = 64;

/// How a result is fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch {
    pub(crate) budget_bytes: u64,
    /// The most downloads at once, where the caller has set it.
    pub(crate) concurrency: Option<usize>,
}

impl Fetch {
    /// How many downloads run at once.
    fn growth(self) -> Growth {
        let most = self.concurrency.map_or(MOST_STREAMS, |most| most.min(MOST_QUEUED));
        Growth::new(FIRST_STREAMS, STREAMS, most)
    }
}

impl Default for Fetch {
    fn default() -> Self {
        Self { budget_bytes: 64 * 1024 * 1024, concurrency: None }
    }
}

/// A statement that has succeeded, and how its result is to be read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) api: Api,
    pub(crate) response: StatementResponse,
    /// Cancels the statement if the reader goes away early.
    pub(crate) guard: Option<CancelGuard>,
    /// What the caller asked for: a result cut there is no error.
    pub(crate) row_limit: Option<u64>,
    pub(crate) fetch: Fetch,
    /// Who watches.
    pub(crate) meter: Meter,
}
