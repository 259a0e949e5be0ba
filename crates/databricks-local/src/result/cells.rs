//! Cells as the JSON_ARRAY format has them: every value is text, NULL is null.
//!
//! Timestamps carry the session zone's offset (`2021-06-15T12:34:56.789Z` in UTC), at least milliseconds and
//! microseconds where there are any; nested values are JSON; binary is base64.

use std::fmt::Write as _;

use arrow::array::{Array, ArrowPrimitiveType, AsArray, MapArray, StructArray};
use arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Decimal128Type, DecimalType, DurationMicrosecondType, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, TimeUnit,
    TimestampMicrosecondType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, Timelike};

use crate::error::{LocalError, Result};

/// The text of one cell.
///
/// # Errors
/// For a type that has no text form, and for instants outside the calendar.
pub(super) fn text(array: &dyn Array, row: usize) -> Result<Option<String>> {
    if array.is_null(row) {
        return Ok(None);
    }
    let text = match array.data_type() {
        DataType::Null => return Ok(None),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => value::<Int8Type>(array, row)?.to_string(),
        DataType::Int16 => value::<Int16Type>(array, row)?.to_string(),
        DataType::Int32 => value::<Int32Type>(array, row)?.to_string(),
        DataType::Int64 => value::<Int64Type>(array, row)?.to_string(),
        DataType::Float32 => float_text(&format!("{:e}", value::<Float32Type>(array, row)?)),
        DataType::Float64 => float_text(&format!("{:e}", value::<Float64Type>(array, row)?)),
        DataType::Decimal128(precision, scale) => {
            Decimal128Type::format_decimal(value::<Decimal128Type>(array, row)?, *precision, *scale)
        }
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Binary => STANDARD.encode(array.as_binary::<i32>().value(row)),
        DataType::Date32 => date(value::<Date32Type>(array, row)?)?.to_string(),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let text = instant(value::<TimestampMicrosecondType>(array, row)?)?;
            if zone.is_some() { text + "Z" } else { text }
        }
        DataType::Interval(IntervalUnit::YearMonth) => months(value::<IntervalYearMonthType>(array, row)?),
        DataType::Duration(TimeUnit::Microsecond) => duration(value::<DurationMicrosecondType>(array, row)?),
        DataType::List(_) | DataType::Struct(_) | DataType::Map(_, _) => {
            let mut out = String::new();
            write_json(array, row, &mut out)?;
            out
        }
        other => {
            return Err(LocalError::unsupported_feature(format_args!(
                "a JSON cell of the Arrow type {other}"
            )));
        }
    };
    Ok(Some(text))
}

fn value<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> Result<T::Native> {
    let typed = array.as_primitive_opt::<T>();
    let typed = typed
        .ok_or_else(|| LocalError::internal(format_args!("an array is not of its type {}", T::DATA_TYPE)))?;
    Ok(typed.value(row))
}

/// Writes a value inside a nested one.
fn write_json(array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            separated(out, ['[', ']'], 0..items.len(), |out, item| write_json(&items, item, out))
        }
        DataType::Struct(_) => write_struct(array.as_struct(), row, out),
        DataType::Map(_, _) => write_map(array.as_map(), row, out),
        data_type => {
            let bare = data_type.is_numeric() || matches!(data_type, DataType::Boolean | DataType::Null);
            match text(array, row)? {
                None => out.push_str("null"),
                Some(text) if bare && !matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => {
                    out.push_str(&text)
                }
                Some(text) => push_string(out, &text),
            }
            Ok(())
        }
    }
}

fn write_struct(array: &StructArray, row: usize, out: &mut String) -> Result<()> {
    let fields = array.fields().iter().zip(array.columns());
    separated(out, ['{', '}'], fields, |out, (field, column)| {
        push_string(out, field.name());
        out.push(':');
        write_json(column, row, out)
    })
}

fn write_map(array: &MapArray, row: usize, out: &mut String) -> Result<()> {
    let entries = array.value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    separated(out, ['{', '}'], 0..entries.len(), |out, entry| {
        push_string(out, &text(keys, entry)?.unwrap_or_else(|| "null".to_owned()));
        out.push(':');
        write_json(values, entry, out)
    })
}

/// `[a,b]`: items between brackets.
fn separated<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut String, T) -> Result<()>,
) -> Result<()> {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item)?;
    }
    out.push(close);
    Ok(())
}

