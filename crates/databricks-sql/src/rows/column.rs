//! A column of a batch whose Arrow type was looked at once, for all of its rows.

use arrow::array::{Array, AsArray, BinaryArray, BooleanArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Fields, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, TimeUnit,
    TimestampMicrosecondType,
};

/// The cells of one column, or of a part of a nested one.
pub(super) struct Cells<'b> {
    nulls: Option<&'b NullBuffer>,
    values: Values<'b>,
    length: usize,
}

/// The values in memory, by type. What a NULL has there is of no meaning.
pub(super) enum Values<'b> {
    /// VOID: every cell is NULL.
    Null,
    Boolean(&'b BooleanArray),
    Int8(&'b [i8]),
    Int16(&'b [i16]),
    Int32(&'b [i32]),
    Int64(&'b [i64]),
    Float32(&'b [f32]),
    Float64(&'b [f64]),
    /// Unscaled, with the scale.
    Decimal(&'b [i128], i8),
    Text(&'b StringArray),
    Bytes(&'b BinaryArray),
    /// In days.
    Date(&'b [i32]),
    /// In microseconds; whether they are instants.
    Timestamp(&'b [i64], bool),
    /// A year-month interval, in months.
    Months(&'b [i32]),
    /// A day-time interval, in microseconds.
    Duration(&'b [i64]),
    List(&'b [i32], Box<Cells<'b>>),
    Struct(&'b Fields, Vec<Cells<'b>>),
    /// Offsets, keys and values.
    Map(&'b [i32], Box<[Cells<'b>; 2]>),
    /// Nothing that a warehouse sends.
    Other(&'b DataType),
}

impl<'b> Cells<'b> {
    pub(super) fn of(array: &'b dyn Array) -> Self {
        let values = values(array).unwrap_or(Values::Other(array.data_type()));
        Self { nulls: array.nulls(), values, length: array.len() }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn values(&self) -> &Values<'b> {
        &self.values
    }

    pub(super) fn is_null(&self, index: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.is_some_and(|nulls| nulls.is_null(index))
    }
}

/// `None` for a type that is read as nothing.
fn values(array: &dyn Array) -> Option<Values<'_>> {
    Some(match array.data_type() {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Boolean(array.as_boolean_opt()?),
        DataType::Int8 => Values::Int8(numbers::<Int8Type>(array)?),
        DataType::Int16 => Values::Int16(numbers::<Int16Type>(array)?),
        DataType::Int32 => Values::Int32(numbers::<Int32Type>(array)?),
        DataType::Int64 => Values::Int64(numbers::<Int64Type>(array)?),
        DataType::Float32 => Values::Float32(numbers::<Float32Type>(array)?),
        DataType::Float64 => Values::Float64(numbers::<Float64Type>(array)?),
        DataType::Decimal128(_, scale) => Values::Decimal(numbers::<Decimal128Type>(array)?, *scale),
        DataType::Utf8 => Values::Text(array.as_string_opt()?),
        DataType::Binary => Values::Bytes(array.as_binary_opt()?),
        DataType::Date32 => Values::Date(numbers::<Date32Type>(array)?),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Values::Timestamp(numbers::<TimestampMicrosecondType>(array)?, zone.is_some())
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            Values::Months(numbers::<IntervalYearMonthType>(array)?)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            Values::Duration(numbers::<DurationMicrosecondType>(array)?)
        }
        DataType::List(_) => {
            let list = array.as_list_opt::<i32>()?;
            Values::List(list.value_offsets(), Box::new(Cells::of(list.values().as_ref())))
        }
        DataType::Struct(fields) => {
            let members = array.as_struct_opt()?.columns();
            Values::Struct(fields, members.iter().map(|member| Cells::of(member.as_ref())).collect())
        }
        DataType::Map(..) => {
            let map = array.as_map_opt()?;
            let entries = [map.keys(), map.values()].map(|part| Cells::of(part.as_ref()));
            Values::Map(map.value_offsets(), Box::new(entries))
        }
        _ => return None,
    })
}

fn numbers<T: ArrowPrimitiveType>(array: &dyn Array) -> Option<&[T::Native]> {
    let values: &[T::Native] = array.as_primitive_opt::<T>()?.values();
    Some(values)
}
