//! Walks the chunks of a result in order and opens what each needs: a download, or nothing when its rows came along.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::MOST_QUEUED;
use super::budget::Reservation;
use super::chunk::Chunk;
use super::download::{Download, Source, fetch_span};
use super::plan::Plan;
use super::task::Task;
use super::window::Ahead;
use crate::wire::{Link, ResultPage};
use crate::{Result, SqlError, decode};

/// Links that are asked for ahead of their downloads, so that a call that takes its time is over before it matters.
const LINKS_AHEAD: usize = 64;

/// Files that are begun and unfinished for each download at once: one that is fetched, and one that waits for room or a
/// place.
const UNFINISHED_FOR_EACH: usize = 2;

/// The chunks in order.
pub(crate) type Chunks = mpsc::Receiver<Result<OnItsWay>>;

/// A chunk that the reader can wait for, in its place ahead of the reader.
#[derive(Debug)]
pub(crate) struct OnItsWay {
    task: Task<Chunk>,
    _ahead: Ahead,
}

impl Future for OnItsWay {
    type Output = Result<Chunk>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Chunk>> {
        Pin::new(&mut self.task).poll(context)
    }
}

/// The task that walks the chunks. It reserves the bytes of each file in order before opening it.
pub(crate) struct Walker {
    plan: Arc<Plan>,
    opened: mpsc::Sender<Result<Opened>>,
    room: Room,
    runtime: Handle,
}

/// A chunk that is on its way.
struct Opened {
    chunk: OnItsWay,
    /// Its index, the bytes of its batches, and who waits for room for them.
    rows: Option<(u64, u64, oneshot::Sender<Reservation>)>,
}

/// Gives the chunks room for their batches, in order.
struct Room {
    plan: Arc<Plan>,
    opened: mpsc::Receiver<Result<Opened>>,
    out: mpsc::Sender<Result<OnItsWay>>,
}

impl Room {
    async fn run(mut self) {
        while let Some(opened) = self.opened.recv().await {
            let chunk = match opened {
                Ok(Opened { chunk, rows: None }) => Ok(chunk),
                Ok(Opened { chunk, rows: Some((index, bytes, waiter)) }) => {
                    // If the download has failed, nobody waits for the room.
                    let _ = waiter.send(self.plan.rows.reserve(index, bytes).await);
                    Ok(chunk)
                }
                Err(error) => Err(error),
            };
            if self.out.send(chunk).await.is_err() {
                return;
            }
        }
    }
}

impl Walker {
    pub(crate) fn new(plan: Plan, runtime: Handle) -> (Self, Chunks) {
        let plan = Arc::new(plan);
        // A chunk that is long in coming holds up no other: what waits behind it is bounded by its bytes.
        let (opened, to_room) = mpsc::channel(MOST_QUEUED);
        let (out, chunks) = mpsc::channel(MOST_QUEUED);
        let room = Room { plan: Arc::clone(&plan), opened: to_room, out };
        (Self { plan, opened, room, runtime }, chunks)
    }

    pub(crate) async fn run(self, first: ResultPage) -> Result<()> {
        let Self { plan, opened, room, runtime } = self;
        let walk = async move {
            let way = Way { plan, opened, runtime };
            if let Err(error) = way.walk(first).await {
                // The reader sees it where the chunk would have been; if it is gone, nobody needs it.
                let _ = way.opened.send(Err(error)).await;
            }
        };
        tokio::join!(walk, room.run());
        Ok(())
    }
}

/// The walk itself.
struct Way {
    plan: Arc<Plan>,
    opened: mpsc::Sender<Result<Opened>>,
    runtime: Handle,
}

impl Way {
    async fn walk(&self, first: ResultPage) -> Result<()> {
        let (mut page, mut index) = (first, None);
        loop {
            let next = page.next();
            let last = page_end(&page);
            let links = page.external_links.as_ref().map_or(0, Vec::len);
            if !self.open_page(page).await? {
                return Ok(());
            }
            let Some(mut next) = next else { return Ok(()) };
            if next <= last || index.is_some_and(|index| next <= index) {
                return Err(SqlError::decode(format!("chunk {last} names chunk {next} as the one after it")));
            }
            // A server that gives several links at once is asked page by page: fewer calls.
            if links == 1 {
                let Some(left) = self.open_announced(next).await else { return Ok(()) };
                next = left;
            }
            index = Some(next);
            page = self.plan.api.chunk(&self.plan.id, next).await?;
        }
    }

