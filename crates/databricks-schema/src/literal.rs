//! Typed values as SQL text.

use crate::{DataType, Result, SchemaError, quote};

/// A typed value that can be written into a statement.
///
/// Where a statement can carry parameters, use those; literals are for the places that take none (`VALUES` lists of
/// thousands of cells, table properties, paths).
///
/// ```
/// use databricks_schema::{DataType, Literal};
///
/// assert_eq!(Literal::from("it's").to_sql()?, r"'it\'s'");
/// assert_eq!(Literal::Date(19_723).to_sql()?, "DATE'2024-01-01'");
/// assert_eq!(Literal::Null.cast(DataType::Int).to_sql()?, "CAST(NULL AS INT)");
/// # Ok::<(), databricks_schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Literal {
    /// `NULL`
    Null,
    /// `TRUE` or `FALSE`
    Boolean(bool),
    /// A `TINYINT`.
    TinyInt(i8),
    /// A `SMALLINT`.
    SmallInt(i16),
    /// An `INT`.
    Int(i32),
    /// A `BIGINT`.
    BigInt(i64),
    /// A `FLOAT`; NaN and the infinities too.
    Float(f32),
    /// A `DOUBLE`; NaN and the infinities too.
    Double(f64),
    /// A `DECIMAL(precision,scale)`.
    Decimal {
        /// The value times ten to the power of `scale`.
        unscaled: i128,
        /// All digits: 1 to 38.
        precision: u8,
        /// Digits after the point: 0 to `precision`.
        scale: i8,
    },
    /// A `STRING`.
    String(String),
    /// A `BINARY`.
    Binary(Vec<u8>),
    /// A `DATE`, in days since 1970-01-01.
    Date(i32),
    /// A `TIMESTAMP`, in microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// A `TIMESTAMP_NTZ`, in microseconds since 1970-01-01 00:00:00.
    TimestampNtz(i64),
    /// An `ARRAY`; wrap it in [`cast`](Self::cast) when it may be empty or hold only NULLs.
    Array(Vec<Literal>),
    /// A `MAP`, as pairs of key and value; see [`Array`](Self::Array) about the empty one.
    Map(Vec<(Literal, Literal)>),
    /// A `STRUCT`, as names and values.
    Struct(Vec<(String, Literal)>),
    /// A value converted on the server: `CAST(value AS type)`.
    Cast(Box<Literal>, DataType),
}

impl Literal {
    /// `CAST(self AS data_type)`: gives NULLs and empty collections their type.
    pub fn cast(self, data_type: DataType) -> Self {
        Self::Cast(Box::new(self), data_type)
    }

    /// The SQL text. It stands as an operand in any expression: negative numbers come in parentheses.
    ///
    /// # Errors
    /// [`SchemaError::InvalidLiteral`] when a date or timestamp is outside the years 1 to 9999, a decimal has more
    /// digits than its precision, or a map key is NULL.
    pub fn to_sql(&self) -> Result<String> {
        Ok(match self {
            Self::Null => "NULL".into(),
            Self::Boolean(true) => "TRUE".into(),
            Self::Boolean(false) => "FALSE".into(),
            Self::TinyInt(value) => format!("CAST({value} AS TINYINT)"),
            Self::SmallInt(value) => format!("CAST({value} AS SMALLINT)"),
            Self::Int(value) if *value < 0 => format!("({value})"),
            Self::Int(value) => value.to_string(),
            Self::BigInt(value) => format!("CAST({value} AS BIGINT)"),
            Self::Float(value) => {
                format!("CAST('{}' AS FLOAT)", float_text(f64::from(*value), format!("{value:?}")))
            }
            Self::Double(value) => format!("CAST('{}' AS DOUBLE)", float_text(*value, format!("{value:?}"))),
            Self::Decimal { unscaled, precision, scale } => decimal(*unscaled, *precision, *scale)?,
            Self::String(value) => quote::string(value),
            Self::Binary(value) => binary(value),
            Self::Date(days) => format!("DATE'{}'", date_text(i64::from(*days))?),
            Self::Timestamp(micros) => format!("TIMESTAMP'{}Z'", timestamp_text(*micros)?),
            Self::TimestampNtz(micros) => format!("TIMESTAMP_NTZ'{}'", timestamp_text(*micros)?),
            Self::Array(values) => call("array", values.iter().map(Self::to_sql))?,
            Self::Map(entries) => call("map", entries.iter().map(map_entry))?,
            Self::Struct(fields) => call("named_struct", fields.iter().map(struct_field))?,
            Self::Cast(value, data_type) => format!("CAST({} AS {data_type})", value.to_sql()?),
        })
    }
}

fn call(function: &str, arguments: impl Iterator<Item = Result<String>>) -> Result<String> {
    let arguments: Result<Vec<String>> = arguments.collect();
    Ok(format!("{function}({})", arguments?.join(", ")))
}

fn map_entry((key, value): &(Literal, Literal)) -> Result<String> {
    if is_null(key) {
        return Err(invalid("NULL", "a map key must not be NULL"));
    }
    Ok(format!("{}, {}", key.to_sql()?, value.to_sql()?))
}

fn is_null(literal: &Literal) -> bool {
    match literal {
        Literal::Null => true,
        Literal::Cast(inner, _) => is_null(inner),
        _ => false,
    }
}

fn struct_field((name, value): &(String, Literal)) -> Result<String> {
    Ok(format!("{}, {}", quote::string(name), value.to_sql()?))
}

/// `finite` is the shortest text that reads back as the same number.
fn float_text(value: f64, finite: String) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        finite
    }
}

