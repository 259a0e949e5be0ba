//! CAST, TRY_CAST and store assignment, one value at a time where the engine's own cast differs.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, i256,
};

use super::{argument, cast_text, decimals, floats, text};
use crate::error::{LocalError, Result};
use crate::query::types;

/// One value on its way between types.
enum Value {
    Bool(bool),
    Long(i64),
    Double(f64),
    Float(f32),
    Decimal(i128, i8),
    Text(String),
    Days(i32),
    Micros(i64),
}

/// Why a value did not make it.
enum Failure {
    Malformed,
    Overflow,
}

type Converted<T> = std::result::Result<T, Failure>;

/// CAST.
pub(in crate::query) fn cast(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    convert(args, returns, &|failure, value, from| match failure {
        Failure::Malformed => {
            Err(LocalError::cast_invalid_input(value, types::name(from), types::name(returns)))
        }
        Failure::Overflow => match returns {
            DataType::Decimal128(precision, scale) => {
                Err(LocalError::numeric_out_of_range(value, *precision, *scale))
            }
            _ => Err(LocalError::cast_overflow(value, types::name(from), types::name(returns))),
        },
    })
}

/// TRY_CAST: NULL where CAST fails.
pub(in crate::query) fn try_cast(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    convert(args, returns, &|_, _, _| Ok(()))
}

/// Store assignment: the second argument names the column.
pub(in crate::query) fn store(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let column = match text(args, 1)? {
        names if names.is_empty() => String::new(),
        names => names.value(0).to_owned(),
    };
    convert(args, returns, &|failure, value, from| match failure {
        Failure::Malformed => {
            Err(LocalError::cast_invalid_input(value, types::name(from), types::name(returns)))
        }
        Failure::Overflow => Err(LocalError::new(
            "CAST_OVERFLOW_IN_TABLE_INSERT",
            "22003",
            format!(
                "Fail to assign a value of \"{}\" type to the \"{}\" type column or variable `{column}` due to an overflow (the value is {value}). Use `try_cast` on the input value to tolerate overflow and return NULL instead.",
                types::name(from),
                types::name(returns)
            ),
        )),
    })
}

/// Decides what a failed value becomes: an error, or NULL.
type OnFailure<'a> = &'a dyn Fn(Failure, &str, &DataType) -> Result<()>;

