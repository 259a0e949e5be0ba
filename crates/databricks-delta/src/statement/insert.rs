//! Statements that put staged rows in the place of others, or into a new table.

use std::fmt::Write;

use databricks_schema::{TableName, TableSchema, quote};

use super::cast::CastColumn;
use crate::stage::StagedFile;

/// Staged rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) directory: &'a str,
    /// How many there are.
    pub(crate) count: u64,
    /// The files of the directory that hold them, when it holds others too.
    pub(crate) named: &'a [StagedFile],
    pub(crate) casts: &'a [CastColumn],
}

/// Which rows of a table make way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Replace {
    All,
    Where(String),
    Using(Vec<String>),
}

pub(crate) fn replace(table: &TableName, what: &Replace, rows: &Rows<'_>, schema: &TableSchema) -> String {
    match what {
        Replace::All => {
            let targets: Vec<&str> = rows.casts.iter().map(|cast| cast.target.as_str()).collect();
            format!("INSERT OVERWRITE {table} ({})\n{}", quote::column_list(&targets), rows.select())
        }
        Replace::Where(condition) => {
            format!("INSERT INTO {table} REPLACE WHERE {condition}\n{}", rows.select_all(schema))
        }
        Replace::Using(columns) => {
            let columns = quote::column_list(columns);
            format!("INSERT INTO {table} REPLACE USING ({columns})\n{}", rows.select_all(schema))
        }
    }
}

/// A new table with these rows. A query gives it its columns, so they are not listed.
pub(crate) fn create(
    table: &TableName,
    partitioned_by: &[String],
    (property, value): &(&str, String),
    rows: &Rows<'_>,
) -> String {
    let mut sql = format!("CREATE TABLE {table}");
    if !partitioned_by.is_empty() {
        let _ = write!(sql, "\nPARTITIONED BY ({})", quote::column_list(partitioned_by));
    }
    let _ = write!(
        sql,
        "\nTBLPROPERTIES ({} = {})\nAS {}",
        quote::string(property),
        quote::string(value),
        rows.select()
    );
    sql
}

impl Rows<'_> {
    fn select(&self) -> String {
        self.from(self.casts.iter().map(CastColumn::to_sql).collect())
    }

    /// Every column of the table in its order, as a statement needs it that takes no list of columns: those that the
    /// data lacks have their default, or are NULL.
    fn select_all(&self, schema: &TableSchema) -> String {
        let columns = schema.columns.iter().map(|column| {
            let given = self.casts.iter().find(|cast| cast.fills(column));
            given.map_or_else(|| CastColumn::left_out(column).to_sql(), CastColumn::to_sql)
        });
        self.from(columns.collect())
    }

    fn from(&self, columns: Vec<String>) -> String {
        let columns = columns.join(", ");
        let select = |from| format!("SELECT {columns}\nFROM {from}");
        if self.named.is_empty() {
            return select(staged(self.directory, Some(self.count)));
        }
        let files = self.named.iter().map(|StagedFile { name, rows, .. }| {
            select(counted(&format!("{}/{name}", self.directory), Some(*rows)))
        });
        files.collect::<Vec<_>>().join("\nUNION ALL\n")
    }
}

/// The staged files as a relation and, where it is known how many rows they hold, the condition that all are there: a
/// directory that has lost files would read as fewer rows, and so the statement fails instead.
pub(crate) fn staged(directory: &str, rows: Option<u64>) -> String {
    counted(&format!("{directory}/"), rows)
}

fn counted(path: &str, rows: Option<u64>) -> String {
    let files = format!("read_files({}, format => 'parquet')", quote::string(path));
    let Some(rows) = rows else { return files };
    format!(
        "{files}\nWHERE CAST(CASE WHEN (SELECT count(*) FROM {files}) = {rows} THEN 'true' ELSE 'staged files are missing' END AS BOOLEAN)"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_take_the_place_of_others_in_every_way() {
        let table = TableName::new("main", "weather", "da`ys").unwrap();
        let schema = TableSchema::parse("day DATE, `wi``nd` DOUBLE, v VARIANT, note CHAR(3)").unwrap();
        let casts = [
            CastColumn::new("WI`ND", "wi`nd", &schema.columns[1].data_type, false).unwrap(),
            CastColumn::new("day", "day", &schema.columns[0].data_type, true).unwrap(),
        ];
        let rows = Rows {
            directory: "/Volumes/main/weather/_staging/it's/5b3",
            count: 25,
            named: &[],
            casts: &casts,
        };
        let file = |name: &str, rows| StagedFile { name: name.to_owned(), bytes: 1, rows };
        let named = [file("a.parquet", 10), file("it's.parquet", 15)];
        let condition = "(day = :day -- today\n) AND true".to_owned();
        let property = ("databricks_delta.write_id", "5b3".to_owned());
        let statements = [
            replace(&table, &Replace::All, &rows, &schema),
            replace(&table, &Replace::Where(condition), &rows, &schema),
            replace(&table, &Replace::Using(vec!["day".to_owned(), "wi`nd".to_owned()]), &rows, &schema),
            create(&table, &["day".to_owned()], &property, &rows),
            create(&table, &[], &property, &rows),
            replace(&table, &Replace::All, &Rows { named: &named, ..rows }, &schema),
        ];
        insta::assert_snapshot!(statements.join("\n;\n"));
    }

    #[test]
    fn a_column_that_the_data_lacks_has_its_default() {
        let table = TableName::new("main", "weather", "days").unwrap();
        let mut schema = TableSchema::parse("day DATE, note STRING, n INT").unwrap();
        schema.columns[1].default = Some("'it''s new' -- or so".to_owned());
        let casts = [CastColumn::new("day", "day", &schema.columns[0].data_type, true).unwrap()];
        let rows = Rows { directory: "/Volumes/a/b/c/d", count: 1, named: &[], casts: &casts };
        let sql = replace(&table, &Replace::Where("true".to_owned()), &rows, &schema);
        let list = "SELECT CAST(`day` AS DATE) AS `day`, CAST(('it''s new' -- or so\n) AS STRING) AS `note`, CAST(NULL AS INT) AS `n`";
        assert!(sql.contains(list), "{sql}");
    }
}
