//! The line at the end.

use std::time::Duration;

use databricks_delta::{DeltaError, DryRunResult, MergeResult, WriteResult};
use serde::Serialize;

use super::failure::Failure;

/// What was done, whatever the end.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) table: String,
    /// What was done with the rows that were there.
    pub(crate) mode: &'static str,
    pub(crate) dry_run: bool,
    /// Rows that this run put into the table; those that a dry run would put there. 0 when they were there already.
    pub(crate) rows: u64,
    /// Rows read from the files.
    pub(crate) rows_read: u64,
    pub(crate) files: usize,
    /// Bytes of the files that were read, as they lie on disk.
    pub(crate) bytes_read: u64,
    /// Bytes of staged Parquet; an estimate in a dry run.
    pub(crate) bytes_uploaded: u64,
    pub(crate) parts: u64,
    pub(crate) seconds: f64,
    pub(crate) rows_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) write_id: Option<String>,
    pub(crate) already_applied: bool,
    /// Whether the table was not there before.
    pub(crate) table_is_new: bool,
    /// The columns of the files.
    pub(crate) columns: String,
    /// Those of them that the table lacked.
    pub(crate) new_columns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows_updated: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows_inserted: Option<u64>,
    /// The table's partitions that the rows of a dry run go to; 0 when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) partitions: Option<usize>,
    /// What a dry run would send, but for merges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) statements: Vec<String>,
    /// What a dry run found that could be better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// The staging directory, where files in it could not be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) staging_left: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Explained>,
}

/// A failure in the report.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    message: String,
    /// Whether the rows may be in the table all the same.
    outcome_unknown: bool,
}

impl Report {
    pub(crate) fn written(&mut self, written: WriteResult) {
        self.rows = written.rows_affected;
        self.parts = written.partitions_written;
        self.bytes_uploaded = written.bytes_staged;
        self.write_id = Some(written.write_id.to_string());
        self.already_applied = written.already_applied;
        self.staging_left = written.staging_left;
    }

    /// A dry run's end. The statement of a merge is another than that which was looked at.
    pub(crate) fn planned(&mut self, planned: DryRunResult, is_merge: bool) {
        self.rows = if planned.already_applied { 0 } else { planned.rows };
        self.parts = planned.parts;
        self.bytes_uploaded = planned.estimated_size_bytes;
        self.already_applied = planned.already_applied;
        self.partitions = Some(planned.estimated_partitions);
        self.statements = if is_merge { Vec::new() } else { planned.statements };
        self.warnings = planned.warnings;
    }

    pub(crate) fn merged(&mut self, merged: MergeResult) {
        self.rows = merged.num_affected_rows;
        self.rows_updated = Some(merged.num_updated_rows);
        self.rows_inserted = Some(merged.num_inserted_rows);
        self.already_applied = merged.already_applied;
        self.staging_left = merged.staging_left;
    }

    pub(crate) fn took(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
        self.rows_per_second = self.rows_read as f64 / self.seconds.max(1e-9);
    }

    pub(crate) fn failed(&mut self, failure: &Failure) {
        let outcome_unknown = matches!(failure, Failure::Delta(error) if error.is_ambiguous());
        if let Failure::Delta(error) = failure
            && let DeltaError::OutcomeUnknown { write_id, .. } = &**error
        {
            self.write_id = Some(write_id.to_string());
        }
        self.error = Some(Explained { message: failure.to_string(), outcome_unknown });
    }
}
