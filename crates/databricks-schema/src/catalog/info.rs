//! Tables of Unity Catalog and their columns. Each keeps the fields it does not know in `extra`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ColumnMask, ColumnSchema, DataType, Result, StructField, TableDescription, TableKey, TableName,
    TableSchema,
};

/// A table or view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// The catalog it is in.
    pub catalog_name: String,
    /// The schema it is in.
    pub schema_name: String,
    /// Its kind: `MANAGED`, `EXTERNAL`, `VIEW`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_type: Option<String>,
    /// The format of its files: `DELTA`, `PARQUET`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_source_format: Option<String>,
    /// Its columns; some lists leave them out.
    #[serde(default)]
    pub columns: Vec<ColumnInfo>,
    /// Where its files are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_location: Option<String>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its table properties.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Its id, which a new table of the same name does not share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_id: Option<String>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl TableInfo {
    /// Its full name.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName) for the odd names of foreign catalogs.
    pub fn table_name(&self) -> Result<TableName> {
        TableName::new(&self.catalog_name, &self.schema_name, &self.name)
    }

    /// Its columns, in order.
    ///
    /// # Errors
    /// None at present: types that this crate does not know are kept as [`DataType::Unknown`](crate::DataType::Unknown).
    pub fn schema(&self) -> Result<TableSchema> {
        let mut columns: Vec<&ColumnInfo> = self.columns.iter().collect();
        columns.sort_by_key(|column| column.position);
        Ok(columns.into_iter().map(ColumnInfo::to_column).collect())
    }

    /// The table as evolution sees it: columns with their defaults, generation and masks, properties, keys.
    ///
    /// # Errors
    /// As [`table_name`](Self::table_name).
    pub fn description(&self) -> Result<TableDescription> {
        let mut description = TableDescription::new(self.table_name()?, self.schema()?)
            .with_partition_columns(self.partition_columns())
            .with_clustering_columns(self.clustering_columns());
        description.properties.clone_from(&self.properties);
        let constraints = self.extra.get("table_constraints").and_then(Value::as_array);
        description.keys.extend(constraints.into_iter().flatten().filter_map(key));
        Ok(description)
    }

    /// The columns it is clustered by, in order: a property tells, as a list of paths.
    pub fn clustering_columns(&self) -> Vec<String> {
        let paths = self.properties.get("clusteringColumns").map(String::as_str).unwrap_or_default();
        let paths: Vec<Vec<String>> = serde_json::from_str(paths).unwrap_or_default();
        paths.into_iter().map(|path| path.join(".")).collect()
    }

    /// The columns it is partitioned by, in order.
    pub fn partition_columns(&self) -> Vec<&str> {
        let mut columns: Vec<(i32, &str)> = self
            .columns
            .iter()
            .filter_map(|column| Some((column.partition_index?, column.name.as_str())))
            .collect();
        columns.sort_unstable();
        columns.into_iter().map(|(_, name)| name).collect()
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type, as text that [`DataType::parse`] reads; empty where the server does not tell.
    #[serde(default)]
    pub type_text: String,
    /// Its type's REST name: `LONG`, `STRUCT`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Its place, from 0.
    #[serde(default)]
    pub position: i32,
    /// Whether it may be NULL.
    #[serde(default = "yes")]
    pub nullable: bool,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its place among the partition columns, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_index: Option<i32>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn yes() -> bool {
    true
}

impl ColumnInfo {
    /// The column, with its type read. A type that this crate does not know is kept as
    /// [`DataType::Unknown`](crate::DataType::Unknown).
    pub fn to_column(&self) -> ColumnSchema {
        let mut column = ColumnSchema::new(&self.name, DataType::from_server(&self.type_text));
        column.nullable = self.nullable;
        column.comment.clone_from(&self.comment);
        column.mask = self.extra.get("mask").and_then(mask);
        if let Some(told) = self.field() {
            // The text leaves the comments and NOT NULL of nested fields out, and names without their backticks.
            let bare_told = bare(&told.data_type);
            if bare_told == bare(&column.data_type)
                || squeezed(&bare_told.to_string()) == squeezed(&self.type_text)
            {
                column.data_type = told.data_type;
            }
            (column.default, column.generated) = (told.default, told.generated);
        }
        column
    }

    /// The column as `type_json` tells it, where that is a whole field.
    fn field(&self) -> Option<ColumnSchema> {
        let text = self.extra.get("type_json")?.as_str()?;
        ColumnSchema::from_delta_json(&serde_json::from_str(text).ok()?).ok()
    }
}

fn mask(value: &Value) -> Option<ColumnMask> {
    let function = value.get("function_name")?.as_str()?.to_owned();
    Some(ColumnMask { function, using_columns: texts(value.get("using_column_names")) })
}

/// A primary or a foreign key; constraints of other kinds are not.
fn key(value: &Value) -> Option<TableKey> {
    let (constraint, parent) = match value.get("primary_key_constraint") {
        Some(primary) => (primary, None),
        None => {
            let foreign = value.get("foreign_key_constraint")?;
            (foreign, foreign.get("parent_table").and_then(Value::as_str))
        }
    };
    let key = TableKey::primary(constraint.get("name")?.as_str()?, texts(constraint.get("child_columns")));
    Some(match parent {
        Some(parent) => key.referencing(parent),
        None => key,
    })
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The text of a type without what writers of types disagree about: case, spaces and backticks.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '`').flat_map(char::to_lowercase).collect()
}

