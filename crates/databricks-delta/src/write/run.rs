//! The way of a write: what it is to do, its parts into the volume, its one statement, and what is left behind.

use databricks_schema::TableName;
use databricks_sql::{Param, SqlError, Statement};
use tracing::Instrument;

use super::files::{At, Files};
use super::load::Load;
use super::result::measure;
use super::{
    SchemaMode, Source, Write, WriteMode, WriteOptions, WriteResult, append, create, evolve, replace,
};
use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::input::{Input, Prepared};
use crate::lookup::{self, Found};
use crate::progress::Reporter;
use crate::stage::{Pace, Place, Sharing, Stage, Staged};
use crate::write_id::WriteId;

/// What a write does, once it is known whether the table is there.
pub(super) enum Plan {
    Append,
    Replace(replace::Replace),
    Create,
    /// A write of this key did it before.
    Done,
}

impl Plan {
    pub(super) fn sharing(&self, key: Option<&str>) -> Sharing {
        match (self, key) {
            (_, None) => Sharing::Alone,
            (Self::Append | Self::Create, Some(_)) => Sharing::SameFiles,
            (Self::Replace(_) | Self::Done, Some(_)) => Sharing::OwnFiles,
        }
    }
}

/// What all writes have: where, who, and by which name.
pub(super) struct Job<'a> {
    pub(super) remote: &'a Remote,
    pub(super) table: &'a TableName,
    pub(super) write_id: WriteId,
    pub(super) options: &'a WriteOptions,
    pub(super) parameters: &'a [(String, Param)],
}

impl Write<'_> {
    /// Runs the write. Without any rows nothing is sent, whatever the mode: to empty a table is for
    /// [`delete`](crate::DeltaClient::delete).
    ///
    /// # Errors
    /// Before anything is staged: [`DeltaError::TableNotFound`], [`DeltaError::TableExists`],
    /// [`DeltaError::UnknownColumn`], [`DeltaError::UnsupportedType`], [`DeltaError::InvalidOption`] and the like. While
    /// it is: [`DeltaError::Encode`], [`DeltaError::Input`], [`DeltaError::Upload`], [`DeltaError::StorageFull`]; what
    /// was staged is removed. From the commit: [`DeltaError::Sql`], [`DeltaError::IdempotencyKeyReused`],
    /// [`DeltaError::StagingChanged`], [`DeltaError::RowCountMismatch`], and [`DeltaError::OutcomeUnknown`] when no
    /// answer says whether it took effect.
    pub async fn send(self) -> Result<WriteResult> {
        let table = self.table.get()?.clone();
        let pace = pace(&self.options)?;
        let operation = self.options.mode.operation();
        let span = tracing::info_span!(
            "databricks.delta.write",
            table = %table.full_name(),
            operation,
            rows_written = tracing::field::Empty,
        );
        // On the heap: what a write does is too much for the frames of a debug build's callers.
        let result = Box::pin(self.run(&table, &pace)).instrument(span.clone()).await;
        measure(&table, operation, &result);
        if let Ok(written) = &result {
            span.record("rows_written", written.rows_affected);
        }
        result
    }

    async fn run(self, table: &TableName, pace: &Pace) -> Result<WriteResult> {
        let Self { client, table: _, source, options, place, parameters } = self;
        check(&options, &parameters)?;
        let key = options.idempotency_key.as_deref();
        let write_id = key.map_or_else(WriteId::random, |key| WriteId::derived(key, table));
        let nothing = WriteResult::of(write_id, &Staged::default());
        if source.is_known_empty() {
            return Ok(nothing);
        }
        let remote = client.remote()?;
        let (input, files) = source.open(remote).await?;
        let job = Job { remote, table, write_id, options: &options, parameters: &parameters };
        let mut found = lookup::find(remote, table).await?;
        let plan = job.plan(found.as_ref()).await?;
        let known_rows = files.as_ref().map(|files| files.rows).or(input.known_rows());
        let reporter = Reporter::new(options.progress.clone(), known_rows);
        let storage = Place::open(place.as_ref(), remote, table)?;
        let stage = Stage::new(storage, write_id, plan.sharing(key), pace, &reporter);
        if matches!(plan, Plan::Done) {
            return Ok(WriteResult { staging_left: stage.clean().await, ..nothing.already() });
        }
        if let (SchemaMode::Evolve, Some(found)) = (options.schema, &mut found) {
            let wanted = evolve::wanted(&input, found)?;
            evolve::evolve(&job, wanted, found).await?;
        }
        let rows = match &found {
            Some(found) => input.for_table(table, &found.schema).await?,
            None => input.for_new_table().await?,
        };
        let Prepared { batches, layout, casts } = rows;
        replace::check_data(&job, &casts)?;
        let load = match files.map(|files| files.at) {
            None => stage.upload(batches, &layout).await.map(|staged| Load::staged(&stage, staged, &casts)),
            Some(At::Here(files)) => {
                let staged = stage.upload_files(&files).await;
                staged.map(|staged| Load::staged(&stage, staged, &casts))
            }
            Some(At::Volume { directory, files }) => Load::in_place(&stage, directory, files, &casts),
        };
        let load = match load {
            Ok(load) if load.files.parts > 0 => load,
            nothing_to_load => {
                stage.abandon().await;
                return nothing_to_load.map(|_| nothing);
            }
        };
        let committed = match (&plan, &found) {
            (Plan::Append, Some(found)) => append::commit(&job, &load, &found.schema).await,
            (Plan::Replace(how), Some(found)) => replace::commit(&job, how, &load, &found.schema).await,
            _ => create::commit(&job, &load).await,
        };
        let result = job.finish(&load, committed).await?;
        reporter.committed(load.files.rows);
        Ok(result)
    }
}

