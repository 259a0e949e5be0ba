//! `DESCRIBE TABLE EXTENDED .. AS JSON`: types are objects there, in a form of their own.
//!
//! Source: Databricks documentation and Spark's, "DESCRIBE TABLE".

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    ColumnSchema, DataType, MAX_DEPTH, Result, SchemaError, StructField, TableDescription, TableName,
    TableSchema,
};

#[derive(Deserialize)]
struct Description {
    columns: Vec<Column>,
    #[serde(default)]
    partition_columns: Vec<String>,
    #[serde(default)]
    clustering_columns: Vec<String>,
    #[serde(default)]
    table_properties: BTreeMap<String, String>,
}

/// A column, or a field of a struct.
#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    data_type: Value,
    #[serde(default = "yes")]
    nullable: bool,
    comment: Option<String>,
    default: Option<String>,
}

fn yes() -> bool {
    true
}

pub(super) fn read(table: &TableName, text: Option<&str>) -> Result<TableDescription> {
    let failed = |reason: String| SchemaError::Description { table: table.full_name(), reason };
    let text = text.ok_or_else(|| failed("DESCRIBE TABLE .. AS JSON answered no text".to_owned()))?;
    let read: Description = serde_json::from_str(text)
        .map_err(|error| failed(format!("its JSON is not as documented: {error}")))?;
    let columns: Result<Vec<ColumnSchema>> = read.columns.into_iter().map(column).collect();
    let schema = TableSchema::new(columns.map_err(|error| failed(error.to_string()))?);
    let mut description = TableDescription::new(table.clone(), schema)
        .with_partition_columns(read.partition_columns)
        .with_clustering_columns(read.clustering_columns);
    description.properties = read.table_properties;
    Ok(description)
}

fn column(column: Column) -> Result<ColumnSchema> {
    let data_type = read_type(&column.data_type, 0)?;
    let mut read = ColumnSchema::new(column.name, data_type).with_nullable(column.nullable);
    (read.comment, read.default) = (column.comment, column.default);
    Ok(read)
}

/// A type: `{"name": "array", "element_type": {..}}`, `{"name": "decimal", "precision": 10, "scale": 2}`, ...
fn read_type(value: &Value, depth: usize) -> Result<DataType> {
    if depth > MAX_DEPTH {
        return Err(SchemaError::TypeTooDeep { limit: MAX_DEPTH });
    }
    let part = |name: &str| value.get(name).ok_or_else(|| unreadable(value));
    let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
    let name = value.get("name").and_then(Value::as_str).ok_or_else(|| unreadable(value))?;
    Ok(match name {
        "array" => DataType::array(read_type(part("element_type")?, depth + 1)?),
        "map" => DataType::map(
            read_type(part("key_type")?, depth + 1)?,
            read_type(part("value_type")?, depth + 1)?,
        ),
        "struct" => {
            let fields = part("fields")?.as_array().ok_or_else(|| unreadable(value))?;
            let fields: Result<Vec<_>> = fields.iter().map(|value| field(value, depth + 1)).collect();
            DataType::Struct(fields?)
        }
        "decimal" => DataType::from_server(&format!("DECIMAL({},{})", number("precision"), number("scale"))),
        "char" | "varchar" => DataType::from_server(&format!("{name}({})", number("length"))),
        "interval" => DataType::from_server(&interval(value)),
        "string" => match value.get("collation").and_then(Value::as_str) {
            None | Some("UTF8_BINARY") => DataType::String,
            Some(collation) => DataType::Unknown(format!("STRING COLLATE {collation}")),
        },
        scalar => DataType::from_server(scalar),
    })
}

fn field(value: &Value, depth: usize) -> Result<StructField> {
    let read = Column::deserialize(value).map_err(|_| unreadable(value))?;
    let mut field =
        StructField::new(read.name, read_type(&read.data_type, depth)?).with_nullable(read.nullable);
    field.comment = read.comment;
    Ok(field)
}

fn interval(value: &Value) -> String {
    let unit = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    match (unit("start_unit"), unit("end_unit")) {
        (start, end) if end.is_empty() || end == start => format!("INTERVAL {start}"),
        (start, end) => format!("INTERVAL {start} TO {end}"),
    }
}

fn unreadable(value: &Value) -> SchemaError {
    SchemaError::unreadable_json(&value.to_string(), "this is not how DESCRIBE TABLE .. AS JSON writes types")
}
