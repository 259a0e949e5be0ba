//! The statistics of a data file as the log has them, taken from its footer.
//!
//! They are those that delta-rs takes from the files which it writes: of the first columns of the table, fields of
//! structs among them, none of lists, maps and bytes. A bound that the log cannot hold exactly, or that one row group
//! does not tell, is left out: a file is then read that might have been skipped. Of decimals of many digits a written file
//! tells nothing, this one whatever is exact.

use arrow::datatypes::{DataType, Field, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use super::super::write::EXACT_DIGITS;
use super::Wanted;

/// The statistics of a file that is as wanted.
pub(super) fn of(wanted: &Wanted, footer: &ParquetMetaData) -> Value {
    let mut found = Found::default();
    for field in wanted.fields.iter().take(wanted.indexed) {
        found.add(field, &[], footer);
    }
    let Found { least, greatest, nulls } = found;
    json!({
        "numRecords": footer.file_metadata().num_rows(),
        "minValues": least,
        "maxValues": greatest,
        "nullCount": nulls,
    })
}

#[derive(Default)]
struct Found {
    least: Map<String, Value>,
    greatest: Map<String, Value>,
    nulls: Map<String, Value>,
}

impl Found {
    fn add(&mut self, field: &Field, parent: &[String], footer: &ParquetMetaData) {
        let path = [parent, std::slice::from_ref(field.name())].concat();
        let name = || field.name().clone();
        match field.data_type() {
            DataType::Struct(fields) => {
                let mut inner = Self::default();
                fields.iter().for_each(|field| inner.add(field, &path, footer));
                for (into, inner) in [
                    (&mut self.least, inner.least),
                    (&mut self.greatest, inner.greatest),
                    (&mut self.nulls, inner.nulls),
                ] {
                    if !inner.is_empty() {
                        into.insert(name(), Value::Object(inner));
                    }
                }
            }
            data_type => {
                let Some(column) = Column::of(&path, data_type, footer) else { return };
                self.nulls.insert(name(), Value::from(column.nulls));
                if let Some((least, greatest)) = column.bounds {
                    self.least.insert(name(), least);
                    self.greatest.insert(name(), greatest);
                }
            }
        }
    }
}

/// What is known of the values of one column.
struct Column {
    nulls: u64,
    bounds: Option<(Value, Value)>,
}

impl Column {
    /// None where the footer does not tell the number of NULLs in each row group, or delta-rs would not.
    fn of(path: &[String], data_type: &DataType, footer: &ParquetMetaData) -> Option<Self> {
        if data_type.is_nested() || data_type.is_floating() || matches!(data_type, DataType::Binary) {
            return None;
        }
        let leaves = footer.file_metadata().schema_descr().columns();
        let Some(leaf) = leaves.iter().position(|leaf| leaf.path().parts() == path) else {
            // A column that the file lacks is NULL in each row.
            let rows = u64::try_from(footer.file_metadata().num_rows()).ok()?;
            return Some(Self { nulls: rows, bounds: None });
        };
        let mut nulls = 0;
        let mut bounds: Option<(Bound, Bound)> = None;
        let mut known = true;
        for group in footer.row_groups() {
            let chunk = group.column(leaf);
            let statistics = chunk.statistics()?;
            let of_group = statistics.null_count_opt()?;
            nulls += of_group;
            match ends(statistics, data_type) {
                Some((least, greatest)) => {
                    bounds = Some(match bounds {
                        None => (least, greatest),
                        Some((a, b)) => (a.min(least), b.max(greatest)),
                    });
                }
                // Nothing but NULL has no bounds, and takes none away.
                None => known &= i64::try_from(of_group) == Ok(chunk.num_values()),
            }
        }
        let bounds = bounds.filter(|_| known);
        Some(Self {
            nulls,
            bounds: bounds.and_then(|(a, b)| Some((a.shown(data_type)?, b.shown(data_type)?))),
        })
    }
}

/// The least or greatest value of a column, in the order of its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Boolean(bool),
    /// Whole numbers, days, microseconds, and the digits of decimals.
    Number(i128),
    Text(String),
}

/// The bounds that one row group tells.
fn ends(statistics: &Statistics, data_type: &DataType) -> Option<(Bound, Bound)> {
    let number = |value: Option<&i32>| value.map(|value| Bound::Number(i128::from(*value)));
    let big = |value: Option<&i64>| value.map(|value| Bound::Number(i128::from(*value)));
    let text = |bytes: Option<&[u8]>| Some(Bound::Text(String::from_utf8(bytes?.to_vec()).ok()?));
    let wide = |bytes: Option<&[u8]>| big_endian(bytes?).map(Bound::Number);
    match (statistics, data_type) {
        (Statistics::Boolean(s), _) => {
            s.min_opt().zip(s.max_opt()).map(|(a, b)| (Bound::Boolean(*a), Bound::Boolean(*b)))
        }
        (Statistics::Int32(s), _) => number(s.min_opt()).zip(number(s.max_opt())),
        (Statistics::Int64(s), _) => big(s.min_opt()).zip(big(s.max_opt())),
        (Statistics::ByteArray(s), DataType::Utf8) => text(s.min_bytes_opt()).zip(text(s.max_bytes_opt())),
        (Statistics::FixedLenByteArray(s), DataType::Decimal128(..)) => {
            wide(s.min_bytes_opt()).zip(wide(s.max_bytes_opt()))
        }
        _ => None,
    }
}

