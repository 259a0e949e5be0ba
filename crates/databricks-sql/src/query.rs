//! Builds SELECT statements: names are quoted, values travel as parameters, conditions are the caller's own SQL.

use std::fmt;

use chrono::{DateTime, TimeZone};
use databricks_schema::quote;

use crate::lex::{Kind, Pieces};
use crate::{IntoParam, Param, Result, SqlClient, SqlError, Statement};

/// A SELECT statement in the making; [`SqlClient::query`] begins one.
///
/// ```
/// # fn run(sql: databricks_sql::SqlClient) -> Result<(), databricks_sql::SqlError> {
/// let statement = sql
///     .query()
///     .select(["station", "wind"])
///     .from_table("main.weather.days")
///     .version_as_of(7)
///     .where_clause("wind > :least")
///     .with_parameter("least", 5.0)
///     .order_by("wind")
///     .limit(10)
///     .build()?;
/// assert_eq!(
///     statement.sql(),
///     "SELECT `station`, `wind` FROM `main`.`weather`.`days` VERSION AS OF 7 WHERE (wind > :least) ORDER BY `wind` LIMIT 10"
/// );
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is built and run"]
pub struct QueryBuilder {
    client: SqlClient,
    columns: Vec<Item>,
    table: Option<String>,
    travel: Vec<String>,
    conditions: Vec<String>,
    parameters: Vec<(String, Param)>,
    order: Vec<Item>,
    limit: Option<u64>,
}

/// A part of a list.
#[derive(Clone, Debug)]
enum Item {
    /// SQL text that was made here.
    Made(String),
    /// SQL text of the caller, which is looked at before it is used.
    Given(String),
}

impl QueryBuilder {
    pub(crate) fn new(client: SqlClient) -> Self {
        Self {
            client,
            columns: Vec::new(),
            table: None,
            travel: Vec::new(),
            conditions: Vec::new(),
            parameters: Vec::new(),
            order: Vec::new(),
            limit: None,
        }
    }

    /// Adds columns by name; `*` stands for all of them, which are also taken when none is named.
    pub fn select<N: AsRef<str>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.columns.extend(columns.into_iter().map(|name| Item::Made(column(name.as_ref()))));
        self
    }

    /// Adds an expression, as the caller's own SQL text: `count(*) AS days`.
    pub fn select_expr(mut self, sql: impl Into<String>) -> Self {
        self.columns.push(Item::Given(sql.into()));
        self
    }

    /// The table: `main.weather.days`, parts between backticks where they need it, or a
    /// [`TableName`](databricks_schema::TableName). Fewer than three parts are resolved in the client's catalog and schema.
    pub fn from_table(mut self, table: impl fmt::Display) -> Self {
        self.table = Some(table.to_string());
        self
    }

    /// Reads the table as of a version.
    pub fn version_as_of(mut self, version: u64) -> Self {
        self.travel.push(format!("VERSION AS OF {version}"));
        self
    }

    /// Reads the table as it was at an instant.
    pub fn timestamp_as_of<Z: TimeZone>(mut self, at: DateTime<Z>) -> Self {
        let text = at.to_utc().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        self.travel.push(format!("TIMESTAMP AS OF {}", quote::string(&text)));
        self
    }

    /// Keeps the rows for which `condition`, the caller's own SQL text, holds. Conditions of several calls must all hold.
    ///
    /// Never write a value that comes from elsewhere into it: write a marker and bind it by
    /// [`with_parameter`](Self::with_parameter).
    pub fn where_clause(mut self, condition: impl Into<String>) -> Self {
        self.conditions.push(condition.into());
        self
    }

    /// Binds the marker `:name`.
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl IntoParam) -> Self {
        self.parameters.push((name.into(), value.into_param()));
        self
    }

    /// Sorts by a column, the smallest first; after the columns named before.
    pub fn order_by(mut self, name: impl AsRef<str>) -> Self {
        self.order.push(Item::Made(quote::identifier(name.as_ref())));
        self
    }

    /// Sorts by a column, the largest first; after the columns named before.
    pub fn order_by_desc(mut self, name: impl AsRef<str>) -> Self {
        self.order.push(Item::Made(format!("{} DESC", quote::identifier(name.as_ref()))));
        self
    }

    /// Sorts by an expression, the caller's own SQL text: `lower(name) DESC NULLS LAST`.
    pub fn order_by_expr(mut self, sql: impl Into<String>) -> Self {
        self.order.push(Item::Given(sql.into()));
        self
    }

    /// Takes at most `rows` rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// The statement, with its parameters bound. [`Statement::sql`] and [`Statement::parameters`] show what it holds.
    ///
    /// # Errors
    /// [`SqlError::InvalidStatement`] when no table is named, a name is empty or cannot be read, a version and an
    /// instant are both asked for, or a text of the caller does not stand for itself: it is empty, or a quote, comment or
    /// parenthesis in it is not closed.
    pub fn build(self) -> Result<Statement> {
        let statement = self.client.statement(self.to_sql()?);
        Ok(self
            .parameters
            .into_iter()
            .fold(statement, |statement, (name, value)| statement.param(name, value)))
    }

    /// The SQL text alone.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn to_sql(&self) -> Result<String> {
        let mut sql = format!("SELECT {} FROM {}", self.columns()?, self.table()?);
        match self.travel.as_slice() {
            [] => {}
            [travel] => sql.extend([" ", travel]),
            several => {
                return refuse(format!("the query has {}: ask for one of them", several.join(" and ")));
            }
        }
        for (n, condition) in self.conditions.iter().enumerate() {
            let condition = given("condition", condition)?;
            sql.extend([if n == 0 { " WHERE (" } else { " AND (" }, &condition, ")"]);
        }
        if !self.order.is_empty() {
            sql.extend([" ORDER BY ", &list("sort expression", &self.order)?]);
        }
        if let Some(rows) = self.limit {
            sql.push_str(&limit(rows)?);
        }
        Ok(sql)
    }

    fn columns(&self) -> Result<String> {
        if self.columns.is_empty() { Ok("*".to_owned()) } else { list("column", &self.columns) }
    }

    fn table(&self) -> Result<String> {
        let Some(table) = &self.table else {
            return refuse("the query names no table; name one with `from_table`");
        };
        let parts = quote::split_name(table).or_else(|error| refuse(error.to_string()))?;
        if parts.len() > 3 {
            return refuse(format!("`{table}` has {} parts; write `catalog.schema.table`", parts.len()));
        }
        Ok(quote::column_path(&parts))
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(SqlError::InvalidStatement { reason: reason.into() })
}

