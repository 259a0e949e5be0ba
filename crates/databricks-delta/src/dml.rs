//! Changing rows in place: DELETE and UPDATE.

use databricks_sql::{IntoParam, Param};

use crate::client::DeltaClient;
use crate::commit;
use crate::error::{DeltaError, Result};
use crate::names::Target;
use crate::operation;
use crate::statement::dml;

/// A DELETE being prepared: say which rows by [`filter`](Self::filter), or that all go by [`all_rows`](Self::all_rows).
#[must_use = "a DELETE is run by `send`"]
#[derive(Debug, Clone)]
pub struct Delete {
    rows: Rows,
}

/// An UPDATE being prepared: say what is set by [`set`](Self::set), and which rows by [`filter`](Self::filter) or
/// [`all_rows`](Self::all_rows).
#[must_use = "an UPDATE is run by `send`"]
#[derive(Debug, Clone)]
pub struct Update {
    rows: Rows,
    assignments: Vec<(String, String)>,
}

/// What a DELETE or an UPDATE did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowsChanged {
    /// Rows deleted or updated; none where the server does not say, as when a whole table is emptied.
    pub rows_affected: Option<u64>,
}

/// Some rows of a table, and the values in the caller's SQL.
#[derive(Debug, Clone)]
struct Rows {
    client: DeltaClient,
    table: Target,
    which: Option<Which>,
    parameters: Vec<(String, Param)>,
}

#[derive(Debug, Clone)]
enum Which {
    All,
    Where(String),
}

impl Rows {
    fn new(client: DeltaClient, table: Target) -> Self {
        Self { client, table, which: None, parameters: Vec::new() }
    }

    /// The condition; none for all rows. To leave it out must be said, not forgotten.
    fn condition(&self) -> Result<Option<&str>> {
        let refuse = |value: &str, reason: &str| {
            let (value, reason) = (format!("`{value}`"), reason.to_owned());
            Err(DeltaError::InvalidOption { option: "filter", value, reason })
        };
        match &self.which {
            None => refuse("", "say which rows are meant by `filter`, or that all are by `all_rows`"),
            Some(Which::All) => Ok(None),
            Some(Which::Where(condition)) if condition.trim().is_empty() => {
                refuse(condition, "it is empty: if all rows are meant, say `all_rows`")
            }
            Some(Which::Where(condition)) => Ok(Some(condition)),
        }
    }

    async fn send(self, sql: String, name: &'static str) -> Result<RowsChanged> {
        let table = self.table.get()?.clone();
        let sql_client = &self.client.remote()?.sql;
        let statement = self
            .parameters
            .into_iter()
            .fold(sql_client.statement(sql), |statement, (name, value)| statement.param(name, value));
        let result = commit::known(sql_client, &statement).await?;
        let changed = RowsChanged { rows_affected: result.affected_rows() };
        operation::count(&table, name, changed.rows_affected.unwrap_or_default());
        Ok(changed)
    }
}

/// The setters that say which rows are meant, of a statement that does something to them.
macro_rules! which_rows {
    ($does:literal, $markers:literal) => {
        #[doc = concat!($does, " the rows for which `condition` holds: SQL of the caller's own. Values go into it by")]
        /// [`param`](Self::param): `day < :day`.
        pub fn filter(mut self, condition: impl Into<String>) -> Self {
            self.rows.which = Some(Which::Where(condition.into()));
            self
        }

        #[doc = concat!($does, " all rows.")]
        pub fn all_rows(mut self) -> Self {
            self.rows.which = Some(Which::All);
            self
        }

        #[doc = concat!("Binds the marker `:name` of ", $markers, ".")]
        pub fn param(mut self, name: impl Into<String>, value: impl IntoParam) -> Self {
            self.rows.parameters.push((name.into(), value.into_param()));
            self
        }
    };
}

impl Delete {
    pub(crate) fn new(client: DeltaClient, table: Target) -> Self {
        Self { rows: Rows::new(client, table) }
    }

    which_rows!("Deletes", "the condition");

    /// The statement that [`send`](Self::send) runs.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`], or [`DeltaError::InvalidOption`] when it is not said which rows are meant.
    pub fn build_sql(&self) -> Result<String> {
        Ok(dml::delete(self.rows.table.get()?, self.rows.condition()?))
    }

    /// Runs the DELETE, as one commit. It is sent once, and again only after a conflict with another commit.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails; when its answer is lost
    /// the error [is ambiguous](DeltaError::is_ambiguous).
    pub async fn send(self) -> Result<RowsChanged> {
        let sql = self.build_sql()?;
        self.rows.send(sql, "delete").await
    }
}

impl Update {
    pub(crate) fn new(client: DeltaClient, table: Target) -> Self {
        Self { rows: Rows::new(client, table), assignments: Vec::new() }
    }

    /// Sets a column to a value: SQL of the caller's own, such as `wind * 2` or a marker, `:wind`.
    pub fn set(mut self, column: impl Into<String>, value: impl Into<String>) -> Self {
        self.assignments.push((column.into(), value.into()));
        self
    }

    which_rows!("Updates", "the condition or of a value");

    /// The statement that [`send`](Self::send) runs.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`], or [`DeltaError::InvalidOption`] when it is not said what is set, or in which rows.
    pub fn build_sql(&self) -> Result<String> {
        let table = self.rows.table.get()?;
        let empty = |(column, value): &&(String, String)| column.is_empty() || value.trim().is_empty();
        let reason = match (self.assignments.is_empty(), self.assignments.iter().find(empty)) {
            (true, _) => Some(("nothing".to_owned(), "say what to set by `set`")),
            (_, Some((column, _))) => Some((format!("`{column}`"), "a column and a value for it are needed")),
            _ => None,
        };
        if let Some((value, reason)) = reason {
            return Err(DeltaError::InvalidOption { option: "set", value, reason: reason.to_owned() });
        }
        Ok(dml::update(table, &self.assignments, self.rows.condition()?))
    }

    /// Runs the UPDATE, as one commit. It is sent once, and again only after a conflict with another commit.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails; when its answer is lost
    /// the error [is ambiguous](DeltaError::is_ambiguous).
    pub async fn send(self) -> Result<RowsChanged> {
        let sql = self.build_sql()?;
        self.rows.send(sql, "update").await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn all_rows_are_never_meant_by_silence() {
        let delta = DeltaClient::mock();
        let refused = |sql: Result<String>, wanted: &str| {
            let error = sql.unwrap_err();
            assert!(
                matches!(&error, DeltaError::InvalidOption { option, .. } if *option == wanted),
                "{wanted}: {error}"
            );
        };
        refused(delta.delete("days").build_sql(), "filter");
        refused(delta.delete("days").filter(" ").build_sql(), "filter");
        refused(delta.update("days").set("a", "1").build_sql(), "filter");
        refused(delta.update("days").all_rows().build_sql(), "set");
        refused(delta.update("days").set("a", " ").all_rows().build_sql(), "set");
        assert!(delta.delete("days").all_rows().build_sql().is_ok());
        assert!(delta.update("days").set("a", "b + 1").filter("c").build_sql().is_ok());
    }
}
