//! Columns of the data that the table lacks, added before the rows that need them.

use databricks_schema::{ColumnSchema, TableSchema};

use super::run::Job;
use crate::commit;
use crate::error::Result;
use crate::lookup;
use crate::statement::ddl;

/// Adds columns to the table, in one commit, and to `schema`.
pub(super) async fn add(job: &Job<'_>, missing: Vec<ColumnSchema>, schema: &mut TableSchema) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let sql = ddl::add_columns(job.table, &missing);
    if let Err(error) = commit::retrying_conflicts(&job.remote.sql.statement(sql)).await {
        // Its answer was lost, or another write added them in the meantime.
        let now = lookup::table(job.remote, job.table).await?.schema;
        if missing.iter().any(|column| now.column(&column.name).is_none()) {
            return Err(error.into());
        }
        *schema = now;
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|column| column.name.as_str()).collect();
    tracing::warn!(table = %job.table, columns = names.join(", "), "columns added to the table");
    schema.columns.extend(missing);
    Ok(())
}
