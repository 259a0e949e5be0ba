//! Appending: one COPY INTO, which loads each file once however often it is sent.

use databricks_schema::TableSchema;

use super::load::Load;
use super::run::{Committed, Job};
use crate::commit::{self, Outcome};
use crate::error::{DeltaError, Result};
use crate::statement::cast::CastColumn;
use crate::statement::copy;

/// Columns that the data lacks have their default, which COPY INTO need not know of.
pub(super) fn sql(job: &Job<'_>, load: &Load<'_>, schema: &TableSchema) -> String {
    let mut columns = load.casts.to_vec();
    let left_out = schema.columns.iter().filter(|column| !load.casts.iter().any(|cast| cast.fills(column)));
    columns.extend(left_out.filter(|column| column.default.is_some()).map(CastColumn::left_out));
    copy::copy_into(job.table, &load.directory, &load.names(), &columns)
}

pub(super) async fn commit(job: &Job<'_>, load: &Load<'_>, schema: &TableSchema) -> Result<Committed> {
    load.settle(job).await?;
    let sql = sql(job, load, schema);
    // COPY INTO skips files that it has loaded, so that sending it again adds nothing. It is sent again here and not by
    // the client, to know afterwards whether it was.
    // Its statement is kept as soon as an answer is lost: what stays unknown can be completed by it later.
    let statement = job.statement(sql.clone());
    match commit::repeatedly(&statement, load.stage.keep_statement(sql)).await {
        Outcome::Applied { result, resent } => {
            let loaded = result.inserted_rows().or(result.affected_rows());
            check_count(job, load, loaded, resent)
        }
        Outcome::Failed(error) => Err(error.into()),
        Outcome::Unknown(error) => Err(job.unknown(error)),
    }
}

fn check_count(job: &Job<'_>, load: &Load<'_>, loaded: Option<u64>, resent: bool) -> Result<Committed> {
    let expected = load.files.rows;
    match (loaded, job.key()) {
        (None, _) => Ok(Committed::Now),
        (Some(loaded), _) if loaded == expected => Ok(Committed::Now),
        // Whoever loaded the caller's own files before, they are in the table.
        (Some(0), _) if load.in_place => Ok(Committed::Before),
        (Some(loaded), _) if load.in_place && loaded < expected => Ok(Committed::InPart(loaded)),
        (Some(0), Some(_)) => Ok(Committed::Before),
        // Without a key the files were new, so that it was this run's own statement, sent twice, that loaded them.
        (Some(0), None) if resent => Ok(Committed::Now),
        (Some(loaded), Some(key)) if !load.in_place => Err(DeltaError::IdempotencyKeyReused {
            key: key.to_owned(),
            table: job.table.full_name(),
            loaded,
            expected,
        }),
        (Some(actual), _) => Err(DeltaError::RowCountMismatch {
            table: job.table.full_name(),
            write_id: job.write_id,
            expected,
            actual,
        }),
    }
}
