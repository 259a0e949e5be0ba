//! Columns of text to Arrow arrays, nested ones included.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, ListArray, MapArray, NullArray,
    PrimitiveArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, Field, FieldRef, Fields, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, TimeUnit,
};

use super::json::Json;
use super::{binary, interval, scalar};

/// The cells of one column as an array of `kind`.
pub(super) fn from_text(kind: &DataType, cells: &[Option<&str>], sql_type: &str) -> Result<ArrayRef, String> {
    if !kind.is_nested() {
        return scalars(kind, cells, sql_type);
    }
    let values = cells.iter().map(|cell| cell.map_or(Ok(Json::Null), Json::parse));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    nested(kind, &values.iter().collect::<Vec<_>>(), sql_type)
}

fn scalars(kind: &DataType, cells: &[Option<&str>], sql_type: &str) -> Result<ArrayRef, String> {
    let array: ArrayRef = match kind {
        DataType::Null => Arc::new(NullArray::new(cells.len())),
        DataType::Boolean => Arc::new(BooleanArray::from(each(cells, scalar::boolean)?)),
        DataType::Int8 => primitive::<Int8Type>(cells, scalar::plain)?,
        DataType::Int16 => primitive::<Int16Type>(cells, scalar::plain)?,
        DataType::Int32 => primitive::<Int32Type>(cells, scalar::plain)?,
        DataType::Int64 => primitive::<Int64Type>(cells, scalar::plain)?,
        DataType::Float32 => primitive::<Float32Type>(cells, scalar::plain)?,
        DataType::Float64 => primitive::<Float64Type>(cells, scalar::plain)?,
        DataType::Utf8 => Arc::new(cells.iter().collect::<StringArray>()),
        DataType::Binary => Arc::new(binary::from_text(cells)?),
        DataType::Date32 => primitive::<Date32Type>(cells, scalar::date)?,
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            Arc::new(TimestampMicrosecondArray::from(each(cells, scalar::timestamp_ntz)?))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => Arc::new(
            TimestampMicrosecondArray::from(each(cells, scalar::timestamp)?).with_timezone_opt(zone.clone()),
        ),
        DataType::Decimal128(precision, scale) => decimals(cells, *precision, *scale)?,
        DataType::Interval(IntervalUnit::YearMonth) => {
            primitive::<IntervalYearMonthType>(cells, |text| interval::months(text, sql_type))?
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            primitive::<DurationMicrosecondType>(cells, |text| interval::micros(text, sql_type))?
        }
        other => return Err(format!("text cannot be read as Arrow {other}")),
    };
    Ok(array)
}

fn each<T>(
    cells: &[Option<&str>],
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<Option<T>>, String> {
    cells.iter().map(|cell| cell.map(&read).transpose()).collect()
}

fn primitive<T: ArrowPrimitiveType>(
    cells: &[Option<&str>],
    read: impl Fn(&str) -> Result<T::Native, String>,
) -> Result<ArrayRef, String> {
    Ok(Arc::new(each(cells, read)?.into_iter().collect::<PrimitiveArray<T>>()))
}

fn decimals(cells: &[Option<&str>], precision: u8, scale: i8) -> Result<ArrayRef, String> {
    let values = each(cells, |text| scalar::decimal(text, precision, scale))?;
    let array = Decimal128Array::from(values).with_precision_and_scale(precision, scale);
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

fn nested(kind: &DataType, values: &[&Json<'_>], sql_type: &str) -> Result<ArrayRef, String> {
    match kind {
        DataType::List(element) => list(element, values, sql_type),
        DataType::Map(entries, sorted) => map(entries, *sorted, values, sql_type),
        DataType::Struct(fields) => structs(fields, values, sql_type),
        scalar => scalars(scalar, &values.iter().map(|value| value.text()).collect::<Vec<_>>(), sql_type),
    }
}

fn list(element: &FieldRef, values: &[&Json<'_>], sql_type: &str) -> Result<ArrayRef, String> {
    let mut lengths = Vec::with_capacity(values.len());
    let mut items = Vec::new();
    for value in values {
        match value {
            Json::Null => lengths.push(0),
            Json::Array(elements, _) => {
                lengths.push(elements.len());
                items.extend(elements);
            }
            other => return Err(mismatch("an array", other)),
        }
    }
    let items = nested(element.data_type(), &items, sql_type)?;
    let array =
        ListArray::try_new(Arc::clone(element), OffsetBuffer::from_lengths(lengths), items, nulls(values));
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

fn map(entries: &FieldRef, sorted: bool, values: &[&Json<'_>], sql_type: &str) -> Result<ArrayRef, String> {
    let (key, value) = key_and_value(entries)?;
    let mut lengths = Vec::with_capacity(values.len());
    let (mut keys, mut items) = (Vec::new(), Vec::new());
    for cell in values {
        match cell {
            Json::Null => lengths.push(0),
            Json::Object(pairs, _) => {
                lengths.push(pairs.len());
                keys.extend(pairs.iter().map(|(key, _)| Some(key.as_ref())));
                items.extend(pairs.iter().map(|(_, value)| value));
            }
            other => return Err(mismatch("an object", other)),
        }
    }
    let keys = scalars(key.data_type(), &keys, sql_type)?;
    let items = nested(value.data_type(), &items, sql_type)?;
    let fields = Fields::from(vec![Arc::clone(key), Arc::clone(value)]);
    let pairs = StructArray::try_new(fields, vec![keys, items], None).map_err(|error| error.to_string())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    let array = MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls(values), sorted);
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

fn key_and_value(entries: &Field) -> Result<(&FieldRef, &FieldRef), String> {
    match entries.data_type() {
        DataType::Struct(fields) => match fields.as_ref() {
            [key, value] => Ok((key, value)),
            _ => Err("a map's entries have two fields".to_owned()),
        },
        _ => Err("a map's entries are a struct".to_owned()),
    }
}

fn structs(fields: &Fields, values: &[&Json<'_>], sql_type: &str) -> Result<ArrayRef, String> {
    if let Some(other) = values.iter().find(|value| !matches!(value, Json::Null | Json::Object(..))) {
        return Err(mismatch("an object", other));
    }
    let columns = fields.iter().map(|field| {
        let cells: Vec<&Json<'_>> = values.iter().map(|value| member(value, field.name())).collect();
        nested(field.data_type(), &cells, sql_type)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(values.len(), nulls(values))));
    }
    let array = StructArray::try_new(fields.clone(), columns, nulls(values));
    Ok(Arc::new(array.map_err(|error| error.to_string())?))
}

/// A struct's field. Servers leave out fields that are null.
fn member<'v, 'a>(value: &'v Json<'a>, name: &str) -> &'v Json<'a> {
    match value {
        Json::Object(entries, _) => {
            entries.iter().find(|(key, _)| key == name).map_or(&Json::Null, |(_, value)| value)
        }
        _ => &Json::Null,
    }
}

fn nulls(values: &[&Json<'_>]) -> Option<NullBuffer> {
    Some(values.iter().map(|value| !matches!(value, Json::Null)).collect())
}

fn mismatch(expected: &str, found: &Json<'_>) -> String {
    format!("expected {expected}, found `{}`", found.text().unwrap_or("null"))
}