fn push_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// The text Java gives a floating point number (`1.0`, `1.0E10`), from Rust's shortest scientific form.
fn float_text(scientific: &str) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return match scientific {
            "inf" => "Infinity".to_owned(),
            "-inf" => "-Infinity".to_owned(),
            other => other.to_owned(),
        };
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let digits = digits.replace('.', "");
    if digits == "0" {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        return format!("{sign}{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest });
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs().as_usize() - 1));
    }
    let whole = exponent.unsigned_abs().as_usize() + 1;
    let padded = format!("{digits:0<whole$}");
    let (whole, rest) = padded.split_at(whole);
    format!("{sign}{whole}.{}", if rest.is_empty() { "0" } else { rest })
}

fn date(days: i32) -> Result<NaiveDate> {
    let distance = Days::new(u64::from(days.unsigned_abs()));
    let epoch = NaiveDate::default();
    let date = if days < 0 { epoch.checked_sub_days(distance) } else { epoch.checked_add_days(distance) };
    date.ok_or_else(|| {
        LocalError::new("DATETIME_OVERFLOW", "22008", format!("Day {days} of the epoch is no date."))
    })
}

/// A wall-clock text with at least milliseconds.
fn instant(micros: i64) -> Result<String> {
    let moment: NaiveDateTime = DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| {
            LocalError::new("DATETIME_OVERFLOW", "22008", format!("{micros} us is no timestamp."))
        })?
        .naive_utc();
    let exact = (moment.nanosecond() / 1_000).is_multiple_of(1_000);
    Ok(moment.format(if exact { "%Y-%m-%dT%H:%M:%S%.3f" } else { "%Y-%m-%dT%H:%M:%S%.6f" }).to_string())
}

/// `years-months`.
fn months(months: i32) -> String {
    let sign = if months < 0 { "-" } else { "" };
    let months = months.unsigned_abs();
    format!("{sign}{}-{}", months / 12, months % 12)
}

/// `days hours:minutes:seconds.nanoseconds`.
fn duration(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let mut out = String::new();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "{sign}{days} {:02}:{:02}:{:02}.{fraction:06}000",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    );
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, Date32Array, Decimal128Array, Float64Array, Int32Array, ListArray,
        StringArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, Int32Type};

    #[test]
    fn floats_read_like_javas() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (123.456, "123.456"),
            (1e7, "1.0E7"),
            (9_999_999.0, "9999999.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (-1.5e300, "-1.5E300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, expected) in cases {
            let array = Float64Array::from(vec![number]);
            assert_eq!(text(&array, 0).unwrap().unwrap(), expected);
        }
    }

    #[test]
    fn instants_carry_their_zone_and_all_their_digits() {
        // 2021-06-15T12:34:56.789 UTC, as in the recorded answers.
        let micros = vec![1_623_760_496_789_000, 1_623_760_496_789_001, -1];
        let zoned = TimestampMicrosecondArray::from(micros.clone()).with_timezone("Etc/UTC");
        assert_eq!(text(&zoned, 0).unwrap().unwrap(), "2021-06-15T12:34:56.789Z");
        assert_eq!(text(&zoned, 1).unwrap().unwrap(), "2021-06-15T12:34:56.789001Z");
        let wall_clock = TimestampMicrosecondArray::from(micros);
        assert_eq!(text(&wall_clock, 2).unwrap().unwrap(), "1969-12-31T23:59:59.999999");
    }

    #[test]
    fn plain_values() {
        let decimal = Decimal128Array::from(vec![-1_205]).with_precision_and_scale(10, 2).unwrap();
        let arrays: Vec<(ArrayRef, Option<&str>)> = vec![
            (Arc::new(decimal), Some("-12.05")),
            (Arc::new(Date32Array::from(vec![-1])), Some("1969-12-31")),
            (Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice()])), Some("AP8=")),
            (Arc::new(Int32Array::from(vec![None])), None),
            (Arc::new(StringArray::from(vec!["a\"b"])), Some("a\"b")),
        ];
        for (array, expected) in arrays {
            assert_eq!(text(&array, 0).unwrap().as_deref(), expected);
        }
        assert_eq!((months(-14), duration(-1)), ("-1-2".into(), "-0 00:00:00.000001000".into()));
    }

    #[test]
    fn nested_values_are_json() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None])]);
        let name: ArrayRef = Arc::new(StringArray::from(vec!["x\n"]));
        let fields = [("n", name), ("l", Arc::new(list) as ArrayRef)]
            .map(|(name, array)| (Arc::new(Field::new(name, array.data_type().clone(), true)), array));
        let row = StructArray::from(fields.to_vec());
        assert_eq!(text(&row, 0).unwrap().unwrap(), r#"{"n":"x\n","l":[1,null]}"#);
    }
}
