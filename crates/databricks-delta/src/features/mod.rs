//! Feature tables: tables with a primary key, written by merges on it, and read as things were at a point in time.

mod point_in_time;

use databricks_schema::{TableKey, TableName, TableSchema};
use serde::Serialize;
use serde_json::Value;

use crate::client::{DeltaClient, Remote};
use crate::error::{DeltaError, Result};
use crate::merge::{MergeBuilder, MergeResult};
use crate::names::IntoTableName;
use crate::read::Read;

use self::point_in_time::Labels;
pub use self::point_in_time::PointInTime;

/// A table of features: its rows are known by a primary key, and where a column of that key tells the time, each row
/// holds from that time on, until there is a later one.
///
/// ```no_run
/// # async fn example(delta: &databricks_delta::DeltaClient) -> Result<(), databricks_delta::DeltaError> {
/// use databricks_schema::TableSchema;
///
/// #[derive(serde::Serialize)]
/// struct Spending { customer: i64, at: String, month: f64 }
///
/// let columns = TableSchema::parse("customer BIGINT, at TIMESTAMP, month DOUBLE")?;
/// delta.create_table("spending", columns).primary_key(["customer", "at"]).timestamp_key("at").send().await?;
/// let spending = delta.feature_table("spending").await?;
/// spending.write(&[Spending { customer: 1, at: "2026-01-01T00:00:00Z".to_owned(), month: 12.5 }]).await?;
/// // Each order with what its customer had spent by then.
/// let rows: Vec<(i64, String, f64)> = spending.point_in_time("orders").at("ordered_at").fetch_all().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FeatureTable {
    client: DeltaClient,
    table: TableName,
    schema: TableSchema,
    keys: Vec<String>,
    timestamp: Option<String>,
}

impl DeltaClient {
    /// A table with a primary key, which Unity Catalog is asked for.
    ///
    /// # Errors
    /// [`DeltaError::TableNotFound`]; [`DeltaError::InvalidOption`] for a table without a primary key.
    pub async fn feature_table(&self, table: impl IntoTableName) -> Result<FeatureTable> {
        let table = self.table_name(table)?;
        FeatureTable::find(self, self.remote()?, table).await
    }
}

impl FeatureTable {
    async fn find(client: &DeltaClient, remote: &Remote, table: TableName) -> Result<Self> {
        let info = crate::lookup::info(remote, &table)
            .await?
            .ok_or_else(|| DeltaError::TableNotFound { table: table.full_name() })?;
        let description = info.description()?;
        let primary = description.keys.iter().find(|key| key.parent.is_none());
        let Some(TableKey { columns, .. }) = primary else {
            return Err(DeltaError::InvalidOption {
                option: "feature_table",
                value: table.full_name(),
                reason:
                    "it has no primary key: create it with `primary_key`, or ALTER TABLE .. ADD PRIMARY KEY"
                        .to_owned(),
            });
        };
        let timestamp = timeseries(info.extra.get("table_constraints"));
        Ok(Self {
            client: client.clone(),
            schema: description.schema.clone(),
            keys: columns.clone(),
            timestamp,
            table,
        })
    }

    /// The table's name.
    pub fn name(&self) -> &TableName {
        &self.table
    }

    /// The columns of its primary key.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The column of the key that tells from when on a row holds.
    pub fn timestamp_key(&self) -> Option<&str> {
        self.timestamp.as_deref()
    }

    /// The columns that are not of the key.
    pub fn features(&self) -> Vec<&str> {
        let names = self.schema.columns.iter().map(|column| column.name.as_str());
        names.filter(|name| !self.keys.iter().any(|key| key.eq_ignore_ascii_case(name))).collect()
    }

    /// Takes a column of the key for the one that tells the time, where the table itself does not say so.
    ///
    /// # Errors
    /// [`DeltaError::InvalidOption`] when it is not of the key.
    pub fn with_timestamp_key(mut self, column: &str) -> Result<Self> {
        let key = self.keys.iter().find(|key| key.eq_ignore_ascii_case(column));
        let key = key.ok_or_else(|| DeltaError::InvalidOption {
            option: "timestamp_key",
            value: column.to_owned(),
            reason: format!("the primary key of {} is ({})", self.table, self.keys.join(", ")),
        })?;
        self.timestamp = Some(key.clone());
        Ok(self)
    }

    /// A merge on the key, which updates the rows that are there and inserts the others: its source is still to be named.
    pub fn merge<'a>(&self) -> MergeBuilder<'a> {
        let merge = self.client.merge(&self.table).on_keys(&self.keys);
        merge.when_matched_update_all().when_not_matched_insert_all()
    }

    /// Writes rows: those whose key is there take the place of what is. No two of them may have the same key.
    ///
    /// # Errors
    /// As [`MergeBuilder::execute`].
    pub async fn write<T: Serialize + Sync>(&self, rows: &[T]) -> Result<MergeResult> {
        self.merge().using_values(rows).execute().await
    }

    /// Reads the table as it is.
    pub fn read(&self) -> Read {
        self.client.read_table(&self.table)
    }

    /// Reads the rows of a table of labels, each with the features of its key as they were at its time.
    pub fn point_in_time(&self, labels: impl IntoTableName) -> PointInTime {
        PointInTime::new(self.clone(), Labels::Table(self.client.target(labels)))
    }

    /// As [`point_in_time`](Self::point_in_time), for the rows of a query: SQL of the caller's own, which is read twice.
    pub fn point_in_time_of_query(&self, sql: impl Into<String>) -> PointInTime {
        PointInTime::new(self.clone(), Labels::Query(sql.into()))
    }
}

/// The time series column of the primary key, as Unity Catalog tells of it.
fn timeseries(constraints: Option<&Value>) -> Option<String> {
    let mut constraints = constraints?.as_array()?.iter();
    let primary = constraints.find_map(|constraint| constraint.get("primary_key_constraint"))?;
    primary.get("timeseries_columns")?.get(0)?.as_str().map(str::to_owned)
}
