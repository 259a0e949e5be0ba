//! Opens tables: as they are now, or as they were.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use deltalake::delta_datafusion::{DeltaScanConfig, DeltaScanNext};
use deltalake::{DeltaTable, DeltaTableBuilder};
use url::Url;

use super::kept_filters::KeptFilters;
use super::log;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::query::TableVersion;

impl Statement {
    /// The table as it is now.
    ///
    /// # Errors
    /// `[TABLE_OR_VIEW_NOT_FOUND]`.
    pub(super) async fn open(&self, path: &ObjectPath) -> Result<DeltaTable> {
        self.shared.metastore.state().table(path)?;
        Ok(builder(&self.shared.metastore.table_dir(path))?.load().await?)
    }

    /// The table as it was.
    ///
    /// # Errors
    /// Also `[DELTA_VERSION_NOT_FOUND]` and `[DELTA_TIMESTAMP_..]` for a version the table does not have.
    pub(super) async fn open_at(&self, path: &ObjectPath, at: &TableVersion) -> Result<DeltaTable> {
        let version = self.resolve_version(path, at).await?;
        Ok(builder(&self.shared.metastore.table_dir(path))?.with_version(version).load().await?)
    }

    /// The number of the version that `at` names, which is there.
    pub(super) async fn resolve_version(&self, path: &ObjectPath, at: &TableVersion) -> Result<u64> {
        self.shared.metastore.state().table(path)?;
        let dir = self.shared.metastore.table_dir(path);
        let at = at.clone();
        self.blocking(move |_| match at {
            TableVersion::Version(version) => check_version(&dir, version),
            TableVersion::Timestamp(instant) => version_at(&dir, instant),
        })
        .await
    }

    /// What queries read a table through. The table is the version it was opened at.
    pub(super) async fn provider(&self, table: &DeltaTable) -> Result<Arc<dyn TableProvider>> {
        let session = self.context.state();
        table.update_datafusion_session(&session)?;
        // Partition columns have the table's types, as every other column; delta-rs would make them dictionaries.
        let config = DeltaScanConfig::new_from_session(&session).with_wrap_partition_values(false);
        let scan = DeltaScanNext::new(table.snapshot()?.snapshot().clone(), config)?;
        Ok(Arc::new(KeptFilters(Arc::new(scan))))
    }
}

/// A builder for the table in this folder.
pub(crate) fn builder(dir: &Path) -> Result<DeltaTableBuilder> {
    let url = Url::from_directory_path(dir)
        .map_err(|()| LocalError::internal(format_args!("{} is no absolute path", dir.display())))?;
    Ok(DeltaTableBuilder::from_url(url)?)
}

fn check_version(dir: &Path, version: i64) -> Result<u64> {
    let versions = log::versions(dir)?;
    let (Some(first), Some(last)) = (versions.first(), versions.last()) else {
        return Err(LocalError::internal(format_args!("{} has no log", dir.display())));
    };
    match u64::try_from(version) {
        Ok(version) if (*first..=*last).contains(&version) => Ok(version),
        _ => Err(LocalError::new(
            "DELTA_VERSION_NOT_FOUND",
            "22003",
            format!(
                "Cannot time travel Delta table to version {version}. Available versions: [{first}, {last}]."
            ),
        )),
    }
}

/// The last version committed at or before the instant.
fn version_at(dir: &Path, instant: DateTime<Utc>) -> Result<u64> {
    let commits = log::commits(dir, None)?;
    let (Some(newest), Some(oldest)) = (commits.first(), commits.last()) else {
        return Err(LocalError::internal(format_args!("{} has no log", dir.display())));
    };
    let millis = instant.timestamp_millis();
    let text = |millis: i64| {
        DateTime::from_timestamp_millis(millis)
            .map_or_else(|| millis.to_string(), |t| t.format("%F %T%.3f").to_string())
    };
    if millis > newest.timestamp {
        let message = format!(
            "The provided timestamp ({}) is after the latest version available to this table ({}). Please use a timestamp before or at {}.",
            text(millis),
            text(newest.timestamp),
            text(newest.timestamp)
        );
        return Err(LocalError::new("DELTA_TIMESTAMP_GREATER_THAN_COMMIT", "42816", message));
    }
    match commits.iter().find(|commit| commit.timestamp <= millis) {
        Some(commit) => Ok(commit.version),
        None => Err(LocalError::new(
            "DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION",
            "42816",
            format!(
                "The provided timestamp ({}) is before the earliest version available to this table ({}). Please use a timestamp after {}.",
                text(millis),
                text(oldest.timestamp),
                text(oldest.timestamp)
            ),
        )),
    }
}
