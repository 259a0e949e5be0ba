//! What a table is made of.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use databricks_schema::TableName;

use crate::cells::{self, Row};
use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::statement::read;

/// A table's location, size and properties, from `DESCRIBE DETAIL`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableDetail {
    /// `delta`
    pub format: Option<String>,
    /// The table's id, which stays when it is renamed.
    pub id: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// The table's comment.
    pub description: Option<String>,
    /// Where its files lie.
    pub location: Option<String>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed.
    pub last_modified: Option<DateTime<Utc>>,
    /// The columns it is partitioned by.
    pub partition_columns: Vec<String>,
    /// The columns it is clustered by.
    pub clustering_columns: Vec<String>,
    /// Files of its newest version.
    pub num_files: u64,
    /// Bytes of its newest version.
    pub size_in_bytes: u64,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// The reader version it needs.
    pub min_reader_version: Option<i64>,
    /// The writer version it needs.
    pub min_writer_version: Option<i64>,
    /// The table features it has.
    pub table_features: Vec<String>,
}

pub(crate) async fn fetch(remote: &Remote, table: &TableName) -> Result<TableDetail> {
    let result = remote.sql.statement(read::detail(table)).idempotent().execute().await?;
    let rows = cells::rows(&result.batches)?;
    let row = rows.first().ok_or_else(|| DeltaError::UnexpectedResult {
        statement: "DESCRIBE DETAIL",
        message: format!("it has no row for {}", table.full_name()),
    })?;
    Ok(TableDetail::of(row))
}

impl TableDetail {
    fn of(row: &Row) -> Self {
        Self {
            format: row.text("format"),
            id: row.text("id"),
            name: row.text("name"),
            description: row.text("description"),
            location: row.text("location"),
            created_at: row.time("createdAt"),
            last_modified: row.time("lastModified"),
            partition_columns: row.list("partitionColumns"),
            clustering_columns: row.list("clusteringColumns"),
            num_files: row.count("numFiles"),
            size_in_bytes: row.count("sizeInBytes"),
            properties: row.map("properties"),
            min_reader_version: row.int("minReaderVersion"),
            min_writer_version: row.int("minWriterVersion"),
            table_features: row.list("tableFeatures"),
        }
    }
}
