//! Cutting a stream of batches into parts of a fixed number of rows, and encoding a part as Parquet.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::error::{DeltaError, Result};

/// The batches of one part, in order.
pub(crate) type Part = Vec<RecordBatch>;

/// Cuts batches into parts of exactly `rows` rows (the last may have fewer), however the batches come. A rerun with
/// the same rows so makes the same parts.
pub(crate) fn parts(
    batches: BoxStream<'_, Result<RecordBatch>>,
    rows: usize,
) -> impl Stream<Item = Result<Part>> + Send {
    let cutter = Cutter { batches, rows: rows.max(1), held: VecDeque::new(), held_rows: 0, ended: false };
    stream::try_unfold(cutter, |mut cutter| async move {
        Ok(cutter.next_part().await?.map(|part| (part, cutter)))
    })
}

struct Cutter<'a> {
    batches: BoxStream<'a, Result<RecordBatch>>,
    rows: usize,
    held: VecDeque<RecordBatch>,
    held_rows: usize,
    ended: bool,
}

impl Cutter<'_> {
    async fn next_part(&mut self) -> Result<Option<Part>> {
        while !self.ended && self.held_rows < self.rows {
            match self.batches.next().await.transpose()? {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => {
                    self.held_rows += batch.num_rows();
                    self.held.push_back(batch);
                }
                None => self.ended = true,
            }
        }
        Ok(Some(self.cut()).filter(|part| !part.is_empty()))
    }

    /// Takes up to `rows` rows off the front of what is held.
    fn cut(&mut self) -> Part {
        let mut part = Vec::new();
        let mut wanted = self.rows;
        while wanted > 0 {
            let Some(batch) = self.held.pop_front() else { break };
            let taken = wanted.min(batch.num_rows());
            if taken < batch.num_rows() {
                self.held.push_front(batch.slice(taken, batch.num_rows() - taken));
            }
            part.push(batch.slice(0, taken));
            wanted -= taken;
        }
        self.held_rows -= self.rows - wanted;
        part
    }
}

pub(crate) fn row_count(part: &[RecordBatch]) -> u64 {
    part.iter().map(|batch| batch.num_rows() as u64).sum()
}

/// The part as one Parquet file. Takes time: call it where it may block.
pub(crate) fn encode(part: &[RecordBatch], schema: &SchemaRef) -> Result<Bytes> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties)).map_err(DeltaError::data)?;
    for batch in part {
        writer.write(&to_schema(batch, schema)?).map_err(DeltaError::data)?;
    }
    Ok(writer.into_inner().map_err(DeltaError::data)?.into())
}

/// The schema of staged files: the data's, with types that Spark cannot read from Parquet replaced by those it can.
///
/// Every column may be NULL in a file; whether it may be in the table is checked when it is loaded.
pub(crate) fn file_schema(schema: &Schema) -> Result<SchemaRef> {
    let fields: Result<Vec<Field>> = schema.fields().iter().map(|field| file_field(field)).collect();
    Ok(Arc::new(Schema::new(fields?)))
}

fn file_field(field: &Field) -> Result<Field> {
    let data_type = match field.data_type() {
        // Spark reads no nanoseconds; Databricks keeps microseconds.
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::Date64 => DataType::Date32,
        DataType::Float16 => DataType::Float32,
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => {
            file_field(&Field::new(field.name(), values.as_ref().clone(), true))?.data_type().clone()
        }
        DataType::Null => DataType::Utf8,
        refused @ (DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_)) => {
            return Err(DeltaError::UnsupportedType {
                column: field.name().clone(),
                data_type: refused.to_string(),
                reason: "files that Databricks loads cannot hold it; turn it into a number or a text"
                    .to_owned(),
            });
        }
        kept => kept.clone(),
    };
    Ok(Field::new(field.name(), data_type, true))
}

fn to_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        let message =
            format!("a batch has {} columns, its schema says {}", batch.num_columns(), schema.fields().len());
        return Err(DeltaError::InvalidData { message });
    }
    let given = batch.schema();
    let columns =
        given.fields().iter().zip(batch.columns()).zip(schema.fields()).map(|((given, column), wanted)| {
            if given.name() != wanted.name() {
                let message = format!(
                    "a batch has column `{}` where its schema says `{}`",
                    given.name(),
                    wanted.name()
                );
                return Err(DeltaError::InvalidData { message });
            }
            if column.data_type() == wanted.data_type() {
                return Ok(Arc::clone(column));
            }
            arrow::compute::cast(column, wanted.data_type()).map_err(DeltaError::data)
        });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_>>()?).map_err(DeltaError::data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{Array, AsArray, Int64Array, TimestampNanosecondArray};
    use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
    use futures::TryStreamExt;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;

    use super::*;

    fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(range)) as _)]).unwrap()
    }

    fn cut(sizes: &[usize], rows: usize) -> Vec<Vec<i64>> {
        let mut next = 0;
        let batches: Vec<Result<RecordBatch>> = sizes
            .iter()
            .map(|size| {
                let batch = numbers(next..next + *size as i64);
                next += *size as i64;
                Ok(batch)
            })
            .collect();
        let parts = parts(stream::iter(batches).boxed(), rows).try_collect::<Vec<_>>();
        let values = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        futures::executor::block_on(parts)
            .unwrap()
            .iter()
            .map(|part| part.iter().flat_map(values).collect())
            .collect()
    }

    proptest! {
        #[test]
        fn parts_depend_on_the_rows_alone(sizes in proptest::collection::vec(0usize..20, 0..10), rows in 1usize..15) {
            let total: usize = sizes.iter().sum();
            let all: Vec<i64> = (0..total as i64).collect();
            let expected: Vec<Vec<i64>> = all.chunks(rows).map(<[i64]>::to_vec).collect();
            prop_assert_eq!(cut(&sizes, rows), expected);
        }
    }

    #[test]
    fn nanoseconds_become_microseconds_in_the_file() {
        let times = TimestampNanosecondArray::from(vec![Some(1_500), None]).with_timezone("UTC");
        let batch = RecordBatch::try_from_iter([("at", Arc::new(times) as _)]).unwrap();
        let schema = file_schema(&batch.schema()).unwrap();
        let file = encode(&[batch], &schema).unwrap();
        let read =
            ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().next().unwrap().unwrap();
        let times = read.column(0).as_primitive::<TimestampMicrosecondType>();
        assert_eq!((times.value(0), times.is_null(1)), (1, true));
    }

    #[test]
    fn a_type_without_a_place_in_files_is_refused_by_name() {
        let schema = Schema::new(vec![Field::new("lap", DataType::Duration(TimeUnit::Second), true)]);
        let error = file_schema(&schema).unwrap_err().to_string();
        assert!(error.contains("`lap`") && error.contains("Duration"), "{error}");
    }

    #[test]
    fn a_batch_that_disagrees_with_its_schema_is_refused() {
        let schema = Arc::new(Schema::new(vec![Field::new("m", DataType::Int64, true)]));
        let error = encode(&[numbers(0..1)], &schema).unwrap_err().to_string();
        assert!(error.contains("`n` where its schema says `m`"), "{error}");
    }
}
