//! `table_changes`: the rows that versions of a table added, changed and removed.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::logical_expr::{Cast, Expr, LogicalPlanBuilder, UNNAMED_TABLE, ident};
use deltalake::DeltaTable;
use deltalake::delta_datafusion::DeltaCdfTableProvider;

use super::definition::{Definition, mapping};
use super::log;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::query::TableVersion;

impl Statement {
    /// The changes from one version to another, both included; without an end, to the current one.
    ///
    /// # Errors
    /// `[DELTA_MISSING_CHANGE_DATA]` for a version without a feed, `[DELTA_INVALID_CDC_RANGE]` for an end before the
    /// start, and those of versions that are not there.
    pub(super) async fn change_feed(
        &self,
        name: &[String],
        from: TableVersion,
        to: Option<TableVersion>,
    ) -> Result<Arc<dyn TableProvider>> {
        let path = self.object(name)?;
        let first = self.first_version(&path, &from).await?;
        let table = self.open(&path).await?;
        let current = table.version().unwrap_or(0);
        let last = match &to {
            None => current,
            Some(to) => self.resolve_version(&path, to).await?,
        };
        if last < first {
            let message = format!(
                "CDC range from start {first} to end {last} was invalid. End cannot be before start."
            );
            return Err(LocalError::new("DELTA_INVALID_CDC_RANGE", "22003", message));
        }
        for version in [first, last] {
            let definition = Definition::of(&self.open_at(&path, &at(version)).await?)?;
            if !definition.is_on("delta.enableChangeDataFeed") {
                let message = format!(
                    "Error getting change data for range [{first} , {last}] as change data was not recorded for version [{version}]. If you've enabled change data feed on this table, use DESCRIBE HISTORY to see when it was first enabled. Otherwise, to start recording change data, use ALTER TABLE {} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true').",
                    path.full_name()
                );
                return Err(LocalError::new("DELTA_MISSING_CHANGE_DATA", "KD002", message));
            }
            if mapping::is_on(&definition) {
                return Err(LocalError::unsupported_feature("table_changes of a table with column mapping"));
            }
        }
        self.same_columns(&path, first, last).await?;
        let builder = table.clone().scan_cdf().with_starting_version(first).with_ending_version(last);
        as_databricks(&table, Arc::new(DeltaCdfTableProvider::try_new(builder)?))
    }

    /// The feed reads all files as the current version has them: one that changed its types in between is refused.
    async fn same_columns(&self, path: &crate::metastore::ObjectPath, first: u64, last: u64) -> Result<()> {
        let now = Definition::of(&self.open(path).await?)?;
        for version in first..=last {
            let then = Definition::of(&self.open_at(path, &at(version)).await?)?;
            let same = then.fields.iter().all(|old| {
                now.fields.iter().any(|new| new.name == old.name && new.data_type == old.data_type)
            });
            if !same {
                return Err(LocalError::unsupported_feature(format_args!(
                    "table_changes over version {version}, whose columns are not those of now"
                )));
            }
        }
        Ok(())
    }

    /// The version a feed starts at: the one named, or the first at or after an instant.
    async fn first_version(&self, path: &crate::metastore::ObjectPath, from: &TableVersion) -> Result<u64> {
        let TableVersion::Timestamp(instant) = from else { return self.resolve_version(path, from).await };
        self.shared.metastore.state().table(path)?;
        let (dir, millis) = (self.shared.metastore.table_dir(path), instant.timestamp_millis());
        let commits = self.blocking(move |_| log::commits(&dir, None)).await?;
        let found = commits.iter().rev().find(|commit| commit.timestamp >= millis);
        found.map(|commit| commit.version).ok_or_else(|| {
            let message = "The provided timestamp is after the latest version available to this table.";
            LocalError::new("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", "42816", message)
        })
    }
}

/// The table's columns in their order and types, and the feed's own after them.
fn as_databricks(table: &DeltaTable, feed: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let own = [
        ("_change_type", DataType::Utf8),
        ("_commit_version", DataType::Int64),
        ("_commit_timestamp", instant),
    ];
    let columns = table.snapshot()?.snapshot().arrow_schema();
    let columns = columns.fields().iter().map(|field| (field.name().as_str(), field.data_type().clone()));
    let found = feed.schema();
    let mut values = Vec::new();
    for (name, data_type) in columns.chain(own) {
        let given = found.field_with_name(name)?.data_type();
        let value = match *given == data_type {
            true => ident(name),
            false => Expr::Cast(Cast::new(Box::new(ident(name)), data_type)),
        };
        values.push(value.alias(name));
    }
    let scan = LogicalPlanBuilder::scan(UNNAMED_TABLE, provider_as_source(feed), None)?;
    Ok(Arc::new(ViewTable::new(scan.project(values)?.build()?, None)))
}

fn at(version: u64) -> TableVersion {
    TableVersion::Version(i64::try_from(version).unwrap_or(i64::MAX))
}
