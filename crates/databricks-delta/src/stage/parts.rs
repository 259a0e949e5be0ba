//! Cutting a stream of batches into parts of a bounded size, and encoding a part as Parquet.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use databricks_schema::arrow::floating_columns;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::layout::Layout;
use super::sizes::row_sizes;
use crate::error::{DeltaError, Result};
use crate::write::WriteCompression;

/// The batches of one part, in order.
pub(crate) type Part = Vec<RecordBatch>;

/// How large a part may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) rows: usize,
    /// Bytes of the rows in memory. A row that is larger is a part of its own.
    pub(crate) bytes: u64,
}

/// Cuts batches into parts that are as large as the limits allow, however the batches come. A rerun with the same rows
/// so makes the same parts.
pub(crate) fn parts(
    batches: BoxStream<'_, Result<RecordBatch>>,
    limits: Limits,
) -> impl Stream<Item = Result<Part>> + Send {
    let cutter = Cutter {
        batches,
        limits,
        held: VecDeque::new(),
        sizes: VecDeque::new(),
        held_bytes: 0,
        ended: false,
    };
    stream::try_unfold(cutter, |mut cutter| async move {
        Ok(cutter.next_part().await?.map(|part| (part, cutter)))
    })
}

struct Cutter<'a> {
    batches: BoxStream<'a, Result<RecordBatch>>,
    limits: Limits,
    held: VecDeque<RecordBatch>,
    /// Bytes of each row that is held.
    sizes: VecDeque<u64>,
    held_bytes: u64,
    ended: bool,
}

impl Cutter<'_> {
    async fn next_part(&mut self) -> Result<Option<Part>> {
        while !self.ended && self.sizes.len() < self.limits.rows && self.held_bytes <= self.limits.bytes {
            match self.batches.next().await.transpose()? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => {
                    let sizes = row_sizes(&batch);
                    self.held_bytes += sizes.iter().sum::<u64>();
                    self.sizes.extend(sizes);
                    self.held.push_back(batch);
                }
                None => self.ended = true,
            }
        }
        let rows = self.rows_that_fit();
        Ok(Some(self.cut(rows)).filter(|part| !part.is_empty()))
    }

    /// How many of the rows held make one part: at least one, if there is any.
    fn rows_that_fit(&self) -> usize {
        let mut bytes = 0;
        let fits = |size: &&u64| {
            bytes += **size;
            bytes <= self.limits.bytes
        };
        let rows = self.sizes.iter().take(self.limits.rows).take_while(fits).count();
        rows.max(1).min(self.sizes.len())
    }

    /// Takes rows off the front of what is held.
    fn cut(&mut self, rows: usize) -> Part {
        let mut part = Vec::new();
        let mut wanted = rows;
        while wanted > 0 {
            let Some(batch) = self.held.pop_front() else { break };
            let taken = wanted.min(batch.num_rows());
            if taken < batch.num_rows() {
                self.held.push_front(batch.slice(taken, batch.num_rows() - taken));
            }
            part.push(batch.slice(0, taken));
            wanted -= taken;
        }
        self.held_bytes -= self.sizes.drain(..rows).sum::<u64>();
        part
    }
}

pub(crate) fn row_count(part: &[RecordBatch]) -> u64 {
    part.iter().map(|batch| batch.num_rows() as u64).sum()
}

/// The part as one Parquet file, in an empty buffer. Takes time: call it where it may block.
pub(crate) fn encode(
    part: &[RecordBatch],
    layout: &Layout,
    compression: WriteCompression,
    buffer: Vec<u8>,
) -> Result<Vec<u8>> {
    let compression = match compression {
        WriteCompression::Snappy => Compression::SNAPPY,
        WriteCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
        WriteCompression::Uncompressed => Compression::UNCOMPRESSED,
    };
    let schema = Arc::clone(layout.file_schema());
    let properties = Some(properties(&schema, compression));
    let mut writer = ArrowWriter::try_new(buffer, schema, properties).map_err(DeltaError::data)?;
    for batch in part {
        writer.write(&layout.convert(batch)?).map_err(DeltaError::data)?;
    }
    writer.into_inner().map_err(DeltaError::data)
}

