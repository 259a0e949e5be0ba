//! Writes the rows of a plan as Parquet files of a table, streaming: nothing is committed here.
//!
//! Each partition of the plan is one task with one open file (one per table partition), so memory holds a row group
//! per core, whatever the number of rows. On failure the files written so far are deleted.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use databricks_schema::arrow::columns_where;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use deltalake::DeltaTable;
use deltalake::datafile::writer::{DeltaWriter, WriterConfig};
use deltalake::kernel::Add;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::operations::get_num_idx_cols_and_stats_columns;
use futures::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use tokio::task::JoinSet;

use super::definition::{Definition, mapping};
use super::rows::count;
use super::statement::Statement;
use super::stored::without_empty;
use crate::error::{LocalError, Result};

/// Bytes after which a new data file is begun.
const FILE_BYTES: u64 = 128 << 20;

/// Characters of the folder that a file of a table with column mapping lies in: no path shows a column's name.
const RANDOM_PREFIX: usize = 2;

/// Columns of which statistics are kept unless a property of the table says otherwise.
const INDEXED: usize = 32;

/// Decimals of so many digits are the same as DOUBLE, which is what statistics in the log are made of.
pub(super) const EXACT_DIGITS: u8 = 15;

/// Rows of a row group: what one open file holds in memory.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// Where rows go, and in which shape.
#[derive(Clone)]
pub(super) struct Target {
    store: Arc<dyn ObjectStore>,
    /// The table's columns, in order; not nullable where the table says NOT NULL.
    pub(super) schema: SchemaRef,
    /// The names of its partition columns.
    pub(super) partitions: Vec<String>,
    /// The columns as files have them, where that is under other names.
    physical: Option<SchemaRef>,
    /// Of how many columns, from the first on, statistics are kept; none where the table names them one by one.
    indexed: Option<usize>,
    config: WriterConfig,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) files: Vec<Add>,
    pub(super) rows: u64,
}

impl Written {
    /// The size of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| u64::try_from(file.size).ok()).sum()
    }

    /// With what another write of the same statement has written.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self.rows += other.rows;
        self
    }
}

impl Target {
    /// An existing table.
    ///
    /// # Errors
    /// A named refusal for tables whose rules this writer does not know how to keep.
    pub(super) fn of(table: &DeltaTable) -> Result<Self> {
        let snapshot = table.snapshot()?.snapshot();
        refuse_unknown_rules(snapshot.metadata().configuration(), &snapshot.arrow_schema())?;
        Self::defined(table, &Definition::of(table)?)
    }

    /// A table as it will be once this definition is committed.
    pub(super) fn defined(table: &DeltaTable, definition: &Definition) -> Result<Self> {
        let schema: Schema = (&definition.schema()?).try_into_arrow().map_err(LocalError::from)?;
        let schema = Arc::new(schema);
        let mapped = mapping::is_on(definition);
        let physical = mapped.then(|| Arc::new(mapping::physical_schema(&schema)));
        let configuration = definition.configuration.iter();
        let properties = configuration.map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let (counted, named) = get_num_idx_cols_and_stats_columns(None, properties);
        let config = WriterConfig::new(
            Arc::clone(physical.as_ref().unwrap_or(&schema)),
            in_files(definition, &definition.partition_columns),
            Some(properties_for(physical.as_ref().unwrap_or(&schema))),
            NonZeroU64::new(FILE_BYTES),
            None,
            counted,
            named.map(|named| in_files(definition, &named)),
        )
        .with_random_prefix_length(mapped.then_some(RANDOM_PREFIX));
        let store = table.log_store().object_store(None);
        let partitions = definition.partition_columns.clone();
        Ok(Self { store, schema, partitions, physical, indexed: indexed(definition), config })
    }

    /// Of how many columns, from the first on, files keep statistics, where a file is all that a row of the table is
    /// made of: no value stands in a path or under another name.
    pub(super) fn plain(&self) -> Option<usize> {
        self.indexed.filter(|_| self.partitions.is_empty() && self.physical.is_none())
    }
}

/// Of how many columns delta-rs keeps statistics; none where a property names them.
fn indexed(definition: &Definition) -> Option<usize> {
    let configuration = &definition.configuration;
    if configuration.contains_key("delta.dataSkippingStatsColumns") {
        return None;
    }
    let stated = configuration.get("delta.dataSkippingNumIndexedCols").and_then(|count| count.parse().ok());
    Some(stated.unwrap_or(INDEXED))
}

/// The names under which files have these columns.
fn in_files(definition: &Definition, columns: &[String]) -> Vec<String> {
    if !mapping::is_on(definition) {
        return columns.to_vec();
    }
    let name = |column: &String| {
        let field = definition.fields.iter().find(|field| field.name == *column);
        field.map_or(column.as_str(), mapping::physical_name).to_owned()
    };
    columns.iter().map(name).collect()
}

/// How this crate writes the files of a table.
pub(super) fn writer_properties(table: &DeltaTable) -> Result<WriterProperties> {
    let definition = Definition::of(table)?;
    let schema: Schema = (&definition.schema()?).try_into_arrow().map_err(LocalError::from)?;
    let physical = mapping::is_on(&definition).then(|| mapping::physical_schema(&schema));
    Ok(properties_for(physical.as_ref().unwrap_or(&schema)))
}

