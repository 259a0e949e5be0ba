//! SHOW SCHEMAS, TABLES and COLUMNS over whole catalogs: what drivers ask for the objects of a workspace.
//!
//! The columns of the tables' list are those a real workspace was recorded with. For the columns' list the names and
//! types are those that the official drivers read; sizes and digits are the ones JDBC defines.

use std::sync::Arc;

use arrow::array::Int32Array;
use databricks_schema::DataType;
use databricks_testkit::EngineResult;

use super::alter::CURRENT_DEFAULT;
use super::pattern::Pattern;
use super::rows::Rows;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::{ObjectName, ObjectPath, SchemaPath};
use crate::parse::Browse;

/// A column of a table, as it is listed.
pub(super) struct Line {
    pub(super) table: ObjectPath,
    pub(super) name: String,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
    pub(super) comment: Option<String>,
    pub(super) default: Option<String>,
    /// From 1.
    pub(super) position: i32,
    /// From 1, among the table's partition columns.
    pub(super) partition: Option<i32>,
}

impl Statement {
    pub(super) async fn browse_schemas(&self, browse: &Browse) -> Result<EngineResult> {
        let schemas = self.schemas_of(browse.catalog.as_deref(), browse.names.as_deref())?;
        Rows::new()
            .text("databaseName", schemas.iter().map(|path| Some(path.schema.as_str())))
            .text("catalog", schemas.iter().map(|path| Some(path.catalog.as_str())))
            .finish(self)
            .await
    }

    pub(super) async fn browse_tables(&self, browse: &Browse) -> Result<EngineResult> {
        let tables = self.tables_of(browse, browse.names.as_deref())?;
        let state = self.shared.metastore.state();
        let comment = |path: &ObjectPath| {
            Some(state.table(path).ok().and_then(|entry| entry.comment.clone()).unwrap_or_default())
        };
        Rows::new()
            .text("namespace", tables.iter().map(|path| Some(path.parent.schema.as_str())))
            .text("tableName", tables.iter().map(|path| Some(path.name.as_str())))
            .boolean("isTemporary", tables.iter().map(|_| Some(false)))
            .text("information", tables.iter().map(|_| Some("")))
            .text("catalogName", tables.iter().map(|path| Some(path.parent.catalog.as_str())))
            .text("tableType", tables.iter().map(|_| Some("TABLE")))
            .text("remarks", tables.iter().map(comment))
            .finish(self)
            .await
    }

    pub(super) async fn browse_columns(&self, browse: &Browse) -> Result<EngineResult> {
        let names = Pattern::parse(browse.names.as_deref())?;
        let mut lines = Vec::new();
        for path in self.tables_of(browse, browse.tables.as_deref())? {
            let columns = self.columns_of(&path).await?;
            lines.extend(columns.into_iter().filter(|line| names.fits(&line.name)));
        }
        let numbers =
            |pick: fn(&Line) -> Option<i32>| Arc::new(lines.iter().map(pick).collect::<Int32Array>());
        Rows::new()
            .text("col_name", lines.iter().map(|line| Some(&line.name)))
            .text("catalogName", lines.iter().map(|line| Some(line.table.parent.catalog.as_str())))
            .text("namespace", lines.iter().map(|line| Some(line.table.parent.schema.as_str())))
            .text("tableName", lines.iter().map(|line| Some(line.table.name.as_str())))
            .text("columnType", lines.iter().map(|line| Some(line.data_type.to_string())))
            .array("columnSize", numbers(|line| size(&line.data_type)))
            .array("decimalDigits", numbers(|line| digits(&line.data_type)))
            .array("radix", numbers(|line| digits(&line.data_type).map(|_| 10)))
            .text("isNullable", lines.iter().map(|line| Some(line.nullable.to_string())))
            .text("remarks", lines.iter().map(|line| Some(line.comment.as_deref().unwrap_or_default())))
            .array("ordinalPosition", numbers(|line| Some(line.position)))
            .text("isAutoIncrement", lines.iter().map(|_| Some("NO")))
            .finish(self)
            .await
    }

