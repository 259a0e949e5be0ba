//! The metrics of an operation on a table.

use databricks_schema::TableName;
use metrics::counter;

/// Counts an operation that is done, and the rows it changed.
pub(crate) fn count(table: &TableName, operation: &'static str, rows: u64) {
    let labels = [("table", table.full_name()), ("operation", operation.to_owned())];
    counter!("databricks_delta_operations_total", &labels).increment(1);
    if rows > 0 {
        counter!("databricks_delta_rows_processed", &labels).increment(rows);
    }
}
