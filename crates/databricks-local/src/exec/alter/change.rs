//! ALTER COLUMN: type, nullability, default, comment and position, of columns and of fields inside them.

use arrow::datatypes::Field;
use databricks_schema::DataType as SqlType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{DataType, MetadataValue, StructField};
use serde_json::{Value, json};

use super::{CURRENT_DEFAULT, Edit, Rows, described, text};
use crate::error::{LocalError, Result};
use crate::exec::create_table::storable;
use crate::exec::definition::Definition;
use crate::exec::definition::fields::{Place, at, insert, remove, spelled, within};
use crate::exec::definition::widening::{is_up_cast, sql_type, widens};
use crate::parse::{ColumnChange, ColumnPosition, Name};

pub(super) fn edit(before: &Definition, changes: &[(Name, ColumnChange)]) -> Result<Edit> {
    let mut after = before.clone();
    let (mut rewritten, mut not_null) = (false, Vec::new());
    let mut listed = Vec::with_capacity(changes.len());
    for (index, (name, change)) in changes.iter().enumerate() {
        let path = spelled(&before.fields, name)?;
        if changes.iter().take(index).any(|(other, _)| same(other, name)) {
            let message =
                format!("The column {} is changed more than once. Name each column once.", name.join("."));
            return Err(LocalError::new("NOT_SUPPORTED_CHANGE_SAME_COLUMN", "0A000", message));
        }
        match change {
            ColumnChange::Type(to) => rewritten |= change_type(&mut after, &path, to)?,
            ColumnChange::Nullable(true) => set_nullable(&mut after, &path)?,
            ColumnChange::Nullable(false) => not_null.extend(set_not_null(&mut after, &path)?),
            ColumnChange::Default(default) => {
                let text = default.as_ref().map(|default| default.text.as_str());
                super::set_default(&mut after, &path, text)?;
            }
            ColumnChange::Comment(comment) => set_comment(&mut after, &path, comment.as_deref())?,
            ColumnChange::Position(position) => reposition(&mut after, &path, position)?,
        }
        listed.push(history(&after, &path, change)?);
    }
    let rows = match (rewritten, not_null.is_empty()) {
        (false, true) => Rows::Kept,
        (true, true) => Rows::Rewritten,
        (false, false) => Rows::NotNull(not_null),
        (true, false) => {
            return Err(LocalError::unsupported_feature("TYPE and SET NOT NULL in one ALTER COLUMN"));
        }
    };
    let (operation, parameters) = match <[Value; 1]>::try_from(listed) {
        Ok([one]) => ("CHANGE COLUMN", of_one(&one)),
        Err(several) => ("CHANGE COLUMNS", vec![("columns", text(&Value::Array(several)))]),
    };
    Ok(Edit { definition: after, operation, parameters, rows })
}

fn same(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_lowercase() == b.to_lowercase())
}

fn of_one(listed: &Value) -> Vec<(&'static str, Value)> {
    let mut parameters = Vec::new();
    if let Some(column) = listed.get("column") {
        parameters.push(("column", text(column)));
    }
    if let Some(position) = listed.get("position") {
        parameters.push(("position", position.clone()));
    }
    parameters
}

/// The changed column, as history lists it.
fn history(after: &Definition, path: &[String], change: &ColumnChange) -> Result<Value> {
    let mut fields = after.fields.clone();
    let column = at(&mut fields, path, |place| match place {
        Place::Field(field) => described(path, field),
        Place::Part(data_type, nullable) => {
            let nullable = nullable.is_some_and(|nullable| *nullable);
            described(path, &StructField::new("", data_type.clone(), nullable))
        }
    })?;
    let position = match change {
        ColumnChange::Position(ColumnPosition::First) => Some("first".to_owned()),
        ColumnChange::Position(ColumnPosition::After(name)) => Some(format!("after {name}")),
        _ => None,
    };
    Ok(match position {
        None => json!({ "column": column }),
        Some(position) => json!({ "column": column, "position": position }),
    })
}

/// Whether the type is another one now.
fn change_type(after: &mut Definition, path: &[String], to: &SqlType) -> Result<bool> {
    let enabled = after.is_on("delta.enableTypeWidening");
    let wanted: StructField = {
        let field: Field = storable(path.last().map_or("", String::as_str), to, true, None)?;
        (&field).try_into_kernel().map_err(LocalError::from)?
    };
    at(&mut after.fields, path, |place| {
        let data_type = match place {
            Place::Field(field) => &mut field.data_type,
            Place::Part(data_type, _) => data_type,
        };
        if *data_type == wanted.data_type {
            return Ok(false);
        }
        check_type_change(path, data_type, &wanted.data_type, enabled)?;
        *data_type = wanted.data_type;
        Ok(true)
    })
}

