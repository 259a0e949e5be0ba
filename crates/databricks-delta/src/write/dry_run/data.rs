//! One look at all rows: how many, how large, where they go, and what is NULL.

use std::collections::BTreeMap;

use arrow::array::{Array, RecordBatch};
use databricks_schema::TableSchema;
use futures::stream::{BoxStream, TryStreamExt};

use super::estimate::Estimate;
use super::partitions::Partitions;
use crate::error::{DeltaError, Result};
use crate::stage::Pace;
use crate::stage::layout::Layout;
use crate::stage::parts::{self, Part};
use crate::write::files::{At, Files};

/// What was seen of the data.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) rows: u64,
    pub(super) parts: u64,
    pub(super) bytes: u64,
    pub(super) partitions: Partitions,
    /// NULLs by the column that must not hold any.
    pub(super) nulls: BTreeMap<String, u64>,
    /// Columns that must not be NULL and that the data lacks.
    pub(super) lacking: Vec<String>,
}

impl Data {
    /// Of files their footers tell how many rows and bytes there are.
    pub(super) fn of_files(files: &Files) -> Self {
        let (parts, bytes) = match &files.at {
            At::Here(files) => (files.len(), files.iter().map(|file| file.bytes).sum()),
            At::Volume { files, .. } => (files.len(), files.iter().map(|file| file.bytes).sum()),
        };
        Self { rows: files.rows, parts: parts as u64, bytes, ..Self::default() }
    }
}

/// Reads all batches, and encodes some parts of them as a write would.
pub(super) async fn look(
    batches: BoxStream<'_, Result<RecordBatch>>,
    layout: &Layout,
    pace: &Pace,
    table: &TableSchema,
    partitioned_by: &[String],
) -> Result<Data> {
    let mut data = Data { partitions: Partitions::by(partitioned_by, table), ..Data::default() };
    data.lacking = lacking(layout, table);
    let mut estimate = Estimate::default();
    let mut parts = Box::pin(parts::parts(batches, pace.limits()));
    while let Some(part) = parts.try_next().await? {
        data.rows += parts::row_count(&part);
        data.parts += 1;
        let is_sampled = estimate.is_sampled();
        let (layout, compression) = (layout.clone(), pace.compression);
        let mut seen = std::mem::take(&mut data.partitions);
        // Takes time, so it is done where it may block.
        let looked = tokio::task::spawn_blocking(move || {
            part.iter().try_for_each(|batch| seen.add(batch))?;
            let nulls = part.iter().flat_map(null_counts).collect::<Vec<_>>();
            let weight = Estimate::weight(&part);
            let encoded = match is_sampled {
                true => Some(parts::encode(&part, &layout, compression, Vec::new())?.len() as u64),
                false => checked(&part, &layout)?,
            };
            Ok::<_, DeltaError>((seen, nulls, weight, encoded))
        });
        let (seen, nulls, weight, encoded) = looked.await.map_err(DeltaError::data)??;
        data.partitions = seen;
        estimate.add(weight, encoded);
        for (name, count) in nulls {
            let column = table.column(&name).filter(|column| !column.nullable);
            if let Some(column) = column.filter(|_| count > 0) {
                *data.nulls.entry(column.name.clone()).or_default() += count;
            }
        }
    }
    data.bytes = estimate.bytes();
    Ok(data)
}

/// Converts a part and drops it: what a file cannot hold is an error here too.
fn checked(part: &Part, layout: &Layout) -> Result<Option<u64>> {
    part.iter().try_for_each(|batch| layout.convert(batch).map(drop))?;
    Ok(None)
}

fn null_counts(batch: &RecordBatch) -> Vec<(String, u64)> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns.map(|(field, column)| (field.name().clone(), column.logical_null_count() as u64)).collect()
}

fn lacking(layout: &Layout, table: &TableSchema) -> Vec<String> {
    let fields = layout.file_schema().fields();
    let is_given = |name: &str| fields.iter().any(|field| field.name().to_lowercase() == name.to_lowercase());
    let needed = table.columns.iter().filter(|column| !column.nullable && column.default.is_none());
    needed.filter(|column| !is_given(&column.name)).map(|column| column.name.clone()).collect()
}
