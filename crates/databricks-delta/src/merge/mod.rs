//! Merging: the builder of MERGE statements and their sources.

mod run;
#[cfg(test)]
mod tests;

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use databricks_schema::{TableName, TableSchema};
use futures::Stream;
use serde::Serialize;
use tracing::Instrument;

use crate::client::DeltaClient;
use crate::error::{BoxError, DeltaError, Result};
use crate::input::{Input, check_rows, literal_casts, literals_are_faithful};
use crate::names::{IntoTableName, Target};
use crate::rows::{Names, Rows};
use crate::stage::{self, Pace, Place, Staging};
use crate::statement::cast::CastColumn;
use crate::statement::merge::{Action, Clause, MergePlan, When, query_source, staged_source, values_source};
use crate::write_id::WriteId;

/// More rows than this are staged as files, fewer are written into the statement.
const LITERAL_ROWS: usize = 300;
/// Rows whose literals take more bytes than this are staged as well.
const LITERAL_BYTES: usize = 256 * 1024;

/// A merge being prepared: `MERGE INTO target USING source ON .. WHEN ..`.
///
/// In conditions and assignments, which are SQL, the two sides are called `target` and `source`. Of the clauses of one
/// kind those with a condition come first, in the order given, then the one without.
#[must_use = "a merge is run by `execute`"]
pub struct MergeBuilder<'a> {
    source: Source<'a>,
    job: Job,
}

/// A merge without its source: what can be shared while the source is being read.
struct Job {
    client: DeltaClient,
    table: Target,
    plan: MergePlan,
    place: Option<Place>,
    pace: Pace,
    key: Option<String>,
    write_id: WriteId,
    /// It changes nothing when it comes after another run of its key.
    is_harmless_late: bool,
}

enum Source<'a> {
    None,
    Table(Target),
    Query(String),
    Data(Input<'a>),
}

/// What a merge did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MergeResult {
    /// Rows updated, deleted or inserted.
    pub num_affected_rows: u64,
    /// Rows updated.
    pub num_updated_rows: u64,
    /// Rows deleted.
    pub num_deleted_rows: u64,
    /// Rows inserted.
    pub num_inserted_rows: u64,
    /// Whether a merge of this idempotency key had been committed before, so that nothing was done now.
    pub already_applied: bool,
    /// The staging directory, when files in it could not be removed.
    pub staging_left: Option<String>,
}

impl fmt::Debug for MergeBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            job: Job { client: _, table, plan, place, pace, key, write_id, is_harmless_late: _ },
        } = self;
        f.debug_struct("MergeBuilder")
            .field("table", table)
            .field("source", source)
            .field("plan", plan)
            .field("staging", place)
            .field("pace", pace)
            .field("key", key)
            .field("write_id", write_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Table(table) => table.fmt(f),
            Self::Query(query) => query.fmt(f),
            Self::Data(input) => input.fmt(f),
        }
    }
}

impl<'a> MergeBuilder<'a> {
    pub(crate) fn new(client: DeltaClient, table: Target) -> Self {
        let (place, pace, write_id) = (client.staging().cloned(), Pace::default(), WriteId::random());
        let plan = MergePlan::default();
        let job = Job { client, table, plan, place, pace, key: None, write_id, is_harmless_late: false };
        Self { source: Source::None, job }
    }

    /// Takes the rows of a table.
    pub fn using_source(mut self, table: impl IntoTableName) -> Self {
        self.source = Source::Table(self.job.client.target(table));
        self
    }

    /// Takes the rows of a query, which is SQL of the caller's own.
    pub fn using_query(mut self, sql: impl Into<String>) -> Self {
        self.source = Source::Query(sql.into());
        self
    }

    /// Takes rows given as values of a serde type. Columns that the target has take its types. A few rows are written
    /// into the statement; many are staged as files, and so are those of a merge with a [key](Self::idempotency_key), and those
    /// whose values have no literal that says the same.
    pub fn using_values<T: Serialize + Sync>(mut self, rows: &'a [T]) -> Self {
        self.source = Source::Data(Input::rows(rows));
        self
    }

