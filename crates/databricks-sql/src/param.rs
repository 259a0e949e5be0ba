//! Statement parameters, typed from Rust values. A value never becomes part of the SQL text.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeZone};
use serde::Serialize;

use crate::{Result, SqlError};

/// A typed value for a parameter marker: text and its SQL type, or a NULL of a SQL type.
///
/// The API takes no ARRAY, MAP or STRUCT: pass JSON text and write `from_json(:p, 'ARRAY<INT>')`. For bytes pass
/// hexadecimal text and write `unhex(:p)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Param {
    #[serde(rename = "type")]
    sql_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Why the Rust value has no text that the server could read.
    #[serde(skip)]
    unfit: Option<&'static str>,
}

impl Param {
    /// A value as text, to be read by the server as `sql_type` (such as `INTERVAL DAY`, where Rust has no type for it).
    pub fn typed(sql_type: impl Into<String>, value: impl Into<String>) -> Self {
        Self { sql_type: sql_type.into(), value: Some(value.into()), unfit: None }
    }

    /// A NULL of `sql_type`.
    pub fn null(sql_type: impl Into<String>) -> Self {
        Self { sql_type: sql_type.into(), value: None, unfit: None }
    }

    /// The SQL type, such as `DECIMAL(5,2)`.
    pub fn sql_type(&self) -> &str {
        &self.sql_type
    }

    /// The value as text, `None` for NULL.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    fn unfit_unless(mut self, fits: bool, why: &'static str) -> Self {
        self.unfit = self.unfit.or((!fits).then_some(why));
        self
    }

    /// Why it cannot be sent, if so, with the remedy.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Some(why) = self.unfit {
            return Some(format!("{} {why}", self.value.as_deref().unwrap_or("NULL")));
        }
        let head = self.sql_type.trim().split(['<', '(', ' ']).next().unwrap_or_default();
        match head.to_ascii_uppercase().as_str() {
            "" => Some("its SQL type is empty; name one, such as `STRING`".to_owned()),
            "ARRAY" | "MAP" | "STRUCT" => Some(format!(
                "the API takes no value of type {}; pass JSON text and read it with from_json",
                self.sql_type
            )),
            _ => None,
        }
    }
}

/// A Rust value that can be bound to a parameter marker.
pub trait IntoParam {
    /// The SQL type that a NULL of this type has.
    fn null_type() -> &'static str
    where
        Self: Sized;

    /// The value with its SQL type.
    fn into_param(self) -> Param;
}

macro_rules! display_params {
    ($($rust:ty => $sql:literal),+ $(,)?) => {$(
        impl IntoParam for $rust {
            fn null_type() -> &'static str {
                $sql
            }

            fn into_param(self) -> Param {
                Param::typed($sql, self.to_string())
            }
        }
    )+};
}

// An unsigned integer takes the smallest signed type that holds all its values.
display_params! {
    bool => "BOOLEAN",
    i8 => "TINYINT",
    i16 => "SMALLINT",
    i32 => "INT",
    i64 => "BIGINT",
    u8 => "SMALLINT",
    u16 => "INT",
    u32 => "BIGINT",
    u64 => "DECIMAL(20,0)",
    isize => "BIGINT",
    usize => "DECIMAL(20,0)",
    char => "STRING",
    &str => "STRING",
    String => "STRING",
    Box<str> => "STRING",
    Cow<'_, str> => "STRING",
}

macro_rules! wide_integer_params {
    ($($rust:ty),+) => {$(
        /// Up to 38 digits, which is all that SQL has.
        impl IntoParam for $rust {
            fn null_type() -> &'static str {
                "DECIMAL(38,0)"
            }

            fn into_param(self) -> Param {
                let text = self.to_string();
                let fits = text.trim_start_matches('-').len() <= 38;
                Param::typed(Self::null_type(), text)
                    .unfit_unless(fits, "has more than the 38 digits of a DECIMAL; pass it as a STRING")
            }
        }
    )+};
}

wide_integer_params!(i128, u128);

macro_rules! float_params {
    ($($rust:ty => $sql:literal),+) => {$(
        impl IntoParam for $rust {
            fn null_type() -> &'static str {
                $sql
            }

            fn into_param(self) -> Param {
                Param::typed($sql, float_text(f64::from(self), self.to_string()))
            }
        }
    )+};
}

float_params!(f32 => "FLOAT", f64 => "DOUBLE");

fn float_text(value: f64, text: String) -> String {
    match value {
        v if v.is_nan() => "NaN".to_owned(),
        v if v.is_infinite() && v > 0.0 => "Infinity".to_owned(),
        v if v.is_infinite() => "-Infinity".to_owned(),
        _ => text,
    }
}

/// The years that SQL knows.
fn in_range(date: NaiveDate) -> bool {
    (1..=9999).contains(&date.year())
}

const OUT_OF_RANGE: &str = "is outside the years 1 to 9999";

impl IntoParam for NaiveDate {
    fn null_type() -> &'static str {
        "DATE"
    }

    fn into_param(self) -> Param {
        Param::typed(Self::null_type(), self.to_string()).unfit_unless(in_range(self), OUT_OF_RANGE)
    }
}

impl IntoParam for NaiveDateTime {
    fn null_type() -> &'static str {
        "TIMESTAMP_NTZ"
    }

    fn into_param(self) -> Param {
        let text = self.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        Param::typed(Self::null_type(), text).unfit_unless(in_range(self.date()), OUT_OF_RANGE)
    }
}

