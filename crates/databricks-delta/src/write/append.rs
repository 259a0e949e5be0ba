//! Appending: one COPY INTO, which loads each file once however often it is sent.

use super::run::{Committed, Job};
use crate::commit::{self, Outcome};
use crate::error::{DeltaError, Result};
use crate::stage::{Stage, Staged};
use crate::statement::cast::CastColumn;
use crate::statement::copy;

pub(super) async fn commit(
    job: &Job<'_>,
    stage: &Stage<'_>,
    staged: &Staged,
    casts: &[CastColumn],
) -> Result<Committed> {
    // The directory of a random id is this run's own; that of a key may hold parts of an earlier attempt with more
    // rows, and another run of the key may be at work in it.
    if job.key().is_some() {
        stage.settle(staged).await?;
    }
    let files: Vec<&str> = staged.files.iter().map(|(name, _)| name.as_str()).collect();
    let sql = copy::copy_into(job.table, stage.directory(), &files, casts);
    // COPY INTO skips files that it has loaded, so that sending it again adds nothing. It is sent again here and not by
    // the client, to know afterwards whether it was.
    // Its statement is kept as soon as an answer is lost: what stays unknown can be completed by it later.
    let statement = job.statement(sql.clone());
    match commit::repeatedly(&statement, stage.keep_statement(sql)).await {
        Outcome::Applied { result, resent } => {
            check_count(job, staged.rows, result.inserted_rows().or(result.affected_rows()), resent)
        }
        Outcome::Failed(error) => Err(error.into()),
        Outcome::Unknown(error) => Err(job.unknown(error)),
    }
}

fn check_count(job: &Job<'_>, expected: u64, loaded: Option<u64>, resent: bool) -> Result<Committed> {
    match (loaded, job.key()) {
        (None, _) => Ok(Committed::Now),
        (Some(loaded), _) if loaded == expected => Ok(Committed::Now),
        (Some(0), Some(_)) => Ok(Committed::Before),
        // Without a key the files were new, so that it was this run's own statement, sent twice, that loaded them.
        (Some(0), None) if resent => Ok(Committed::Now),
        (Some(loaded), Some(key)) => Err(DeltaError::IdempotencyKeyReused {
            key: key.to_owned(),
            table: job.table.full_name(),
            loaded,
            expected,
        }),
        (Some(actual), None) => Err(DeltaError::RowCountMismatch {
            table: job.table.full_name(),
            write_id: job.write_id,
            expected,
            actual,
        }),
    }
}
