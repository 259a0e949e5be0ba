//! Replacing rows by those of the data, as one statement that is sent once.

use databricks_schema::TableSchema;

use super::WriteMode;
use super::load::Load;
use super::run::{Committed, Job};
use crate::commit::{self, Outcome};
use crate::error::{DeltaError, Result};
use crate::lookup::Found;
use crate::mark::{self, Mark};
use crate::statement::cast::CastColumn;
use crate::statement::insert;

/// A replacement of rows of a table that is there.
pub(super) struct Replace {
    what: insert::Replace,
    /// Whether the table's history will show that it happened.
    is_marked: bool,
}

/// How rows are to be replaced; none when the table's history shows that a write of this key has done it.
pub(super) async fn plan(job: &Job<'_>, mode: &WriteMode, found: &Found) -> Result<Option<Replace>> {
    let mark = Mark::new(job.write_id, &found.schema, &found.partitions);
    if let Some(key) = job.key() {
        if mark.is_none() {
            return Err(mark::no_place(key));
        }
        if mark::find(job.remote, job.table, job.write_id).await?.is_some() {
            return Ok(None);
        }
    }
    let (what, is_marked) = match (mode, mark) {
        (WriteMode::ReplaceUsing(columns), _) => {
            check_columns(job, columns, found)?;
            (insert::Replace::Using(columns.clone()), false)
        }
        (WriteMode::ReplaceWhere(condition), Some(mark)) => {
            (insert::Replace::Where(format!("({condition}\n) AND {}", mark.term(None))), true)
        }
        (WriteMode::ReplaceWhere(condition), None) => (insert::Replace::Where(condition.clone()), false),
        (_, Some(mark)) if job.key().is_some() => (insert::Replace::Where(mark.term(None)), true),
        _ => (insert::Replace::All, false),
    };
    Ok(Some(Replace { what, is_marked }))
}

fn check_columns(job: &Job<'_>, columns: &[String], found: &Found) -> Result<()> {
    match columns.iter().find(|name| found.schema.column(name).is_none()) {
        None => Ok(()),
        Some(name) => Err(unusable(name, format!("table {} has no such column", job.table.full_name()))),
    }
}

/// Rows without a column by which others are replaced would take the place of those that are NULL in it.
pub(super) fn check_data(job: &Job<'_>, casts: &[CastColumn]) -> Result<()> {
    let WriteMode::ReplaceUsing(columns) = &job.options.mode else { return Ok(()) };
    let is_given = |name: &str| casts.iter().any(|cast| cast.target.to_lowercase() == name.to_lowercase());
    match columns.iter().find(|name| !is_given(name)) {
        None => Ok(()),
        Some(name) => {
            let reason = "the data has no such column, and so does not say which rows are meant";
            Err(unusable(name, reason.to_owned()))
        }
    }
}

/// A column by which no rows can be replaced.
fn unusable(column: &str, reason: String) -> DeltaError {
    DeltaError::InvalidOption { option: "replace_using", value: format!("`{column}`"), reason }
}

pub(super) fn sql(job: &Job<'_>, how: &Replace, load: &Load<'_>, schema: &TableSchema) -> String {
    insert::replace(job.table, &how.what, &load.rows(), schema)
}

pub(super) async fn commit(
    job: &Job<'_>,
    how: &Replace,
    load: &Load<'_>,
    schema: &TableSchema,
) -> Result<Committed> {
    let statement = job.statement(sql(job, how, load, schema));
    let look = || mark::find_recent(job.remote, job.table, job.write_id);
    // Another run of its key may have come first while this one staged its rows.
    if job.key().is_some() && look().await?.is_some() {
        return Ok(Committed::Before);
    }
    let outcome = match how.is_marked {
        true => commit::settled(&job.remote.sql, &statement, look).await,
        false => commit::unmarked(&job.remote.sql, &statement).await,
    };
    match outcome {
        Outcome::Applied { result, .. } => check_count(job, load.files.rows, result.inserted_rows()),
        Outcome::Found(_) => Ok(Committed::Now),
        Outcome::Before(_) => Ok(Committed::Before),
        Outcome::Failed(error) => Err(error.into()),
        Outcome::Unknown(error) => Err(job.unknown(error)),
    }
}

/// The statement itself refuses to load another number of rows than were staged; a count that differs all the same is
/// not passed over.
fn check_count(job: &Job<'_>, expected: u64, inserted: Option<u64>) -> Result<Committed> {
    match inserted {
        Some(actual) if actual != expected => Err(DeltaError::RowCountMismatch {
            table: job.table.full_name(),
            write_id: job.write_id,
            expected,
            actual,
        }),
        _ => Ok(Committed::Now),
    }
}