impl<Z: TimeZone> IntoParam for DateTime<Z> {
    fn null_type() -> &'static str {
        "TIMESTAMP"
    }

    // The offset travels with the value, so the session's zone does not change the instant.
    fn into_param(self) -> Param {
        let instant = self.to_utc();
        let text = instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        Param::typed(Self::null_type(), text).unfit_unless(in_range(instant.date_naive()), OUT_OF_RANGE)
    }
}

impl<T: IntoParam> IntoParam for Option<T> {
    fn null_type() -> &'static str {
        T::null_type()
    }

    fn into_param(self) -> Param {
        self.map_or_else(|| Param::null(T::null_type()), T::into_param)
    }
}

/// A copy of what is referred to.
impl<T: IntoParam + Clone> IntoParam for &T {
    fn null_type() -> &'static str {
        T::null_type()
    }

    fn into_param(self) -> Param {
        self.clone().into_param()
    }
}

impl IntoParam for Param {
    fn null_type() -> &'static str {
        "VOID"
    }

    fn into_param(self) -> Param {
        self
    }
}

/// An exact decimal number, kept as its text, with the precision and scale of that text.
///
/// ```
/// let price = databricks_sql::Decimal::parse("-123.45")?;
/// assert_eq!((price.precision(), price.scale()), (5, 2));
/// # Ok::<(), databricks_sql::SqlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    text: String,
    precision: u8,
    scale: u8,
}

impl Decimal {
    /// Reads plain decimal text: an optional sign, digits, an optional point.
    ///
    /// # Errors
    /// [`SqlError::InvalidStatement`] for other text or more than 38 digits.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| SqlError::InvalidStatement {
            reason: format!(
                "`{text}` is not a decimal: {why}; write it as digits with an optional sign and point"
            ),
        };
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
            return Err(refuse("it has something other than digits"));
        }
        let count = whole.trim_start_matches('0').len() + fraction.len();
        let precision = u8::try_from(count.max(1)).ok().filter(|p| *p <= 38);
        let precision = precision.ok_or_else(|| refuse("it has more than 38 digits"))?;
        let scale = u8::try_from(fraction.len()).map_err(|_| refuse("it has more than 38 digits"))?;
        Ok(Self { text: text.to_owned(), precision, scale })
    }

    /// All digits that count.
    pub fn precision(&self) -> u8 {
        self.precision
    }

    /// The digits behind the point.
    pub fn scale(&self) -> u8 {
        self.scale
    }
}

impl IntoParam for Decimal {
    fn null_type() -> &'static str {
        "DECIMAL(38,18)"
    }

    fn into_param(self) -> Param {
        Param::typed(format!("DECIMAL({},{})", self.precision, self.scale), self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use chrono::{FixedOffset, Utc};

    fn param(value: impl IntoParam) -> (String, Option<String>) {
        let param = value.into_param();
        (param.sql_type, param.value)
    }

    fn pair(sql_type: &str, value: &str) -> (String, Option<String>) {
        (sql_type.to_owned(), Some(value.to_owned()))
    }

    #[test]
    fn rust_values_carry_their_sql_type() {
        let date = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
        let time = date.and_hms_micro_opt(1, 2, 3, 456).unwrap();
        let pacific = FixedOffset::west_opt(8 * 3600).unwrap();
        for (got, expected) in [
            (param(7_i64), pair("BIGINT", "7")),
            (param(u64::MAX), pair("DECIMAL(20,0)", "18446744073709551615")),
            (param(1.5_f32), pair("FLOAT", "1.5")),
            (param(f64::NEG_INFINITY), pair("DOUBLE", "-Infinity")),
            (param(f64::NAN), pair("DOUBLE", "NaN")),
            (param("a'b"), pair("STRING", "a'b")),
            (param(true), pair("BOOLEAN", "true")),
            (param(i128::MIN / 10), pair("DECIMAL(38,0)", "-17014118346046923173168730371588410572")),
            (param(usize::MAX), pair("DECIMAL(20,0)", "18446744073709551615")),
            (param('é'), pair("STRING", "é")),
            (param(Some(&7_i64)), pair("BIGINT", "7")),
            (param(Some(&"text".to_owned())), pair("STRING", "text")),
            (param(Some(&date)), pair("DATE", "2024-02-29")),
            (param(Cow::Borrowed("text")), pair("STRING", "text")),
            (param(date), pair("DATE", "2024-02-29")),
            (param(time), pair("TIMESTAMP_NTZ", "2024-02-29T01:02:03.000456")),
            (param(time.and_utc()), pair("TIMESTAMP", "2024-02-29T01:02:03.000456Z")),
            (
                param(pacific.from_local_datetime(&time).unwrap()),
                pair("TIMESTAMP", "2024-02-29T09:02:03.000456Z"),
            ),
            (param(Decimal::parse("-0012.30").unwrap()), pair("DECIMAL(4,2)", "-0012.30")),
            (param(Decimal::parse(".5").unwrap()), pair("DECIMAL(1,1)", ".5")),
        ] {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn null_keeps_the_type_of_the_value_it_stands_for() {
        assert_eq!(param(None::<i32>), ("INT".to_owned(), None));
        assert_eq!(param(None::<DateTime<Utc>>), ("TIMESTAMP".to_owned(), None));
        assert_eq!(param(None::<&i128>), ("DECIMAL(38,0)".to_owned(), None));
        let json = serde_json::to_string(&None::<String>.into_param()).unwrap();
        assert_eq!(json, r#"{"type":"STRING"}"#);
    }

    #[test]
    fn text_that_is_no_decimal_is_refused_by_name() {
        for text in ["", "-", ".", "1e5", "1,5", "123456789012345678901234567890123456789"] {
            let message = Decimal::parse(text).unwrap_err().to_string();
            assert!(message.contains(&format!("`{text}`")), "{message}");
        }
    }
}
