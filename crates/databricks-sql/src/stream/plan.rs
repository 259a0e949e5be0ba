//! What all chunks of a result share: where they come from, what is known of them, and what they may take.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::budget::Budget;
use super::pace::{Pace, Step};
use super::scratch::Scratches;
use super::streams::Streams;
use super::window::Window;
use super::{Fetch, MOST_QUEUED};
use crate::api::Api;
use crate::decode::{Layout, Pool};
use crate::progress::Meter;
use crate::wire::{ChunkInfo, Link, Manifest};
use crate::{Result, SqlError, StatementId};

/// Links that are asked for at a time in the beginning, and later: each that comes lets another in. All at once would
/// stand in the way of the first file.
const FIRST_LINK_CALLS: usize = 8;
const LINK_CALLS: usize = 32;
/// The budget that a decoder is worth: blocks of the largest kind of LZ4 frame, and a chunk of usual size.
const DECODER: u64 = 16 * 1024 * 1024;

/// The part of the budget for what comes in pieces too small to be counted: the connections' buffers, links, and what the
/// allocator rounds up. An eighth.
const BUFFERS: u64 = 8;

/// More than any chunk has, in bytes: what a server says beyond it is no size. Sums of these are exact, in floating point
/// numbers too.
const LARGEST: u64 = 1 << 40;

/// One result on its way.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) api: Api,
    pub(super) id: StatementId,
    pub(super) layout: Arc<Layout>,
    pub(super) compressed: bool,
    pub(super) meter: Meter,
    /// By index.
    announced: BTreeMap<u64, ChunkInfo>,
    ratio: Ratio,
    /// For files, until they are batches.
    pub(super) files: Budget,
    /// For batches of compressed files. Files that are not compressed become batches in their place.
    pub(super) rows: Budget,
    pub(super) streams: Streams,
    pub(super) window: Window,
    pub(super) pace: Pace,
    /// One for each file that is decoded at a time.
    pub(super) decoders: Arc<Semaphore>,
    pub(super) scratches: Scratches,
    pub(super) pool: Pool,
    link_calls: Semaphore,
    /// How many more there will be.
    link_calls_to_come: AtomicUsize,
}

impl Plan {
    pub(crate) fn new(
        api: Api,
        id: StatementId,
        layout: Arc<Layout>,
        manifest: &Manifest,
        fetch: Fetch,
    ) -> Self {
        let announced: BTreeMap<_, _> =
            manifest.chunks.iter().map(|chunk| (chunk.chunk_index, chunk.clone())).collect();
        let compressed = manifest.result_compression.as_deref().is_some_and(|name| name.starts_with("LZ4"));
        let budget = fetch.budget_bytes - fetch.budget_bytes / BUFFERS;
        let decoders = decoders(budget);
        let largest = announced.values().filter_map(|chunk| chunk.byte_count).max().unwrap_or_default();
        let (for_rows, for_scratch) =
            if compressed { (share_of_rows(budget, largest, decoders), budget / 4) } else { (0, 0) };
        let files = Budget::new(budget - for_rows - for_scratch);
        let pool = Pool::new(budget - for_scratch);
        Self {
            api,
            id,
            layout,
            compressed,
            meter: Meter::default(),
            announced,
            ratio: Ratio::default(),
            rows: Budget::new(for_rows),
            streams: Streams::new(fetch.growth()),
            window: Window::new(),
            pace: Pace::new(),
            decoders: Arc::new(Semaphore::new(decoders)),
            scratches: Scratches::new(files.clone(), pool.clone(), for_scratch, decoders),
            files,
            pool,
            link_calls: Semaphore::new(FIRST_LINK_CALLS),
            link_calls_to_come: AtomicUsize::new(LINK_CALLS - FIRST_LINK_CALLS),
        }
    }

    /// Reports the bytes that come to `meter`.
    pub(crate) fn watched(mut self, meter: &Meter) -> Self {
        self.meter = meter.clone();
        self
    }

    /// The chunk's size once decoded: the manifest knows it, a link may name its compressed size instead.
    pub(super) fn decoded_bytes(&self, index: u64, link: Option<&Link>) -> u64 {
        let known = self.announced.get(&index).and_then(|chunk| chunk.byte_count);
        let bytes = known.unwrap_or_default().max(link.and_then(|link| link.byte_count).unwrap_or_default());
        bytes.min(LARGEST)
    }

