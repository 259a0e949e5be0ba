//! Sending a merge: finding its source, staging it where it is large, and reading what the merge did.

use databricks_schema::{TableName, TableSchema};
use databricks_sql::StatementResult;
use metrics::counter;

use super::{Job, MergeResult, Source, no_rows, no_source, written_out};
use crate::client::Remote;
use crate::commit::{self, Outcome};
use crate::error::{DeltaError, Result};
use crate::history::Commit;
use crate::input::{Input, Prepared};
use crate::lookup::{self, Found};
use crate::mark::{self, Mark};
use crate::progress::Reporter;
use crate::stage::{Place, Sharing, Stage};
use crate::statement::merge::{When, query_source, staged_source};

impl Job {
    pub(super) async fn run(&mut self, target: &TableName, source: Source<'_>) -> Result<MergeResult> {
        match &source {
            Source::None => return Err(no_source()),
            Source::Data(input) if input.is_known_empty() => return self.merge_nothing(),
            _ => {}
        }
        let needs_target = self.key.is_some() || matches!(source, Source::Data(_));
        let found = match needs_target {
            true => Some(lookup::table(self.client.remote()?, target).await?),
            false => None,
        };
        if let (Some(key), Some(found)) = (&self.key, &found) {
            self.plan.mark = Some(self.mark(key, found)?);
            if mark::find(self.client.remote()?, target, self.write_id).await?.is_some() {
                return self.done_before(target).await;
            }
        }
        match (source, found) {
            (Source::Table(table), _) => self.merge(target, &table.get()?.to_string()).await,
            (Source::Query(query), _) => self.merge(target, &query_source(&query)).await,
            (Source::Data(input), Some(found)) => self.merge_data(target, &found.schema, input).await,
            (Source::Data(_) | Source::None, _) => Err(no_source()),
        }
    }

    /// Whether few rows may stand in the statement. With a key they do not: the statement of a run that was killed may
    /// come when another has succeeded and has taken the staged rows away, and must find none.
    pub(super) fn is_written_out(&self) -> bool {
        self.key.is_none() || self.is_harmless_late
    }

    fn mark(&self, key: &str, found: &Found) -> Result<String> {
        let mark = Mark::new(self.write_id, &found.schema, &found.partitions);
        mark.map(|mark| mark.term(Some("target"))).ok_or_else(|| mark::no_place(key))
    }

    /// A merge of this key is in the table: what an earlier run of it staged is not needed any more.
    async fn done_before(&self, target: &TableName) -> Result<MergeResult> {
        let (reporter, remote) = (Reporter::default(), self.client.remote()?);
        let staging_left = self.stage(remote, target, &reporter)?.clean().await;
        Ok(MergeResult { staging_left, ..MergeResult::already() })
    }

    async fn merge_data(
        &self,
        target: &TableName,
        schema: &TableSchema,
        input: Input<'_>,
    ) -> Result<MergeResult> {
        let written_out = match &input {
            Input::Rows(rows) if self.is_written_out() => written_out(rows.as_ref(), schema)?,
            _ => None,
        };
        match written_out {
            Some(source) => self.merge(target, &source).await,
            None => Box::pin(self.merge_staged(target, input.for_merge(schema).await?)).await,
        }
    }

    async fn merge_staged(&self, target: &TableName, rows: Prepared<'_>) -> Result<MergeResult> {
        let Prepared { batches, layout, casts } = rows;
        let (reporter, remote) = (Reporter::default(), self.client.remote()?);
        let stage = self.stage(remote, target, &reporter)?;
        let merged = match stage.upload(batches, &layout).await {
            Ok(staged) if staged.parts == 0 => return self.merge_nothing(),
            Ok(staged) => {
                let source = staged_source(stage.directory(), Some(staged.rows), &casts);
                self.merge_if_first(target, &source).await
            }
            Err(error) => Err(error),
        };
        match merged {
            Ok(merged) => Ok(MergeResult { staging_left: stage.clean().await, ..merged }),
            // The statement whose answer was lost may still be reading the files.
            Err(error @ DeltaError::OutcomeUnknown { .. }) => Err(error),
            Err(error) => {
                stage.abandon().await;
                Err(error)
            }
        }
    }