/// A number of up to sixteen bytes, the highest first.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    let mut wide = [if first & 0x80 == 0 { 0 } else { 0xFF }; 16];
    let start = wide.len().checked_sub(bytes.len())?;
    wide[start..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

impl Bound {
    /// As the log has it; none for what it cannot hold.
    fn shown(&self, data_type: &DataType) -> Option<Value> {
        match (self, data_type) {
            (Self::Boolean(value), _) => Some(Value::from(*value)),
            (Self::Text(text), _) => Some(Value::from(text.clone())),
            (Self::Number(days), DataType::Date32) => day(*days),
            (Self::Number(micros), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
                instant(*micros, zone.is_some())
            }
            (Self::Number(digits), DataType::Decimal128(_, scale)) if *scale > 0 => decimal(*digits, *scale),
            (Self::Number(value), _) => i64::try_from(*value).ok().map(Value::from),
        }
    }
}

fn day(days: i128) -> Option<Value> {
    let since = chrono::TimeDelta::try_days(i64::try_from(days).ok()?)?;
    let date = NaiveDate::default().checked_add_signed(since)?;
    is_written(date.year()).then(|| Value::from(date.format("%Y-%m-%d").to_string()))
}

/// Cut to milliseconds, as the protocol has it.
fn instant(micros: i128, zoned: bool) -> Option<Value> {
    let instant = DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)?;
    let format = match (zoned, instant.timestamp_subsec_nanos() == 0) {
        (true, true) => "%Y-%m-%dT%H:%M:%SZ",
        (true, false) => "%Y-%m-%dT%H:%M:%S%.3fZ",
        (false, true) => "%Y-%m-%d %H:%M:%S",
        (false, false) => "%Y-%m-%d %H:%M:%S%.3f",
    };
    is_written(instant.year()).then(|| Value::from(instant.format(format).to_string()))
}

/// Whether a year has four digits.
fn is_written(year: i32) -> bool {
    (0..=9999).contains(&year)
}

fn decimal(digits: i128, scale: i8) -> Option<Value> {
    if digits.unsigned_abs() >= 10_u128.pow(u32::from(EXACT_DIGITS)) {
        return None;
    }
    #[allow(clippy::cast_precision_loss, reason = "so few digits are exact")]
    let digits = digits as f64;
    serde_json::Number::from_f64(digits / 10_f64.powi(i32::from(scale))).map(Value::Number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn bounds_are_shown_as_the_log_has_them_or_not_at_all() {
        let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let ntz = || DataType::Timestamp(TimeUnit::Microsecond, None);
        for (number, data_type, expected) in [
            (-1, DataType::Date32, Some(json!("1969-12-31"))),
            (2_932_896, DataType::Date32, Some(json!("9999-12-31"))),
            (2_932_897, DataType::Date32, None),
            (i128::from(i32::MIN), DataType::Date32, None),
            (-1, utc(), Some(json!("1969-12-31T23:59:59.999Z"))),
            (1_500_000, utc(), Some(json!("1970-01-01T00:00:01.500Z"))),
            (0, ntz(), Some(json!("1970-01-01 00:00:00"))),
            (i128::from(i64::MAX), ntz(), None),
            (-12_345, DataType::Decimal128(10, 2), Some(json!(-123.45))),
            (999_999_999_999_999, DataType::Decimal128(38, 15), Some(json!(0.999_999_999_999_999))),
            (1_000_000_000_000_000, DataType::Decimal128(38, 15), None),
            (1_i128 << 53, DataType::Decimal128(18, 0), Some(json!(1_i64 << 53))),
            (1_i128 << 64, DataType::Decimal128(38, 0), None),
        ] {
            assert_eq!(Bound::Number(number).shown(&data_type), expected, "{number} as {data_type}");
        }
    }

    #[test]
    fn wide_numbers_keep_their_sign() {
        assert_eq!(big_endian(&[0xFF]), Some(-1));
        assert_eq!(big_endian(&[0x01, 0x00]), Some(256));
        assert_eq!(big_endian(&i128::MIN.to_be_bytes()), Some(i128::MIN));
        assert_eq!(big_endian(&[]), None);
        assert_eq!(big_endian(&[0; 17]), None);
    }
}
