//! Column mapping: columns stored under physical names that stay when a column is renamed, and Parquet field ids.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType as Arrow, Field, FieldRef, Fields, Schema};
use deltalake::kernel::{MetadataValue, StructField};

use super::Definition;
use super::fields::each;
use crate::error::{LocalError, Result};

pub(in crate::exec) const MODE: &str = "delta.columnMapping.mode";
pub(in crate::exec) const MAX_ID: &str = "delta.columnMapping.maxColumnId";
const ID: &str = "delta.columnMapping.id";
const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";
/// The field metadata from which the Parquet writer takes a column's id.
const PARQUET_ID: &str = "PARQUET:field_id";

/// Whether columns are stored under names of their own.
pub(in crate::exec) fn is_on(definition: &Definition) -> bool {
    definition.configuration.get(MODE).is_some_and(|mode| mode != "none")
}

/// How a field that has no physical name yet gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) enum Naming {
    /// As it is called: its values are in files already.
    AsCalled,
    /// By a name that no other field will ever have.
    Unique,
}

/// Gives every field an id and a physical name that has none.
pub(in crate::exec) fn assign(definition: &mut Definition, naming: Naming) -> Result<()> {
    let stated = definition.configuration.get(MAX_ID).and_then(|id| id.parse::<i64>().ok()).unwrap_or(0);
    let mut last = stated;
    each(&mut definition.fields, &mut |field| {
        last = last.max(field.column_mapping_id().unwrap_or(0));
        Ok(())
    })?;
    each(&mut definition.fields, &mut |field| {
        if field.column_mapping_id().is_none() {
            last += 1;
            field.metadata.insert(ID.to_owned(), MetadataValue::Number(last));
        }
        if !field.metadata.contains_key(PHYSICAL_NAME) {
            let name = match naming {
                Naming::AsCalled => field.name.clone(),
                Naming::Unique => format!("col-{}", uuid::Uuid::new_v4()),
            };
            field.metadata.insert(PHYSICAL_NAME.to_owned(), MetadataValue::String(name));
        }
        Ok(())
    })?;
    definition.configuration.insert(MAX_ID.to_owned(), last.to_string());
    Ok(())
}

/// The name under which files and statistics have a column.
pub(in crate::exec) fn physical_name(field: &StructField) -> &str {
    match field.metadata.get(PHYSICAL_NAME) {
        Some(MetadataValue::String(name)) => name,
        _ => &field.name,
    }
}

/// The columns as files have them: physical names, and ids for the Parquet writer.
pub(in crate::exec) fn physical_schema(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(physical_field).collect::<Vec<_>>())
}

fn physical_field(field: &FieldRef) -> FieldRef {
    let name = field.metadata().get(PHYSICAL_NAME).unwrap_or(field.name());
    let id = field.metadata().get(ID).map(|id| (PARQUET_ID.to_owned(), id.clone()));
    let metadata: HashMap<String, String> = id.into_iter().collect();
    Arc::new(Field::new(name, physical_type(field.data_type()), field.is_nullable()).with_metadata(metadata))
}

fn physical_type(data_type: &Arrow) -> Arrow {
    match data_type {
        Arrow::Struct(fields) => Arrow::Struct(fields.iter().map(physical_field).collect::<Fields>()),
        Arrow::List(element) => Arrow::List(physical_field(element)),
        Arrow::Map(entries, sorted) => Arrow::Map(physical_field(entries), *sorted),
        other => other.clone(),
    }
}

/// An array under the names of another type of the same shape.
///
/// # Errors
/// `[INTERNAL_ERROR]` where the shapes differ.
pub(in crate::exec) fn relabelled(
    array: &arrow::array::ArrayRef,
    to: &Arrow,
) -> Result<arrow::array::ArrayRef> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    Ok(arrow::array::make_array(relabel(&array.to_data(), to)?))
}

fn relabel(data: &arrow::array::ArrayData, to: &Arrow) -> Result<arrow::array::ArrayData> {
    let types: Vec<&Arrow> = match to {
        Arrow::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        Arrow::List(inner) | Arrow::Map(inner, _) => vec![inner.data_type()],
        _ => Vec::new(),
    };
    if types.len() != data.child_data().len() {
        return Err(LocalError::internal(format_args!("{} has not the shape of {to}", data.data_type())));
    }
    let children = data.child_data().iter().zip(types).map(|(child, to)| relabel(child, to));
    let builder = data.clone().into_builder().data_type(to.clone());
    Ok(builder.child_data(children.collect::<Result<_>>()?).build()?)
}