fn decimal(unscaled: i128, precision: u8, scale: i8) -> Result<String> {
    let data_type = DataType::decimal(precision, scale)?;
    let digits = unscaled.unsigned_abs().to_string();
    if digits.len() > usize::from(precision) {
        return Err(invalid(
            format!("the unscaled decimal {unscaled}"),
            format!("it has {} digits, more than {data_type} holds", digits.len()),
        ));
    }
    let scale = usize::from(scale.unsigned_abs());
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("CAST('{sign}{whole}{point}{fraction}' AS {data_type})"))
}

fn binary(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map_or('0', char::from);
    let hex: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    format!("X'{hex}'")
}

/// `2024-01-31`, for the years 1 to 9999.
fn date_text(days: i64) -> Result<String> {
    let (year, month, day) = civil_from_days(days);
    if !(1..=9999).contains(&year) {
        return Err(invalid(
            format!("the date {days} days from 1970-01-01"),
            "Databricks dates lie in the years 1 to 9999",
        ));
    }
    Ok(format!("{year:04}-{month:02}-{day:02}"))
}

/// `2024-01-31 10:00:00.000001`, for the years 1 to 9999.
fn timestamp_text(micros: i64) -> Result<String> {
    const DAY: i64 = 86_400_000_000;
    let date = date_text(micros.div_euclid(DAY))?;
    let in_day = micros.rem_euclid(DAY);
    let (seconds, micros) = (in_day / 1_000_000, in_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Ok(format!("{date} {hour:02}:{minute:02}:{second:02}.{micros:06}"))
}

/// Year, month and day of the proleptic Gregorian calendar, counting in eras of 400 years that start in March.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn invalid(value: impl Into<String>, reason: impl Into<String>) -> SchemaError {
    SchemaError::InvalidLiteral { value: value.into(), reason: reason.into() }
}

macro_rules! from {
    ($($source:ty => $variant:ident),* $(,)?) => {$(
        impl From<$source> for Literal {
            fn from(value: $source) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Boolean, i8 => TinyInt, i16 => SmallInt, i32 => Int, i64 => BigInt, f32 => Float, f64 => Double,
    &str => String, String => String, Vec<u8> => Binary, &[u8] => Binary,
}

impl<T: Into<Literal>> From<Option<T>> for Literal {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_type_has_its_spelling() {
        let decimal = |unscaled, precision, scale| Literal::Decimal { unscaled, precision, scale };
        for (literal, sql) in [
            (Literal::Null, "NULL"),
            (Literal::from(None::<i32>), "NULL"),
            (true.into(), "TRUE"),
            ((-1_i8).into(), "CAST(-1 AS TINYINT)"),
            (7_i16.into(), "CAST(7 AS SMALLINT)"),
            (7.into(), "7"),
            (i32::MIN.into(), "(-2147483648)"),
            (i64::MIN.into(), "CAST(-9223372036854775808 AS BIGINT)"),
            (0.1_f32.into(), "CAST('0.1' AS FLOAT)"),
            (0.1_f64.into(), "CAST('0.1' AS DOUBLE)"),
            ((-0.0_f64).into(), "CAST('-0.0' AS DOUBLE)"),
            (1e300.into(), "CAST('1e300' AS DOUBLE)"),
            (f64::NAN.into(), "CAST('NaN' AS DOUBLE)"),
            (f64::INFINITY.into(), "CAST('Infinity' AS DOUBLE)"),
            (f32::NEG_INFINITY.into(), "CAST('-Infinity' AS FLOAT)"),
            (decimal(-5, 10, 2), "CAST('-0.05' AS DECIMAL(10,2))"),
            (decimal(12_345, 5, 2), "CAST('123.45' AS DECIMAL(5,2))"),
            (decimal(7, 3, 0), "CAST('7' AS DECIMAL(3,0))"),
            ("a\\b'c".into(), r"'a\\b\'c'"),
            (vec![0_u8, 0xAB, 255].into(), "X'00ABFF'"),
            (Literal::Date(-1), "DATE'1969-12-31'"),
            (Literal::Date(11_016), "DATE'2000-02-29'"),
            (Literal::Timestamp(-1), "TIMESTAMP'1969-12-31 23:59:59.999999Z'"),
            (Literal::TimestampNtz(1_709_210_096_000_007), "TIMESTAMP_NTZ'2024-02-29 12:34:56.000007'"),
            (Literal::Array(vec![1.into(), Literal::Null]), "array(1, NULL)"),
            (Literal::Array(vec![]).cast(DataType::array(DataType::Int)), "CAST(array() AS ARRAY<INT>)"),
            (Literal::Map(vec![("k".into(), 1.into())]), "map('k', 1)"),
            (Literal::Struct(vec![("it's".into(), 1.into())]), r"named_struct('it\'s', 1)"),
        ] {
            assert_eq!(literal.to_sql().unwrap(), sql);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (literal, part) in [
            (Literal::Decimal { unscaled: 100_000, precision: 5, scale: 2 }, "100000"),
            (Literal::Decimal { unscaled: 1, precision: 0, scale: 0 }, "DECIMAL(0,0)"),
            (Literal::Date(i32::MAX), "2147483647 days"),
            (Literal::Date(-719_163), "-719163 days"),
            (Literal::Timestamp(i64::MIN), "years 1 to 9999"),
            (Literal::Map(vec![(Literal::Null, 1.into())]), "map key"),
            (Literal::Array(vec![Literal::Date(2_932_897)]), "2932897 days"),
        ] {
            let error = literal.to_sql().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(Literal::Date(-719_162).to_sql().unwrap(), "DATE'0001-01-01'");
        assert_eq!(Literal::Date(2_932_896).to_sql().unwrap(), "DATE'9999-12-31'");
    }
}
