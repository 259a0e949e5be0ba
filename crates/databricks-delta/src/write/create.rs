//! Creating a table with its first rows: one CREATE TABLE AS SELECT, so that no empty table is left by a failure.

use std::future::ready;

use databricks_sql::SqlError;

use super::WriteMode;
use super::run::{Committed, Job};
use crate::commit::{self, Outcome};
use crate::error::{DeltaError, Result};
use crate::lookup::{self, Found};
use crate::stage::{Stage, Staged};
use crate::statement::cast::CastColumn;
use crate::statement::insert::{self, Rows};
use crate::write_id::WriteId;

/// The table property that names the write which created the table.
const WRITE_ID: &str = "databricks_delta.write_id";

/// Whether a write of this id created the table.
pub(crate) fn made_by(found: &Found, write_id: WriteId) -> bool {
    found.properties.get(WRITE_ID).is_some_and(|id| *id == write_id.to_string())
}

pub(super) async fn commit(
    job: &Job<'_>,
    stage: &Stage<'_>,
    staged: &Staged,
    casts: &[CastColumn],
) -> Result<Committed> {
    // Where another creates the table first, these files are appended: then their names say whether they were before.
    if job.key().is_some() {
        stage.settle(staged).await?;
    }
    let rows = Rows { directory: stage.directory(), count: staged.rows, casts };
    let property = (WRITE_ID, job.write_id.to_string());
    let sql = insert::create(job.table, &job.options.partitioned_by, &property, &rows);
    // Sent twice it creates one table: the second sending meets the first one's.
    let statement = job.statement(sql);
    let (error, is_settled) = match commit::repeatedly(&statement, ready(())).await {
        Outcome::Applied { .. } => return Ok(Committed::Now),
        Outcome::Failed(error) => (error, true),
        Outcome::Unknown(error) => (error, false),
    };
    match lookup::find(job.remote, job.table).await {
        Ok(Some(found)) if made_by(&found, job.write_id) => Ok(Committed::Now),
        Ok(Some(_)) if is_there_already(&error) => match job.options.mode {
            WriteMode::ErrorIfExists => Err(DeltaError::TableExists { table: job.table.full_name() }),
            _ => super::append::commit(job, stage, staged, casts).await,
        },
        _ if is_settled => Err(error.into()),
        _ => Err(job.unknown(error)),
    }
}

fn is_there_already(error: &SqlError) -> bool {
    error.error_class().is_some_and(|class| class.contains("ALREADY_EXISTS"))
        || error.sql_state() == Some("42P07")
}
