//! The table's columns, made to take the data before the rows are sent.

use databricks_schema::{EvolutionOptions, SchemaManager, TableSchema};

use super::run::Job;
use crate::client::Remote;
use crate::error::Result;
use crate::input::Input;
use crate::lookup::{self, Found};

/// What a write may change about a table: it adds columns, and widens types where the table allows it. Another program
/// may have got further.
pub(super) fn options() -> EvolutionOptions {
    EvolutionOptions::default().with_comments(false).with_accept_newer(true)
}

pub(super) fn manager(remote: &Remote) -> SchemaManager {
    SchemaManager::new(remote.sql.clone()).with_catalog(remote.catalog.clone()).with_options(options())
}

/// The schema that takes the data as it is.
pub(super) fn wanted(input: &Input<'_>, found: &Found) -> Result<TableSchema> {
    input.wanted(&found.schema, found.allows_widening())
}

/// Brings the table to what the data needs, and `found` to what the table is then.
pub(super) async fn evolve(job: &Job<'_>, wanted: TableSchema, found: &mut Found) -> Result<()> {
    if wanted == found.schema {
        return Ok(());
    }
    manager(job.remote).evolve_safely(job.table, &wanted).await?;
    *found = lookup::table(job.remote, job.table).await?;
    Ok(())
}
