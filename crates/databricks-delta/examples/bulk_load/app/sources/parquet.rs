//! Parquet files: the columns they declare, and all rows as batches.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};

use super::columns::{BATCH_ROWS, Plan};
use super::error::SourceError;
use super::shape::{Seen, Shape, Values};
use super::walk::Found;

fn open(file: &Found) -> Result<ParquetRecordBatchReaderBuilder<File>, SourceError> {
    let opened = File::open(&file.path).map_err(|error| SourceError::io(&file.name, error))?;
    ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| {
        SourceError::unusable(&file.name, format!("it is no Parquet file, or a part of one: {error}"))
    })
}

/// The columns.
pub(crate) fn look(file: &Found) -> Result<Shape, SourceError> {
    let builder = open(file)?;
    let fields = builder.schema().fields().iter();
    let seen = fields
        .map(|field| Seen { name: field.name().clone(), values: Values::Typed(field.data_type().clone()) });
    Ok(Shape { columns: seen.collect(), is_open: false })
}

/// Gives all rows to `emit`, until it says that nobody wants more.
pub(crate) fn read(
    file: &Found,
    plan: &Plan<'_>,
    count: &Arc<AtomicU64>,
    emit: &mut dyn FnMut(RecordBatch) -> bool,
) -> Result<(), SourceError> {
    let builder = open(file)?;
    let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
    let failed = |error: &dyn std::fmt::Display| SourceError::unusable(&file.name, error.to_string());
    let reader = builder.with_batch_size(BATCH_ROWS).build().map_err(|error| failed(&error))?;
    let (mut rows, mut counted) = (0_u64, 0);
    for batch in reader {
        let batch = batch.map_err(|error| failed(&error))?;
        rows += batch.num_rows() as u64;
        let taken = plan.assemble(&file.name, batch.num_rows(), |index, column| {
            cast(batch.column(index), &column.arrow).map_err(|error| {
                let first = rows - batch.num_rows() as u64;
                failed(&format!("column `{}`, rows {first} to {}: {error}", column.name, rows - 1))
            })
        })?;
        // Bytes as far as rows have come: the reader does not tell.
        let bytes = (u128::from(file.size) * u128::from(rows) / u128::from(total.max(1))) as u64;
        count.fetch_add(bytes - counted, Ordering::Relaxed);
        counted = bytes;
        if !emit(taken) {
            return Ok(());
        }
    }
    if rows != total {
        return Err(failed(&format!("it says that it holds {total} rows, and {rows} were read")));
    }
    count.fetch_add(file.size - counted, Ordering::Relaxed);
    Ok(())
}

fn cast(array: &ArrayRef, to: &arrow::datatypes::DataType) -> Result<ArrayRef, arrow::error::ArrowError> {
    match array.data_type() == to {
        true => Ok(Arc::clone(array)),
        false => cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() }),
    }
}
