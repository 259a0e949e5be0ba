//! Walks the chunks of a result in order and opens what each needs: a download, or nothing when its rows came along.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayData, RecordBatch};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument;

use super::Fetch;
use super::budget::{Budget, Reservation};
use super::download::{Download, Source};
use super::task::Task;
use crate::api::Api;
use crate::decode::{self, Layout};
use crate::progress::Meter;
use crate::wire::{ChunkInfo, Link, Manifest, ResultPage};
use crate::{Result, SqlError, StatementId};

/// The most chunks that wait for the reader, whatever their bytes: a manifest may leave sizes out.
const MOST_QUEUED: usize = 256;

/// What all chunks of a result share.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) api: Api,
    pub(crate) id: StatementId,
    pub(crate) layout: Arc<Layout>,
    pub(crate) compressed: bool,
    pub(crate) meter: Meter,
    announced: BTreeMap<u64, ChunkInfo>,
    /// One for each file that is decoded at a time.
    pub(crate) decoders: Arc<Semaphore>,
    ratio: Ratio,
}

/// The size of files on their way, in thousandths of what they become: as the last file was, and as much until then.
#[derive(Debug)]
struct Ratio(AtomicU64);

impl Ratio {
    const ONE: u64 = 1000;

    fn note(&self, file: u64, decoded: u64) {
        let ratio = (u128::from(file) * u128::from(Self::ONE)).div_ceil(u128::from(decoded.max(1)));
        let ratio = u64::try_from(ratio).unwrap_or(Self::ONE).clamp(1, Self::ONE);
        self.0.store(ratio, Ordering::Relaxed);
    }

    fn of(&self, decoded: u64) -> u64 {
        decoded.saturating_mul(self.0.load(Ordering::Relaxed)).div_ceil(Self::ONE)
    }
}

impl Plan {
    pub(crate) fn new(api: Api, id: StatementId, layout: Arc<Layout>, manifest: &Manifest) -> Self {
        let announced = manifest.chunks.iter().map(|chunk| (chunk.chunk_index, chunk.clone())).collect();
        let compressed = manifest.result_compression.as_deref().is_some_and(|name| name.starts_with("LZ4"));
        // More threads than cores would decode no faster, and each keeps memory of its own.
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        let decoders = Arc::new(Semaphore::new(cores.min(MOST_QUEUED)));
        let ratio = Ratio(AtomicU64::new(Ratio::ONE));
        Self { api, id, layout, compressed, meter: Meter::default(), announced, decoders, ratio }
    }

    /// Reports the bytes that come to `meter`.
    pub(crate) fn watched(mut self, meter: &Meter) -> Self {
        self.meter = meter.clone();
        self
    }

    /// The chunk's size once decoded: the manifest knows it, a link may name its compressed size instead.
    fn decoded_bytes(&self, index: u64, link: Option<&Link>) -> u64 {
        let known = self.announced.get(&index).and_then(|chunk| chunk.byte_count);
        known.unwrap_or_default().max(link.and_then(|link| link.byte_count).unwrap_or_default())
    }

    /// What a chunk takes beside its rows until it is decoded. One that is not compressed becomes them without a copy.
    fn file_bytes(&self, decoded: u64) -> u64 {
        if self.compressed { self.ratio.of(decoded) } else { 0 }
    }

    /// What the file of a chunk turned out to take.
    pub(crate) fn note_file(&self, file: u64, decoded: u64) {
        self.ratio.note(file, decoded);
    }

    /// The announced chunks from `index` on that have another announced one behind them, without a gap.
    fn announced_before_last(&self, index: u64) -> Vec<&ChunkInfo> {
        let consecutive =
            self.announced.range(index..).zip(index..).take_while(|((found, _), at)| **found == *at);
        let mut chunks: Vec<&ChunkInfo> = consecutive.map(|((_, chunk), _)| chunk).collect();
        chunks.pop();
        chunks
    }

    /// Asks for the link of a chunk.
    pub(crate) async fn link(&self, index: u64) -> Result<Link> {
        let page = self.api.chunk(&self.id, index).await?;
        let mut links = page.external_links.unwrap_or_default().into_iter();
        links
            .find(|link| link.chunk_index == index)
            .ok_or_else(|| SqlError::decode(format!("the server gives no link for chunk {index}")))
    }
}

