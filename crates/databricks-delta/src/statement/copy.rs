//! COPY INTO: the one statement that commits a write.

use databricks_schema::{TableName, quote};

use super::cast::CastColumn;

/// Loads every file of the directory into the table's named columns, as one commit.
pub(crate) fn copy_into(table: &TableName, directory: &str, columns: &[CastColumn]) -> String {
    let targets =
        quote::column_list(&columns.iter().map(|column| column.target.as_str()).collect::<Vec<_>>());
    let casts = columns.iter().map(CastColumn::to_sql).collect::<Vec<_>>().join(", ");
    let source = quote::string(&format!("{directory}/"));
    format!("COPY INTO {table} ({targets})\nFROM (SELECT {casts} FROM {source})\nFILEFORMAT = PARQUET")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use databricks_schema::DataType;

    use super::*;

    #[test]
    fn copy_into_names_and_casts_every_column() {
        let table = TableName::new("main", "weather", "da`ys").unwrap();
        let columns = [
            CastColumn::new("DATE", "date", &DataType::Date, false).unwrap(),
            CastColumn::new("a`b", "a`b", &DataType::parse("DECIMAL(10,2)").unwrap(), true).unwrap(),
            CastColumn::new("note", "note", &DataType::Varchar(20), true).unwrap(),
            CastColumn::new("doc", "doc", &DataType::Variant, true).unwrap(),
        ];
        let directory = "/Volumes/main/weather/_staging/it's/5b3";
        insta::assert_snapshot!(copy_into(&table, directory, &columns));
    }
}