    /// Takes Arrow batches of `schema`, which are staged as files.
    pub fn using_batches<S, E>(mut self, schema: SchemaRef, batches: S) -> Self
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + 'a,
        E: Into<BoxError> + 'a,
    {
        self.source = Source::Data(Input::batches(schema, batches));
        self
    }

    /// Pairs rows for which `condition` holds, such as `target.id = source.id`.
    pub fn on(mut self, condition: impl Into<String>) -> Self {
        self.job.plan.on = Some(condition.into());
        self
    }

    /// Pairs rows that are equal in these columns. With [`on`](Self::on) both must hold.
    pub fn on_keys<S: AsRef<str>>(mut self, columns: &[S]) -> Self {
        self.job.plan.keys = columns.iter().map(|column| column.as_ref().to_owned()).collect();
        self
    }

    /// Updates pairs: `target.value = source.value, target.updated_at = current_timestamp()`.
    pub fn when_matched_update(self, set: impl Into<String>) -> Self {
        self.clause(When::Matched, None, Action::Update(set.into()))
    }

    /// Updates pairs for which `condition` holds.
    pub fn when_matched_update_if(self, condition: impl Into<String>, set: impl Into<String>) -> Self {
        self.clause(When::Matched, Some(condition.into()), Action::Update(set.into()))
    }

    /// Updates every column of pairs.
    pub fn when_matched_update_all(self) -> Self {
        self.clause(When::Matched, None, Action::UpdateAll)
    }

    /// Updates every column of pairs for which `condition` holds.
    pub fn when_matched_update_all_if(self, condition: impl Into<String>) -> Self {
        self.clause(When::Matched, Some(condition.into()), Action::UpdateAll)
    }

    /// Deletes the target's row of a pair.
    pub fn when_matched_delete(self) -> Self {
        self.clause(When::Matched, None, Action::Delete)
    }

    /// Deletes the target's row of pairs for which `condition` holds.
    pub fn when_matched_delete_if(self, condition: impl Into<String>) -> Self {
        self.clause(When::Matched, Some(condition.into()), Action::Delete)
    }

    /// Inserts source rows without a pair: `columns` and `values` are lists, `id, value` and `source.id, source.value`.
    pub fn when_not_matched_insert(self, columns: impl Into<String>, values: impl Into<String>) -> Self {
        self.clause(When::NotMatched, None, Action::Insert { columns: columns.into(), values: values.into() })
    }

    /// Inserts source rows without a pair for which `condition` holds.
    pub fn when_not_matched_insert_if(
        self,
        condition: impl Into<String>,
        columns: impl Into<String>,
        values: impl Into<String>,
    ) -> Self {
        let action = Action::Insert { columns: columns.into(), values: values.into() };
        self.clause(When::NotMatched, Some(condition.into()), action)
    }

    /// Inserts every column of source rows without a pair.
    pub fn when_not_matched_insert_all(self) -> Self {
        self.clause(When::NotMatched, None, Action::InsertAll)
    }

    /// Inserts every column of source rows without a pair for which `condition` holds.
    pub fn when_not_matched_insert_all_if(self, condition: impl Into<String>) -> Self {
        self.clause(When::NotMatched, Some(condition.into()), Action::InsertAll)
    }

    /// Updates target rows that have no pair. The source's columns cannot be named.
    pub fn when_not_matched_by_source_update(self, set: impl Into<String>) -> Self {
        self.clause(When::NotMatchedBySource, None, Action::Update(set.into()))
    }

    /// Updates target rows that have no pair and for which `condition` holds.
    pub fn when_not_matched_by_source_update_if(
        self,
        condition: impl Into<String>,
        set: impl Into<String>,
    ) -> Self {
        self.clause(When::NotMatchedBySource, Some(condition.into()), Action::Update(set.into()))
    }

    /// Deletes target rows that have no pair.
    pub fn when_not_matched_by_source_delete(self) -> Self {
        self.clause(When::NotMatchedBySource, None, Action::Delete)
    }

