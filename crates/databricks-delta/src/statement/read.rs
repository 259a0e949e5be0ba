//! SELECT of a table at a version, and the DESCRIBE statements.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use databricks_schema::{TableName, quote};

use crate::error::{DeltaError, Result};

/// A version of a table: by its number, or the one that was current at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsOf {
    Version(i64),
    Timestamp(DateTime<Utc>),
}

impl AsOf {
    /// Delta counts versions from 0.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Version(version) if version < 0 => Err(DeltaError::InvalidOption {
                option: "version",
                value: version.to_string(),
                reason: "versions are counted from 0".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// `VERSION AS OF 3`; as in a query and in RESTORE.
    pub(crate) fn to_sql(self) -> String {
        match self {
            Self::Version(version) => format!("VERSION AS OF {version}"),
            Self::Timestamp(at) => {
                let text = at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
                format!("TIMESTAMP AS OF {}", quote::string(&text))
            }
        }
    }
}

/// Versions whose changes are read: from one to another, or to the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) from: i64,
    pub(crate) to: Option<i64>,
}

impl Changes {
    /// `table_changes('c.s.t', 1, 5)`: the table's name is a text there.
    fn to_sql(self, table: &TableName) -> String {
        let to = self.to.map(|to| format!(", {to}")).unwrap_or_default();
        format!("table_changes({}, {}{to})", quote::string(&table.to_string()), self.from)
    }
}

/// What to read of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Select {
    pub(crate) columns: Vec<String>,
    /// The caller's own select list, instead of columns.
    pub(crate) list: Option<String>,
    pub(crate) as_of: Option<AsOf>,
    /// The changes between two versions instead of the rows of one.
    pub(crate) changes: Option<Changes>,
    pub(crate) filter: Option<String>,
    pub(crate) limit: Option<u64>,
}

pub(crate) fn select(table: &TableName, read: &Select) -> String {
    let columns = match &read.list {
        Some(list) => format!("{list}\n"),
        None if read.columns.is_empty() => "* ".to_owned(),
        None => format!("{} ", quote::column_list(&read.columns)),
    };
    let source = read.changes.map_or_else(|| table.to_string(), |changes| changes.to_sql(table));
    let mut sql = format!("SELECT {columns}FROM {source}");
    if let Some(as_of) = read.as_of {
        let _ = write!(sql, " {}", as_of.to_sql());
    }
    if let Some(filter) = &read.filter {
        let _ = write!(sql, "\nWHERE {filter}\n");
    }
    if let Some(limit) = read.limit {
        let separator = if sql.ends_with('\n') { "" } else { " " };
        let _ = write!(sql, "{separator}LIMIT {limit}");
    }
    sql.truncate(sql.trim_end().len());
    sql
}

pub(crate) fn history(table: &TableName, limit: Option<u64>) -> String {
    match limit {
        Some(limit) => format!("DESCRIBE HISTORY {table} LIMIT {limit}"),
        None => format!("DESCRIBE HISTORY {table}"),
    }
}

pub(crate) fn detail(table: &TableName) -> String {
    format!("DESCRIBE DETAIL {table}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table() -> TableName {
        TableName::new("main", "we`ather", "days").unwrap()
    }

    #[test]
    fn a_read_says_only_what_was_asked() {
        insta::assert_snapshot!(select(&table(), &Select::default()));
    }

    #[test]
    fn a_read_of_a_version() {
        let read = Select {
            columns: vec!["date".into(), "a`; DROP TABLE t; --".into()],
            as_of: Some(AsOf::Version(3)),
            filter: Some("wind > :wind -- strong".into()),
            limit: Some(10),
            ..Select::default()
        };
        insta::assert_snapshot!(select(&table(), &read));
    }

    #[test]
    fn a_read_of_a_select_list() {
        let read = Select { list: Some("count(*) AS rows -- all".into()), ..Select::default() };
        insta::assert_snapshot!(select(&table(), &read));
    }

    #[test]
    fn a_read_of_a_time() {
        let at = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        let read = Select { as_of: Some(AsOf::Timestamp(at)), limit: Some(1), ..Select::default() };
        insta::assert_snapshot!(select(&table(), &read));
    }

    #[test]
    fn a_read_of_changes() {
        let read =
            |to| Select { changes: Some(Changes { from: 2, to }), limit: Some(5), ..Select::default() };
        insta::assert_snapshot!(
            [select(&table(), &read(None)), select(&table(), &read(Some(7)))].join("\n;\n")
        );
    }

    #[test]
    fn history_and_detail() {
        insta::assert_snapshot!(
            [history(&table(), Some(5)), history(&table(), None), detail(&table())].join("\n;\n")
        );
    }
}
