//! The seam through which schema management runs SQL: one method, mocked in tests, implemented by the SQL client.
//!
//! Nothing here knows HTTP or an async runtime.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::{ColumnSchema, DataType};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What [`StatementRunner::run`] gives.
pub type RunFuture<'a> = Pin<Box<dyn Future<Output = Result<Rows, StatementError>> + Send + 'a>>;

/// Runs one SQL statement to its end and gives its rows.
///
/// For commands and their small results: all rows are held in memory.
pub trait StatementRunner: Send + Sync {
    /// Runs `statement`; `parameters` fill its `:name` markers. Dropping the future cancels the statement.
    fn run<'a>(&'a self, statement: &'a str, parameters: &'a [StatementParameter]) -> RunFuture<'a>;
}

impl<T: StatementRunner + ?Sized> StatementRunner for std::sync::Arc<T> {
    fn run<'a>(&'a self, statement: &'a str, parameters: &'a [StatementParameter]) -> RunFuture<'a> {
        (**self).run(statement, parameters)
    }
}

/// The value of a `:name` marker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementParameter {
    /// The marker's name, without the colon.
    pub name: String,
    /// The value as text; `None` is NULL.
    pub value: Option<String>,
    /// Its type; never an array, a map or a struct.
    pub data_type: DataType,
}

impl StatementParameter {
    /// A parameter of this type; `None` is NULL.
    pub fn new(name: impl Into<String>, data_type: DataType, value: Option<String>) -> Self {
        Self { name: name.into(), value, data_type }
    }

    /// A `STRING` parameter.
    pub fn string(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::new(name, DataType::String, Some(value.into()))
    }
}

/// The rows of a statement, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rows {
    /// The columns, in order; empty for statements without a result.
    pub columns: Vec<ColumnSchema>,
    /// The rows; each has one cell a column, as text in the form of `JSON_ARRAY` results, or `None` for NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// These rows of these columns.
    pub fn new(columns: Vec<ColumnSchema>, rows: Vec<Vec<Option<String>>>) -> Self {
        Self { columns, rows }
    }

    /// The place of the column of this name, in any case.
    pub fn column(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.columns.iter().position(|column| column.name.to_lowercase() == name)
    }

    /// The cell of this row (from 0) and column; `None` for NULL and for what is not there.
    pub fn get(&self, row: usize, column: &str) -> Option<&str> {
        self.rows.get(row)?.get(self.column(column)?)?.as_deref()
    }
}

/// Why a statement failed.
pub struct StatementError {
    message: String,
    error_class: Option<String>,
    sql_state: Option<String>,
    unsettled: bool,
    source: Option<BoxError>,
}

impl StatementError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), error_class: None, sql_state: None, unsettled: false, source: None }
    }

    /// With the error class, for example `DELTA_CONCURRENT_APPEND`.
    pub fn with_error_class(mut self, error_class: impl Into<String>) -> Self {
        self.error_class = Some(error_class.into());
        self
    }

    /// With the SQLSTATE, for example `2D521`.
    pub fn with_sql_state(mut self, sql_state: impl Into<String>) -> Self {
        self.sql_state = Some(sql_state.into());
        self
    }

    /// Whether the server may have run the statement all the same: its answer was lost.
    pub fn with_unsettled(mut self, unsettled: bool) -> Self {
        self.unsettled = unsettled;
        self
    }

    /// With the runner's own error as its source.
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error class the server named.
    pub fn error_class(&self) -> Option<&str> {
        self.error_class.as_deref()
    }

    /// Whether this is the error class, whatever its subclass: `A.B` is of class `A`.
    pub fn is_class(&self, class: &str) -> bool {
        self.error_class.as_deref().is_some_and(|found| found.split('.').next() == Some(class))
    }

    /// Whether the statement met another commit to the table. Nothing of it was committed.
    pub fn is_conflict(&self) -> bool {
        let by_class = self.error_class.as_deref().is_some_and(|class| {
            class.starts_with("DELTA_CONCURRENT_")
                || class.starts_with("DELTA_METADATA_CHANGED")
                || class.starts_with("DELTA_PROTOCOL_CHANGED")
        });
        by_class || self.sql_state() == Some("2D521")
    }

    /// Whether the server may have run the statement all the same: its answer was lost.
    pub fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// The SQLSTATE the server named.
    pub fn sql_state(&self) -> Option<&str> {
        self.sql_state.as_deref()
    }
}

impl fmt::Debug for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, error_class, sql_state, unsettled, source } = self;
        f.debug_struct("StatementError")
            .field("message", message)
            .field("error_class", error_class)
            .field("sql_state", sql_state)
            .field("unsettled", unsettled)
            .field("source", source)
            .finish()
    }
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StatementError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::error::Error;
    use std::sync::Arc;

    use super::*;

    struct Fixed;

    impl StatementRunner for Fixed {
        fn run<'a>(&'a self, statement: &'a str, _: &'a [StatementParameter]) -> RunFuture<'a> {
            let columns = vec![ColumnSchema::new("Version", DataType::BigInt)];
            let rows = vec![vec![Some(statement.to_owned())], vec![None]];
            Box::pin(std::future::ready(Ok(Rows::new(columns, rows))))
        }
    }

    #[test]
    fn runners_are_objects_and_rows_are_read_by_name() {
        let runner: Arc<dyn StatementRunner> = Arc::new(Fixed);
        let mut future = runner.run("7", &[]);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(rows) = future.as_mut().poll(&mut context) else {
            return assert_eq!("pending", "ready");
        };
        let rows = rows.unwrap();
        assert_eq!(rows.get(0, "version"), Some("7"));
        assert_eq!(rows.get(1, "version"), None);
        assert_eq!(rows.get(0, "nothing"), None);
    }

    #[test]
    fn errors_keep_their_source() {
        let source = std::io::Error::other("reset");
        let error = StatementError::new("it failed").with_sql_state("2D521").with_source(source);
        assert_eq!(error.to_string(), "it failed");
        assert_eq!(error.sql_state(), Some("2D521"));
        assert_eq!(error.source().unwrap().to_string(), "reset");
    }
}
