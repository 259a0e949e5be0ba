//! The partitions that rows go to.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use databricks_schema::TableSchema;

use crate::error::{DeltaError, Result};

/// How a NULL is called in a partition's name, as in the paths of tables.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Partitions that are told apart; more are not counted.
const MOST: usize = 100_000;
/// Partitions that are named.
const NAMED: usize = 1_000;

/// The values of some columns.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    /// Names, and the types that the table gives them.
    columns: Vec<(String, Option<DataType>)>,
    seen: BTreeSet<String>,
}

impl Partitions {
    pub(super) fn by(columns: &[String], table: &TableSchema) -> Self {
        let column = |name: &String| {
            let column = table.column(name);
            let data_type =
                column.and_then(|column| databricks_schema::arrow::to_arrow(&column.data_type).ok());
            (name.clone(), data_type)
        };
        Self { columns: columns.iter().map(column).collect(), seen: BTreeSet::new() }
    }

    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let texts = self.columns.iter().map(|(name, data_type)| text(batch, name, data_type.as_ref()));
        let texts = texts.collect::<Result<Vec<StringArray>>>()?;
        let mut last = String::new();
        for row in 0..batch.num_rows() {
            let value = |((name, _), text): (&(String, Option<DataType>), &StringArray)| {
                let value = if text.is_null(row) { NULL } else { text.value(row) };
                format!("{name}={value}")
            };
            let partition = self.columns.iter().zip(&texts).map(value).collect::<Vec<_>>().join("/");
            // Rows of a partition often come together.
            if partition != last && self.seen.len() < MOST {
                self.seen.insert(partition.clone());
            }
            last = partition;
        }
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.seen.len()
    }

    /// Whether there may be more than were counted.
    pub(super) fn is_cut(&self) -> bool {
        self.seen.len() == MOST
    }

    /// The first in order.
    pub(super) fn into_first(self) -> Vec<String> {
        self.seen.into_iter().take(NAMED).collect()
    }
}

/// The column's values as the table has them, as text; NULL where the batch lacks it.
fn text(batch: &RecordBatch, name: &str, data_type: Option<&DataType>) -> Result<StringArray> {
    let schema = batch.schema();
    let index = schema.fields().iter().position(|field| field.name().to_lowercase() == name.to_lowercase());
    let column: ArrayRef = match index {
        Some(index) => ArrayRef::clone(batch.column(index)),
        None => new_null_array(&DataType::Utf8, batch.num_rows()),
    };
    // What cannot be cast here may still be by the server: then the value is told apart as it was given.
    let typed = data_type.and_then(|data_type| cast(&column, data_type).ok()).unwrap_or(column);
    Ok(cast(&typed, &DataType::Utf8).map_err(DeltaError::data)?.as_string::<i32>().clone())
}