/// The decoded batches of one chunk, and the bytes that they hold of the budget.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Each with the bytes that are free once it and those before it are.
    batches: VecDeque<(RecordBatch, u64)>,
    reservation: Reservation,
}

impl Chunk {
    pub(crate) fn new(batches: Vec<RecordBatch>, mut reservation: Reservation) -> Self {
        let sizes = sizes(&batches);
        reservation.set(sizes.iter().sum());
        Self { batches: batches.into_iter().zip(sizes).collect(), reservation }
    }

    /// The bytes that its batches keep in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.reservation.bytes()
    }

    /// The next batch; its bytes are the reader's from now on.
    pub(crate) fn pop(&mut self) -> Option<RecordBatch> {
        let (batch, bytes) = self.batches.pop_front()?;
        self.reservation.shrink(bytes);
        Some(batch)
    }
}

/// The bytes that each batch keeps in memory beside those that later ones keep too. The columns of a message share one
/// allocation, and so may all batches of a file: it counts once, for the last batch that needs it.
fn sizes(batches: &[RecordBatch]) -> Vec<u64> {
    let mut seen = HashSet::new();
    let mut size = |batch: &RecordBatch| {
        batch.columns().iter().map(|column| allocated(&column.to_data(), &mut seen)).sum()
    };
    let mut sizes: Vec<u64> = batches.iter().rev().map(&mut size).collect();
    sizes.reverse();
    sizes
}

fn allocated(data: &ArrayData, seen: &mut HashSet<NonNull<u8>>) -> u64 {
    let validity = data.nulls().map(|nulls| nulls.buffer());
    let mut bytes = 0_u64;
    for buffer in data.buffers().iter().chain(validity) {
        if seen.insert(buffer.data_ptr()) {
            // Memory that arrow did not allocate itself says nothing of its size.
            bytes = bytes.saturating_add(buffer.capacity().max(buffer.len()) as u64);
        }
    }
    data.child_data().iter().fold(bytes, |bytes, child| bytes.saturating_add(allocated(child, seen)))
}

/// The task that walks the chunks. It reserves each chunk's bytes in order before opening it.
pub(crate) struct Walker {
    plan: Arc<Plan>,
    budget: Budget,
    /// One for each download at a time. They are taken in order, so that the chunk that the reader waits for has one.
    downloads: Arc<Semaphore>,
    /// How many links are asked for ahead of their downloads.
    links_ahead: usize,
    out: mpsc::Sender<Result<Task<Chunk>>>,
    runtime: Handle,
}

/// The chunks in order.
pub(crate) type Chunks = mpsc::Receiver<Result<Task<Chunk>>>;

impl Walker {
    pub(crate) fn new(plan: Plan, fetch: Fetch, runtime: Handle) -> (Self, Chunks) {
        let concurrency = fetch.concurrency.clamp(1, MOST_QUEUED);
        // A chunk that is long in coming holds up no other: what waits behind it is bounded by its bytes.
        let (out, chunks) = mpsc::channel(MOST_QUEUED);
        let walker = Self {
            plan: Arc::new(plan),
            budget: Budget::new(fetch.budget_bytes),
            downloads: Arc::new(Semaphore::new(concurrency)),
            links_ahead: concurrency,
            out,
            runtime,
        };
        (walker, chunks)
    }

