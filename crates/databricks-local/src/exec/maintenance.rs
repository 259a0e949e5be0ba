//! OPTIMIZE and VACUUM.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, StructArray};
use arrow::datatypes::{Field, FieldRef};
use chrono::Duration;
use databricks_testkit::EngineResult;
use deltalake::DeltaTable;
use deltalake::operations::optimize::{MetricDetails, Metrics, OptimizeBuilder, OptimizeType};
use deltalake::operations::vacuum;
use deltalake::table::config::TablePropertiesExt;
use sqlparser::ast;

use super::commit;
use super::compact;
use super::definition::Definition;
use super::part::Part;
use super::projection;
use super::rows::{Rows, clamp, count};
use super::statement::Statement;
use super::write::writer_properties;
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::parse::{Name, VacuumMode};

/// Bins rewritten at the same time; each holds a row group or, for Z-order, a partition's rows.
const REWRITES_AT_ONCE: usize = 2;

/// Files that VACUUM .. DRY RUN lists, as on Databricks.
const DRY_RUN_FILES: usize = 1_000;

impl Statement {
    pub(super) async fn optimize(
        &self,
        name: &Name,
        full: bool,
        predicate: Option<&ast::Expr>,
        zorder_by: &[Name],
    ) -> Result<EngineResult> {
        let path = self.object(name)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let definition = Definition::of(&table)?;
        compact::check_clauses(&definition, full, predicate.is_some(), zorder_by)?;
        let part = match predicate {
            Some(_) if !zorder_by.is_empty() => {
                return Err(LocalError::unsupported_feature("OPTIMIZE .. WHERE .. ZORDER BY"));
            }
            Some(predicate) => Some(self.part(name, predicate, &table, &definition).await?),
            None if compact::is_ours(&definition) && zorder_by.is_empty() => {
                Some(Part::whole(&table, &definition)?)
            }
            None => None,
        };
        if let Some(part) = part {
            let metrics = self.compact(table, &definition, full, part, guard).await?;
            return self.optimized(&path, &metrics, false).await;
        }
        let columns = zorder_columns(&table, zorder_by)?;
        let ordered = !columns.is_empty();
        let kind = if ordered { OptimizeType::ZOrder(columns) } else { OptimizeType::Compact };
        let properties = writer_properties(&table)?;
        let builder: OptimizeBuilder<'static> = table.optimize();
        let builder = builder
            .with_type(kind)
            .with_session_state(self.state())
            .with_writer_properties(properties)
            .with_max_concurrent_tasks(REWRITES_AT_ONCE)
            .with_commit_properties(commit::properties_of(&self.user));
        let metrics = commit::run(builder, guard).await?;
        self.optimized(&path, &metrics, ordered).await
    }

    async fn optimized(&self, path: &ObjectPath, metrics: &Metrics, ordered: bool) -> Result<EngineResult> {
        let location = self.shared.metastore.table_dir(path).display().to_string();
        let metrics = optimize_metrics(metrics, ordered)?;
        Rows::new().text("path", [Some(location)]).array("metrics", metrics).finish(self).await
    }

    pub(super) async fn vacuum(
        &self,
        name: &Name,
        mode: Option<VacuumMode>,
        retain_hours: Option<f64>,
        dry_run: bool,
    ) -> Result<EngineResult> {
        let path = self.object(name)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let retention = retention(&table, retain_hours)?;
        let mode = match mode {
            Some(VacuumMode::Lite) => vacuum::VacuumMode::Lite,
            Some(VacuumMode::Full) | None => vacuum::VacuumMode::Full,
        };
        let builder = table
            .vacuum()
            .with_mode(mode)
            .with_dry_run(dry_run)
            .with_retention_period(retention)
            .with_commit_properties(commit::properties_of(&self.user));
        let metrics = commit::in_task(async move {
            let _only_writer = guard;
            let (after, metrics) = builder.await?;
            if !metrics.dry_run {
                commit::checkpoint(&after, after.version().unwrap_or(0)).await;
            }
            Ok(metrics)
        })
        .await?;
        let dir = self.shared.metastore.table_dir(&path);
        let paths: Vec<String> = if dry_run {
            metrics
                .files_deleted
                .iter()
                .take(DRY_RUN_FILES)
                .map(|file| dir.join(file).display().to_string())
                .collect()
        } else {
            vec![dir.display().to_string()]
        };
        Rows::new().text("path", paths.iter().map(Some)).finish(self).await
    }
}

