//! Databricks types as Arrow types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType as Arrow, Field, Fields, IntervalUnit, TimeUnit};

use super::{COMMENT_KEY, TYPE_KEY};
use crate::{DataType, MAX_DEPTH, Result, SchemaError, StructField};

/// The Arrow type that holds values of this type.
///
/// # Errors
/// [`SchemaError::InvalidDataType`] for a decimal with impossible digits, [`SchemaError::TypeTooDeep`].
pub fn to_arrow(data_type: &DataType) -> Result<Arrow> {
    convert(data_type, 0)
}

/// The Arrow field for a column or struct field, with the metadata that [`from_arrow_field`](super::from_arrow_field)
/// reads back.
///
/// # Errors
/// As [`to_arrow`].
pub fn to_arrow_field(field: &StructField) -> Result<Field> {
    convert_field(field, 0)
}

fn convert(data_type: &DataType, depth: usize) -> Result<Arrow> {
    if depth > MAX_DEPTH {
        return Err(SchemaError::TypeTooDeep { limit: MAX_DEPTH });
    }
    Ok(match data_type {
        DataType::TinyInt => Arrow::Int8,
        DataType::SmallInt => Arrow::Int16,
        DataType::Int => Arrow::Int32,
        DataType::BigInt => Arrow::Int64,
        DataType::Float => Arrow::Float32,
        DataType::Double => Arrow::Float64,
        DataType::Decimal { precision, scale } => {
            DataType::decimal(*precision, *scale)?;
            Arrow::Decimal128(*precision, *scale)
        }
        DataType::Boolean => Arrow::Boolean,
        DataType::String
        | DataType::Char(_)
        | DataType::Varchar(_)
        | DataType::Variant
        | DataType::Geography(_)
        | DataType::Geometry(_)
        | DataType::Unknown(_) => Arrow::Utf8,
        DataType::Binary => Arrow::Binary,
        DataType::Date => Arrow::Date32,
        DataType::Timestamp => Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::TimestampNtz => Arrow::Timestamp(TimeUnit::Microsecond, None),
        DataType::Interval(kind) if kind.is_year_month() => Arrow::Interval(IntervalUnit::YearMonth),
        DataType::Interval(_) => Arrow::Duration(TimeUnit::Microsecond),
        DataType::Array(element) => Arrow::List(Arc::new(part("element", element, true, depth)?)),
        DataType::Map(key, value) => map(key, value, depth)?,
        DataType::Struct(fields) => {
            let fields: Result<Fields> = fields.iter().map(|field| convert_field(field, depth + 1)).collect();
            Arrow::Struct(fields?)
        }
        DataType::Void => Arrow::Null,
    })
}

fn map(key: &DataType, value: &DataType, depth: usize) -> Result<Arrow> {
    let entries = Fields::from(vec![part("key", key, false, depth)?, part("value", value, true, depth)?]);
    Ok(Arrow::Map(Arc::new(Field::new("entries", Arrow::Struct(entries), false)), false))
}

/// The element of an array, or the key or value of a map.
fn part(name: &str, data_type: &DataType, nullable: bool, depth: usize) -> Result<Field> {
    convert_field(&StructField::new(name, data_type.clone()).with_nullable(nullable), depth + 1)
}

fn convert_field(field: &StructField, depth: usize) -> Result<Field> {
    let arrow = Field::new(&field.name, convert(&field.data_type, depth)?, field.nullable);
    let mut metadata = HashMap::new();
    if let Some(comment) = &field.comment {
        metadata.insert(COMMENT_KEY.to_owned(), comment.clone());
    }
    if is_ambiguous(&field.data_type) {
        metadata.insert(TYPE_KEY.to_owned(), field.data_type.to_string());
    }
    Ok(arrow.with_metadata(metadata))
}

/// Whether another Databricks type is what the Arrow type is read as.
fn is_ambiguous(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Char(_)
            | DataType::Varchar(_)
            | DataType::Variant
            | DataType::Geography(_)
            | DataType::Geometry(_)
            | DataType::Interval(_)
    )
}