/// The same type without the comments and NOT NULL of its fields.
fn bare(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Array(element) => DataType::array(bare(element)),
        DataType::Map(key, value) => DataType::map(bare(key), bare(value)),
        DataType::Struct(fields) => DataType::Struct(
            fields.iter().map(|field| StructField::new(&field.name, bare(&field.data_type))).collect(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_keep_what_is_not_known_and_order_their_columns() {
        let value = json!({
            "name": "t", "catalog_name": "c", "schema_name": "s", "table_type": "MANAGED",
            "columns": [
                {"name": "day", "type_text": "date", "type_name": "DATE", "position": 1, "partition_index": 0,
                 "type_json": "{}"},
                {"name": "id", "type_text": "bigint", "position": 0, "nullable": false, "comment": "key"},
            ],
            "properties": {"delta.minReaderVersion": "3"},
            "row_filter": {"function_name": "f"},
        });
        let table: TableInfo = serde_json::from_value(value).unwrap();
        assert_eq!(table.schema().unwrap().to_string(), "`id` BIGINT NOT NULL COMMENT 'key', `day` DATE");
        assert_eq!(table.partition_columns(), ["day"]);
        assert_eq!(table.table_name().unwrap().full_name(), "c.s.t");
        // The text of a column tells its type; the JSON beside it more, where it is whole.
        let field = r#"{"name":"s","type":{"type":"struct","fields":[{"name":"a","type":"long","nullable":false,
            "metadata":{"comment":"c"}}]},"nullable":true,"metadata":{"CURRENT_DEFAULT":"NULL"}}"#;
        let quoted = r#"{"name":"q","type":{"type":"array","elementType":{"type":"struct","fields":[{"name":"a:int,b",
            "type":"string","nullable":true,"metadata":{}}]},"containsNull":true},"nullable":true,"metadata":{}}"#;
        let told = json!({"name": "t", "catalog_name": "c", "schema_name": "s",
            "properties": {"clusteringColumns": "[[\"a\"],[\"s\",\"a\"]]", "delta.constraints.c": "a > 0"},
            "table_constraints": [
                {"primary_key_constraint": {"name": "pk", "child_columns": ["a"]}},
                {"foreign_key_constraint": {"name": "fk", "child_columns": ["b"], "parent_table": "c.s.p"}},
                {"named_table_constraint": {"name": "other"}}],
            "columns": [
                {"name": "s", "type_text": "struct<a:bigint>", "type_json": field},
                {"name": "q", "type_text": "array<struct<a:int,b:string>>", "type_json": quoted},
                {"name": "u", "type_text": "string collate UTF8_LCASE", "position": 1,
                 "mask": {"function_name": "c.s.f", "using_column_names": ["s"]}},
                {"name": "o", "type_text": "struct<a b:bigint>", "position": 2,
                 "type_json": field.replace("\"a\"", "\"a b\"")},
                {"name": "n", "position": 3}]});
        let told: TableInfo = serde_json::from_value(told).unwrap();
        let description = told.description().unwrap();
        assert_eq!(
            description.schema.to_string(),
            "`s` STRUCT<a: BIGINT NOT NULL COMMENT 'c'> DEFAULT NULL, `q` ARRAY<STRUCT<`a:int,b`: STRING>>, \
             `u` STRING COLLATE UTF8_LCASE MASK c.s.f USING COLUMNS (`s`), \
             `o` STRUCT<`a b`: BIGINT NOT NULL COMMENT 'c'> DEFAULT NULL, `n` "
        );
        assert_eq!(description.clustering_columns, ["a", "s.a"]);
        assert_eq!(description.checks().collect::<Vec<_>>(), [("c", "a > 0")]);
        assert_eq!((description.keys.len(), description.keys[1].parent.as_deref()), (2, Some("c.s.p")));
        let kept = serde_json::to_value(&table).unwrap();
        assert_eq!(kept["row_filter"]["function_name"], "f");
        assert_eq!(kept["columns"][0]["type_json"], "{}");
    }
}