    /// What the file of a chunk likely takes.
    pub(super) fn file_bytes(&self, decoded: u64) -> u64 {
        if self.compressed { self.ratio.of(decoded) } else { decoded }
    }

    /// What the file of a chunk turned out to take.
    pub(super) fn note_file(&self, file: u64, decoded: u64) {
        if self.compressed {
            self.ratio.note(file, decoded);
        }
    }

    /// The announced chunks from `index` on that have another announced one behind them, without a gap.
    pub(super) fn announced_before_last(&self, index: u64) -> Vec<&ChunkInfo> {
        let mut chunks = consecutive(&self.announced, index);
        chunks.pop();
        chunks
    }

    /// Asks for the link of a chunk, a few at a time.
    pub(super) async fn link(&self, index: u64) -> Result<Link> {
        let began = Instant::now();
        // Never closed, so there always is one in the end.
        let _call = self.link_calls.acquire().await.ok();
        let link = self.fresh_link(index).await?;
        self.pace.took(Step::Link, began.elapsed());
        let one_less = |left: usize| left.checked_sub(1);
        if self.link_calls_to_come.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            self.link_calls.add_permits(1);
        }
        Ok(link)
    }

    /// Asks for the link of a chunk at once: the reader waits for it.
    pub(super) async fn fresh_link(&self, index: u64) -> Result<Link> {
        let page = self.api.chunk(&self.id, index).await?;
        let mut links = page.external_links.unwrap_or_default().into_iter();
        links
            .find(|link| link.chunk_index == index)
            .ok_or_else(|| SqlError::decode(format!("the server gives no link for chunk {index}")))
    }
}

/// The chunks from `index` on, as far as none is left out.
fn consecutive(announced: &BTreeMap<u64, ChunkInfo>, index: u64) -> Vec<&ChunkInfo> {
    let mut at = Some(index);
    let is_next = |(found, _): &(&u64, &ChunkInfo)| {
        let is_next = at == Some(**found);
        at = found.checked_add(1);
        is_next
    };
    announced.range(index..).take_while(is_next).map(|(_, chunk)| chunk).collect()
}

/// Files that are decoded at a time: more threads than cores would be no faster, and each has memory of its own.
fn decoders(budget: u64) -> usize {
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get());
    cores.min(usize::try_from(budget / DECODER).unwrap_or(usize::MAX)).clamp(1, MOST_QUEUED)
}

/// Of a budget: what is for batches, so that all decoders find room for theirs. The rest is for files, which are smaller:
/// the more of it is theirs, the more downloads run at once.
fn share_of_rows(budget: u64, largest: u64, decoders: usize) -> u64 {
    largest.saturating_mul(decoders as u64).clamp(budget / 4, budget / 2)
}

/// The size of files on their way, in thousandths of what they become: as the last file was, and as much until then.
#[derive(Debug)]
struct Ratio(AtomicU64);

impl Default for Ratio {
    fn default() -> Self {
        Self(AtomicU64::new(Self::ONE))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_to_be_as_large_as_the_last_one_was() {
        let ratio = Ratio::default();
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
    fn chunks_are_announced_as_far_as_none_is_left_out_and_there_are_numbers() {
        let chunk = |index| (index, ChunkInfo { chunk_index: index, byte_count: None, row_count: None });
        let announced = BTreeMap::from([0, 1, 2, 4, u64::MAX - 1, u64::MAX].map(chunk));
        for (from, expected) in [(0, 3), (1, 2), (3, 0), (4, 1), (u64::MAX - 1, 2), (u64::MAX, 1)] {
            assert_eq!(consecutive(&announced, from).len(), expected, "{from}");
        }
    }

    #[test]
    fn batches_get_at_least_a_quarter_and_at_most_half_of_a_budget() {
        assert_eq!(share_of_rows(64, 0, 2), 16);
        assert_eq!(share_of_rows(64, 9, 3), 27);
        assert_eq!(share_of_rows(64, 1000, 2), 32);
        assert_eq!(share_of_rows(1, 1000, 2), 0);
        assert_eq!(share_of_rows(u64::MAX, u64::MAX, usize::MAX), u64::MAX / 2);
    }
}
