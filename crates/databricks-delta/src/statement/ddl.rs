//! CREATE TABLE, ALTER TABLE .. ADD COLUMNS and CREATE VOLUME.

use std::fmt::Write;

pub(crate) use databricks_schema::add_columns;
use databricks_schema::{ColumnSchema, TableName, quote};

/// What a new table is.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTable {
    pub(crate) columns: Vec<ColumnSchema>,
    pub(crate) if_not_exists: bool,
    pub(crate) comment: Option<String>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) partitioned_by: Vec<String>,
    pub(crate) clustered_by: Vec<String>,
}

pub(crate) fn create_table(table: &TableName, new: &NewTable) -> String {
    let exists = if new.if_not_exists { "IF NOT EXISTS " } else { "" };
    let columns = new.columns.iter().map(ColumnSchema::to_string).collect::<Vec<_>>().join(",\n  ");
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
        let properties = new
            .properties
            .iter()
            .map(|(key, value)| format!("{} = {}", quote::string(key), quote::string(value)));
        let _ = write!(sql, "\nTBLPROPERTIES ({})", properties.collect::<Vec<_>>().join(", "));
    }
    sql
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
    fn a_staging_volume() {
        let volume = TableName::new("main", "wea`ther", "_staging").unwrap();
        insta::assert_snapshot!(create_volume(&volume));
    }
}
