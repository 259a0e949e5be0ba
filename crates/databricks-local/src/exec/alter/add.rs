//! ADD COLUMNS: all columns of a statement in one version, nested ones too.

use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{DataType, StructField};
use serde_json::{Value, json};

use super::{Edit, Rows, described, not_allowed, text};
use crate::error::{LocalError, Result};
use crate::exec::create_table::{check_column_name, storable};
use crate::exec::definition::fields::{self, any_type, insert, spelled, within};
use crate::exec::definition::{Definition, mapping};
use crate::parse::{AddColumn, ColumnPosition};

pub(super) fn edit(before: &Definition, columns: &[AddColumn]) -> Result<Edit> {
    let mut after = before.clone();
    let mut added = Vec::with_capacity(columns.len());
    for column in columns {
        let Some((name, parent)) = column.path.split_last() else {
            return Err(LocalError::internal("an added column without a name"));
        };
        let field = added_field(before, name, column)?;
        let parent = spelled(&after.fields, parent)?;
        let path: Vec<String> = parent.iter().chain([name]).cloned().collect();
        within(&mut after.fields, &parent, |fields| insert(fields, field, column.position.as_ref()))?;
        added.push((path, column));
    }
    if mapping::is_on(before) {
        mapping::assign(&mut after, mapping::Naming::Unique)?;
    }
    let listed: Result<Vec<Value>> =
        added.iter().map(|(path, column)| listed(&after, path, column)).collect();
    Ok(Edit {
        definition: after,
        operation: "ADD COLUMNS",
        parameters: vec![("columns", text(&Value::Array(listed?)))],
        rows: Rows::Kept,
    })
}

/// The new column, or why Databricks refuses it.
fn added_field(definition: &Definition, name: &str, column: &AddColumn) -> Result<StructField> {
    if column.default.is_some() {
        return Err(LocalError::new(
            "WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED",
            "0AKDC",
            "Failed to execute the command because DEFAULT values are not supported when adding new columns to previously existing Delta tables; please add the column without a default value first, then run a second ALTER TABLE ALTER COLUMN SET DEFAULT command to apply for future inserted rows instead.",
        ));
    }
    let field = storable(name, &column.data_type, true, column.comment.as_deref())?;
    check_name(definition, name)?;
    let field: StructField = (&field).try_into_kernel().map_err(LocalError::from)?;
    let not_null_inside = |data_type: &DataType| match data_type {
        DataType::Struct(inner) => inner.fields().any(|field| !field.nullable),
        _ => false,
    };
    if !column.nullable || any_type(&field.data_type, &not_null_inside) {
        return Err(not_allowed("NOT NULL in ALTER TABLE ADD COLUMNS"));
    }
    Ok(field)
}

/// Refuses a name that the table's columns cannot have.
pub(in crate::exec) fn check_name(definition: &Definition, name: &str) -> Result<()> {
    if !mapping::is_on(definition) {
        check_column_name(name)?;
    }
    check_reserved(definition, name)
}

/// The columns that the change data feed adds to a table's own.
const OF_CHANGES: [&str; 3] = ["_change_type", "_commit_version", "_commit_timestamp"];

/// `[RESERVED_CDC_COLUMNS_ON_WRITE]` where the table's change data feed has a column of that name.
pub(super) fn check_reserved(definition: &Definition, name: &str) -> Result<()> {
    let reserved = OF_CHANGES.iter().any(|reserved| name.eq_ignore_ascii_case(reserved));
    if reserved && definition.is_on("delta.enableChangeDataFeed") {
        let message = format!(
            "The write contains reserved columns {name} that are used internally as metadata for Change Data Feed. To write to the table either rename/drop these columns or disable Change Data Feed on the table by setting delta.enableChangeDataFeed to false."
        );
        return Err(LocalError::new("RESERVED_CDC_COLUMNS_ON_WRITE", "42939", message));
    }
    Ok(())
}

fn listed(after: &Definition, path: &[String], column: &AddColumn) -> Result<Value> {
    let mut fields = after.fields.clone();
    let field = fields::at(&mut fields, path, |place| match place {
        fields::Place::Field(field) => Ok(field.clone()),
        fields::Place::Part(..) => Err(LocalError::internal("an added column is no field")),
    })?;
    let mut value = json!({ "column": described(path, &field)? });
    let position = column.position.as_ref().map(|position| match position {
        ColumnPosition::First => "first".to_owned(),
        ColumnPosition::After(name) => format!("after {name}"),
    });
    if let (Some(position), Some(members)) = (position, value.as_object_mut()) {
        members.insert("position".to_owned(), Value::from(position));
    }
    Ok(value)
}
