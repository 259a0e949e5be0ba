//! The rows of `DESCRIBE TABLE`: columns, then partitions, clustering and defaults under headings. They do not tell
//! which columns may be NULL.

use crate::evolve::same_name;
use crate::{ColumnSchema, DataType, Result, Rows, SchemaError, TableDescription, TableName, TableSchema};

/// The part of the answer that a row belongs to.
enum Part {
    Columns,
    Partitions,
    Clustering,
    Defaults,
    Others,
}

pub(super) fn read(table: &TableName, rows: &Rows, properties: &Rows) -> Result<TableDescription> {
    let mut description = TableDescription::new(table.clone(), TableSchema::default());
    description.nullability_unknown = true;
    let mut part = Part::Columns;
    for row in 0..rows.rows.len() {
        let name = rows.get(row, "col_name").unwrap_or_default();
        let text = rows.get(row, "data_type").unwrap_or_default();
        match (name, &part) {
            // A column may have the name of a heading, but headings have no type.
            (name, Part::Columns) if !text.is_empty() && !name.is_empty() => {
                description.schema.columns.push(column(table, name, text, rows.get(row, "comment"))?);
            }
            // The default stands where the comment of a column does.
            (name, Part::Defaults) if !text.is_empty() && !name.is_empty() => {
                let columns = &mut description.schema.columns;
                if let Some(column) = columns.iter_mut().find(|column| same_name(&column.name, name)) {
                    column.default = rows.get(row, "comment").map(str::to_owned);
                }
            }
            ("# Partition Information", _) => part = Part::Partitions,
            ("# Clustering Information", _) => part = Part::Clustering,
            ("# Column Default Values", _) => part = Part::Defaults,
            // The heading of the rows below.
            ("# col_name", _) => {}
            (name, _) if name.is_empty() || name.starts_with("# ") => part = Part::Others,
            (name, Part::Partitions) => description.partition_columns.push(name.to_owned()),
            (name, Part::Clustering) => description.clustering_columns.push(name.to_owned()),
            (_, Part::Columns | Part::Defaults | Part::Others) => {}
        }
    }
    for row in 0..properties.rows.len() {
        if let (Some(key), Some(value)) = (properties.get(row, "key"), properties.get(row, "value")) {
            description.properties.insert(key.to_owned(), value.to_owned());
        }
    }
    Ok(description)
}

fn column(table: &TableName, name: &str, text: &str, comment: Option<&str>) -> Result<ColumnSchema> {
    // Long structs are cut short in these rows.
    if text.contains(" more fields") && DataType::parse(text).is_err() {
        return Err(SchemaError::Description {
            table: table.full_name(),
            reason: format!(
                "the type of column `{name}` is cut short ({text}); give the manager a catalog client with `with_catalog`"
            ),
        });
    }
    let column = ColumnSchema::new(name, DataType::from_server(text));
    Ok(match comment.filter(|comment| !comment.is_empty()) {
        Some(comment) => column.with_comment(comment),
        None => column,
    })
}
