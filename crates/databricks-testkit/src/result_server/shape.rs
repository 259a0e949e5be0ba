//! How large a result is, how it is cut into chunks, and which row is where: all that a reader needs to check it.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::cells;

/// Rows and chunks of a [`ResultServer`](super::ResultServer)'s result.
///
/// Chunks are of one length; the last may be shorter. Row `n` of the result is [`source_row(n)`](Self::source_row) of
/// an endless table whose cells are functions of the row's number, so that a reader can check every row:
///
/// ```
/// use databricks_testkit::ResultShape;
///
/// let shape = ResultShape::new(1_000, 4).repeating(2);
/// assert_eq!(shape.chunk(2), 500..750);
/// // The third chunk is the first one again.
/// assert_eq!(shape.source_row(500), 0);
/// assert_eq!(shape.expected(500..510)?, shape.expected(0..10)?);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultShape {
    rows: u64,
    chunks: u64,
    distinct: u64,
}

impl ResultShape {
    /// So many rows in so many chunks, at least one. All chunks differ.
    pub fn new(rows: u64, chunks: u64) -> Self {
        let chunks = chunks.max(1);
        Self { rows, chunks, distinct: chunks }
    }

    /// The same, of only so many different chunks that come again and again: a large result in little memory.
    #[must_use]
    pub fn repeating(self, distinct_chunks: u64) -> Self {
        Self { distinct: distinct_chunks.clamp(1, self.chunks), ..self }
    }

    /// The rows of the result.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The chunks of the result.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// The rows of one chunk, as numbers of the result's rows.
    pub fn chunk(&self, index: u64) -> Range<u64> {
        let length = self.chunk_length();
        let start = index.saturating_mul(length).min(self.rows);
        start..start.saturating_add(length).min(self.rows)
    }

    fn chunk_length(&self) -> u64 {
        self.rows.div_ceil(self.chunks)
    }

    /// Which row of the endless table is row `n` of the result.
    pub fn source_row(&self, n: u64) -> u64 {
        n % self.chunk_length().saturating_mul(self.distinct).max(1)
    }

    /// The Arrow schema of the rows.
    pub fn schema(&self) -> SchemaRef {
        cells::schema()
    }

    /// The rows as they must come. An empty range is an empty batch, and rows past the end go on as if there were more.
    ///
    /// # Errors
    /// When Arrow cannot hold so many rows in one batch.
    pub fn expected(&self, rows: Range<u64>) -> Result<RecordBatch, String> {
        cells::batch(rows.map(|row| self.source_row(row))).map_err(|error| error.to_string())
    }

    /// The rows as JSON_ARRAY has them.
    pub(super) fn texts(&self, rows: Range<u64>) -> Vec<Vec<Option<String>>> {
        cells::texts(rows.map(|row| self.source_row(row)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_shape_without_rows_has_chunks_without_rows() {
        let shape = ResultShape::new(0, 0);
        assert_eq!((shape.chunks(), shape.chunk(0), shape.source_row(7)), (1, 0..0, 0));
        assert_eq!(shape.expected(0..0).unwrap().num_rows(), 0);
    }

    proptest! {
        #[test]
        fn chunks_follow_each_other_and_hold_every_row(rows in 0u64..1 << 40, chunks in 0u64..300, distinct: u64) {
            let shape = ResultShape::new(rows, chunks).repeating(distinct);
            let mut next = 0;
            for index in 0..shape.chunks() {
                let chunk = shape.chunk(index);
                prop_assert_eq!(chunk.start, next);
                next = chunk.end;
            }
            prop_assert_eq!(next, rows);
            prop_assert_eq!(shape.chunk(shape.chunks()), rows..rows);
        }

        #[test]
        fn no_numbers_break_a_shape(rows: u64, chunks: u64, distinct: u64, index: u64) {
            let shape = ResultShape::new(rows, chunks).repeating(distinct);
            let chunk = shape.chunk(index);
            prop_assert!(chunk.start <= chunk.end && chunk.end <= rows);
            prop_assert!(shape.source_row(index) <= index);
        }
    }
}
