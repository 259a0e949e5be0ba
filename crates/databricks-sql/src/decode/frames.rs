//! LZ4 frames back to back as one stream of bytes.

use std::fmt;
use std::io::{BufRead, Result};

use lz4_flex::frame::FrameDecoder;

use super::parts::Parts;

/// The most decoders that are kept: files have one kind of frame for their rows, and perhaps one for what is around.
const MOST_KEPT: usize = 2;

/// Decoders that are used again, since each has memory for a block of its frame.
#[derive(Default)]
pub(crate) struct Scratch {
    decoders: Vec<(Kind, FrameDecoder<Parts>)>,
}

/// What decides how much memory a frame's decoder has. A decoder must not be used for another kind: it takes its memory
/// to be exactly of that size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    linked: bool,
    /// The code of the largest block, from 4 for 64 KiB to 7 for 4 MiB.
    block: u8,
}

impl Kind {
    /// Of the frame that begins here, if as much of its head is at hand.
    fn of(head: &[u8]) -> Option<Self> {
        let [0x04, 0x22, 0x4d, 0x18, flags, sizes] = head.first_chunk::<6>()? else { return None };
        Some(Self { linked: flags & 0x20 == 0, block: (sizes >> 4) & 7 })
    }

    /// A block as it comes, and decoded; linked ones keep the one before.
    fn bytes(self) -> u64 {
        let block = 1_u64 << (8 + 2 * u32::from(self.block));
        if self.linked { 3 * block } else { 2 * block }
    }
}

impl Scratch {
    /// The memory of the decoders.
    pub(crate) fn bytes(&self) -> u64 {
        self.decoders.iter().map(|(kind, _)| kind.bytes()).sum()
    }

    fn take(&mut self, kind: Option<Kind>) -> FrameDecoder<Parts> {
        let kept = self.decoders.iter().position(|(kept, _)| Some(*kept) == kind);
        kept.map_or_else(|| FrameDecoder::new(Parts::default()), |kept| self.decoders.swap_remove(kept).1)
    }

    fn keep(&mut self, kind: Option<Kind>, decoder: FrameDecoder<Parts>) {
        if let Some(kind) = kind {
            self.decoders.insert(0, (kind, decoder));
            // The smaller ones cost the least to make again.
            self.decoders.sort_by_key(|(kind, _)| std::cmp::Reverse(kind.bytes()));
            self.decoders.truncate(MOST_KEPT);
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.decoders.iter().map(|(kind, _)| kind)).finish()
    }
}

/// The bytes of a file's frames.
pub(super) struct Frames<'s> {
    scratch: &'s mut Scratch,
    /// Of the frame that is read.
    kind: Option<Kind>,
    decoder: FrameDecoder<Parts>,
}

impl<'s> Frames<'s> {
    pub(super) fn new(mut file: Parts, scratch: &'s mut Scratch) -> Self {
        let kind = file.fill_buf().ok().and_then(Kind::of);
        let mut decoder = scratch.take(kind);
        *decoder.get_mut() = file;
        Self { scratch, kind, decoder }
    }

    /// The bytes that come next; none at the end of the file.
    pub(super) fn fill(&mut self) -> Result<&[u8]> {
        // Every frame takes its mark from the file, so this ends.
        while self.decoder.fill_buf()?.is_empty() && self.decoder.get_ref().len() > 0 {
            self.next_frame();
        }
        self.decoder.fill_buf()
    }

    fn next_frame(&mut self) {
        let mut file = std::mem::take(self.decoder.get_mut());
        let kind = file.fill_buf().ok().and_then(Kind::of);
        if kind.is_none() || kind != self.kind {
            let used = std::mem::replace(&mut self.decoder, self.scratch.take(kind));
            self.scratch.keep(self.kind, used);
            self.kind = kind;
        }
        *self.decoder.get_mut() = file;
    }

    /// So many of the bytes were read.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.decoder.consume(bytes);
    }

    /// The file was read to its end: what read it may read another. One that is left within a frame, which had no end
    /// mark, refuses the next, and is not kept then.
    pub(super) fn end(self) {
        let Self { scratch, kind, decoder } = self;
        scratch.keep(kind, decoder);
    }
}
