//! CREATE TABLE, ALTER TABLE .. ADD COLUMNS and CREATE VOLUME.

use std::fmt::Write;

pub(crate) use databricks_schema::add_columns;
use databricks_schema::{ColumnSchema, TableName, quote};

use super::read::AsOf;

/// What a new table is.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTable {
    pub(crate) columns: Vec<ColumnSchema>,
    pub(crate) primary_key: Vec<String>,
    /// The column of the key that tells of when a row is.
    pub(crate) timeseries: Option<String>,
    pub(crate) if_not_exists: bool,
    pub(crate) comment: Option<String>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) partitioned_by: Vec<String>,
    pub(crate) clustered_by: Vec<String>,
}

pub(crate) fn create_table(table: &TableName, new: &NewTable) -> String {
    let exists = if new.if_not_exists { "IF NOT EXISTS " } else { "" };
    let columns = new.columns.iter().map(ColumnSchema::to_string).chain(primary_key(new));
    let columns = columns.collect::<Vec<_>>().join(",\n  ");
    let mut sql = format!("CREATE TABLE {exists}{table} (\n  {columns}\n)");
    if !new.partitioned_by.is_empty() {
        let _ = write!(sql, "\nPARTITIONED BY ({})", quote::column_list(&new.partitioned_by));
    }
    if !new.clustered_by.is_empty() {
        let _ = write!(sql, "\nCLUSTER BY ({})", quote::column_list(&new.clustered_by));
    }
    if let Some(comment) = &new.comment {
        let _ = write!(sql, "\nCOMMENT {}", quote::string(comment));
    }
    if !new.properties.is_empty() {
        let _ = write!(sql, "\nTBLPROPERTIES ({})", properties(&new.properties));
    }
    sql
}

/// `PRIMARY KEY (`id`, `at` TIMESERIES)`, if there is one.
fn primary_key(new: &NewTable) -> Option<String> {
    let columns = new.primary_key.iter().map(|column| {
        let of_time = new.timeseries.as_ref().is_some_and(|time| time.eq_ignore_ascii_case(column));
        format!("{}{}", quote::identifier(column), if of_time { " TIMESERIES" } else { "" })
    });
    let columns: Vec<_> = columns.collect();
    (!columns.is_empty()).then(|| format!("PRIMARY KEY ({})", columns.join(", ")))
}

fn properties(pairs: &[(String, String)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!("{} = {}", quote::string(key), quote::string(value)));
    pairs.collect::<Vec<_>>().join(", ")
}

pub(crate) fn set_properties(table: &TableName, pairs: &[(String, String)]) -> String {
    format!("ALTER TABLE {table} SET TBLPROPERTIES ({})", properties(pairs))
}

/// Changes the columns by which a table is clustered. Its rows stay where they are.
pub(crate) fn cluster_by(table: &TableName, columns: &[String]) -> String {
    format!("ALTER TABLE {table} CLUSTER BY ({})", quote::column_list(columns))
}

/// How a table is cloned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copy {
    pub(crate) shallow: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) replace: bool,
    pub(crate) as_of: Option<AsOf>,
}

pub(crate) fn clone_table(source: &TableName, to: &TableName, how: &Copy) -> String {
    let replace = if how.replace { "OR REPLACE " } else { "" };
    let exists = if how.if_not_exists { "IF NOT EXISTS " } else { "" };
    let kind = if how.shallow { "SHALLOW" } else { "DEEP" };
    let as_of = how.as_of.map(|as_of| format!(" {}", as_of.to_sql())).unwrap_or_default();
    format!("CREATE {replace}TABLE {exists}{to}\n{kind} CLONE {source}{as_of}")
}

/// `volume` is the volume's three-part name, which is written as a table's.
pub(crate) fn create_volume(volume: &TableName) -> String {
    format!("CREATE VOLUME IF NOT EXISTS {volume}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use databricks_schema::DataType;

    use super::*;

    fn table() -> TableName {
        TableName::new("main", "weather", "days").unwrap()
    }

    fn hostile() -> ColumnSchema {
        ColumnSchema::new("a`b", DataType::Double).with_comment("it's \\ here")
    }

    #[test]
    fn a_new_table_with_everything() {
        let new = NewTable {
            columns: vec![
                ColumnSchema::new("date", DataType::Date).with_nullable(false),
                hostile(),
                ColumnSchema::new(
                    "readings",
                    DataType::parse("ARRAY<STRUCT<at: TIMESTAMP, c: DECIMAL(5,2)>>").unwrap(),
                ),
            ],
            primary_key: vec!["date".into(), "a`b".into()],
            timeseries: Some("DATE".into()),
            if_not_exists: true,
            comment: Some("the city's weather".into()),
            properties: vec![
                ("delta.enableChangeDataFeed".into(), "true".into()),
                ("it's".into(), "a \\ b".into()),
            ],
            partitioned_by: vec!["date".into()],
            clustered_by: vec![],
        };
        insta::assert_snapshot!(create_table(&table(), &new));
    }

    #[test]
    fn a_new_table_with_clustering() {
        let new = NewTable {
            columns: vec![ColumnSchema::new("date", DataType::Date)],
            clustered_by: vec!["date".into()],
            ..NewTable::default()
        };
        insta::assert_snapshot!(create_table(&table(), &new));
    }

    #[test]
    fn added_columns_are_one_statement() {
        insta::assert_snapshot!(add_columns(
            &table(),
            &[ColumnSchema::new("rain", DataType::Int), hostile()]
        ));
    }

    #[test]
    fn properties_and_clones_in_every_form() {
        let to = TableName::new("main", "wea`ther", "copy").unwrap();
        let pairs =
            [("it's".to_owned(), "a \\ b".to_owned()), ("delta.appendOnly".to_owned(), "true".to_owned())];
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        let clones = [
            Copy::default(),
            Copy { shallow: true, if_not_exists: true, as_of: Some(AsOf::Version(3)), ..Copy::default() },
            Copy { replace: true, as_of: Some(AsOf::Timestamp(at)), ..Copy::default() },
        ];
        let columns = ["date".to_owned(), "a`b".to_owned()];
        let mut statements = vec![set_properties(&table(), &pairs), cluster_by(&table(), &columns)];
        statements.extend(clones.iter().map(|how| clone_table(&table(), &to, how)));
        insta::assert_snapshot!(statements.join("\n;\n"));
    }

    #[test]
    fn a_staging_volume() {
        let volume = TableName::new("main", "wea`ther", "_staging").unwrap();
        insta::assert_snapshot!(create_volume(&volume));
    }
}
