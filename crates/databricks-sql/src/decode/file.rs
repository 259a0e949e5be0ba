//! Arrow IPC streams as the warehouse stores them: maybe compressed, as several LZ4 frames back to back.

use std::io::{Cursor, Read};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use bytes::Bytes;
use lz4_flex::frame::FrameDecoder;

use super::ipc::{self, Messages};
use crate::{Result, SqlError};

/// No byte of an LZ4 block stands for more than this many.
const MOST_EXPANSION: u64 = 255;
/// What a decoder may have decompressed and not handed on yet: the largest block, and the window before it.
const MOST_BUFFERED: u64 = 2 * 8 * 1024 * 1024;

/// The batches of a file, without rows past `row_count`: files may hold more than their chunk.
pub(crate) fn arrow_file(file: Bytes, compressed: bool, row_count: Option<u64>) -> Result<Vec<RecordBatch>> {
    // The columns of a file that is not compressed point into it, so that nothing is held twice.
    let batches = if compressed { decompressed(file) } else { ipc::in_place(&Buffer::from(file)) };
    let batches =
        batches.map_err(|error| SqlError::decode(format!("an Arrow file cannot be read: {error}")))?;
    Ok(match row_count {
        Some(rows) => cap(batches, rows),
        None => batches,
    })
}

/// Decompresses while it decodes, so that the decompressed file is never held beside its batches.
fn decompressed(file: Bytes) -> std::result::Result<Vec<RecordBatch>, String> {
    Messages::new(Frames::new(Cursor::new(file)), Frames::most_left).read()
}

fn cap(batches: Vec<RecordBatch>, rows: u64) -> Vec<RecordBatch> {
    let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut kept = Vec::with_capacity(batches.len());
    for batch in batches {
        let take = batch.num_rows().min(left);
        left -= take;
        if take > 0 {
            kept.push(batch.slice(0, take));
        }
    }
    kept
}

/// Frames back to back as one stream of bytes. Each frame gets a decoder of its own: frames differ in their block
/// size, and a decoder's buffer is made for the first frame that it meets.
struct Frames {
    decoder: FrameDecoder<Cursor<Bytes>>,
}

impl Frames {
    fn new(file: Cursor<Bytes>) -> Self {
        Self { decoder: FrameDecoder::new(file) }
    }

    /// A bound of the bytes that are still to come.
    fn most_left(&self) -> u64 {
        let left = (self.decoder.get_ref().get_ref().len() as u64).saturating_sub(self.position());
        left.saturating_mul(MOST_EXPANSION).saturating_add(MOST_BUFFERED)
    }

    fn position(&self) -> u64 {
        self.decoder.get_ref().position()
    }

    fn at_end(&self) -> bool {
        self.position() >= self.decoder.get_ref().get_ref().len() as u64
    }

    fn next_frame(&mut self) {
        self.decoder = FrameDecoder::new(self.decoder.get_ref().clone());
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let before = self.position();
            let read = self.decoder.read(buffer)?;
            let stuck = self.position() == before;
            if read > 0 || buffer.is_empty() || self.at_end() || stuck {
                return Ok(read);
            }
            self.next_frame();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::Int32Array;
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow::ipc::writer::StreamWriter;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    use std::sync::Arc;

    fn file(batches: &[std::ops::Range<i32>]) -> Vec<u8> {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        for range in batches {
            let column = Arc::new(Int32Array::from_iter_values(range.clone()));
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap()).unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn frames(file: &[u8], frame_bytes: usize) -> Bytes {
        let frame = |part: &[u8]| {
            let mut encoder = FrameEncoder::new(Vec::new());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        };
        file.chunks(frame_bytes).flat_map(frame).collect::<Vec<u8>>().into()
    }

    fn rows(batches: &[RecordBatch]) -> Vec<usize> {
        batches.iter().map(RecordBatch::num_rows).collect()
    }

    #[test]
    fn frames_may_differ_in_block_size_and_mode() {
        let plain = file(&[0..40_000, 0..40_000]);
        let expected = arrow_file(plain.clone().into(), false, None).unwrap();
        let sizes = [BlockSize::Max256KB, BlockSize::Max64KB, BlockSize::Max1MB];
        let modes = [BlockMode::Independent, BlockMode::Linked];
        let infos = sizes.into_iter().flat_map(|size| modes.map(|mode| (size, mode)));
        let frame = |(part, (size, mode)): (&[u8], (BlockSize, BlockMode))| {
            let info = FrameInfo::new().block_size(size).block_mode(mode);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        };
        let frames: Vec<u8> = plain.chunks(plain.len() / 6 + 1).zip(infos).flat_map(frame).collect();
        assert_eq!(arrow_file(frames.into(), true, None).unwrap(), expected);
    }

    #[test]
    fn frames_back_to_back_are_one_file() {
        let plain = file(&[0..1000, 1000..1500]);
        let expected = arrow_file(plain.clone().into(), false, None).unwrap();
        for size in [7, 100, 4096, plain.len()] {
            assert_eq!(arrow_file(frames(&plain, size), true, None).unwrap(), expected, "{size}");
        }
    }

    #[test]
    fn plain_file_is_not_copied() {
        let plain = Bytes::from(file(&[0..1000, 1000..1500]));
        let held = plain.as_ptr_range();
        for batch in arrow_file(plain, false, None).unwrap() {
            let values = batch.column(0).to_data().buffers()[0].as_ptr();
            assert!(held.contains(&values));
        }
    }

    #[test]
    fn bytes_past_the_end_mark_are_no_harm() {
        let mut plain = file(&[0..10, 10..20]);
        plain.extend_from_slice(b"padding");
        assert_eq!(rows(&arrow_file(plain.into(), false, None).unwrap()), [10, 10]);
    }

    #[test]
    fn rows_past_the_chunk_are_cut() {
        let plain: Bytes = file(&[0..10, 10..20]).into();
        for (rows_of_chunk, expected) in [(20, vec![10, 10]), (13, vec![10, 3]), (10, vec![10]), (0, vec![])]
        {
            assert_eq!(rows(&arrow_file(plain.clone(), false, Some(rows_of_chunk)).unwrap()), expected);
        }
    }

    #[test]
    fn damaged_file_is_an_error_or_short_but_never_a_panic() {
        let whole = frames(&file(std::slice::from_ref(&(0..500))), 300);
        for end in 0..whole.len() {
            let rows = arrow_file(whole.slice(..end), true, None)
                .map(|batches| rows(&batches).iter().sum::<usize>());
            assert!(rows.is_err() || rows.is_ok_and(|rows| rows == 0 || rows == 500), "cut at {end}");
        }
        assert!(arrow_file(Bytes::from_static(b"<Error>AccessDenied</Error>"), true, None).is_err());
    }
}
