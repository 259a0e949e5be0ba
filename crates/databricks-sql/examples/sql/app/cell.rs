//! One cell of an Arrow column as text or JSON. Nothing loses digits on the way.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::array_value_to_string;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, TimeDelta};

/// Writes the cell as JSON: numbers and booleans as they are, nested values as arrays and objects, all else as text.
pub(crate) fn json(out: &mut dyn Write, array: &dyn Array, row: usize) -> io::Result<()> {
    if is_null(array, row) {
        return out.write_all(b"null");
    }
    match array.data_type() {
        DataType::Boolean => write!(out, "{}", array.as_boolean().value(row)),
        DataType::Int8 => write!(out, "{}", array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => write!(out, "{}", array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => write!(out, "{}", array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => write!(out, "{}", array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            float(out, f64::from(value), value.is_finite().then(|| serde_json::to_string(&value)))
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            float(out, value, value.is_finite().then(|| serde_json::to_string(&value)))
        }
        DataType::List(_) => list(out, array.as_list::<i32>().value(row).as_ref()),
        DataType::Struct(_) => object(out, array, row),
        DataType::Map(..) => map(out, array, row),
        _ => quoted(out, &text(array, row)),
    }
}

/// The cell as text for a table or CSV; `None` for NULL. Nested values are JSON.
pub(crate) fn plain(array: &dyn Array, row: usize) -> io::Result<Option<String>> {
    if is_null(array, row) {
        return Ok(None);
    }
    let is_text = !matches!(
        array.data_type(),
        DataType::Float32 | DataType::Float64 | DataType::List(_) | DataType::Struct(_) | DataType::Map(..)
    );
    if is_text {
        return Ok(Some(text(array, row).into_owned()));
    }
    let mut out = Vec::new();
    json(&mut out, array, row)?;
    let text = String::from_utf8(out).map_err(io::Error::other)?;
    Ok(Some(text.trim_matches('"').to_owned()))
}

pub(crate) fn quoted(out: &mut dyn Write, text: &str) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::other)
}

fn is_null(array: &dyn Array, row: usize) -> bool {
    array.is_null(row) || array.data_type() == &DataType::Null
}

/// JSON has no number for what is not finite.
fn float(out: &mut dyn Write, value: f64, finite: Option<serde_json::Result<String>>) -> io::Result<()> {
    match finite {
        Some(text) => out.write_all(text.map_err(io::Error::other)?.as_bytes()),
        None if value.is_nan() => out.write_all(b"\"NaN\""),
        None if value > 0.0 => out.write_all(b"\"Infinity\""),
        None => out.write_all(b"\"-Infinity\""),
    }
}

fn list(out: &mut dyn Write, items: &dyn Array) -> io::Result<()> {
    for row in 0..items.len() {
        out.write_all(if row == 0 { b"[" } else { b"," })?;
        json(out, items, row)?;
    }
    out.write_all(if items.is_empty() { b"[]" } else { b"]" })
}

fn object(out: &mut dyn Write, array: &dyn Array, row: usize) -> io::Result<()> {
    let fields = array.as_struct();
    out.write_all(b"{")?;
    for (at, (field, column)) in fields.fields().iter().zip(fields.columns()).enumerate() {
        comma(out, at)?;
        quoted(out, field.name())?;
        out.write_all(b":")?;
        json(out, column.as_ref(), row)?;
    }
    out.write_all(b"}")
}

fn map(out: &mut dyn Write, array: &dyn Array, row: usize) -> io::Result<()> {
    let entries = array.as_map().value(row);
    out.write_all(b"{")?;
    if let [keys, values] = entries.columns() {
        for at in 0..entries.len() {
            comma(out, at)?;
            quoted(out, &plain(keys.as_ref(), at)?.unwrap_or_default())?;
            out.write_all(b":")?;
            json(out, values.as_ref(), at)?;
        }
    }
    out.write_all(b"}")
}

fn comma(out: &mut dyn Write, at: usize) -> io::Result<()> {
    if at > 0 { out.write_all(b",") } else { Ok(()) }
}

/// A value that is not nested, as text.
fn text(array: &dyn Array, row: usize) -> Cow<'_, str> {
    let known = match array.data_type() {
        DataType::Utf8 => return Cow::Borrowed(array.as_string::<i32>().value(row)),
        DataType::Binary => Some(STANDARD.encode(array.as_binary::<i32>().value(row))),
        DataType::Decimal128(..) => Some(array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row), zone.is_some())
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            Some(months(array.as_primitive::<IntervalYearMonthType>().value(row)))
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            Some(duration(array.as_primitive::<DurationMicrosecondType>().value(row)))
        }
        _ => None,
    };
    Cow::Owned(known.unwrap_or_else(|| shown(array_value_to_string(array, row))))
}

