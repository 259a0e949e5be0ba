//! Looking after a table: OPTIMIZE, VACUUM and RESTORE.

use chrono::{DateTime, Utc};
use databricks_sql::StatementResult;
use metrics::counter;

use crate::cells::{self, Row};
use crate::client::DeltaClient;
use crate::commit;
use crate::error::{DeltaError, Result};
use crate::names::Target;
use crate::operation;
use crate::statement::maintenance;
use crate::statement::read::AsOf;

/// An OPTIMIZE being prepared.
#[must_use = "an OPTIMIZE is run by `send`"]
#[derive(Debug, Clone)]
pub struct Optimize {
    client: DeltaClient,
    table: Target,
    full: bool,
    filter: Option<String>,
    zorder: Vec<String>,
}

/// What an OPTIMIZE did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptimizeResult {
    /// Where the table lies.
    pub path: Option<String>,
    /// Its counts.
    pub metrics: OptimizeMetrics,
}

/// The counts of an OPTIMIZE; 0 where the server does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OptimizeMetrics {
    /// Files written.
    pub num_files_added: u64,
    /// Files replaced.
    pub num_files_removed: u64,
    /// Bytes written.
    pub bytes_added: u64,
    /// Bytes replaced.
    pub bytes_removed: u64,
    /// Partitions with anything to do.
    pub partitions_optimized: u64,
}

impl Optimize {
    pub(crate) fn new(client: DeltaClient, table: Target) -> Self {
        Self { client, table, full: false, filter: None, zorder: Vec::new() }
    }

    /// Optimizes the partitions for which `condition` holds: SQL of the caller's own, on partition columns only.
    pub fn where_(mut self, condition: impl Into<String>) -> Self {
        self.filter = Some(condition.into());
        self
    }

    /// Clusters all rows of a table with liquid clustering anew, those that are clustered already among them.
    pub fn full(mut self) -> Self {
        self.full = true;
        self
    }

    /// Sorts rows with near values of these columns into the same files.
    pub fn zorder_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.zorder = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The statement that [`send`](Self::send) runs.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`], or [`DeltaError::InvalidOption`] for an empty condition or column.
    pub fn build_sql(&self) -> Result<String> {
        let empty = |option| DeltaError::InvalidOption {
            option,
            value: "''".to_owned(),
            reason: "it is empty: leave it out".to_owned(),
        };
        if self.filter.as_deref().is_some_and(|filter| filter.trim().is_empty()) {
            return Err(empty("where_"));
        }
        if self.zorder.iter().any(String::is_empty) {
            return Err(empty("zorder_by"));
        }
        if self.full && (self.filter.is_some() || !self.zorder.is_empty()) {
            return Err(DeltaError::InvalidOption {
                option: "full",
                value: "true".to_owned(),
                reason:
                    "it is for tables with liquid clustering, which take neither `where_` nor `zorder_by`"
                        .to_owned(),
            });
        }
        Ok(maintenance::optimize(self.table.get()?, self.full, self.filter.as_deref(), &self.zorder))
    }

    /// Runs the OPTIMIZE. It changes no rows, and may be run at any time.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails.
    pub async fn send(self) -> Result<OptimizeResult> {
        let sql = self.build_sql()?;
        // A second run finds nothing left to do.
        let result =
            commit::retrying_conflicts(&self.client.remote()?.sql.statement(sql).idempotent()).await?;
        count(&self.table, "optimize");
        let row = first_row(&result)?;
        let metrics = OptimizeMetrics::of(&row.nested("metrics"));
        counter!("databricks_delta_bytes_processed").increment(metrics.bytes_added);
        Ok(OptimizeResult { path: row.text("path"), metrics })
    }
}

impl OptimizeMetrics {
    fn of(metrics: &Row) -> Self {
        Self {
            num_files_added: metrics.count("numFilesAdded"),
            num_files_removed: metrics.count("numFilesRemoved"),
            bytes_added: metrics.nested("filesAdded").count("totalSize"),
            bytes_removed: metrics.nested("filesRemoved").count("totalSize"),
            partitions_optimized: metrics.count("partitionsOptimized"),
        }
    }
}

/// A VACUUM being prepared.
#[must_use = "a VACUUM is run by `send`"]
#[derive(Debug, Clone)]
pub struct Vacuum {
    client: DeltaClient,
    table: Target,
    lite: bool,
    retain_hours: Option<u64>,
    dry_run: bool,
}

/// What a VACUUM did, or in a dry run would do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VacuumResult {
    /// The table's location; in a dry run the files that would be removed (the server lists at most 1,000).
    pub paths: Vec<String>,
}

impl Vacuum {
    pub(crate) fn new(client: DeltaClient, table: Target) -> Self {
        Self { client, table, lite: false, retain_hours: None, dry_run: false }
    }

    /// Keeps files that a version of the last `hours` needs: the table's own retention (7 days) unless set. Less than
    /// the table's retention is refused by the server: a reader or writer could still need those files.
    pub fn retain_hours(mut self, hours: u64) -> Self {
        self.retain_hours = Some(hours);
        self
    }

    /// Finds the files by the table's log instead of a listing of its directory: faster, and it leaves files that no
    /// version ever named.
    pub fn lite(mut self) -> Self {
        self.lite = true;
        self
    }

    /// Removes nothing, and lists what would be removed.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// The statement that [`send`](Self::send) runs.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`].
    pub fn build_sql(&self) -> Result<String> {
        Ok(maintenance::vacuum(self.table.get()?, self.lite, self.retain_hours, self.dry_run))
    }

    /// Runs the VACUUM.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails.
    pub async fn send(self) -> Result<VacuumResult> {
        let sql = self.build_sql()?;
        // What the first run removed, a second does not find.
        let result =
            commit::retrying_conflicts(&self.client.remote()?.sql.statement(sql).idempotent()).await?;
        count(&self.table, "vacuum");
        let rows = cells::rows(&result.batches)?;
        Ok(VacuumResult { paths: rows.iter().filter_map(|row| row.text("path")).collect() })
    }
}

