//! Appending rows: parts staged in a volume, then one COPY INTO.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use databricks_schema::TableName;
use futures::Stream;
use metrics::counter;
use serde::Serialize;
use tracing::Instrument;

use crate::client::{DeltaClient, Remote};
use crate::commit::{self, Outcome};
use crate::error::{BoxError, DeltaError, Result};
use crate::input::{Input, Prepared};
use crate::lookup;
use crate::names::{IntoTableName, Target};
use crate::progress::{Reporter, WriteProgress};
use crate::stage::{DEFAULT_VOLUME, Pace, Stage, Staged};
use crate::statement::cast::CastColumn;
use crate::statement::copy;
use crate::write_id::WriteId;

/// A write being prepared. All its rows become one commit, or none do.
///
/// Dropping the future of [`send`](Self::send) before its end leaves the staged files, and perhaps a commit: run the
/// write again with the same idempotency key to be sure.
#[must_use = "a write is run by `send`"]
pub struct Write<'a> {
    client: DeltaClient,
    table: Target,
    input: Input<'a>,
    key: Option<String>,
    volume: Option<Target>,
    pace: Pace,
    reporter: Reporter,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteResult {
    /// Rows that this run added to the table: all of the data's, or 0 when they had been there already (see
    /// [`already_applied`](Self::already_applied)).
    pub rows_affected: u64,
    /// Parts (files) that were staged.
    pub partitions_written: u64,
    /// Bytes of Parquet that were staged.
    pub bytes_staged: u64,
    /// The write's id, by which its staged files are named.
    pub write_id: WriteId,
    /// Whether a write of this idempotency key had loaded these files before, so that none were added now. That may
    /// have been this very run, when it lost the answer to its statement and had to send it again.
    pub already_applied: bool,
    /// The staging directory, when files in it could not be removed.
    pub staging_left: Option<String>,
}

impl fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client: _, table, input, key, volume, pace, reporter } = self;
        f.debug_struct("Write")
            .field("table", table)
            .field("input", input)
            .field("key", key)
            .field("volume", volume)
            .field("pace", pace)
            .field("reporter", reporter)
            .finish_non_exhaustive()
    }
}

impl<'a> Write<'a> {
    pub(crate) fn rows<T: Serialize + Sync>(client: DeltaClient, table: Target, rows: &'a [T]) -> Self {
        let mut write = Self::new(client, table, Input::rows(rows));
        write.reporter.set_total_rows(rows.len() as u64);
        write
    }

    pub(crate) fn batches<S, E>(client: DeltaClient, table: Target, schema: SchemaRef, batches: S) -> Self
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + 'a,
        E: Into<BoxError> + 'a,
    {
        Self::new(client, table, Input::batches(schema, batches))
    }

    fn new(client: DeltaClient, table: Target, input: Input<'a>) -> Self {
        Self {
            client,
            table,
            input,
            key: None,
            volume: None,
            pace: Pace::default(),
            reporter: Reporter::default(),
        }
    }

    /// Rows a part (a Parquet file): 10,000 unless set. A part ends earlier when its rows take 128 MiB. A rerun under the same idempotency key must use the same.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.pace.batch_size = rows;
        self
    }

    /// Parts in work at once: 4 unless set. As many are in memory.
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.pace.concurrency = parts;
        self
    }

    /// Makes the write safe to run again, in another process too: a second run with the same key, table, data and
    /// batch size adds nothing. A key stands for one set of rows and is not used for another.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The volume that takes the parts: `_staging` in the table's catalog and schema unless set. It is named like a
    /// table, and made if it is missing.
    pub fn staging_volume(mut self, volume: impl IntoTableName) -> Self {
        self.volume = Some(self.client.target(volume));
        self
    }

    /// Calls `tell` after each step. It is called from within the write and should return at once.
    pub fn progress(mut self, tell: impl Fn(WriteProgress) + Send + Sync + 'static) -> Self {
        self.reporter.set_callback(tell);
        self
    }

    /// Runs the write. Without any rows nothing is sent.
    ///
    /// # Errors
    /// Before anything is staged: [`DeltaError::TableNotFound`], [`DeltaError::UnknownColumn`],
    /// [`DeltaError::UnsupportedType`] and the like. While it is: [`DeltaError::Encode`], [`DeltaError::Input`],
    /// [`DeltaError::Upload`], [`DeltaError::StorageFull`]; what was staged is removed. From the commit:
    /// [`DeltaError::Sql`], [`DeltaError::IdempotencyKeyReused`], [`DeltaError::StagingChanged`],
    /// [`DeltaError::RowCountMismatch`], and [`DeltaError::OutcomeUnknown`] when no answer says whether it took effect.
    pub async fn send(self) -> Result<WriteResult> {
        let table = self.table.get()?.clone();
        self.pace.check()?;
        let span = tracing::info_span!(
            "databricks.delta.write",
            table = %table.full_name(),
            operation = "append",
            rows_written = tracing::field::Empty,
        );
        let result = self.run(&table).instrument(span.clone()).await;
        measure(&table, &result);
        if let Ok(written) = &result {
            span.record("rows_written", written.rows_affected);
        }
        result
    }

    async fn run(self, table: &TableName) -> Result<WriteResult> {
        let write_id = match &self.key {
            Some(key) => WriteId::derived(key, table),
            None => WriteId::random(),
        };
        if self.input.is_known_empty() {
            return Ok(WriteResult::of(write_id, &Staged::default()));
        }
        let remote = self.client.remote()?;
        let schema = lookup::table_schema(remote, table).await?;
        let volume = staging_volume(self.volume.as_ref(), table)?;
        let stage = Stage::new(remote, volume, write_id, &self.pace, &self.reporter);
        let Prepared { batches, layout, casts } = self.input.for_table(table, &schema).await?;
        let staged = match stage.upload(batches, &layout).await {
            Ok(staged) => staged,
            Err(error) => {
                stage.clean().await;
                return Err(error);
            }
        };
        let write =
            Staging { remote, table, key: self.key.as_deref(), write_id, stage: &stage, staged: &staged };
        let result = write.commit(&casts).await?;
        self.reporter.committed(staged.rows);
        Ok(result)
    }
}

