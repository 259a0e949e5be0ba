//! How large parts become as files, of which only some are encoded.

use crate::stage::parts::{self, Part};
use crate::stage::sizes::row_sizes;

/// The first parts are all encoded, then one of so many.
const FIRST: u64 = 4;
const ONE_OF: u64 = 16;
/// What a row weighs beyond its values, so that rows of NULLs weigh something.
const ROW: u64 = 4;

/// The size of the parts so far.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    parts: u64,
    bytes: f64,
    /// Bytes a unit of weight, of the part that was encoded last.
    ratio: f64,
}

impl Estimate {
    /// Whether the part that comes next is to be encoded.
    pub(super) fn is_sampled(&self) -> bool {
        self.parts < FIRST || self.parts.is_multiple_of(ONE_OF)
    }

    /// What a part weighs: its bytes in memory.
    pub(super) fn weight(part: &Part) -> u64 {
        part.iter().flat_map(row_sizes).sum::<u64>() + parts::row_count(part) * ROW
    }

    /// Adds a part, with its bytes as a file if it was encoded. Others are taken to pack like the one before them.
    pub(super) fn add(&mut self, weight: u64, encoded: Option<u64>) {
        self.parts += 1;
        if let Some(bytes) = encoded {
            self.ratio = bytes as f64 / weight.max(1) as f64;
        }
        self.bytes += self.ratio * weight as f64;
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_not_encoded_pack_like_the_one_before() {
        let mut estimate = Estimate::default();
        for (weight, encoded) in [(100, Some(10)), (200, None), (100, Some(50)), (10, None)] {
            estimate.add(weight, encoded);
        }
        assert_eq!(estimate.bytes(), 10 + 20 + 50 + 5);
    }

    #[test]
    fn the_first_parts_and_then_one_of_sixteen_are_encoded() {
        let mut estimate = Estimate::default();
        let mut sampled = Vec::new();
        for index in 0..40 {
            if estimate.is_sampled() {
                sampled.push(index);
            }
            estimate.add(1, None);
        }
        assert_eq!(sampled, [0, 1, 2, 3, 16, 32]);
    }
}
