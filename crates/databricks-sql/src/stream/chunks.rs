//! Walks the chunks of a result in order and opens what each needs: a download, or nothing when its rows came along.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ptr::NonNull;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, RecordBatch};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::budget::{Budget, Reservation};
use super::download::Download;
use super::task::Task;
use crate::api::Api;
use crate::decode::{self, Layout};
use crate::wire::{Link, Manifest, ResultPage};
use crate::{Result, SqlError, StatementId};

/// What all chunks of a result share.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) api: Api,
    pub(crate) id: StatementId,
    pub(crate) layout: Arc<Layout>,
    pub(crate) compressed: bool,
    decoded_bytes: HashMap<u64, u64>,
}

impl Plan {
    pub(crate) fn new(api: Api, id: StatementId, layout: Arc<Layout>, manifest: &Manifest) -> Self {
        let sizes = manifest.chunks.iter().filter_map(|chunk| Some((chunk.chunk_index, chunk.byte_count?)));
        let compressed = manifest.result_compression.as_deref().is_some_and(|name| name.starts_with("LZ4"));
        Self { api, id, layout, compressed, decoded_bytes: sizes.collect() }
    }

    /// The chunk's size once decoded: the manifest knows it, a link may name its compressed size instead.
    pub(crate) fn decoded_bytes(&self, link: &Link) -> u64 {
        let known = self.decoded_bytes.get(&link.chunk_index).copied();
        known.unwrap_or_default().max(link.byte_count.unwrap_or_default())
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
    pub(crate) plan: Arc<Plan>,
    pub(crate) budget: Budget,
    pub(crate) out: mpsc::Sender<Result<Task<Chunk>>>,
    pub(crate) runtime: Handle,
}

impl Walker {
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
            if !self.open_page(page).await? {
                return Ok(());
            }
            let Some(next) = next else { return Ok(()) };
            if next <= last || index.is_some_and(|index| next <= index) {
                return Err(SqlError::decode(format!("chunk {last} names chunk {next} as the one after it")));
            }
            index = Some(next);
            page = self.plan.api.chunk(&self.plan.id, next).await?;
        }
    }

    /// Opens every chunk of a page; `false` when the reader is gone.
    async fn open_page(&self, mut page: ResultPage) -> Result<bool> {
        let mut links = page.external_links.take().unwrap_or_default();
        links.sort_by_key(|link| link.chunk_index);
        // A chunk without rows has nothing to fetch, and is not the end.
        for link in links.into_iter().filter(|link| link.row_count != Some(0)) {
            let task = self.download(link).await;
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

    async fn download(&self, link: Link) -> Task<Chunk> {
        let decoded = self.plan.decoded_bytes(&link);
        // The size of the file is known when it answers; until then it counts as much as what it becomes.
        let reservation = self.budget.reserve(decoded.saturating_mul(2)).await;
        let download = Download { plan: Arc::clone(&self.plan), link, decoded, reservation };
        Task::owning(self.runtime.spawn(download.run().in_current_span()))
    }

    async fn decode(&self, page: ResultPage) -> Task<Chunk> {
        let bytes = self.plan.decoded_bytes.get(&page.chunk_index).copied().unwrap_or_default();
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

fn decode_page(plan: &Plan, page: ResultPage) -> Result<Vec<RecordBatch>> {
    if let Some(attachment) = page.attachment {
        let bytes = STANDARD
            .decode(attachment)
            .map_err(|error| SqlError::decode(format!("the attached result is not base64: {error}")))?;
        let batches = decode::arrow_file(Bytes::from(bytes), plan.compressed, page.row_count)?;
        return batches.into_iter().map(|batch| plan.layout.conform(batch)).collect();
    }
    let rows = page.data_array.unwrap_or_default();
    Ok(vec![plan.layout.decode_json(&rows)?])
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
    fn memory_of_several_batches_counts_for_the_last_of_them() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let own = RecordBatch::try_from_iter([(
            "n",
            Arc::new(Int64Array::from_iter_values(0..10)) as ArrayRef,
        )])
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