/// How old a file must be to go.
///
/// # Errors
/// `[DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT]` below what the table keeps for time travel.
fn retention(table: &DeltaTable, hours: Option<f64>) -> Result<Duration> {
    let kept = table.snapshot()?.table_config().deleted_file_retention_duration();
    let kept = Duration::from_std(kept).map_err(LocalError::internal)?;
    let Some(hours) = hours else { return Ok(kept) };
    let asked =
        std::time::Duration::try_from_secs_f64(hours * 3_600.0).ok().and_then(|d| Duration::from_std(d).ok());
    let asked = asked.ok_or_else(|| {
        LocalError::new(
            "INVALID_PARAMETER_VALUE",
            "22023",
            format!("{hours} HOURS is no retention. Give hours from 0 on."),
        )
    })?;
    if asked < kept {
        let message = format!(
            "Are you sure you would like to vacuum files with such a low retention period? The table keeps {} hours of deleted files, {hours} were asked for. Set the table property 'delta.deletedFileRetentionDuration' to keep less.",
            kept.num_hours()
        );
        return Err(LocalError::new("DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT", "22003", message));
    }
    Ok(asked)
}

/// The columns to order by, spelled as the table spells them.
fn zorder_columns(table: &DeltaTable, names: &[Name]) -> Result<Vec<String>> {
    let snapshot = table.snapshot()?.snapshot();
    let (schema, partitions) = (snapshot.arrow_schema(), snapshot.metadata().partition_columns().to_vec());
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let [name] = name.as_slice() else {
            return Err(LocalError::unsupported_feature(format_args!(
                "ZORDER BY the nested field {}",
                name.join(".")
            )));
        };
        let column = schema.field(projection::position(&schema, name)?).name().clone();
        if partitions.contains(&column) {
            let message =
                format!("{column} is a partition column. Z-Ordering can only be performed on data columns.");
            return Err(LocalError::new("DELTA_ZORDERING_ON_PARTITION_COLUMN", "42P10", message));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// Fields of a struct column of one row.
type Fields = Vec<(&'static str, ArrayRef)>;

fn optimize_metrics(metrics: &Metrics, ordered: bool) -> Result<ArrayRef> {
    let number = |value: u64| -> ArrayRef { Arc::new(Int64Array::from(vec![clamp(value)])) };
    let pair = |files: usize, bytes: i64| {
        structure(
            vec![
                ("num", number(count(files))),
                ("size", Arc::new(Int64Array::from(vec![bytes])) as ArrayRef),
            ],
            true,
        )
    };
    let removed = &metrics.files_removed;
    let zorder = structure(
        vec![
            ("strategyName", Arc::new(StringArray::from(vec!["all"])) as ArrayRef),
            ("inputCubeFiles", pair(0, 0)?),
            ("inputOtherFiles", pair(removed.total_files, removed.total_size)?),
            ("inputNumCubes", number(0)),
            ("mergedFiles", pair(removed.total_files, removed.total_size)?),
            ("numOutputCubes", number(metrics.partitions_optimized)),
        ],
        ordered,
    )?;
    structure(
        vec![
            ("numFilesAdded", number(metrics.num_files_added)),
            ("numFilesRemoved", number(metrics.num_files_removed)),
            ("filesAdded", file_sizes(&metrics.files_added)?),
            ("filesRemoved", file_sizes(&metrics.files_removed)?),
            ("partitionsOptimized", number(metrics.partitions_optimized)),
            ("zOrderStats", zorder),
            ("numBatches", number(metrics.num_batches)),
            ("totalConsideredFiles", number(count(metrics.total_considered_files))),
            ("totalFilesSkipped", number(count(metrics.total_files_skipped))),
        ],
        true,
    )
}

/// Sizes in bytes; without files there is no smallest and no largest.
fn file_sizes(details: &MetricDetails) -> Result<ArrayRef> {
    let any = details.total_files > 0;
    let some = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![any.then_some(value)])) };
    structure(
        vec![
            ("min", some(details.min)),
            ("max", some(details.max)),
            ("avg", Arc::new(Float64Array::from(vec![if any { details.avg } else { 0.0 }])) as ArrayRef),
            ("totalFiles", Arc::new(Int64Array::from(vec![clamp(count(details.total_files))])) as ArrayRef),
            ("totalSize", Arc::new(Int64Array::from(vec![details.total_size])) as ArrayRef),
        ],
        true,
    )
}

/// One row of a struct, or NULL.
fn structure(fields: Fields, valid: bool) -> Result<ArrayRef> {
    let (fields, arrays): (Vec<FieldRef>, Vec<ArrayRef>) = fields
        .into_iter()
        .map(|(name, array)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array))
        .unzip();
    Ok(Arc::new(StructArray::try_new(fields.into(), arrays, Some(vec![valid].into()))?))
}
