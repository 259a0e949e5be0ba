//! How the bytes of a body are spoiled: functions of the bytes.

use std::fmt;
use std::io::Read;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use lz4_flex::frame::FrameDecoder;
use rand::Rng;
use rand::seq::index;
use serde_json::{Number, Value};

use super::latency::draw_rng;
use crate::statements::lz4_frames;

/// The members that [`Corruption::Miscounted`] changes.
const COUNT: &str = "row_count";
/// What an LZ4 frame begins with.
const LZ4_MAGIC: &[u8] = &[0x04, 0x22, 0x4d, 0x18];

/// How a body is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// Bytes at places drawn from a seed have another value. The length stays.
    #[non_exhaustive]
    Flipped {
        /// How many; no more than the body has.
        bytes: usize,
        /// What places and values follow from.
        seed: u64,
    },
    /// Every bit of some bytes is turned. The length stays.
    #[non_exhaustive]
    Overwritten {
        /// The first of them.
        at: usize,
        /// How many; those that the body has.
        bytes: usize,
        /// Where they stand in what an LZ4 body holds, which is then compressed again: what was spoiled before it was
        /// compressed. A body that is not compressed is spoiled as it is.
        inside: bool,
    },
    /// Only the first bytes are there, in an answer that is otherwise complete: JSON without its end, say. A body that
    /// is no longer than that loses its last byte.
    #[non_exhaustive]
    Cut {
        /// Bytes that are left.
        after: usize,
    },
    /// Each `row_count` of a JSON body is larger by so much, or smaller, down to 0. `total_row_count` stays.
    #[non_exhaustive]
    Miscounted {
        /// By how much.
        by: i64,
    },
}

impl Corruption {
    pub(super) fn overwritten(range: Range<usize>) -> Self {
        Self::Overwritten { at: range.start, bytes: range.len(), inside: false }
    }

    /// Whether there are bodies that it leaves as they are.
    pub(super) fn depends_on_body(&self) -> bool {
        !matches!(self, Self::Flipped { bytes: 0, .. } | Self::Overwritten { bytes: 0, .. })
    }

    /// The spoiled bytes.
    pub(super) fn spoil(self, whole: &Bytes) -> Bytes {
        match self {
            Self::Cut { after } => whole.slice(..after.min(whole.len().saturating_sub(1))),
            Self::Flipped { bytes: count, seed } => flipped(whole, count, seed),
            Self::Overwritten { at, bytes, inside: false } => overwritten(whole, at, bytes),
            Self::Overwritten { at, bytes, inside: true } => {
                let inner = decompressed(whole).map(|inner| overwritten(&inner.into(), at, bytes));
                let outer = inner.and_then(|inner| lz4_frames(&inner).ok());
                outer.unwrap_or_else(|| overwritten(whole, at, bytes))
            }
            Self::Miscounted { by } => miscounted(whole, by).unwrap_or_else(|| whole.clone()),
        }
    }
}

/// The same bytes but for so many of them, no place taken twice and none left as it was.
fn flipped(bytes: &Bytes, count: usize, seed: u64) -> Bytes {
    let mut rng = draw_rng(seed, bytes.len() as u64);
    let places = index::sample(&mut rng, bytes.len(), count.min(bytes.len()));
    let mut spoiled = BytesMut::from(bytes.as_ref());
    for place in places {
        if let Some(byte) = spoiled.get_mut(place) {
            *byte ^= rng.random_range(1..=u8::MAX);
        }
    }
    spoiled.freeze()
}

fn overwritten(bytes: &Bytes, at: usize, count: usize) -> Bytes {
    let mut spoiled = BytesMut::from(bytes.as_ref());
    for byte in spoiled.iter_mut().skip(at).take(count) {
        *byte = !*byte;
    }
    spoiled.freeze()
}

/// What the frames of an LZ4 body hold; `None` for another body.
fn decompressed(bytes: &Bytes) -> Option<Vec<u8>> {
    let (mut rest, mut inner) = (bytes.as_ref(), Vec::new());
    while !rest.is_empty() {
        rest.strip_prefix(LZ4_MAGIC)?;
        FrameDecoder::new(&mut rest).read_to_end(&mut inner).ok()?;
    }
    Some(inner)
}

fn miscounted(bytes: &Bytes, by: i64) -> Option<Bytes> {
    let mut body: Value = serde_json::from_slice(bytes).ok()?;
    miscount(&mut body, by);
    serde_json::to_vec(&body).ok().map(Bytes::from)
}

fn miscount(value: &mut Value, by: i64) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| miscount(item, by)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member.as_u64().filter(|_| name == COUNT) {
                    Some(count) => *member = Number::from(count.saturating_add_signed(by)).into(),
                    None => miscount(member, by),
                }
            }
        }
        _ => {}
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flipped { bytes, .. } => write!(f, "{bytes} bytes flipped"),
            Self::Overwritten { at, bytes, inside } => {
                let place = if *inside { "inside LZ4, " } else { "" };
                write!(f, "overwritten {place}{at}..{}", at.saturating_add(*bytes))
            }
            Self::Cut { after } => write!(f, "cut at {after}"),
            Self::Miscounted { by } => write!(f, "rows miscounted by {by}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn overwritten_bytes_are_all_wrong_and_only_they() {
        let body = Bytes::from_static(b"abcdef");
        for (range, expected) in
            [(0..2, &b"\x9e\x9dcdef"[..]), (5..9, &b"abcde\x99"[..]), (6..9, &b"abcdef"[..])]
        {
            assert_eq!(Corruption::overwritten(range).spoil(&body), expected);
        }
    }

    #[test]
    fn what_is_inside_of_lz4_is_spoiled_and_compressed_again() {
        let inner = Bytes::from(vec![7_u8; 10_000]);
        let inside = Corruption::Overwritten { at: 9_990, bytes: 4, inside: true };
        let spoiled = inside.spoil(&lz4_frames(&inner).unwrap());
        let mut expected = inner.to_vec();
        expected[9_990..9_994].fill(!7);
        assert_eq!(decompressed(&spoiled).unwrap(), expected);
        // Nothing to decompress: the same place as it is.
        assert_eq!(inside.spoil(&inner), expected);
    }

    #[test]
    fn counts_of_rows_are_changed_wherever_they_stand() {
        let body = Bytes::from_static(
            br#"{"manifest":{"total_row_count":3,"chunks":[{"row_count":3}]},"row_count":0,"total":9}"#,
        );
        for (by, expected) in [
            (1, r#"{"manifest":{"chunks":[{"row_count":4}],"total_row_count":3},"row_count":1,"total":9}"#),
            (-1, r#"{"manifest":{"chunks":[{"row_count":2}],"total_row_count":3},"row_count":0,"total":9}"#),
        ] {
            let spoiled: Value = serde_json::from_slice(&Corruption::Miscounted { by }.spoil(&body)).unwrap();
            assert_eq!(spoiled, serde_json::from_str::<Value>(expected).unwrap());
        }
        let other = Bytes::from_static(b"no JSON");
        assert_eq!(Corruption::Miscounted { by: 1 }.spoil(&other), other);
    }
}
