//! Sending a merge: finding its source, staging it where it is large, and reading what the merge did.

use databricks_schema::TableName;
use databricks_sql::StatementResult;
use metrics::counter;

use super::{Job, MergeResult, Source, no_rows, no_source, written_out};
use crate::commit::{self, Outcome};
use crate::error::{DeltaError, Result};
use crate::input::{Input, Prepared};
use crate::lookup;
use crate::progress::Reporter;
use crate::stage::Stage;
use crate::statement::merge::{When, query_source, staged_source};
use crate::write::staging_volume;

impl Job {
    pub(super) async fn run(&self, target: &TableName, source: Source<'_>) -> Result<MergeResult> {
        match source {
            Source::None => Err(no_source()),
            Source::Table(table) => self.merge(target, &table.get()?.to_string()).await,
            Source::Query(query) => self.merge(target, &query_source(&query)).await,
            Source::Data(input) if input.is_known_empty() => self.merge_nothing(),
            Source::Data(input) => self.merge_data(target, input).await,
        }
    }

    async fn merge_data(&self, target: &TableName, input: Input<'_>) -> Result<MergeResult> {
        let schema = lookup::table_schema(self.client.remote()?, target).await?;
        let written_out = match &input {
            Input::Rows(rows) => written_out(rows.as_ref(), &schema)?,
            Input::Batches { .. } => None,
        };
        match written_out {
            Some(source) => self.merge(target, &source).await,
            None => self.merge_staged(target, input.for_merge(&schema).await?).await,
        }
    }

    async fn merge_staged(&self, target: &TableName, rows: Prepared<'_>) -> Result<MergeResult> {
        let Prepared { batches, layout, casts } = rows;
        let reporter = Reporter::default();
        let volume = staging_volume(self.volume.as_ref(), target)?;
        let stage = Stage::new(self.client.remote()?, volume, self.write_id, &self.pace, &reporter);
        let merged = match stage.upload(batches, &layout).await {
            Ok(staged) if staged.parts == 0 => return self.merge_nothing(),
            Ok(_) => self.merge(target, &staged_source(stage.directory(), &casts)).await,
            Err(error) => Err(error),
        };
        // The statement whose answer was lost may still be reading the files.
        if matches!(merged, Err(DeltaError::OutcomeUnknown { .. })) {
            return merged;
        }
        let staging_left = stage.clean().await;
        merged.map(|merged| MergeResult { staging_left, ..merged })
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
        let sql = self.plan.to_sql(target, source);
        match commit::once(&remote.sql.statement(sql)).await {
            Outcome::Applied { result, .. } => Ok(MergeResult::of(&result)),
            Outcome::Failed(error) => Err(error.into()),
            Outcome::Unknown(error) => Err(DeltaError::OutcomeUnknown {
                write_id: self.write_id,
                table: target.full_name(),
                operation: "merge",
                key: None,
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
            staging_left: None,
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
