//! LZ4 the way the service does it: several frames, back to back.

use std::io::Write;
use std::iter::once;

use bytes::Bytes;
use lz4_flex::frame::FrameEncoder;

use crate::engine::StatementFailure;

/// Decoded bytes of one frame, at most.
const FRAME: usize = 4 * 1024 * 1024;
/// What an Arrow message begins with.
const CONTINUATION: &[u8] = &[0xff; 4];
/// What an Arrow stream ends with.
const END_OF_STREAM: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Compresses into frames cut where the service was recorded to cut them: after the schema, and before the end mark.
pub(crate) fn lz4_frames(bytes: &[u8]) -> Result<Bytes, StatementFailure> {
    let (head, rest) = bytes.split_at(schema_length(bytes));
    let (body, end) = match rest.strip_suffix(END_OF_STREAM) {
        Some(body) => (body, END_OF_STREAM),
        None => (rest, &[][..]),
    };
    let mut compressed = Vec::new();
    let pieces = once(head).chain(body.chunks(FRAME)).chain(once(end));
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        compressed = frame(compressed, piece)?;
    }
    Ok(compressed.into())
}

/// Length of the schema message of an Arrow stream; 0 for anything else.
fn schema_length(bytes: &[u8]) -> usize {
    let after_mark = bytes.strip_prefix(CONTINUATION);
    let length =
        after_mark.and_then(|rest| rest.first_chunk::<4>()).map(|length| u32::from_le_bytes(*length));
    length.and_then(|length| usize::try_from(length).ok()).map_or(0, |length| (8 + length).min(bytes.len()))
}

/// Appends one frame.
fn frame(out: Vec<u8>, piece: &[u8]) -> Result<Vec<u8>, StatementFailure> {
    let mut encoder = FrameEncoder::new(out);
    let failed = |error: &dyn std::fmt::Display| StatementFailure::internal(format!("LZ4 failed: {error}"));
    encoder.write_all(piece).map_err(|error| failed(&error))?;
    encoder.finish().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Read;

    /// Reads frame after frame, and counts them.
    fn decompress(mut bytes: &[u8]) -> (Vec<u8>, usize) {
        let (mut out, mut frames) = (Vec::new(), 0);
        while !bytes.is_empty() {
            lz4_flex::frame::FrameDecoder::new(&mut bytes).read_to_end(&mut out).unwrap();
            frames += 1;
        }
        (out, frames)
    }

    #[test]
    fn an_arrow_stream_becomes_several_frames() {
        let mut stream = Vec::from(CONTINUATION);
        stream.extend(4u32.to_le_bytes());
        stream.extend(b"meta");
        stream.extend(b"a record batch");
        stream.extend(END_OF_STREAM);
        let compressed = lz4_frames(&stream).unwrap();
        assert!(decompress(&compressed).0.starts_with(b"\xff\xff\xff\xff"));
        let magic = compressed.windows(4).filter(|window| *window == [0x04, 0x22, 0x4d, 0x18]).count();
        assert_eq!(magic, 3);
        assert_eq!(decompress(&compressed).0, stream);
    }

    #[test]
    fn any_bytes_survive() {
        for bytes in [&b""[..], b"[[\"1\"]]", &[0xff; 4], &[0xff; 9]] {
            assert_eq!(decompress(&lz4_frames(bytes).unwrap()).0, bytes);
        }
    }
}
