//! The objects of Unity Catalog. Each keeps the fields it does not know in `extra`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ColumnSchema, DataType, Result, TableName, TableSchema};

/// A catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CatalogInfo {
    /// Its name.
    pub name: String,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its kind: `MANAGED_CATALOG`, `FOREIGN_CATALOG`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_type: Option<String>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SchemaInfo {
    /// Its name.
    pub name: String,
    /// The catalog it is in.
    pub catalog_name: String,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

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
    /// [`SchemaError::InvalidDataType`](crate::SchemaError::InvalidDataType) naming a type this crate does not know.
    pub fn schema(&self) -> Result<TableSchema> {
        let mut columns: Vec<&ColumnInfo> = self.columns.iter().collect();
        columns.sort_by_key(|column| column.position);
        columns.into_iter().map(ColumnInfo::to_column).collect()
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
    /// Its type, as text that [`DataType::parse`] reads.
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
    /// The column with its type read.
    ///
    /// # Errors
    /// [`SchemaError::InvalidDataType`](crate::SchemaError::InvalidDataType).
    pub fn to_column(&self) -> Result<ColumnSchema> {
        let mut column = ColumnSchema::new(&self.name, DataType::parse(&self.type_text)?);
        column.nullable = self.nullable;
        column.comment.clone_from(&self.comment);
        Ok(column)
    }
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VolumeInfo {
    /// Its name.
    pub name: String,
    /// The catalog it is in.
    pub catalog_name: String,
    /// The schema it is in.
    pub schema_name: String,
    /// Its kind: `MANAGED` or `EXTERNAL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<String>,
    /// Where its files are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_location: Option<String>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What else the server said.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl VolumeInfo {
    /// Where the Files API and SQL find its files: `/Volumes/catalog/schema/volume`.
    pub fn path(&self) -> String {
        format!("/Volumes/{}/{}/{}", self.catalog_name, self.schema_name, self.name)
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
        let kept = serde_json::to_value(&table).unwrap();
        assert_eq!(kept["row_filter"]["function_name"], "f");
        assert_eq!(kept["columns"][0]["type_json"], "{}");
    }
}