impl WriteResult {
    fn of(write_id: WriteId, staged: &Staged) -> Self {
        Self {
            rows_affected: staged.rows,
            partitions_written: staged.parts,
            bytes_staged: staged.bytes,
            write_id,
            already_applied: false,
            staging_left: None,
        }
    }
}

/// A write whose parts are staged.
struct Staging<'a> {
    remote: &'a Remote,
    table: &'a TableName,
    key: Option<&'a str>,
    write_id: WriteId,
    stage: &'a Stage<'a>,
    staged: &'a Staged,
}

impl Staging<'_> {
    async fn commit(&self, casts: &[CastColumn]) -> Result<WriteResult> {
        let mut result = WriteResult::of(self.write_id, self.staged);
        if self.staged.parts == 0 {
            return Ok(result);
        }
        match self.load(casts).await {
            // Its files may still be read by the statement whose answer was lost, or are needed to find out what is
            // wrong.
            Err(error @ (DeltaError::OutcomeUnknown { .. } | DeltaError::RowCountMismatch { .. })) => {
                Err(error)
            }
            Err(error) => {
                self.stage.clean().await;
                Err(error)
            }
            Ok(already_applied) => {
                if already_applied {
                    result.already_applied = true;
                    result.rows_affected = 0;
                }
                result.staging_left = self.stage.clean().await;
                Ok(result)
            }
        }
    }

    /// Answers whether the rows had been in the table already.
    async fn load(&self, casts: &[CastColumn]) -> Result<bool> {
        // The directory of a random id is this run's own; that of a key may hold parts of an earlier attempt with more
        // rows, and another run of the key may be at work in it.
        if self.key.is_some() {
            self.stage.settle(self.staged).await?;
        }
        let files: Vec<&str> = self.staged.files.iter().map(|(name, _)| name.as_str()).collect();
        let sql = copy::copy_into(self.table, self.stage.directory(), &files, casts);
        // COPY INTO skips files that it has loaded, so that sending it again adds nothing. It is sent again here and
        // not by the client, to know afterwards whether it was.
        match commit::repeatedly(&self.remote.sql.statement(sql)).await {
            Outcome::Applied { result, resent } => {
                self.check_count(result.inserted_rows().or(result.affected_rows()), resent)
            }
            Outcome::Failed(error) => Err(error.into()),
            Outcome::Unknown(error) => Err(DeltaError::OutcomeUnknown {
                write_id: self.write_id,
                table: self.table.full_name(),
                operation: "write",
                key: self.key.map(str::to_owned),
                source: Box::new(error),
            }),
        }
    }

    fn check_count(&self, loaded: Option<u64>, resent: bool) -> Result<bool> {
        let expected = self.staged.rows;
        match (loaded, self.key) {
            (None, _) => Ok(false),
            (Some(loaded), _) if loaded == expected => Ok(false),
            (Some(0), Some(_)) => Ok(true),
            // Without a key the files were new, so that it was this run's own statement, sent twice, that loaded them.
            (Some(0), None) if resent => Ok(false),
            (Some(loaded), Some(key)) => Err(DeltaError::IdempotencyKeyReused {
                key: key.to_owned(),
                table: self.table.full_name(),
                loaded,
                expected,
            }),
            (Some(actual), None) => Err(DeltaError::RowCountMismatch {
                table: self.table.full_name(),
                write_id: self.write_id,
                expected,
                actual,
            }),
        }
    }
}

/// The volume that was asked for, or the default one beside the table.
pub(crate) fn staging_volume(volume: Option<&Target>, table: &TableName) -> Result<TableName> {
    match volume {
        Some(volume) => Ok(volume.get()?.clone()),
        None => Ok(TableName::new(table.catalog(), table.schema(), DEFAULT_VOLUME)?),
    }
}

fn measure(table: &TableName, result: &Result<WriteResult>) {
    let table = table.full_name();
    let labels = [("table", table), ("operation", "append".to_owned())];
    counter!("databricks_delta_operations_total", &labels).increment(1);
    match result {
        Ok(written) => {
            counter!("databricks_delta_rows_processed", &labels).increment(written.rows_affected);
            counter!("databricks_delta_bytes_processed").increment(written.bytes_staged);
            tracing::info!(rows = written.rows_affected, parts = written.partitions_written, "rows written");
        }
        Err(error) => tracing::error!(%error, "the write failed"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn nothing_to_write_sends_nothing() {
        let none: [serde_json::Value; 0] = [];
        let result = DeltaClient::mock().write_batch("days", &none).send().await.unwrap();
        assert_eq!((result.rows_affected, result.partitions_written, result.already_applied), (0, 0, false));
    }

    #[tokio::test]
    async fn a_bad_name_or_pace_is_refused_before_anything_is_sent() {
        let client = DeltaClient::mock();
        let rows = [serde_json::json!({"a": 1})];
        assert!(matches!(
            client.write_batch("a.b.c.d", &rows).send().await,
            Err(DeltaError::InvalidName { .. })
        ));
        assert!(matches!(
            client.write_batch("days", &rows).batch_size(0).send().await,
            Err(DeltaError::InvalidOption { option: "batch_size", .. })
        ));
        assert!(matches!(client.write_batch("days", &rows).send().await, Err(DeltaError::Mock)));
    }
}