    /// Opens the chunks that the manifest announces without waiting for one link after another, but for the last one:
    /// only its page says whether another follows. Gives the index of that one; `None` when the reader is gone.
    async fn open_announced(&self, first: u64) -> Option<u64> {
        let chunks = self.plan.announced_before_last(first);
        let next = chunks.last().map_or(first, |chunk| chunk.chunk_index + 1);
        let mut wanted = chunks.into_iter().filter(|chunk| chunk.row_count != Some(0));
        let mut coming = VecDeque::new();
        loop {
            let room = LINKS_AHEAD.saturating_sub(coming.len());
            coming.extend(wanted.by_ref().take(room).map(|chunk| (chunk, self.link(chunk.chunk_index))));
            let Some((chunk, link)) = coming.pop_front() else { return Some(next) };
            self.download(chunk.chunk_index, chunk.row_count, Source::Coming(link)).await?;
        }
    }

    fn link(&self, index: u64) -> Task<Link> {
        let plan = Arc::clone(&self.plan);
        Task::owning(self.runtime.spawn(async move { plan.link(index).await }.in_current_span()))
    }

    /// Opens every chunk of a page; `false` when the reader is gone.
    async fn open_page(&self, mut page: ResultPage) -> Result<bool> {
        let mut links = page.external_links.take().unwrap_or_default();
        links.sort_by_key(|link| link.chunk_index);
        // A chunk without rows has nothing to fetch, and is not the end.
        for link in links.into_iter().filter(|link| link.row_count != Some(0)) {
            let opened = self.download(link.chunk_index, link.row_count, Source::Held(link)).await;
            if opened.is_none() {
                return Ok(false);
            }
        }
        if page.data_array.is_none() && page.attachment.is_none() {
            return Ok(true);
        }
        Ok(self.decode(page).await.is_some())
    }

    /// Begins a download as soon as there is room for its file; `None` when the reader is gone.
    async fn download(&self, index: u64, row_count: Option<u64>, source: Source) -> Option<()> {
        let decoded = self.plan.decoded_bytes(index, source.held());
        let ahead = self.ahead().await;
        // The size of the file is known when it answers.
        let others = self.plan.streams.at_once() * UNFINISHED_FOR_EACH;
        let reservation = self.plan.files.begin(index, self.plan.file_bytes(decoded), others).await;
        let (rows, room) = match self.plan.compressed {
            true => {
                let (waiter, room) = oneshot::channel();
                (Some((index, decoded, waiter)), Some(room))
            }
            false => (None, None),
        };
        let plan = Arc::clone(&self.plan);
        let begun = plan.pace.begin(index);
        let download =
            Download { plan, begun, index, row_count, source, decoded, reservation, room, rows: None };
        let task = Task::owning(self.runtime.spawn(download.run().in_current_span()));
        self.open(task, ahead, rows).await
    }

    async fn ahead(&self) -> Ahead {
        self.plan.window.enter(self.plan.streams.at_once(), &self.plan.pace).await
    }

    async fn open(
        &self,
        task: Task<Chunk>,
        ahead: Ahead,
        rows: Option<(u64, u64, oneshot::Sender<Reservation>)>,
    ) -> Option<()> {
        let chunk = OnItsWay { task, _ahead: ahead };
        self.opened.send(Ok(Opened { chunk, rows })).await.ok()
    }

    /// Decodes the rows that a page brought along; `None` when the reader is gone.
    async fn decode(&self, page: ResultPage) -> Option<()> {
        let bytes = self.plan.decoded_bytes(page.chunk_index, None);
        let ahead = self.ahead().await;
        let reservation = self.plan.files.reserve(page.chunk_index, bytes).await;
        let plan = Arc::clone(&self.plan);
        let task = Task::owning(self.runtime.spawn_blocking(move || {
            let span = fetch_span(&plan.id, page.chunk_index, page.row_count);
            let batches = span.in_scope(|| decode_page(&plan, page))?;
            Ok(Chunk::new(batches, reservation))
        }));
        self.open(task, ahead, None).await
    }
}

fn page_end(page: &ResultPage) -> u64 {
    let links = page.external_links.iter().flatten().map(|link| link.chunk_index);
    links.max().unwrap_or(page.chunk_index)
}

/// The bytes of a page's own rows as they came, without JSON's punctuation.
fn page_bytes(page: &ResultPage) -> u64 {
    let cells = page.data_array.iter().flatten().flatten().flatten().map(String::len).sum::<usize>();
    (page.attachment.as_ref().map_or(0, String::len) + cells) as u64
}

fn decode_page(plan: &Plan, page: ResultPage) -> Result<Vec<RecordBatch>> {
    if plan.meter.is_watched() {
        plan.meter.received(page_bytes(&page));
    }
    decode::page(&plan.layout, plan.compressed, page)
}