fn check_type_change(path: &[String], from: &DataType, to: &DataType, enabled: bool) -> Result<()> {
    let nested = match from {
        DataType::Struct(_) => Some(("STRUCT_TYPE", "Update a struct by updating its fields.")),
        DataType::Array(_) => Some(("ARRAY_TYPE", "Update the element by updating its `element`.")),
        DataType::Map(_) => Some(("MAP_TYPE", "Update a map by updating its `key` or its `value`.")),
        _ => None,
    };
    let column = path.join(".");
    if let Some((kind, remedy)) = nested.filter(|_| !matches!(to, DataType::Primitive(_))) {
        let message = format!("Cannot update the field {column} of the type {from}. {remedy}");
        return Err(LocalError::new(&format!("CANNOT_UPDATE_FIELD.{kind}"), "0A000", message));
    }
    if enabled && widens(from, to) {
        return Ok(());
    }
    if !is_up_cast(from, to) && !widens(from, to) {
        let message = format!(
            "ALTER TABLE ALTER/CHANGE COLUMN is not supported for changing the column {column} with type \"{}\" to the type \"{}\".",
            sql(from),
            sql(to)
        );
        return Err(LocalError::new("NOT_SUPPORTED_CHANGE_COLUMN", "0A000", message));
    }
    let hint = if widens(from, to) {
        " Set the table property 'delta.enableTypeWidening' to 'true' first."
    } else {
        ""
    };
    let message = format!(
        "ALTER TABLE CHANGE COLUMN is not supported for changing column {column} from {} to {}.{hint}",
        sql(from),
        sql(to)
    );
    Err(LocalError::new("DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP", "0AKDC", message))
}

/// A type as SQL spells it.
fn sql(data_type: &DataType) -> String {
    sql_type(data_type).map_or_else(|| data_type.to_string(), |known| known.to_string())
}

fn set_nullable(after: &mut Definition, path: &[String]) -> Result<()> {
    if let (Some(key), [column]) = (after.primary_key(), path)
        && key.columns.contains(column)
    {
        return Err(LocalError::unsupported_feature(format_args!(
            "NULL in {column}, a column of the primary key {}",
            key.name
        )));
    }
    at(&mut after.fields, path, |place| {
        match place {
            Place::Field(field) => field.nullable = true,
            Place::Part(_, Some(nullable)) => *nullable = true,
            Place::Part(_, None) => return Err(nested_not_null(path)),
        }
        Ok(())
    })
}

/// The column whose rows are to be looked at; none when it was NOT NULL already.
fn set_not_null(after: &mut Definition, path: &[String]) -> Result<Option<String>> {
    at(&mut after.fields, path, |place| match place {
        Place::Field(field) if path.len() == 1 => {
            let checked = field.nullable.then(|| field.name.clone());
            field.nullable = false;
            Ok(checked)
        }
        Place::Field(field) if !field.nullable => Ok(None),
        Place::Field(_) => Err(LocalError::unsupported_feature(format_args!(
            "SET NOT NULL on {}, a field inside a column",
            path.join(".")
        ))),
        Place::Part(..) => Err(nested_not_null(path)),
    })
}

/// `[DELTA_NESTED_NOT_NULL_CONSTRAINT]`.
fn nested_not_null(path: &[String]) -> LocalError {
    let message = format!(
        "The path {} leads into an array or map. Delta does not support NOT NULL constraints nested within arrays or maps.",
        path.join(".")
    );
    LocalError::new("DELTA_NESTED_NOT_NULL_CONSTRAINT", "0AKDC", message)
}

/// Gives a field a comment, or takes it away.
pub(super) fn set_comment(after: &mut Definition, path: &[String], comment: Option<&str>) -> Result<()> {
    set_metadata(after, path, "comment", comment)
}

/// Sets a member of a field's metadata, or takes it away.
pub(super) fn set_metadata(
    after: &mut Definition,
    path: &[String],
    key: &str,
    value: Option<&str>,
) -> Result<()> {
    at(&mut after.fields, path, |place| {
        let Place::Field(field) = place else {
            let what = if key == CURRENT_DEFAULT { "a default" } else { "a comment" };
            return Err(LocalError::unsupported_feature(format_args!(
                "{what} on {}, a part of an array or map",
                path.join(".")
            )));
        };
        match value {
            Some(value) => field.metadata.insert(key.to_owned(), MetadataValue::from(value)),
            None => field.metadata.remove(key),
        };
        Ok(())
    })
}

fn reposition(after: &mut Definition, path: &[String], position: &ColumnPosition) -> Result<()> {
    let Some((name, parent)) = path.split_last() else {
        return Err(LocalError::internal("a column without a name"));
    };
    within(&mut after.fields, parent, |fields| {
        let field = remove(fields, name, path)?;
        if let ColumnPosition::After(neighbour) = position
            && neighbour.to_lowercase() == name.to_lowercase()
        {
            let message = format!("The column {name} cannot be put after itself.");
            return Err(LocalError::new("DELTA_ADD_COLUMN_AT_INDEX_LESS_THAN_ZERO", "42KD3", message));
        }
        insert(fields, field, Some(position))
    })
}
