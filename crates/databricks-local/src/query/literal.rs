//! Literals: their values, and the smallest of Databricks' types that hold them.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use sqlparser::ast::{DateTimeField, Interval, TypedString, Value};

use super::kernels::{cast_text, floats};
use super::parameters::Parameters;
use super::types::{self, Typed, timestamp, timestamp_ntz};
use crate::error::{LocalError, Result};

/// A literal or a parameter.
pub(super) fn literal(value: &Value, parameters: &Parameters) -> Result<Typed> {
    let scalar = match value {
        Value::Number(text, _) => number(text)?,
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
            ScalarValue::Utf8(Some(text.clone()))
        }
        Value::Boolean(value) => ScalarValue::Boolean(Some(*value)),
        Value::Null => ScalarValue::Null,
        Value::HexStringLiteral(text) => ScalarValue::Binary(Some(bytes(text)?)),
        Value::Placeholder(marker) => return parameters.get(marker),
        other => return Err(LocalError::unsupported_feature(format!("the literal {other}"))),
    };
    let ty = scalar.data_type();
    Ok(Typed::new(Expr::Literal(scalar, None), ty))
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits = if hex.len().is_multiple_of(2) { hex.to_owned() } else { format!("0{hex}") };
    (0..digits.len())
        .step_by(2)
        .map(|at| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| {
            LocalError::new(
                "INVALID_TYPED_LITERAL",
                "42604",
                format!("The value of the typed literal \"X\" is invalid: '{hex}'."),
            )
        })
}

/// The value of a number as written, with its suffix.
fn number(text: &str) -> Result<ScalarValue> {
    let upper = text.to_ascii_uppercase();
    let out_of_range = |ty: &str| {
        LocalError::new(
            "INVALID_NUMERIC_LITERAL_RANGE",
            "22003",
            format!("Numeric literal {text} is outside the valid range of {ty}."),
        )
    };
    if let Some(digits) = upper.strip_suffix("BD") {
        return decimal(digits).ok_or_else(|| out_of_range("decimal"));
    }
    let Some(suffix) = upper.chars().last().filter(char::is_ascii_alphabetic) else {
        return plain(&upper, text);
    };
    let digits = upper.trim_end_matches(suffix);
    match suffix {
        'L' => digits.parse().map(|v| ScalarValue::Int64(Some(v))).map_err(|_| out_of_range("bigint")),
        'S' => digits.parse().map(|v| ScalarValue::Int16(Some(v))).map_err(|_| out_of_range("smallint")),
        'Y' => digits.parse().map(|v| ScalarValue::Int8(Some(v))).map_err(|_| out_of_range("tinyint")),
        'D' => digits.parse().map(|v| ScalarValue::Float64(Some(v))).map_err(|_| out_of_range("double")),
        'F' => digits.parse().map(|v| ScalarValue::Float32(Some(v))).map_err(|_| out_of_range("float")),
        _ => Err(out_of_range("a number")),
    }
}

/// A number without a suffix: INT, BIGINT or DECIMAL when whole, DECIMAL with a point, DOUBLE with an exponent.
fn plain(upper: &str, text: &str) -> Result<ScalarValue> {
    let too_large = || {
        LocalError::new(
            "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
            "22003",
            format!("The literal {text} has more than 38 digits."),
        )
    };
    if upper.contains('E') {
        return floats::parse(upper).map(|v| ScalarValue::Float64(Some(v))).ok_or_else(too_large);
    }
    if let Ok(value) = upper.parse::<i32>() {
        return Ok(ScalarValue::Int32(Some(value)));
    }
    if let Ok(value) = upper.parse::<i64>() {
        return Ok(ScalarValue::Int64(Some(value)));
    }
    decimal(upper).ok_or_else(too_large)
}

/// As many digits as written, leading zeros aside.
fn decimal(text: &str) -> Option<ScalarValue> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let scale = u8::try_from(fraction.len()).ok()?;
    let precision = u8::try_from(digits.len()).ok()?.max(scale).max(1);
    if precision > types::MAX_PRECISION {
        return None;
    }
    let value = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    Some(ScalarValue::Decimal128(Some(value), precision, i8::try_from(scale).ok()?))
}

/// `-` before a literal belongs to it: the smallest number has no positive twin.
pub(super) fn negated(value: &Value) -> Option<Typed> {
    let Value::Number(text, _) = value else { return None };
    let negative = format!("-{text}");
    let scalar = if let Ok(v) = negative.parse::<i32>() {
        ScalarValue::Int32(Some(v))
    } else if let Ok(v) = negative.parse::<i64>() {
        ScalarValue::Int64(Some(v))
    } else {
        let digits = negative.strip_suffix(['L', 'l'])?;
        ScalarValue::Int64(Some(digits.parse().ok()?))
    };
    let ty = scalar.data_type();
    Some(Typed::new(Expr::Literal(scalar, None), ty))
}