fn column(name: &str) -> String {
    if name == "*" { name.to_owned() } else { quote::identifier(name) }
}

fn list(what: &str, items: &[Item]) -> Result<String> {
    let items = items.iter().map(|item| match item {
        Item::Made(sql) if sql.starts_with("``") && !sql.starts_with("```") => {
            refuse(format!("a {what} has an empty name"))
        }
        Item::Made(sql) => Ok(sql.clone()),
        Item::Given(sql) => given(what, sql),
    });
    Ok(items.collect::<Result<Vec<_>>>()?.join(", "))
}

/// SQL counts rows in an INT.
fn limit(rows: u64) -> Result<String> {
    if rows > i32::MAX as u64 {
        return refuse(format!("a limit of {rows} rows is above {}; leave it out", i32::MAX));
    }
    Ok(format!(" LIMIT {rows}"))
}

/// A text of the caller, if it stands for itself: what follows it is not swallowed, and it does not end what it is in.
fn given(what: &str, sql: &str) -> Result<String> {
    let mut open = Vec::new();
    let (mut blank, mut ends_in_line_comment) = (true, false);
    for piece in Pieces::of(sql) {
        if !piece.closed {
            return refuse(format!("the {what} `{sql}` has a quote or a comment that is not closed"));
        }
        ends_in_line_comment = piece.text.starts_with("--");
        blank &= piece.kind == Kind::Comment || piece.text.trim().is_empty();
        match (piece.kind, piece.text) {
            (Kind::Code, "(") => open.push(")"),
            (Kind::Code, "[") => open.push("]"),
            (Kind::Code, "{") => open.push("}"),
            (Kind::Code, close @ (")" | "]" | "}")) if open.pop() != Some(close) => {
                return refuse(format!("the {what} `{sql}` has a `{close}` that closes nothing"));
            }
            (Kind::Code, ";") => return refuse(format!("the {what} `{sql}` has a semicolon; leave it out")),
            _ => {}
        }
    }
    if let Some(close) = open.pop() {
        return refuse(format!("the {what} `{sql}` lacks a `{close}`"));
    }
    if blank {
        return refuse(format!("a {what} is empty"));
    }
    // The space keeps a backslash at the comment's end from taking the line break into it.
    Ok(if ends_in_line_comment { format!("{sql} \n") } else { sql.to_owned() })
}

#[cfg(test)]
mod tests;