    /// The schemas of one catalog, or of all.
    pub(super) fn schemas_of(&self, catalog: Option<&str>, like: Option<&str>) -> Result<Vec<SchemaPath>> {
        let (state, like) = (self.shared.metastore.state(), Pattern::parse(like)?);
        let asked = catalog.map(ObjectName::parse).transpose()?;
        if let Some(catalog) = &asked {
            state.catalog(catalog)?;
        }
        let catalogs = state.catalogs.iter().filter(|(name, _)| asked.as_ref().is_none_or(|a| a == *name));
        let schemas = catalogs.flat_map(|(catalog, entry)| {
            let schemas = entry.schemas.keys().filter(|schema| like.fits(schema.as_str()));
            schemas.map(|schema| SchemaPath { catalog: catalog.clone(), schema: schema.clone() })
        });
        Ok(schemas.collect())
    }

    pub(super) fn tables_of(&self, browse: &Browse, like: Option<&str>) -> Result<Vec<ObjectPath>> {
        let (state, like) = (self.shared.metastore.state(), Pattern::parse(like)?);
        let mut tables = Vec::new();
        for parent in self.schemas_of(browse.catalog.as_deref(), browse.schemas.as_deref())? {
            // A schema dropped since the list was made is no longer of it.
            let Ok(schema) = state.schema(&parent) else { continue };
            let names = schema.tables.keys().filter(|name| like.fits(name.as_str()));
            tables.extend(names.map(|name| ObjectPath { parent: parent.clone(), name: name.clone() }));
        }
        Ok(tables)
    }

    /// A table's columns; none of one that was dropped since it was listed.
    pub(super) async fn columns_of(&self, path: &ObjectPath) -> Result<Vec<Line>> {
        let table = match self.open(path).await {
            Ok(table) => table,
            Err(_) if self.shared.metastore.state().table(path).is_err() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let snapshot = table.snapshot()?.snapshot();
        let (schema, partitions) = (snapshot.arrow_schema(), snapshot.metadata().partition_columns());
        let columns = schema.fields().iter().zip(1..).map(|(field, position)| {
            let data_type = databricks_schema::arrow::from_arrow(field.data_type()).map_err(|error| {
                LocalError::internal(format_args!("the type of {}.`{}`: {error}", path, field.name()))
            })?;
            Ok(Line {
                table: path.clone(),
                name: field.name().clone(),
                data_type,
                nullable: field.is_nullable(),
                comment: field.metadata().get("comment").cloned(),
                default: field.metadata().get(CURRENT_DEFAULT).cloned(),
                position,
                partition: (1..).zip(partitions).find(|(_, name)| *name == field.name()).map(|(at, _)| at),
            })
        });
        columns.collect()
    }
}

/// Digits of a number, characters of a date or a time of day, as JDBC counts them; none where a type has no limit.
fn size(data_type: &DataType) -> Option<i32> {
    match data_type {
        DataType::TinyInt => Some(3),
        DataType::SmallInt => Some(5),
        DataType::Int | DataType::Date => Some(10),
        DataType::BigInt => Some(19),
        DataType::Float => Some(7),
        DataType::Double => Some(15),
        DataType::Decimal { precision, .. } => Some(i32::from(*precision)),
        DataType::Boolean => Some(1),
        DataType::Char(length) | DataType::Varchar(length) => i32::try_from(*length).ok(),
        DataType::Timestamp | DataType::TimestampNtz => Some(29),
        _ => None,
    }
}

/// Digits after the point of an exact or whole number.
fn digits(data_type: &DataType) -> Option<i32> {
    match data_type {
        DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt => Some(0),
        DataType::Float => Some(7),
        DataType::Double => Some(15),
        DataType::Decimal { scale, .. } => Some(i32::from(*scale)),
        _ => None,
    }
}
