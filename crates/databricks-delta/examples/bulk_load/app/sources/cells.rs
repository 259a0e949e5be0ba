//! Text into the values of a column. What does not fit is an error that names the row, never a NULL or another value.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Decimal128Array, PrimitiveArray, StringArray,
};
use arrow::compute::kernels::cast_utils::{Parser, string_to_datetime};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use chrono::Utc;

use super::guess::{self, has_zone};
use super::kind::Kind;

/// The row whose value does not fit.
pub(crate) type Row = usize;

/// How a column's text is read.
#[derive(Debug, Clone)]
pub(crate) struct Cells<'a> {
    pub(crate) kind: &'a Kind,
    /// Whether the kind is what other values look like, so that this must look like it, too.
    pub(crate) is_guess: bool,
    /// Text that stands for NULL.
    pub(crate) null: Option<&'a str>,
}

impl Cells<'_> {
    /// The values of a column.
    pub(crate) fn read(&self, text: &StringArray) -> Result<ArrayRef, Row> {
        Ok(match self.kind {
            Kind::Text | Kind::Nested(_) => Arc::new(self.text(text)),
            Kind::Boolean => Arc::new(self.booleans(text)?),
            Kind::TinyInt => Arc::new(self.numbers::<Int8Type>(text, |cell| cell.parse().ok())?),
            Kind::SmallInt => Arc::new(self.numbers::<Int16Type>(text, |cell| cell.parse().ok())?),
            Kind::Int => Arc::new(self.numbers::<Int32Type>(text, |cell| cell.parse().ok())?),
            Kind::BigInt => Arc::new(self.numbers::<Int64Type>(text, |cell| cell.parse().ok())?),
            Kind::Float => Arc::new(self.numbers::<Float32Type>(text, float)?),
            Kind::Double => Arc::new(self.numbers::<Float64Type>(text, double)?),
            Kind::Decimal(precision, scale) => Arc::new(self.decimals(text, *precision, *scale)?),
            Kind::Date => Arc::new(self.numbers::<Date32Type>(text, date)?),
            Kind::Timestamp => {
                Arc::new(self.numbers::<TimestampMicrosecondType>(text, instant)?.with_timezone("UTC"))
            }
            Kind::TimestampNtz => {
                let local = |cell: &str| instant(cell).filter(|_| !has_zone(cell));
                Arc::new(self.numbers::<TimestampMicrosecondType>(text, local)?)
            }
        })
    }

    fn cell<'t>(&self, text: &'t StringArray, row: Row) -> Option<&'t str> {
        let cell = text.is_valid(row).then(|| text.value(row))?;
        Some(cell).filter(|cell| self.null != Some(*cell))
    }

    fn text(&self, text: &StringArray) -> StringArray {
        match self.null {
            None => text.clone(),
            Some(_) => (0..text.len()).map(|row| self.cell(text, row)).collect(),
        }
    }

    fn value<T>(
        &self,
        text: &StringArray,
        row: Row,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Row> {
        let Some(cell) = self.cell(text, row).map(str::trim) else { return Ok(None) };
        if self.is_guess && !guess::is_of(self.kind, cell) {
            return Err(row);
        }
        read(cell).map(Some).ok_or(row)
    }

    fn numbers<T: ArrowPrimitiveType>(
        &self,
        text: &StringArray,
        read: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<PrimitiveArray<T>, Row> {
        (0..text.len()).map(|row| self.value(text, row, &read)).collect()
    }

    fn booleans(&self, text: &StringArray) -> Result<BooleanArray, Row> {
        let read = |cell: &str| match cell {
            _ if cell.eq_ignore_ascii_case("true") => Some(true),
            _ if cell.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        (0..text.len()).map(|row| self.value(text, row, read)).collect()
    }

    fn decimals(&self, text: &StringArray, precision: u8, scale: i8) -> Result<Decimal128Array, Row> {
        let read = |cell: &str| decimal(cell, precision, scale);
        let numbers = self.numbers::<Decimal128Type>(text, read)?;
        // Precision and scale were those of a type.
        numbers.with_precision_and_scale(precision, scale).map_err(|_| 0)
    }
}

fn float(cell: &str) -> Option<f32> {
    Float32Type::parse(cell).filter(|value| value.is_finite() || is_no_number(cell))
}

fn double(cell: &str) -> Option<f64> {
    Float64Type::parse(cell).filter(|value| value.is_finite() || is_no_number(cell))
}

/// Whether the text means an infinity or NaN, where the value of a number is one because it is too large.
fn is_no_number(cell: &str) -> bool {
    !cell.bytes().any(|byte| byte.is_ascii_digit())
}

fn date(cell: &str) -> Option<i32> {
    // A longer text has a time of day, which would be lost.
    Date32Type::parse(cell).filter(|_| cell.len() <= 10)
}

/// Microseconds since 1970; text without a zone is taken as UTC.
fn instant(cell: &str) -> Option<i64> {
    string_to_datetime(&Utc, cell).ok().map(|time| time.timestamp_micros())
}

/// The digits of a DECIMAL. More of them than it has are no DECIMAL, unless they are zeros.
fn decimal(cell: &str, precision: u8, scale: i8) -> Option<i128> {
    let (is_negative, unsigned) = match cell.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, cell.strip_prefix('+').unwrap_or(cell)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = i32::try_from(fraction.len()).ok()?;
    let shift = i32::from(scale).checked_sub(fraction)?.checked_add(exponent)?;
    let digits = digits.trim_start_matches('0');
    let digits = match usize::try_from(shift) {
        _ if digits.is_empty() => "0".to_owned(),
        Ok(zeros) if zeros <= usize::from(precision) => format!("{digits}{}", "0".repeat(zeros)),
        Ok(_) => return None,
        Err(_) => {
            let cut = digits.len().checked_sub(usize::try_from(shift.unsigned_abs()).ok()?);
            let (kept, rest) = digits.split_at(cut?);
            match rest.bytes().all(|byte| byte == b'0') {
                true if kept.is_empty() => "0".to_owned(),
                true => kept.to_owned(),
                false => return None,
            }
        }
    };
    let value = (digits.len() <= usize::from(precision)).then(|| digits.parse::<i128>().ok())??;
    Some(if is_negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn decimals_are_exact_or_none() {
        for (text, expected) in [
            ("1.50", Some(150)),
            ("-0.01", Some(-1)),
            ("+7", Some(700)),
            ("1.005", None),
            ("1.5000", Some(150)),
            ("99999.99", Some(9_999_999)),
            ("100000", None),
            ("000001", Some(100)),
            ("1e2", Some(10_000)),
            ("15e-1", Some(150)),
            ("1e-3", None),
            ("0e-99", Some(0)),
            ("1e99", None),
            (".5", Some(50)),
            ("5.", Some(500)),
            ("", None),
            (".", None),
            ("-", None),
            ("1,5", None),
            ("--1", None),
        ] {
            assert_eq!(decimal(text, 7, 2), expected, "{text}");
        }
    }

    #[test]
    fn the_first_row_that_does_not_fit_is_named() {
        for (kind, text) in [
            (Kind::TinyInt, "128"),
            (Kind::Int, "1.0"),
            (Kind::BigInt, "x"),
            (Kind::Float, "1e39"),
            (Kind::Double, "1e309"),
            (Kind::Boolean, "yes"),
            (Kind::Date, "2024-02-29 12:00:00"),
            (Kind::TimestampNtz, "2024-02-29T12:00:00Z"),
            (Kind::Timestamp, "noon"),
        ] {
            let cells = Cells { kind: &kind, is_guess: false, null: Some("-") };
            let text = StringArray::from(vec![Some("-"), None, Some(text), Some("?")]);
            assert_eq!(cells.read(&text).unwrap_err(), 2, "{kind:?}");
        }
    }

    #[test]
    fn what_other_values_do_not_look_like_is_no_guess_and_may_be_a_type() {
        let text = StringArray::from(vec!["7", "007"]);
        let cells = |is_guess| Cells { kind: &Kind::BigInt, is_guess, null: None };
        assert_eq!(cells(true).read(&text).unwrap_err(), 1);
        assert_eq!(cells(false).read(&text).unwrap().len(), 2);
    }
}