    pub(crate) async fn run(self, first: ResultPage) -> Result<()> {
        if let Err(error) = self.walk(first).await {
            // The reader sees it where the chunk would have been; if it is gone, nobody needs it.
            let _ = self.out.send(Err(error)).await;
        }
        Ok(())
    }

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
            let room = self.links_ahead.saturating_sub(coming.len());
            coming.extend(wanted.by_ref().take(room).map(|chunk| (chunk, self.link(chunk.chunk_index))));
            let Some((chunk, link)) = coming.pop_front() else { return Some(next) };
            let task = self.download(chunk.chunk_index, chunk.row_count, Source::Coming(link)).await;
            self.out.send(Ok(task)).await.ok()?;
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
            let task = self.download(link.chunk_index, link.row_count, Source::Held(link)).await;
            if self.out.send(Ok(task)).await.is_err() {
                return Ok(false);
            }
        }
        if page.data_array.is_none() && page.attachment.is_none() {
            return Ok(true);
        }
        let task = self.decode(page).await;
        Ok(self.out.send(Ok(task)).await.is_ok())
    }

    async fn download(&self, index: u64, row_count: Option<u64>, source: Source) -> Task<Chunk> {
        let decoded = self.plan.decoded_bytes(index, source.held());
        // The size of the file is known when it answers.
        let file = self.plan.file_bytes(decoded);
        let reservation = self.budget.reserve(decoded.saturating_add(file)).await;
        // Never closed, so there always is one in the end.
        let permit = Arc::clone(&self.downloads).acquire_owned().await.ok();
        let plan = Arc::clone(&self.plan);
        let download = Download { plan, index, row_count, source, decoded, reservation, permit };
        Task::owning(self.runtime.spawn(download.run().in_current_span()))
    }

    async fn decode(&self, page: ResultPage) -> Task<Chunk> {
        let bytes = self.plan.decoded_bytes(page.chunk_index, None);
        let reservation = self.budget.reserve(bytes).await;
        let plan = Arc::clone(&self.plan);
        Task::owning(self.runtime.spawn_blocking(move || {
            let span = fetch_span(&plan.id, page.chunk_index, page.row_count);
            let batches = span.in_scope(|| decode_page(&plan, page))?;
            Ok(Chunk::new(batches, reservation))
        }))
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

pub(crate) fn fetch_span(id: &StatementId, chunk_index: u64, row_count: Option<u64>) -> tracing::Span {
    tracing::info_span!("databricks.sql.fetch", statement_id = %id, chunk_index, row_count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{DataType, Field};
    use arrow::ipc::writer::StreamWriter;
    use bytes::Bytes;

    fn read_back(batch: &RecordBatch) -> RecordBatch {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        let file = Bytes::from(writer.into_inner().unwrap());
        decode::arrow_file(file, false, None).unwrap().remove(0)
    }

    #[test]
    fn columns_of_one_file_count_its_memory_once() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let columns = (0..20).map(|n| (format!("c{n}"), Arc::clone(&column)));
        let batch = read_back(&RecordBatch::try_from_iter(columns).unwrap());
        let (data, counted) = (20 * 8000, sizes(&[batch])[0]);
        assert!((data..data + data / 5).contains(&counted), "{counted} for {data}");
    }

    #[test]
    fn files_are_taken_to_be_as_large_as_the_last_one_was() {
        let ratio = Ratio(AtomicU64::new(Ratio::ONE));
        assert_eq!(ratio.of(5000), 5000);
        ratio.note(300, 1000);
        assert_eq!(ratio.of(5000), 1500);
        // What is larger than its rows, or of no size that makes sense, breaks nothing.
        for (file, decoded) in [(7, 0), (u64::MAX, 1), (u64::MAX, u64::MAX), (2000, 1000)] {
            ratio.note(file, decoded);
            assert_eq!(ratio.of(5000), 5000, "{file} {decoded}");
        }
        assert!(ratio.of(u64::MAX) > 0);
    }

    #[test]
    fn memory_of_several_batches_counts_for_the_last_of_them() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let own =
            RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(0..10)) as ArrayRef)])
                .unwrap();
        let counted = sizes(&[batch.slice(0, 500), own, batch.slice(500, 500)]);
        assert!(counted[0] == 0 && (80..200).contains(&counted[1]) && counted[2] >= 8000, "{counted:?}");
    }

    #[test]
    fn nested_and_optional_values_are_counted() {
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter((0..1000).map(|n| (n % 2 == 0).then_some("x".repeat(10)))));
        let item = Arc::new(Field::new("item", DataType::Utf8, true));
        let lists =
            ListArray::new(Arc::clone(&item), OffsetBuffer::from_lengths([1000]), Arc::clone(&texts), None);
        let nested = StructArray::from(vec![(
            Arc::new(Field::new("l", lists.data_type().clone(), true)),
            Arc::new(lists) as ArrayRef,
        )]);
        let batch = RecordBatch::try_from_iter([("s", Arc::new(nested) as ArrayRef)]).unwrap();
        // Offsets, characters, validity.
        let counted = sizes(&[batch])[0];
        assert!(counted >= 4 * 1001 + 5000 + 125, "{counted}");
    }
}