/// `DATE '..'`, `TIMESTAMP '..'`, `TIMESTAMP_NTZ '..'`.
pub(super) fn typed(literal: &TypedString) -> Result<Typed> {
    let TypedString { data_type, value, uses_odbc_syntax } = literal;
    let Value::SingleQuotedString(text) = &value.value else {
        return Err(LocalError::unsupported_feature(format!("the literal {literal}")));
    };
    if *uses_odbc_syntax {
        return Err(LocalError::unsupported_feature("ODBC literals"));
    }
    let kind = data_type.to_string().to_ascii_uppercase();
    let (scalar, ty) = match kind.as_str() {
        "DATE" => (cast_text::date(text).map(|v| ScalarValue::Date32(Some(v))), DataType::Date32),
        "TIMESTAMP" => {
            let value = cast_text::timestamp(text).map(|i| i.micros);
            (value.map(|v| ScalarValue::TimestampMicrosecond(Some(v), Some("UTC".into()))), timestamp())
        }
        "TIMESTAMP_NTZ" => {
            let value = cast_text::timestamp(text).filter(|i| !i.zoned).map(|i| i.micros);
            (value.map(|v| ScalarValue::TimestampMicrosecond(Some(v), None)), timestamp_ntz())
        }
        _ => return Err(LocalError::unsupported_feature(format!("the literal {kind} '..'"))),
    };
    let scalar = scalar.ok_or_else(|| {
        let message = format!("The value of the typed literal \"{kind}\" is invalid: '{text}'.");
        LocalError::new("INVALID_TYPED_LITERAL", "42604", message)
    })?;
    Ok(Typed::new(Expr::Literal(scalar, None), ty))
}

/// A length of time: whole months, or microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    Months(i64),
    Micros(i64),
}

/// `INTERVAL n UNIT` with a whole number.
pub(super) fn interval(interval: &Interval, parameters: &Parameters) -> Result<Span> {
    let refused = || LocalError::unsupported_feature(format!("{interval}"));
    let Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } =
        interval;
    if leading_precision.is_some() || last_field.is_some() || fractional_seconds_precision.is_some() {
        return Err(refused());
    }
    let (value, sign) = match value.as_ref() {
        sqlparser::ast::Expr::UnaryOp { op: sqlparser::ast::UnaryOperator::Minus, expr } => {
            (expr.as_ref(), -1)
        }
        other => (other, 1),
    };
    let sqlparser::ast::Expr::Value(value) = value else { return Err(refused()) };
    let count = match literal(&value.value, parameters)?.expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => cast_text::integer(&text),
        Expr::Literal(ScalarValue::Int32(Some(v)), _) => Some(v.into()),
        Expr::Literal(ScalarValue::Int64(Some(v)), _) => Some(v),
        _ => None,
    };
    let count = count.and_then(|c: i64| c.checked_mul(sign)).ok_or_else(refused)?;
    span(count, leading_field.as_ref().ok_or_else(refused)?).ok_or_else(refused)
}

fn span(count: i64, unit: &DateTimeField) -> Option<Span> {
    const SECOND: i64 = 1_000_000;
    let micros = |unit: i64| count.checked_mul(unit).map(Span::Micros);
    match unit.to_string().to_ascii_uppercase().trim_end_matches('S') {
        "YEAR" => count.checked_mul(12).map(Span::Months),
        "MONTH" => Some(Span::Months(count)),
        "WEEK" => micros(7 * 86_400 * SECOND),
        "DAY" => micros(86_400 * SECOND),
        "HOUR" => micros(3_600 * SECOND),
        "MINUTE" => micros(60 * SECOND),
        "SECOND" => micros(SECOND),
        "MILLISECOND" => micros(1_000),
        "MICROSECOND" => micros(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_smallest_type() {
        for (text, expected) in [
            ("1", ScalarValue::Int32(Some(1))),
            ("2147483648", ScalarValue::Int64(Some(2_147_483_648))),
            ("9223372036854775808", ScalarValue::Decimal128(Some(9_223_372_036_854_775_808), 19, 0)),
            ("1.1", ScalarValue::Decimal128(Some(11), 2, 1)),
            ("0.10", ScalarValue::Decimal128(Some(10), 2, 2)),
            (".5", ScalarValue::Decimal128(Some(5), 1, 1)),
            ("1e3", ScalarValue::Float64(Some(1000.0))),
            ("1L", ScalarValue::Int64(Some(1))),
            ("1s", ScalarValue::Int16(Some(1))),
            ("1Y", ScalarValue::Int8(Some(1))),
            ("1.5D", ScalarValue::Float64(Some(1.5))),
            ("1.5f", ScalarValue::Float32(Some(1.5))),
            ("1.50BD", ScalarValue::Decimal128(Some(150), 3, 2)),
        ] {
            assert_eq!(number(text).unwrap(), expected, "{text}");
        }
        assert_eq!(number("128Y").unwrap_err().class(), "INVALID_NUMERIC_LITERAL_RANGE");
    }
}
