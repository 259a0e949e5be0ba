//! The whole result of one statement, in memory.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use futures::TryStreamExt;
use serde::de::Deserialize;

use crate::{BatchStream, Column, Result, StatementId, rows};

/// The whole result of one statement.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatementResult {
    /// The statement.
    pub statement_id: StatementId,
    /// The columns as the server describes them; empty for statements without a result, such as DDL.
    pub columns: Vec<Column>,
    /// The Arrow schema of `batches`.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
}

impl StatementResult {
    pub(crate) async fn collect(mut stream: BatchStream) -> Result<Self> {
        let mut batches = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            batches.push(batch);
        }
        Ok(Self {
            statement_id: stream.statement_id().clone(),
            columns: stream.columns().to_vec(),
            schema: stream.schema(),
            batches,
        })
    }

    /// The number of rows in `batches`: one for a statement that answers with counts.
    pub fn num_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The rows as values of `T`, which may borrow text and bytes from the batches.
    ///
    /// ```no_run
    /// # async fn run(sql: databricks_sql::SqlClient) -> databricks_sql::Result<()> {
    /// #[derive(serde::Deserialize)]
    /// struct Station<'r> { name: &'r str, high: f64 }
    ///
    /// let result = sql.execute("SELECT name, high FROM main.weather.stations").await?;
    /// let stations: Vec<Station<'_>> = result.rows()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`SqlError::Row`](crate::SqlError::Row) naming row, column, SQL type and Rust type for the first that does not fit.
    pub fn rows<'r, T: Deserialize<'r>>(&'r self) -> Result<Vec<T>> {
        let mut out = Vec::with_capacity(self.num_rows());
        for batch in &self.batches {
            let first = out.len() as u64;
            for row in rows::read(batch, &self.columns, 0..batch.num_rows(), first) {
                out.push(row?);
            }
        }
        Ok(out)
    }

    /// The rows that an INSERT, UPDATE, DELETE, MERGE or COPY INTO touched: `num_affected_rows`.
    pub fn affected_rows(&self) -> Option<u64> {
        self.count("num_affected_rows")
    }

    /// `num_inserted_rows`.
    pub fn inserted_rows(&self) -> Option<u64> {
        self.count("num_inserted_rows")
    }

    /// `num_updated_rows`.
    pub fn updated_rows(&self) -> Option<u64> {
        self.count("num_updated_rows")
    }

    /// `num_deleted_rows`.
    pub fn deleted_rows(&self) -> Option<u64> {
        self.count("num_deleted_rows")
    }

    /// The BIGINT named `column` in the first row, where a statement answers with counts.
    pub fn count(&self, column: &str) -> Option<u64> {
        let batch = self.batches.iter().find(|batch| batch.num_rows() > 0)?;
        let values = batch.column_by_name(column)?.as_primitive_opt::<Int64Type>()?;
        if values.is_null(0) { None } else { u64::try_from(values.value(0)).ok() }
    }
}