/// A value outside of what can be written is told as such.
fn shown(text: Result<String, impl Display>) -> String {
    text.unwrap_or_else(|error| error.to_string())
}

fn date(days: i32) -> Option<String> {
    let start = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    Some(start.checked_add_signed(TimeDelta::try_days(i64::from(days))?)?.to_string())
}

/// An instant has a `Z` behind it, local time has nothing.
fn timestamp(micros: i64, is_instant: bool) -> Option<String> {
    let format = if is_instant { "%Y-%m-%dT%H:%M:%S%.6fZ" } else { "%Y-%m-%dT%H:%M:%S%.6f" };
    Some(DateTime::from_timestamp_micros(micros)?.naive_utc().format(format).to_string())
}

/// `1-2`: years and months.
fn months(months: i32) -> String {
    let sign = if months < 0 { "-" } else { "" };
    let months = months.unsigned_abs();
    format!("{sign}{}-{}", months / 12, months % 12)
}

/// `1 02:03:04.000005`: days and time of day.
fn duration(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let fraction = if micros > 0 { format!(".{micros:06}") } else { String::new() };
    format!("{sign}{days} {hours:02}:{minutes:02}:{:02}{fraction}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, Date32Array, DurationMicrosecondArray, Float32Array, Int64Builder,
        IntervalYearMonthArray, MapBuilder, NullArray, StringBuilder, TimestampMicrosecondArray,
    };

    use super::*;

    fn both(array: impl Array + 'static) -> (String, Option<String>) {
        let array: ArrayRef = Arc::new(array);
        let mut out = Vec::new();
        json(&mut out, array.as_ref(), 0).unwrap();
        (String::from_utf8(out).unwrap(), plain(array.as_ref(), 0).unwrap())
    }

    #[test]
    fn values_that_json_does_not_have_are_text() {
        let mut map = MapBuilder::new(None, Int64Builder::new(), StringBuilder::new());
        map.keys().append_value(7);
        map.values().append_value("a\"b");
        map.append(true).unwrap();
        for ((json, plain), expected) in [
            (both(BinaryArray::from(vec![&[0_u8, 255][..]])), "AP8="),
            (both(Float32Array::from(vec![f32::NEG_INFINITY])), "-Infinity"),
            (both(Date32Array::from(vec![-1])), "1969-12-31"),
            (both(TimestampMicrosecondArray::from(vec![-1])), "1969-12-31T23:59:59.999999"),
            (
                both(TimestampMicrosecondArray::from(vec![0]).with_timezone("America/Los_Angeles")),
                "1970-01-01T00:00:00.000000Z",
            ),
            (both(IntervalYearMonthArray::from(vec![-14])), "-1-2"),
            (both(DurationMicrosecondArray::from(vec![i64::MIN])), "-106751991 04:00:54.775808"),
        ] {
            assert_eq!((json, plain), (format!("\"{expected}\""), Some(expected.to_owned())));
        }
        assert_eq!(both(Float32Array::from(vec![1.1])), ("1.1".to_owned(), Some("1.1".to_owned())));
        assert_eq!(both(NullArray::new(1)), ("null".to_owned(), None));
        let text = r#"{"7":"a\"b"}"#.to_owned();
        assert_eq!(both(map.finish()), (text.clone(), Some(text)));
        // A date that no calendar has is told, not invented.
        assert!(both(Date32Array::from(vec![i32::MAX])).1.is_some());
    }
}
