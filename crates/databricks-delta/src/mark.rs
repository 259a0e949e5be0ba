//! The mark that a write leaves in its own commit, so that a table can say for itself whether the write happened.
//!
//! Delta's history keeps the condition of a MERGE and of a REPLACE WHERE. A write adds a term to it that is always true
//! and names the write: rows, and the proof that they were written, become visible in the same commit, or neither does.

use databricks_schema::{DataType, TableName, TableSchema, quote};

use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::history::{self, Commit};
use crate::write_id::WriteId;

/// So many of a table's newest commits are searched for a mark at first.
const NEWEST: u64 = 5_000;

/// A term of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    write_id: WriteId,
    column: String,
}

impl Mark {
    /// The mark of a write to a table with these columns; none when no column of it can be compared.
    ///
    /// It rests on a partition column where there is one: a condition on nothing else drops whole files unread. It names
    /// a column at all because a term without one is folded away before the history sees it.
    pub(crate) fn new(write_id: WriteId, schema: &TableSchema, partitions: &[String]) -> Option<Self> {
        let partition = partitions.first().and_then(|name| schema.column(name));
        let column =
            partition.or_else(|| schema.columns.iter().find(|column| is_simple(&column.data_type)))?;
        Some(Self { write_id, column: column.name.clone() })
    }

    /// The term. `side` is the name of the table in the statement, if it has one there.
    pub(crate) fn term(&self, side: Option<&str>) -> String {
        let column = quote::identifier(&self.column);
        let column = side.map(|side| format!("{side}.{column}")).unwrap_or(column);
        format!("coalesce(CAST({column} AS STRING), '') <> 'write {}'", self.write_id)
    }
}

fn is_simple(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::String
            | DataType::TinyInt
            | DataType::SmallInt
            | DataType::Int
            | DataType::BigInt
            | DataType::Date
            | DataType::Timestamp
            | DataType::TimestampNtz
            | DataType::Boolean
            | DataType::Double
            | DataType::Float
            | DataType::Decimal { .. }
    )
}

/// A table on which no mark can rest.
pub(crate) fn no_place(key: &str) -> DeltaError {
    DeltaError::InvalidOption {
        option: "idempotency_key",
        value: format!("`{key}`"),
        reason: "the table has no column of a simple type, on which the mark of this write could rest: leave the key \
                 out, or append"
            .to_owned(),
    }
}

/// The commit of a table that bears the mark of a write, however many came after it.
pub(crate) async fn find(remote: &Remote, table: &TableName, write_id: WriteId) -> Result<Option<Commit>> {
    let newest = history::fetch(remote, table, Some(NEWEST)).await?;
    let are_all = (newest.len() as u64) < NEWEST;
    match newest.into_iter().find(is_of(write_id)) {
        None if !are_all => history::find(remote, table, is_of(write_id)).await,
        found => Ok(found),
    }
}

/// The same among the newest commits: for a run that had looked at all of them when it began.
pub(crate) async fn find_recent(
    remote: &Remote,
    table: &TableName,
    write_id: WriteId,
) -> Result<Option<Commit>> {
    Ok(history::fetch(remote, table, Some(NEWEST)).await?.into_iter().find(is_of(write_id)))
}

fn is_of(write_id: WriteId) -> impl Fn(&Commit) -> bool {
    let id = write_id.to_string();
    move |commit| commit.operation_parameters.values().any(|value| value.contains(&id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn schema() -> TableSchema {
        TableSchema::parse("tags ARRAY<STRING>, `i``d` BIGINT, day DATE").unwrap()
    }

    #[test]
    fn the_mark_rests_on_a_partition_column_else_on_the_first_that_can_be_compared() {
        let table = TableName::new("main", "weather", "days").unwrap();
        let write_id = WriteId::derived("k", &table);
        let term = |partitions: &[&str], side| {
            let partitions: Vec<String> = partitions.iter().map(|&name| name.to_owned()).collect();
            Mark::new(write_id, &schema(), &partitions).unwrap().term(side)
        };
        insta::assert_snapshot!([term(&[], None), term(&["DAY"], Some("target"))].join("\n"));
        let lists = TableSchema::parse("tags ARRAY<STRING>").unwrap();
        assert_eq!(Mark::new(write_id, &lists, &[]), None);
    }
}
