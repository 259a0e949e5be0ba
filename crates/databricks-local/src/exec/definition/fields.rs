//! Columns and the fields inside them, by path: found whatever their case, changed, added, moved, removed.
//!
//! `element`, `key` and `value` step into arrays and maps, as in Databricks' ALTER TABLE.

use deltalake::kernel::{ArrayType, DataType, MapType, StructField, StructType};

use crate::error::{LocalError, Result};
use crate::parse::ColumnPosition;

/// What a path leads to.
#[derive(Debug)]
pub(in crate::exec) enum Place<'a> {
    /// A column or a field of a struct.
    Field(&'a mut StructField),
    /// The elements of an array, or the keys or values of a map: a type without a name, and whether it may be NULL.
    Part(&'a mut DataType, Option<&'a mut bool>),
}

/// Calls `change` on what the path leads to.
///
/// # Errors
/// `[UNRESOLVED_COLUMN]` naming the path, and those of `change`.
pub(in crate::exec) fn at<T>(
    fields: &mut [StructField],
    path: &[String],
    change: impl FnOnce(Place<'_>) -> Result<T>,
) -> Result<T> {
    at_field(fields, path, path, change)
}

/// Calls `change` on the fields of the struct that the path leads to; an empty path leads to the columns.
///
/// # Errors
/// As [`at`], and a refusal where the path leads to no struct.
pub(in crate::exec) fn within<T>(
    fields: &mut Vec<StructField>,
    path: &[String],
    change: impl FnOnce(&mut Vec<StructField>) -> Result<T>,
) -> Result<T> {
    if path.is_empty() {
        return change(fields);
    }
    at(fields, path, |place| {
        let data_type = match place {
            Place::Field(field) => &mut field.data_type,
            Place::Part(data_type, _) => data_type,
        };
        match data_type {
            DataType::Struct(inner) => in_struct(inner, change),
            other => {
                let message = format!(
                    "Incompatible data type in the column path {}: it has the type {other}, only a struct has fields.",
                    path.join(".")
                );
                Err(LocalError::new("INVALID_FIELD_NAME", "42000", message))
            }
        }
    })
}

fn at_field<T>(
    fields: &mut [StructField],
    path: &[String],
    whole: &[String],
    change: impl FnOnce(Place<'_>) -> Result<T>,
) -> Result<T> {
    let Some((first, rest)) = path.split_first() else {
        return Err(LocalError::internal("a column path without parts"));
    };
    let index = index(fields, first, whole)?;
    match fields.get_mut(index) {
        Some(field) if rest.is_empty() => change(Place::Field(field)),
        Some(field) => at_part(&mut field.data_type, rest, whole, change),
        None => Err(LocalError::internal("a column that was found is gone")),
    }
}

fn at_part<T>(
    data_type: &mut DataType,
    path: &[String],
    whole: &[String],
    change: impl FnOnce(Place<'_>) -> Result<T>,
) -> Result<T> {
    let Some((first, rest)) = path.split_first() else {
        return Err(LocalError::internal("a column path without parts"));
    };
    let word = first.to_lowercase();
    let (part, nullable) = match data_type {
        DataType::Struct(inner) => {
            return in_struct(inner, |fields| at_field(fields, path, whole, change));
        }
        DataType::Array(array) if word == "element" => {
            let ArrayType { element_type, contains_null, .. } = array.as_mut();
            (element_type, Some(contains_null))
        }
        DataType::Map(map) if word == "key" => (&mut map.key_type, None),
        DataType::Map(map) if word == "value" => {
            let MapType { value_type, value_contains_null, .. } = map.as_mut();
            (value_type, Some(value_contains_null))
        }
        _ => return Err(LocalError::column_not_found(whole.join("."), std::iter::empty::<&str>())),
    };
    if rest.is_empty() { change(Place::Part(part, nullable)) } else { at_part(part, rest, whole, change) }
}

/// A struct's fields cannot be changed in place: they are taken out, and the struct is made anew.
fn in_struct<T>(
    inner: &mut StructType,
    change: impl FnOnce(&mut Vec<StructField>) -> Result<T>,
) -> Result<T> {
    let mut fields: Vec<StructField> = inner.fields().cloned().collect();
    let out = change(&mut fields)?;
    *inner = StructType::try_new(fields).map_err(|error| LocalError::internal(error.to_string()))?;
    Ok(out)
}

fn index(fields: &[StructField], name: &str, whole: &[String]) -> Result<usize> {
    let lower = name.to_lowercase();
    fields
        .iter()
        .position(|field| field.name.to_lowercase() == lower)
        .ok_or_else(|| LocalError::column_not_found(whole.join("."), fields.iter().map(|field| &field.name)))
}

/// The path as the table spells it.
///
/// # Errors
/// `[UNRESOLVED_COLUMN]`.
pub(in crate::exec) fn spelled(fields: &[StructField], path: &[String]) -> Result<Vec<String>> {
    let mut out = Vec::with_capacity(path.len());
    let mut data_type: Option<&DataType> = None;
    let mut here: Vec<&StructField> = fields.iter().collect();
    let missing =
        |here: &[&StructField]| LocalError::column_not_found(path.join("."), here.iter().map(|f| &f.name));
    for part in path {
        let lower = part.to_lowercase();
        let next = match data_type {
            Some(DataType::Array(array)) if lower == "element" => &array.element_type,
            Some(DataType::Map(map)) if lower == "key" => &map.key_type,
            Some(DataType::Map(map)) if lower == "value" => &map.value_type,
            None | Some(DataType::Struct(_)) => {
                let field = here.iter().find(|field| field.name.to_lowercase() == lower);
                let field = field.ok_or_else(|| missing(&here))?;
                out.push(field.name.clone());
                data_type = Some(&field.data_type);
                here = children(&field.data_type);
                continue;
            }
            Some(_) => return Err(missing(&here)),
        };
        out.push(lower);
        data_type = Some(next);
        here = children(next);
    }
    Ok(out)
}

fn children(data_type: &DataType) -> Vec<&StructField> {
    match data_type {
        DataType::Struct(inner) => inner.fields().collect(),
        _ => Vec::new(),
    }
}

/// Puts a field among others: last, or where the position says.
///
/// # Errors
/// `[FIELD_ALREADY_EXISTS]`, and `[UNRESOLVED_COLUMN]` for the neighbour.
pub(in crate::exec) fn insert(
    fields: &mut Vec<StructField>,
    field: StructField,
    position: Option<&ColumnPosition>,
) -> Result<()> {
    let lower = field.name.to_lowercase();
    if let Some(old) = fields.iter().find(|old| old.name.to_lowercase() == lower) {
        let message = format!("Cannot add column `{}` because `{}` already exists.", field.name, old.name);
        return Err(LocalError::new("FIELD_ALREADY_EXISTS", "42710", message));
    }
    let at = match position {
        None => fields.len(),
        Some(ColumnPosition::First) => 0,
        Some(ColumnPosition::After(name)) => index(fields, name, std::slice::from_ref(name))? + 1,
    };
    fields.insert(at, field);
    Ok(())
}

/// Takes a field out from among others.
///
/// # Errors
/// `[UNRESOLVED_COLUMN]`.
pub(in crate::exec) fn remove(
    fields: &mut Vec<StructField>,
    name: &str,
    whole: &[String],
) -> Result<StructField> {
    let index = index(fields, name, whole)?;
    Ok(fields.remove(index))
}

/// Whether a type, or one inside it, is such a type.
pub(in crate::exec) fn any_type(data_type: &DataType, such: &dyn Fn(&DataType) -> bool) -> bool {
    such(data_type)
        || match data_type {
            DataType::Array(array) => any_type(&array.element_type, such),
            DataType::Map(map) => any_type(&map.key_type, such) || any_type(&map.value_type, such),
            DataType::Struct(inner) => inner.fields().any(|field| any_type(&field.data_type, such)),
            _ => false,
        }
}

/// Calls `change` on every field of these and inside them, outermost first.
///
/// # Errors
/// Those of `change`.
pub(in crate::exec) fn each(
    fields: &mut [StructField],
    change: &mut dyn FnMut(&mut StructField) -> Result<()>,
) -> Result<()> {
    for field in fields {
        change(field)?;
        each_inside(&mut field.data_type, change)?;
    }
    Ok(())
}

fn each_inside(
    data_type: &mut DataType,
    change: &mut dyn FnMut(&mut StructField) -> Result<()>,
) -> Result<()> {
    match data_type {
        DataType::Array(array) => each_inside(&mut array.element_type, change),
        DataType::Map(map) => {
            each_inside(&mut map.key_type, change)?;
            each_inside(&mut map.value_type, change)
        }
        DataType::Struct(inner) => in_struct(inner, |fields| each(fields, change)),
        _ => Ok(()),
    }
}