/// Without statistics of floating point numbers: whoever takes the part as a data file of its table may rely on all
/// that it says.
fn properties(schema: &Schema, compression: Compression) -> WriterProperties {
    let properties = WriterProperties::builder().set_compression(compression);
    let without = |properties: WriterPropertiesBuilder, path| {
        properties.set_column_statistics_enabled(ColumnPath::new(path), EnabledStatistics::None)
    };
    floating_columns(schema).into_iter().fold(properties, without).build()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use futures::TryStreamExt;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;

    use super::*;

    fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(range)) as _)]).unwrap()
    }

    fn text(length: usize) -> RecordBatch {
        let text = StringArray::from(vec!["x".repeat(length)]);
        RecordBatch::try_from_iter([("t", Arc::new(text) as _)]).unwrap()
    }

    fn cut(batches: Vec<RecordBatch>, rows: usize, bytes: u64) -> Vec<Part> {
        let batches = stream::iter(batches.into_iter().map(Ok)).boxed();
        let parts = parts(batches, Limits { rows, bytes }).try_collect::<Vec<_>>();
        futures::executor::block_on(parts).unwrap()
    }

    fn cut_numbers(sizes: &[usize], rows: usize, bytes: u64) -> Vec<Vec<i64>> {
        let mut next = 0;
        let batches = sizes.iter().map(|size| {
            let batch = numbers(next..next + *size as i64);
            next += *size as i64;
            batch
        });
        let values = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        let parts = cut(batches.collect(), rows, bytes);
        parts.iter().map(|part| part.iter().flat_map(values).collect()).collect()
    }

    proptest! {
        #[test]
        fn parts_depend_on_the_rows_alone(
            sizes in proptest::collection::vec(0usize..20, 0..10),
            rows in 1usize..15,
            bytes in 0u64..200,
        ) {
            let total: usize = sizes.iter().sum();
            let all: Vec<i64> = (0..total as i64).collect();
            // A number has 8 bytes.
            let rows_a_part = rows.min((bytes / 8).max(1) as usize);
            let expected: Vec<Vec<i64>> = all.chunks(rows_a_part).map(<[i64]>::to_vec).collect();
            prop_assert_eq!(cut_numbers(&sizes, rows, bytes), expected);
        }

        #[test]
        fn no_part_of_several_rows_is_larger_than_its_limit(
            lengths in proptest::collection::vec(0usize..100, 0..40),
            split in 1usize..7,
        ) {
            const LIMIT: u64 = 150;
            let one_by_one: Vec<RecordBatch> = lengths.iter().copied().map(text).collect();
            let joined = one_by_one.chunks(split).map(|some| {
                arrow::compute::concat_batches(&some[0].schema(), some).unwrap()
            });
            let parts = cut(one_by_one.clone(), 1_000, LIMIT);
            let rows: Vec<u64> = parts.iter().map(|part| row_count(part)).collect();
            for part in &parts {
                let bytes: u64 = part.iter().flat_map(row_sizes).sum();
                prop_assert!(row_count(part) == 1 || bytes <= LIMIT);
            }
            let again: Vec<u64> = cut(joined.collect(), 1_000, LIMIT).iter().map(|part| row_count(part)).collect();
            prop_assert_eq!(&rows, &again);
            prop_assert_eq!(rows.iter().sum::<u64>(), lengths.len() as u64);
        }
    }

    #[test]
    fn a_part_is_a_file_that_can_be_read() {
        let batch = numbers(0..3);
        let layout = Layout::of(batch.schema()).unwrap();
        let part = [batch.slice(0, 1), batch.slice(1, 2)];
        for (compression, named) in [
            (WriteCompression::Snappy, Compression::SNAPPY),
            (WriteCompression::Zstd, Compression::ZSTD(ZstdLevel::default())),
            (WriteCompression::Uncompressed, Compression::UNCOMPRESSED),
        ] {
            let file = encode(&part, &layout, compression, Vec::new()).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
            assert_eq!(reader.metadata().row_group(0).column(0).compression(), named);
            let read = reader.build().unwrap().next().unwrap().unwrap();
            assert_eq!(read.column(0).as_primitive::<Int64Type>().values(), &[0, 1, 2]);
        }
    }
}
