//! Creating a table with its first rows: one CREATE TABLE AS SELECT, so that no empty table is left by a failure.

use std::future::ready;

use databricks_sql::SqlError;

use super::WriteMode;
use super::load::Load;
use super::run::{Committed, Job};
use crate::commit::{self, Outcome};
use crate::error::{DeltaError, Result};
use crate::lookup::{self, Found};
use crate::statement::insert;
use crate::write_id::WriteId;

/// The table property that names the write which created the table.
const WRITE_ID: &str = "databricks_delta.write_id";

/// Whether a write of this id created the table.
pub(crate) fn made_by(found: &Found, write_id: WriteId) -> bool {
    found.properties.get(WRITE_ID).is_some_and(|id| *id == write_id.to_string())
}

pub(super) fn sql(job: &Job<'_>, load: &Load<'_>) -> String {
    let property = (WRITE_ID, job.write_id.to_string());
    insert::create(job.table, &job.options.partitioned_by, &property, &load.rows())
}

pub(super) async fn commit(job: &Job<'_>, load: &Load<'_>) -> Result<Committed> {
    // Where another creates the table first, these files are appended: then their names say whether they were before.
    load.settle(job).await?;
    // Sent twice it creates one table: the second sending meets the first one's.
    let statement = job.statement(sql(job, load));
    let (error, is_settled) = match commit::repeatedly(&statement, ready(())).await {
        Outcome::Applied { .. } => return Ok(Committed::Now),
        Outcome::Failed(error) => (error, true),
        Outcome::Unknown(error) => (error, false),
    };
    match lookup::find(job.remote, job.table).await {
        Ok(Some(found)) if made_by(&found, job.write_id) => Ok(Committed::Now),
        Ok(Some(found)) if is_there_already(&error) => match job.options.mode {
            WriteMode::Append => super::append::commit(job, load, &found.schema).await,
            // A replacement that only added its rows would leave those that the table has by now.
            _ => Err(DeltaError::TableExists { table: job.table.full_name() }),
        },
        _ if is_settled => Err(error.into()),
        _ => Err(job.unknown(error)),
    }
}

fn is_there_already(error: &SqlError) -> bool {
    error.error_class().is_some_and(|class| class.contains("ALREADY_EXISTS"))
        || error.sql_state() == Some("42P07")
}