    /// Deletes target rows that have no pair and for which `condition` holds.
    pub fn when_not_matched_by_source_delete_if(self, condition: impl Into<String>) -> Self {
        self.clause(When::NotMatchedBySource, Some(condition.into()), Action::Delete)
    }

    /// Adds columns of the source that the target lacks, when a clause takes every column.
    pub fn with_schema_evolution(mut self) -> Self {
        self.job.plan.schema_evolution = true;
        self
    }

    /// Makes the merge safe to run again, in another process too: a second run with the same key and target changes
    /// nothing, for as long as the table's history shows the first (30 days, unless `delta.logRetentionDuration` says
    /// otherwise). A key stands for one merge and is not used for another.
    ///
    /// With a key rows are staged, however few. A run that succeeds takes away what others of its key have staged, so that
    /// the statement of one that was killed, and that may still wait in the warehouse, finds nothing to merge and fails. A
    /// statement on a [table](Self::using_source) or a [query](Self::using_query) goes on to find its rows: let it end, or
    /// cancel it, before such a merge is run again.
    ///
    /// The merge's condition gets one more term, which is always true and names the merge: the history keeps it.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.job.key = Some(key.into());
        self
    }

    /// The volume that takes staged rows: `_staging` in the table's catalog and schema unless set.
    pub fn staging_volume(mut self, volume: impl IntoTableName) -> Self {
        self.job.place = Some(Place::Volume(self.job.client.target(volume)));
        self
    }

    /// Where staged rows lie until they are merged: that of [`DeltaClient::with_staging`] unless set.
    pub fn staging(mut self, staging: impl Into<Staging>) -> Self {
        self.job.place = Some(self.job.client.place(staging));
        self
    }

    /// Its own conditions see to it that it changes nothing when it comes after another run of its key, so that few rows may
    /// stand in the statement all the same.
    pub(crate) fn harmless_when_late(mut self) -> Self {
        self.job.is_harmless_late = true;
        self
    }

    /// Rows a staged part: 10,000 unless set.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.job.pace.batch_size = rows;
        self
    }

    /// Staged parts in work at once: 4 unless set.
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.job.pace.concurrency = parts;
        self
    }

    fn clause(mut self, when: When, condition: Option<String>, action: Action) -> Self {
        self.job.plan.clauses.push(Clause { when, condition, action });
        self
    }

    /// The statement, as far as it is known without asking the server: [`execute`](Self::execute) adds casts to the
    /// target's types around rows that are given as values or batches.
    ///
    /// # Errors
    /// [`DeltaError::InvalidMerge`] for what the server would refuse: no source, no condition, no WHEN clause, two
    /// clauses of a kind without a condition, a clause BY SOURCE that names `source`. [`DeltaError::InvalidName`],
    /// [`DeltaError::InvalidData`].
    pub fn build_sql(&self) -> Result<String> {
        let target = self.check()?;
        let source = match &self.source {
            Source::None => return Err(no_source()),
            Source::Table(table) => table.get()?.to_string(),
            Source::Query(query) => query_source(query),
            Source::Data(Input::Rows(rows)) => self.rows_source(rows.as_ref(), target)?,
            Source::Data(Input::Batches { schema, .. }) => {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                self.staged_source(target, names)?
            }
        };
        Ok(self.job.plan.to_sql(target, &source))
    }

    fn rows_source(&self, rows: &dyn Rows, target: &TableName) -> Result<String> {
        if rows.len() == 0 {
            return Err(no_rows());
        }
        let mut names = Names::default();
        rows.collect_names(0..rows.len(), &mut names)?;
        let names = names.into_vec();
        match literals(rows, &names)? {
            Some(values) if self.job.is_written_out() => {
                let plain: Vec<_> = names.iter().map(|name| CastColumn::plain(name)).collect();
                Ok(values_source(&names, &values, &plain))
            }
            _ => self.staged_source(target, names.iter().map(String::as_str).collect()),
        }
    }

    fn staged_source(&self, target: &TableName, names: Vec<&str>) -> Result<String> {
        let base = Place::base(self.job.place.as_ref(), target)?;
        let plain: Vec<_> = names.into_iter().map(CastColumn::plain).collect();
        Ok(staged_source(&stage::directory(&base, self.job.write_id), None, &plain))
    }

    fn check(&self) -> Result<&TableName> {
        let target = self.job.table.get()?;
        self.job.plan.check().map_err(|reason| DeltaError::InvalidMerge { reason })?;
        self.job.pace.check()?;
        if self.job.key.as_deref() == Some("") {
            return Err(DeltaError::InvalidOption {
                option: "idempotency_key",
                value: "``".to_owned(),
                reason: "an empty key would be shared by unrelated merges".to_owned(),
            });
        }
        Ok(target)
    }

    /// Runs the merge. It is sent once; again only after a conflict with another commit, which commits nothing. An
    /// answer that is lost is looked for: in the statement, where its id is known, and under a key in the table's history.
    ///
    /// Without any rows in the source nothing is sent.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql); [`DeltaError::TableNotFound`]; those of staging as in a write;
    /// [`DeltaError::Sql`] when the statement fails; [`DeltaError::OutcomeUnknown`] when its answer stays
    /// lost. A merge is not repeated then, since `SET n = n + 1` must not run twice: run it again under its key, or look
    /// at the table's history.
    pub async fn execute(mut self) -> Result<MergeResult> {
        let target = self.check()?.clone();
        if let Some(key) = &self.job.key {
            self.job.write_id = WriteId::derived(key, &target);
        }
        let span = tracing::info_span!(
            "databricks.delta.merge",
            table = %target.full_name(),
            matched = tracing::field::Empty,
            not_matched = tracing::field::Empty,
        );
        // On the heap: what a merge does is too much for the frames of a debug build's callers.
        let result = Box::pin(self.job.run(&target, self.source)).instrument(span.clone()).await;
        run::measure(&target, &result);
        if let Ok(merged) = &result {
            span.record("matched", merged.num_updated_rows + merged.num_deleted_rows);
            span.record("not_matched", merged.num_inserted_rows);
        }
        result
    }

    /// The same as [`execute`](Self::execute).
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn send(self) -> Result<MergeResult> {
        self.execute().await
    }
}