/// A RESTORE being prepared: say the version or the time.
#[must_use = "a RESTORE is run by `send`"]
#[derive(Debug, Clone)]
pub struct Restore {
    client: DeltaClient,
    table: Target,
    to: Option<AsOf>,
}

/// What a RESTORE did; 0 where the server does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreResult {
    /// Bytes of the table now.
    pub table_size_after_restore: u64,
    /// Files of the table now.
    pub num_of_files_after_restore: u64,
    /// Files taken out of the table.
    pub num_removed_files: u64,
    /// Files put back into the table.
    pub num_restored_files: u64,
    /// Bytes taken out of the table.
    pub removed_files_size: u64,
    /// Bytes put back into the table.
    pub restored_files_size: u64,
}

impl Restore {
    pub(crate) fn new(client: DeltaClient, table: Target) -> Self {
        Self { client, table, to: None }
    }

    /// Restores the table as it was at `version`.
    pub fn version(mut self, version: i64) -> Self {
        self.to = Some(AsOf::Version(version));
        self
    }

    /// Restores the table as it was at `time`.
    pub fn timestamp(mut self, time: DateTime<Utc>) -> Self {
        self.to = Some(AsOf::Timestamp(time));
        self
    }

    /// The statement that [`send`](Self::send) runs.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`], or [`DeltaError::InvalidOption`] when neither version nor time was given.
    pub fn build_sql(&self) -> Result<String> {
        let table = self.table.get()?;
        let to = self.to.ok_or_else(|| DeltaError::InvalidOption {
            option: "restore",
            value: "nothing".to_owned(),
            reason: "say what to restore by `version` or `timestamp`".to_owned(),
        })?;
        to.check()?;
        Ok(maintenance::restore(table, to))
    }

    /// Runs the RESTORE: a new commit with the files of the old version.
    ///
    /// It is sent once, after a conflict with another commit too: a second sending could undo what others commit in
    /// between. When its answer is lost the error [is ambiguous](DeltaError::is_ambiguous); the table's history tells.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails.
    pub async fn send(self) -> Result<RestoreResult> {
        let sql = self.build_sql()?;
        let client = &self.client.remote()?.sql;
        let result = commit::known_once(client, client.statement(sql)).await?;
        count(&self.table, "restore");
        let row = first_row(&result)?;
        Ok(RestoreResult {
            table_size_after_restore: row.count("table_size_after_restore"),
            num_of_files_after_restore: row.count("num_of_files_after_restore"),
            num_removed_files: row.count("num_removed_files"),
            num_restored_files: row.count("num_restored_files"),
            removed_files_size: row.count("removed_files_size"),
            restored_files_size: row.count("restored_files_size"),
        })
    }
}

fn first_row(result: &StatementResult) -> Result<Row> {
    Ok(cells::rows(&result.batches)?.into_iter().next().unwrap_or_default())
}

fn count(table: &Target, operation: &'static str) {
    if let Ok(table) = table.get() {
        operation::count(table, operation, 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let client = DeltaClient::mock();
        assert!(matches!(client.restore("t").build_sql(), Err(DeltaError::InvalidOption { .. })));
        assert!(client.restore("t").version(-1).build_sql().is_err());
        assert!(client.optimize("t").where_("").build_sql().is_err());
        assert!(client.optimize("t").zorder_by([""]).build_sql().is_err());
        assert!(client.optimize("t").full().zorder_by(["a"]).build_sql().is_err());
        assert!(client.optimize("t").full().build_sql().is_ok());
        assert!(client.optimize("a.b.c.d").build_sql().is_err());
        assert!(client.vacuum("t").retain_hours(0).dry_run().build_sql().is_ok());
    }
}