/// As [`writer_properties`], for files with these columns.
///
/// Of floating point numbers no statistics are kept: the engine would skip files that hold NaN, and read a file of one
/// number and NaN as that number alone. Nor of decimals of many digits, which delta-rs rounds on their way to the log: the
/// engine would skip the file that holds what was rounded.
fn properties_for(schema: &Schema) -> WriterProperties {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_created_by(concat!("databricks-local ", env!("CARGO_PKG_VERSION")).to_owned());
    let without = |properties: WriterPropertiesBuilder, path| {
        properties.set_column_statistics_enabled(ColumnPath::new(path), EnabledStatistics::None)
    };
    let inexact = |data_type: &DataType| match data_type {
        DataType::Decimal128(digits, _) => *digits > EXACT_DIGITS,
        other => other.is_floating(),
    };
    columns_where(schema, inexact).into_iter().fold(properties, without).build()
}

fn refuse_unknown_rules(properties: &HashMap<String, String>, schema: &SchemaRef) -> Result<()> {
    if let Some(key) = properties.keys().find(|key| key.starts_with("delta.constraints.")) {
        return Err(LocalError::unsupported_feature(format_args!(
            "writing a table with a CHECK constraint ({key})"
        )));
    }
    let rules = ["delta.generationExpression", "delta.invariants", "delta.identity.start"];
    for field in schema.fields() {
        if let Some(rule) = rules.iter().find(|rule| field.metadata().contains_key(**rule)) {
            return Err(LocalError::unsupported_feature(format_args!(
                "writing the column `{}` with {rule}",
                field.name()
            )));
        }
    }
    Ok(())
}

impl Statement {
    /// Writes the rows of a plan whose columns are the table's, in order.
    pub(super) async fn write(&self, plan: LogicalPlan, target: &Target) -> Result<Written> {
        let frame = self.context.execute_logical_plan(plan).await?;
        let mut tasks = JoinSet::new();
        for stream in frame.execute_stream_partitioned().await? {
            tasks.spawn(write_stream(stream, target.clone()));
        }
        let mut written = Written::default();
        let mut failure = None;
        while let Some(ended) = tasks.join_next().await {
            match ended.map_err(LocalError::internal).flatten() {
                Ok(part) => {
                    written.rows += part.rows;
                    written.files.extend(part.files);
                }
                Err(error) if failure.is_none() => {
                    failure = Some(error);
                    tasks.abort_all();
                }
                Err(_) => {}
            }
        }
        match failure {
            None => Ok(written),
            Some(error) => {
                delete_files(target, &written.files).await;
                Err(error)
            }
        }
    }
}

async fn write_stream(mut stream: SendableRecordBatchStream, target: Target) -> Result<Written> {
    let mut writer = DeltaWriter::new(Arc::clone(&target.store), target.config.clone());
    let mut rows = 0;
    loop {
        let step = match stream.next().await {
            None => break,
            Some(Ok(batch)) => match conform(&batch, &target) {
                Ok(batch) => writer.write(&batch).await.map(|()| batch.num_rows()).map_err(LocalError::from),
                Err(error) => Err(error),
            },
            Some(Err(error)) => Err(error.into()),
        };
        match step {
            Ok(written) => rows += count(written),
            Err(error) => {
                if let Err(left) = writer.abort().await {
                    tracing::warn!(%left, "an unfinished data file could not be removed");
                }
                return Err(error);
            }
        }
    }
    Ok(Written { files: writer.close().await?, rows })
}

/// The batch in exactly the table's schema, with NOT NULL checked. An empty text in a partition column is NULL.
fn conform(batch: &RecordBatch, target: &Target) -> Result<RecordBatch> {
    let schema = &target.schema;
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (array, field) in batch.columns().iter().zip(schema.fields()) {
        let in_path = target.partitions.contains(field.name());
        let array = &if in_path { without_empty(array)? } else { Arc::clone(array) };
        if !field.is_nullable() && array.logical_null_count() > 0 {
            return Err(LocalError::not_null_violated(field.name()));
        }
        let same = array.data_type() == field.data_type();
        columns.push(if same {
            Arc::clone(array)
        } else {
            cast_with_options(array, field.data_type(), &options)?
        });
    }
    let schema = match &target.physical {
        None => Arc::clone(schema),
        Some(physical) => {
            for (column, field) in columns.iter_mut().zip(physical.fields()) {
                *column = mapping::relabelled(column, field.data_type())?;
            }
            Arc::clone(physical)
        }
    };
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// Files that no commit will name. What cannot be deleted is harmless: VACUUM finds it.
pub(super) async fn delete_files(target: &Target, files: &[Add]) {
    for file in files {
        let path = object_store::path::Path::from(file.path.as_str());
        if let Err(error) = target.store.delete(&path).await {
            tracing::warn!(%path, %error, "a data file of a failed write is left for VACUUM");
        }
    }
}