fn no_source() -> DeltaError {
    DeltaError::InvalidMerge { reason: "it has no source: call one of `using_..`".to_owned() }
}

fn no_rows() -> DeltaError {
    let reason = "its source has no rows, with which WHEN NOT MATCHED BY SOURCE would act on the whole table: use a DELETE or an UPDATE if that is meant, or give the source as a query";
    DeltaError::InvalidMerge { reason: reason.to_owned() }
}

/// The rows as a source in the statement itself, cast to the target's types; none when they are too many or nested, or when
/// literals would not be the values that a file holds.
fn written_out(rows: &dyn Rows, schema: &TableSchema) -> Result<Option<String>> {
    if rows.len() > LITERAL_ROWS {
        return Ok(None);
    }
    let mut names = Names::default();
    rows.collect_names(0..rows.len(), &mut names)?;
    let names = names.into_vec();
    let Some(values) = literals(rows, &names)? else { return Ok(None) };
    if !literals_are_faithful(&names, schema, &values) {
        return Ok(None);
    }
    check_rows(rows, &names, schema)?;
    let casts = literal_casts(&names, schema, &values)?;
    Ok(Some(values_source(&names, &values, &casts)))
}

/// The literals of all rows; none when they are too many, too large or nested.
fn literals(rows: &dyn Rows, names: &[String]) -> Result<Option<Vec<Vec<String>>>> {
    if rows.len() > LITERAL_ROWS || names.is_empty() {
        return Ok(None);
    }
    let (mut literals, mut bytes) = (Vec::with_capacity(rows.len()), 0);
    for row in 0..rows.len() {
        let Some(row) = rows.literals(row, names)? else { return Ok(None) };
        bytes += row.iter().map(String::len).sum::<usize>();
        if bytes > LITERAL_BYTES {
            return Ok(None);
        }
        literals.push(row);
    }
    Ok(Some(literals))
}
