//! COPY INTO: the one statement that commits a write.

use databricks_schema::{TableName, quote};

use super::cast::CastColumn;

/// The most files that FILES may name.
pub(crate) const MOST_FILES: usize = 1_000;

/// Loads the files of the directory into the table's named columns, as one commit.
///
/// The files are named, so that the statement fails when one of them is gone. When they are more than may be named,
/// all files of the directory are loaded.
pub(crate) fn copy_into(
    table: &TableName,
    directory: &str,
    files: &[&str],
    columns: &[CastColumn],
) -> String {
    let targets =
        quote::column_list(&columns.iter().map(|column| column.target.as_str()).collect::<Vec<_>>());
    let casts = columns.iter().map(CastColumn::to_sql).collect::<Vec<_>>().join(", ");
    let source = quote::string(&format!("{directory}/"));
    let mut sql =
        format!("COPY INTO {table} ({targets})\nFROM (SELECT {casts} FROM {source})\nFILEFORMAT = PARQUET");
    if (1..=MOST_FILES).contains(&files.len()) {
        let files: Vec<String> = files.iter().map(|file| quote::string(file)).collect();
        sql.push_str(&format!("\nFILES = ({})", files.join(", ")));
    }
    sql
}

/// Whether a statement is one that [`copy_into`] makes for the table, whoever kept it.
pub(crate) fn is_copy_into(sql: &str, table: &TableName) -> bool {
    // Names are the same in any case.
    sql.to_lowercase().starts_with(&format!("COPY INTO {table} (").to_lowercase())
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
        let files = ["part-00000.parquet", "it's.parquet"];
        insta::assert_snapshot!(copy_into(&table, directory, &files, &columns));
    }

    #[test]
    fn a_kept_statement_is_known_by_its_table() {
        let table = TableName::new("main", "weather", "Days").unwrap();
        let sql = copy_into(&table, "/Volumes/a/b/c/d", &[], &[CastColumn::plain("id")]);
        assert!(is_copy_into(&sql, &table));
        assert!(is_copy_into(&sql, &TableName::new("main", "weather", "days").unwrap()));
        assert!(!is_copy_into(&sql, &TableName::new("main", "weather", "day").unwrap()));
        for other in ["", "DROP TABLE `main`.`weather`.`Days`", " COPY INTO `main`.`weather`.`Days` (`id`)"] {
            assert!(!is_copy_into(other, &table), "{other}");
        }
    }

    #[test]
    fn more_files_than_may_be_named_are_those_of_the_directory() {
        let table = TableName::new("main", "weather", "days").unwrap();
        let columns = [CastColumn::plain("id")];
        let sql = |count| copy_into(&table, "/Volumes/a/b/c/d", &vec!["x"; count], &columns);
        assert!(sql(1_000).contains("\nFILES = ('x', 'x'"));
        assert!(!sql(1_001).contains("FILES ="));
    }
}