impl<'a> Source<'a> {
    pub(super) fn is_known_empty(&self) -> bool {
        match self {
            Self::Data(input) => input.is_known_empty(),
            Self::Files(_) => false,
        }
    }

    /// The rows, or the columns of files and the files.
    pub(super) async fn open(self, remote: &Remote) -> Result<(Input<'a>, Option<Files>)> {
        match self {
            Self::Data(input) => Ok((input, None)),
            Self::Files(paths) => {
                let files = Files::open(remote, &paths).await?;
                Ok((files.columns(), Some(files)))
            }
        }
    }
}

impl Job<'_> {
    pub(super) async fn plan(&self, found: Option<&Found>) -> Result<Plan> {
        let Some(found) = found else {
            return match self.options.mode {
                WriteMode::ErrorIfExists => Ok(Plan::Create),
                _ if self.options.create_if_missing => Ok(Plan::Create),
                _ => Err(DeltaError::TableNotFound { table: self.table.full_name() }),
            };
        };
        if self.key().is_some() && create::made_by(found, self.write_id) {
            return Ok(Plan::Done);
        }
        match &self.options.mode {
            WriteMode::Append => Ok(Plan::Append),
            WriteMode::ErrorIfExists => Err(DeltaError::TableExists { table: self.table.full_name() }),
            mode => match replace::plan(self, mode, found).await? {
                Some(how) => Ok(Plan::Replace(how)),
                None => Ok(Plan::Done),
            },
        }
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.options.idempotency_key.as_deref()
    }

    /// The statement with the caller's parameters.
    pub(super) fn statement(&self, sql: String) -> Statement {
        let bind = |statement: Statement, (name, value): &(String, Param)| {
            statement.param(name.clone(), value.clone())
        };
        self.parameters.iter().fold(self.remote.sql.statement(sql), bind)
    }

    pub(super) fn unknown(&self, error: SqlError) -> DeltaError {
        DeltaError::OutcomeUnknown {
            write_id: self.write_id,
            table: self.table.full_name(),
            operation: "write",
            key: self.key().map(str::to_owned),
            source: Box::new(error),
        }
    }

    /// Cleans up after the statement, unless its files may still be read by it, or are needed to find out what is wrong.
    async fn finish(&self, load: &Load<'_>, committed: Result<Committed>) -> Result<WriteResult> {
        let staged =
            if load.in_place { Staged { bytes: 0, ..load.files.clone() } } else { load.files.clone() };
        let result = WriteResult::of(self.write_id, &staged);
        let result = match committed {
            Ok(Committed::Now) => result,
            Ok(Committed::InPart(rows_affected)) => WriteResult { rows_affected, ..result },
            Ok(Committed::Before) => result.already(),
            Err(error @ (DeltaError::OutcomeUnknown { .. } | DeltaError::RowCountMismatch { .. })) => {
                return Err(error);
            }
            Err(error) => {
                load.stage.abandon().await;
                return Err(error);
            }
        };
        Ok(WriteResult { staging_left: load.stage.clean().await, ..result })
    }
}

/// When the rows of a write that is done came into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Committed {
    /// In this run.
    Now,
    /// So many of them in this run: files that lie in a volume can have been loaded before by anyone.
    InPart(u64),
    /// In an earlier run of the same key.
    Before,
}

pub(super) fn pace(options: &WriteOptions) -> Result<Pace> {
    let default = Pace::default();
    let pace = Pace {
        batch_size: options.batch_size.unwrap_or(default.batch_size),
        concurrency: options.concurrency.unwrap_or(default.concurrency),
        compression: options.compression,
    };
    pace.check()?;
    Ok(pace)
}

pub(super) fn check(options: &WriteOptions, parameters: &[(String, Param)]) -> Result<()> {
    let refuse = |option, value: &str, reason: &str| {
        Err(DeltaError::InvalidOption { option, value: format!("`{value}`"), reason: reason.to_owned() })
    };
    match &options.mode {
        WriteMode::ReplaceWhere(condition) if condition.trim().is_empty() => {
            return refuse("replace_where", condition, "it is empty: to replace all rows is `Overwrite`");
        }
        WriteMode::ReplaceUsing(columns) if columns.is_empty() || columns.iter().any(String::is_empty) => {
            return refuse("replace_using", &columns.join(", "), "name the columns that rows must agree in");
        }
        _ => {}
    }
    match options.idempotency_key.as_deref() {
        Some("") => {
            return refuse("idempotency_key", "", "an empty key would be shared by unrelated writes");
        }
        Some(key) if matches!(options.mode, WriteMode::ReplaceUsing(_)) => {
            let reason = "REPLACE USING leaves nothing in the table's history by which a rerun could be known: \
                          use `ReplaceWhere`, or a merge with this key";
            return refuse("idempotency_key", key, reason);
        }
        _ => {}
    }
    let creates = options.create_if_missing || options.mode == WriteMode::ErrorIfExists;
    if !options.partitioned_by.is_empty() && !creates {
        let reason = "only a write that creates its table can say so: add `create_if_missing`";
        return refuse("partitioned_by", &options.partitioned_by.join(", "), reason);
    }
    match parameters.first() {
        Some((name, _)) if !matches!(options.mode, WriteMode::ReplaceWhere(_)) => {
            refuse("param", name, "only the condition of `ReplaceWhere` takes parameters")
        }
        _ => Ok(()),
    }
}
