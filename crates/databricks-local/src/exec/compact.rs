//! OPTIMIZE where delta-rs does not compact: tables with clustering columns or column mapping, and chosen partitions.
//!
//! Their rows are written again, ordered by the clustering columns, in one commit that changes none.

use datafusion::functions::core::expr_ext::FieldAccessor;
use datafusion::logical_expr::{LogicalPlanBuilder, ident};
use deltalake::DeltaTable;
use deltalake::operations::optimize::{MetricDetails, Metrics};
use deltalake::protocol::DeltaOperation;
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use super::alter::{all_rows, replaced};
use super::commit::{self, Draft};
use super::definition::{Definition, mapping};
use super::part::Part;
use super::rows::count;
use super::statement::Statement;
use super::write::{Target, Written, delete_files};
use crate::error::{LocalError, Result};
use crate::parse::Name;

/// Whether OPTIMIZE of such a table is done here.
pub(super) fn is_ours(definition: &Definition) -> bool {
    mapping::is_on(definition) || !definition.clustering().is_empty()
}

/// Refuses clauses that do not go with the table's clustering.
///
/// # Errors
/// Databricks' for WHERE and ZORDER BY with clustering columns, and for FULL without.
pub(super) fn check_clauses(
    definition: &Definition,
    full: bool,
    filtered: bool,
    zorder_by: &[Name],
) -> Result<()> {
    let clustered = !definition.clustering().is_empty();
    if full && !clustered {
        let message =
            "OPTIMIZE FULL is only supported for clustered tables with non-empty clustering columns.";
        return Err(LocalError::new("DELTA_OPTIMIZE_FULL_NOT_SUPPORTED", "42601", message));
    }
    if clustered && !zorder_by.is_empty() {
        let message = "OPTIMIZE command for Delta table with Liquid clustering cannot specify ZORDER BY. Please remove ZORDER BY.";
        return Err(LocalError::new("DELTA_CLUSTERING_WITH_ZORDER_BY", "42613", message));
    }
    if clustered && filtered {
        let message = "OPTIMIZE command for Delta table with Liquid clustering doesn't support partition predicates. Please remove the predicates.";
        return Err(LocalError::new("DELTA_CLUSTERING_WITH_PARTITION_PREDICATE", "0A000", message));
    }
    Ok(())
}

impl Statement {
    /// Writes the rows of a part of the table again where that makes fewer files of them, or always when `full`.
    pub(super) async fn compact(
        &self,
        table: DeltaTable,
        definition: &Definition,
        full: bool,
        part: Part,
        guard: OwnedMutexGuard<()>,
    ) -> Result<Metrics> {
        let target = Target::of(&table)?;
        // Without two files of one partition there is nothing to put together.
        if part.files.is_empty() || (!full && part.files.len() == part.partitions) {
            return Ok(Metrics {
                total_considered_files: part.considered,
                total_files_skipped: part.considered,
                ..Metrics::default()
            });
        }
        let mut plan = LogicalPlanBuilder::from(all_rows(self.provider(&table).await?, definition)?);
        if let Some(rows) = part.rows {
            plan = plan.filter(rows)?;
        }
        let order = definition.clustering().into_iter().filter_map(|path| {
            let (first, rest) = path.split_first()?;
            let column = rest.iter().fold(ident(first), |column, field| column.field(field.as_str()));
            Some(column.sort(true, true))
        });
        let order: Vec<_> = order.collect();
        if !order.is_empty() {
            plan = plan.sort(order)?;
        }
        let written = self.write(plan.build()?, &target).await?;
        let old = details(&part.files.iter().filter_map(|file| file.size).collect::<Vec<_>>());
        let metrics = metrics(&old, part.partitions, part.considered, &written);
        let draft = Draft {
            name: "OPTIMIZE",
            parameters: vec![
                ("predicate", Value::from(Value::from_iter(part.predicate).to_string())),
                ("zOrderBy", Value::from("[]")),
                ("clusterBy", Value::from(clustered(definition))),
                ("auto", Value::from("false")),
            ],
            operation: DeltaOperation::Optimize { predicate: None, target_size: 0 },
            metrics: vec![
                ("numAddedFiles", metrics.num_files_added),
                ("numAddedBytes", written.bytes()),
                ("numRemovedFiles", metrics.num_files_removed),
                ("numRemovedBytes", u64::try_from(old.total_size).unwrap_or(0)),
            ],
            actions: replaced(part.files, &written),
            blind_append: false,
            user: self.user.clone(),
        };
        let outcome = commit::commit(table, draft, guard).await;
        if outcome.is_err() {
            delete_files(&target, &written.files).await;
        }
        outcome.map(|()| metrics)
    }
}

fn clustered(definition: &Definition) -> String {
    Value::from(definition.clustering().iter().map(|path| path.join(".")).collect::<Vec<_>>()).to_string()
}

fn details(sizes: &[i64]) -> MetricDetails {
    let total: i64 = sizes.iter().sum();
    let files = i64::try_from(sizes.len()).unwrap_or(i64::MAX);
    MetricDetails {
        min: sizes.iter().copied().min().unwrap_or(0),
        max: sizes.iter().copied().max().unwrap_or(0),
        avg: if files == 0 { 0.0 } else { average(total, files) },
        total_files: sizes.len(),
        total_size: total,
    }
}

#[allow(clippy::cast_precision_loss, reason = "a mean of file sizes is shown, not computed with")]
fn average(total: i64, files: i64) -> f64 {
    total as f64 / files as f64
}

fn metrics(old: &MetricDetails, partitions: usize, considered: usize, written: &Written) -> Metrics {
    let sizes: Vec<i64> = written.files.iter().map(|file| file.size).collect();
    Metrics {
        num_files_added: count(sizes.len()),
        num_files_removed: count(old.total_files),
        files_added: details(&sizes),
        files_removed: old.clone(),
        partitions_optimized: count(partitions),
        num_batches: 1,
        total_considered_files: considered,
        total_files_skipped: considered.saturating_sub(old.total_files),
        ..Metrics::default()
    }
}