fn convert(args: &[ArrayRef], returns: &DataType, on_failure: OnFailure<'_>) -> Result<ArrayRef> {
    let source = argument(args, 0)?;
    macro_rules! build {
        ($array:ty, $to:expr) => {
            each(source, on_failure, $to)?.into_iter().collect::<$array>()
        };
    }
    Ok(match returns {
        DataType::Boolean => Arc::new(build!(BooleanArray, to_bool)),
        DataType::Int8 => Arc::new(build!(Int8Array, narrow)),
        DataType::Int16 => Arc::new(build!(Int16Array, narrow)),
        DataType::Int32 => Arc::new(build!(Int32Array, narrow)),
        DataType::Int64 => Arc::new(build!(Int64Array, to_long)),
        DataType::Float32 => Arc::new(build!(Float32Array, to_float)),
        DataType::Float64 => Arc::new(build!(Float64Array, to_double)),
        DataType::Utf8 => Arc::new(build!(StringArray, to_text)),
        DataType::Date32 => Arc::new(build!(Date32Array, to_days)),
        DataType::Timestamp(_, None) => Arc::new(build!(TimestampMicrosecondArray, to_wall)),
        DataType::Timestamp(_, zone) => {
            Arc::new(build!(TimestampMicrosecondArray, to_micros).with_timezone_opt(zone.clone()))
        }
        DataType::Decimal128(precision, scale) => {
            let values = build!(Decimal128Array, |v| to_decimal(v, *precision, *scale));
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        other => return Err(LocalError::internal(format!("no cast to {other}"))),
    })
}

/// A whole number of less than 64 bits. Text that spells a larger one is no text of the type.
fn narrow<T: TryFrom<i64>>(value: &Value) -> Converted<T> {
    T::try_from(to_long(value)?).map_err(|_| match value {
        Value::Text(_) => Failure::Malformed,
        _ => Failure::Overflow,
    })
}

fn each<T>(
    source: &ArrayRef,
    on_failure: OnFailure<'_>,
    to: impl Fn(&Value) -> Converted<T>,
) -> Result<Vec<Option<T>>> {
    let mut out = Vec::with_capacity(source.len());
    for row in 0..source.len() {
        let Some(value) = value_at(source, row)? else {
            out.push(None);
            continue;
        };
        match to(&value) {
            Ok(converted) => out.push(Some(converted)),
            Err(failure) => {
                on_failure(failure, &shown(&value), source.data_type())?;
                out.push(None);
            }
        }
    }
    Ok(out)
}

fn value_at(source: &ArrayRef, row: usize) -> Result<Option<Value>> {
    if source.is_null(row) {
        return Ok(None);
    }
    Ok(Some(match source.data_type() {
        DataType::Boolean => Value::Bool(source.as_boolean().value(row)),
        DataType::Int8 => Value::Long(source.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Value::Long(source.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Long(source.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Long(source.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Value::Float(source.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Value::Double(source.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            Value::Decimal(source.as_primitive::<Decimal128Type>().value(row), *scale)
        }
        DataType::Utf8 => Value::Text(source.as_string::<i32>().value(row).to_owned()),
        DataType::Binary => match std::str::from_utf8(source.as_binary::<i32>().value(row)) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => {
                return Err(LocalError::unsupported_feature(
                    "a cast to STRING of bytes that are no UTF-8 text",
                ));
            }
        },
        DataType::Date32 => Value::Days(source.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(..) => {
            Value::Micros(source.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        other => return Err(LocalError::internal(format!("no cast from {other}"))),
    }))
}

/// The value in an error message.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("'{text}'"),
        other => to_text(other).unwrap_or_default(),
    }
}

fn to_bool(value: &Value) -> Converted<bool> {
    match value {
        Value::Bool(v) => Ok(*v),
        Value::Long(v) => Ok(*v != 0),
        Value::Double(v) => Ok(*v != 0.0),
        Value::Float(v) => Ok(*v != 0.0),
        Value::Decimal(v, _) => Ok(*v != 0),
        Value::Text(v) => cast_text::boolean(v).ok_or(Failure::Malformed),
        Value::Days(_) | Value::Micros(_) => Err(Failure::Malformed),
    }
}

fn to_long(value: &Value) -> Converted<i64> {
    match value {
        Value::Bool(v) => Ok((*v).into()),
        Value::Long(v) => Ok(*v),
        Value::Double(v) => whole(*v),
        Value::Float(v) => whole((*v).into()),
        Value::Decimal(v, scale) => {
            let unit =
                10i128.checked_pow(u32::try_from(*scale).unwrap_or_default()).ok_or(Failure::Overflow)?;
            i64::try_from(v / unit).map_err(|_| Failure::Overflow)
        }
        Value::Text(v) => cast_text::integer(v).ok_or(Failure::Malformed),
        Value::Micros(v) => Ok(v.div_euclid(1_000_000)),
        Value::Days(_) => Err(Failure::Malformed),
    }
}

/// Towards zero; what has no place in 64 bits fails.
fn whole(value: f64) -> Converted<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let value = value.trunc();
    if (-LIMIT..LIMIT).contains(&value) {
        #[allow(clippy::cast_possible_truncation, reason = "the range was checked")]
        return Ok(value as i64);
    }
    Err(Failure::Overflow)
}

#[allow(clippy::cast_precision_loss, reason = "that is what the cast means")]
fn to_double(value: &Value) -> Converted<f64> {
    match value {
        Value::Bool(v) => Ok(f64::from(u8::from(*v))),
        Value::Long(v) => Ok(*v as f64),
        Value::Double(v) => Ok(*v),
        Value::Float(v) => Ok((*v).into()),
        Value::Decimal(v, scale) => decimals::plain(*v, *scale).parse().map_err(|_| Failure::Malformed),
        Value::Text(v) => floats::parse(v).ok_or(Failure::Malformed),
        Value::Micros(v) => Ok(*v as f64 / 1e6),
        Value::Days(_) => Err(Failure::Malformed),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "that is what the cast means"
)]
fn to_float(value: &Value) -> Converted<f32> {
    match value {
        Value::Float(v) => Ok(*v),
        Value::Long(v) => Ok(*v as f32),
        Value::Decimal(v, scale) => decimals::plain(*v, *scale).parse().map_err(|_| Failure::Malformed),
        Value::Text(v) => {
            let trimmed = v.trim();
            floats::parse(trimmed).map(|d| trimmed.parse().unwrap_or(d as f32)).ok_or(Failure::Malformed)
        }
        other => to_double(other).map(|d| d as f32),
    }
}

fn to_decimal(value: &Value, precision: u8, scale: i8) -> Converted<i128> {
    let from = |v: i256, at: i32| {
        decimals::rescale(v, at, scale.into())
            .and_then(|v| decimals::fitting(v, precision))
            .ok_or(Failure::Overflow)
    };
    let of_text = |text: &str| match cast_text::decimal(text, precision, scale) {
        None => Err(Failure::Malformed),
        Some(fitted) => fitted.ok_or(Failure::Overflow),
    };
    match value {
        Value::Bool(v) => from(i256::from_i128((*v).into()), 0),
        Value::Long(v) => from(i256::from_i128((*v).into()), 0),
        Value::Decimal(v, at) => from(i256::from_i128(*v), (*at).into()),
        Value::Double(v) if v.is_finite() => of_text(&format!("{v:e}")),
        Value::Float(v) if v.is_finite() => of_text(&format!("{v:e}")),
        Value::Double(_) | Value::Float(_) => Err(Failure::Overflow),
        Value::Text(v) => of_text(v),
        Value::Micros(v) => from(i256::from_i128((*v).into()), 6),
        Value::Days(_) => Err(Failure::Malformed),
    }
}

fn to_text(value: &Value) -> Converted<String> {
    match value {
        Value::Bool(v) => Ok(v.to_string()),
        Value::Long(v) => Ok(v.to_string()),
        Value::Double(v) => Ok(floats::double(*v)),
        Value::Float(v) => Ok(floats::float(*v)),
        Value::Decimal(v, scale) => Ok(decimals::plain(*v, *scale)),
        Value::Text(v) => Ok(v.clone()),
        Value::Days(v) => cast_text::date_text(*v).ok_or(Failure::Overflow),
        Value::Micros(v) => cast_text::timestamp_text(*v).ok_or(Failure::Overflow),
    }
}

fn to_days(value: &Value) -> Converted<i32> {
    match value {
        Value::Days(v) => Ok(*v),
        Value::Micros(v) => i32::try_from(cast_text::days_of_micros(*v)).map_err(|_| Failure::Overflow),
        Value::Text(v) => cast_text::date(v).ok_or(Failure::Malformed),
        _ => Err(Failure::Malformed),
    }
}

/// A wall clock's reading: a zone in a text does not move it.
fn to_wall(value: &Value) -> Converted<i64> {
    match value {
        Value::Text(v) => cast_text::timestamp(v).map(|i| i.wall).ok_or(Failure::Malformed),
        other => to_micros(other),
    }
}

fn to_micros(value: &Value) -> Converted<i64> {
    match value {
        Value::Micros(v) => Ok(*v),
        Value::Days(v) => i64::from(*v).checked_mul(86_400_000_000).ok_or(Failure::Overflow),
        Value::Long(v) => v.checked_mul(1_000_000).ok_or(Failure::Overflow),
        Value::Text(v) => cast_text::timestamp(v).map(|i| i.micros).ok_or(Failure::Malformed),
        _ => Err(Failure::Malformed),
    }
}