    /// Merges, unless another run of this key came first while this one staged its rows.
    async fn merge_if_first(&self, target: &TableName, source: &str) -> Result<MergeResult> {
        let remote = self.client.remote()?;
        if self.key.is_some() && mark::find_recent(remote, target, self.write_id).await?.is_some() {
            return Ok(MergeResult::already());
        }
        self.merge(target, source).await
    }

    fn stage<'a>(
        &'a self,
        remote: &'a Remote,
        target: &TableName,
        reporter: &'a Reporter,
    ) -> Result<Stage<'a>> {
        let storage = Place::open(self.place.as_ref(), remote, target)?;
        let sharing = if self.key.is_some() { Sharing::OwnFiles } else { Sharing::Alone };
        Ok(Stage::new(storage, self.write_id, sharing, &self.pace, reporter))
    }

    /// Without source rows the only clauses that could act are those on all unpaired target rows, which is the whole
    /// table: hardly what is meant by giving no rows.
    fn merge_nothing(&self) -> Result<MergeResult> {
        match self.plan.clauses.iter().any(|clause| clause.when == When::NotMatchedBySource) {
            true => Err(no_rows()),
            false => Ok(MergeResult::default()),
        }
    }

    async fn merge(&self, target: &TableName, source: &str) -> Result<MergeResult> {
        let remote = self.client.remote()?;
        let statement = remote.sql.statement(self.plan.to_sql(target, source));
        let look = || mark::find_recent(remote, target, self.write_id);
        let outcome = match self.plan.mark {
            Some(_) => commit::settled(&remote.sql, &statement, look).await,
            None => commit::unmarked(&remote.sql, &statement).await,
        };
        match outcome {
            Outcome::Applied { result, .. } => Ok(MergeResult::of(&result)),
            Outcome::Found(commit) => Ok(MergeResult::of_commit(&commit)),
            Outcome::Before(_) => Ok(MergeResult::already()),
            Outcome::Failed(error) => Err(error.into()),
            Outcome::Unknown(error) => Err(DeltaError::OutcomeUnknown {
                write_id: self.write_id,
                table: target.full_name(),
                operation: "merge",
                key: self.key.clone(),
                source: Box::new(error),
            }),
        }
    }
}

impl MergeResult {
    fn of(result: &StatementResult) -> Self {
        Self {
            num_affected_rows: result.affected_rows().unwrap_or_default(),
            num_updated_rows: result.updated_rows().unwrap_or_default(),
            num_deleted_rows: result.deleted_rows().unwrap_or_default(),
            num_inserted_rows: result.inserted_rows().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Of a merge that another run of its key has made.
    fn already() -> Self {
        Self { already_applied: true, ..Self::default() }
    }

    /// The counts of a merge whose answer was lost, from the table's history.
    fn of_commit(commit: &Commit) -> Self {
        let count = |name| commit.metric(name).unwrap_or_default();
        let [updated, deleted, inserted] =
            ["numTargetRowsUpdated", "numTargetRowsDeleted", "numTargetRowsInserted"].map(count);
        Self {
            num_affected_rows: updated + deleted + inserted,
            num_updated_rows: updated,
            num_deleted_rows: deleted,
            num_inserted_rows: inserted,
            ..Self::default()
        }
    }
}

pub(super) fn measure(table: &TableName, result: &Result<MergeResult>) {
    let labels = [("table", table.full_name()), ("operation", "merge".to_owned())];
    counter!("databricks_delta_operations_total", &labels).increment(1);
    match result {
        Ok(merged) => {
            counter!("databricks_delta_rows_processed", &labels).increment(merged.num_affected_rows);
            tracing::info!(
                updated = merged.num_updated_rows,
                deleted = merged.num_deleted_rows,
                inserted = merged.num_inserted_rows,
                "merged"
            );
        }
        Err(error) => tracing::error!(%error, "the merge failed"),
    }
}
