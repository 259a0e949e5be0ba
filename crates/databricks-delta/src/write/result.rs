//! What a write did, for its caller and for the metrics.

use databricks_schema::TableName;
use metrics::counter;

use crate::error::Result;
use crate::stage::Staged;
use crate::write_id::WriteId;

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteResult {
    /// Rows that this run put into the table: all of the data's, or 0 when they had been there already (see
    /// [`already_applied`](Self::already_applied)).
    pub rows_affected: u64,
    /// Parts (files) that were staged.
    pub partitions_written: u64,
    /// Bytes of Parquet that were staged.
    pub bytes_staged: u64,
    /// The write's id, by which its staged files are named.
    pub write_id: WriteId,
    /// Whether a write of this idempotency key had been committed before, so that nothing was written now. That may
    /// have been this very run, when it lost the answer to its statement and had to send it again.
    pub already_applied: bool,
    /// The staging directory, when files in it could not be removed.
    pub staging_left: Option<String>,
}

impl WriteResult {
    pub(super) fn of(write_id: WriteId, staged: &Staged) -> Self {
        Self {
            rows_affected: staged.rows,
            partitions_written: staged.parts,
            bytes_staged: staged.bytes,
            write_id,
            already_applied: false,
            staging_left: None,
        }
    }

    pub(super) fn already(self) -> Self {
        Self { rows_affected: 0, already_applied: true, ..self }
    }
}

pub(super) fn measure(table: &TableName, operation: &'static str, result: &Result<WriteResult>) {
    let table = table.full_name();
    let labels = [("table", table), ("operation", operation.to_owned())];
    counter!("databricks_delta_operations_total", &labels).increment(1);
    match result {
        Ok(written) => {
            counter!("databricks_delta_rows_processed", &labels).increment(written.rows_affected);
            counter!("databricks_delta_bytes_processed").increment(written.bytes_staged);
            tracing::info!(rows = written.rows_affected, parts = written.partitions_written, "rows written");
        }
        Err(error) => tracing::error!(%error, "the write failed"),
    }
}
