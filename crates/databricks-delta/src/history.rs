//! The commits of a table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use databricks_schema::TableName;
use futures::TryStreamExt;

use crate::cells::{self, Row};
use crate::client::{DeltaClient, Remote};
use crate::error::{DeltaError, Result};
use crate::names::Target;
use crate::statement::read;

/// A look at a table's history being prepared.
#[must_use = "a history is read by `send`"]
#[derive(Debug, Clone)]
pub struct History {
    client: DeltaClient,
    table: Target,
    limit: Option<u64>,
}

/// One version of a table and what made it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The version, counted from 0.
    pub version: i64,
    /// When it was committed.
    pub timestamp: Option<DateTime<Utc>>,
    /// What made it: `WRITE`, `MERGE`, `OPTIMIZE`, `COPY INTO`, ..
    pub operation: String,
    /// The operation's parameters, as text.
    pub operation_parameters: BTreeMap<String, String>,
    /// The operation's counts, as text: `numOutputRows`, `numTargetRowsUpdated`, ..
    pub operation_metrics: BTreeMap<String, String>,
    /// The user's id.
    pub user_id: Option<String>,
    /// The user's name.
    pub user_name: Option<String>,
    /// The version that the operation read.
    pub read_version: Option<i64>,
    /// `WriteSerializable` or `Serializable`.
    pub isolation_level: Option<String>,
    /// Whether the operation read nothing and only added rows.
    pub is_blind_append: Option<bool>,
    /// What the writer noted of its own.
    pub user_metadata: Option<String>,
    /// The engine that committed.
    pub engine_info: Option<String>,
}

impl History {
    pub(crate) fn new(client: DeltaClient, table: Target) -> Self {
        Self { client, table, limit: None }
    }

    /// Reads the newest `commits` only.
    pub fn limit(mut self, commits: u64) -> Self {
        self.limit = Some(commits);
        self
    }

    /// Reads the commits, newest first.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`]; [`DeltaError::Sql`] when the statement fails; [`DeltaError::UnexpectedResult`]
    /// when a commit has no version.
    pub async fn send(self) -> Result<Vec<Commit>> {
        fetch(self.client.remote()?, self.table.get()?, self.limit).await
    }
}

/// The commits of a table, newest first.
pub(crate) async fn fetch(remote: &Remote, table: &TableName, limit: Option<u64>) -> Result<Vec<Commit>> {
    let result = remote.sql.statement(read::history(table, limit)).idempotent().execute().await?;
    cells::rows(&result.batches)?.iter().map(Commit::of).collect()
}

/// The newest commit of this kind, of all that the history has: they are read one after the other and not kept.
pub(crate) async fn find(
    remote: &Remote,
    table: &TableName,
    is_it: impl Fn(&Commit) -> bool,
) -> Result<Option<Commit>> {
    let mut batches = remote.sql.statement(read::history(table, None)).idempotent().batches().await?;
    while let Some(batch) = batches.try_next().await? {
        for row in cells::rows(&[batch])? {
            let commit = Commit::of(&row)?;
            if is_it(&commit) {
                return Ok(Some(commit));
            }
        }
    }
    Ok(None)
}

impl Commit {
    /// A count of the operation's metrics.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        self.operation_metrics.get(name)?.parse().ok()
    }

    fn of(row: &Row) -> Result<Self> {
        let missing = |column: &str| DeltaError::UnexpectedResult {
            statement: "DESCRIBE HISTORY",
            message: format!("a commit has no {column}"),
        };
        Ok(Self {
            version: row.int("version").ok_or_else(|| missing("version"))?,
            timestamp: row.time("timestamp"),
            operation: row.text("operation").ok_or_else(|| missing("operation"))?,
            operation_parameters: row.map("operationParameters"),
            operation_metrics: row.map("operationMetrics"),
            user_id: row.text("userId"),
            user_name: row.text("userName"),
            read_version: row.int("readVersion"),
            isolation_level: row.text("isolationLevel"),
            is_blind_append: row.boolean("isBlindAppend"),
            user_metadata: row.text("userMetadata"),
            engine_info: row.text("engineInfo"),
        })
    }
}
