//! Decimal arithmetic in 256 bits: exact, then rounded half up to the scale Databricks gives the result.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Decimal128Array, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, i256};

use super::{argument, map2, numbers};
use crate::error::{LocalError, Result};

/// 10^n, for any n a decimal can need.
pub(in crate::query) fn power_of_ten(n: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(n)
}

/// A decimal's precision and scale.
pub(super) fn shape(ty: &DataType) -> Result<(u8, i8)> {
    match ty {
        DataType::Decimal128(precision, scale) => Ok((*precision, *scale)),
        other => Err(LocalError::internal(format!("{other} is no decimal"))),
    }
}

/// The value at another scale, rounded half up (away from zero); none when 256 bits cannot hold it.
pub(in crate::query) fn rescale(value: i256, from: i32, to: i32) -> Option<i256> {
    let shift = to - from;
    let factor = power_of_ten(shift.unsigned_abs())?;
    if shift >= 0 { value.checked_mul(factor) } else { divide_half_up(value, factor) }
}

/// The quotient rounded half up; none for a zero divisor.
pub(super) fn divide_half_up(value: i256, by: i256) -> Option<i256> {
    let quotient = value.checked_div(by)?;
    let rest = value.checked_rem(by)?;
    let twice = rest.checked_mul(i256::from_i128(2))?;
    if absolute(twice)? < absolute(by)? {
        return Some(quotient);
    }
    let away = if (value < i256::ZERO) == (by < i256::ZERO) { i256::ONE } else { i256::MINUS_ONE };
    quotient.checked_add(away)
}

fn absolute(value: i256) -> Option<i256> {
    if value < i256::ZERO { value.checked_neg() } else { Some(value) }
}

/// The value if it has at most `precision` digits.
pub(in crate::query) fn fitting(value: i256, precision: u8) -> Option<i128> {
    let limit = power_of_ten(u32::from(precision))?;
    if absolute(value)? < limit { value.to_i128() } else { None }
}

/// The value as a person writes it.
pub(in crate::query) fn plain(value: i128, scale: i8) -> String {
    let Ok(scale) = usize::try_from(scale) else { return value.to_string() };
    if scale == 0 {
        return value.to_string();
    }
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}

/// What an operation gives: a value at its own scale, or nothing when even 256 bits overflow.
type Operation = fn(i256, i256, Scales) -> Result<Option<i256>>;

/// The scales of both sides and of the result.
#[derive(Clone, Copy)]
struct Scales {
    left: i32,
    right: i32,
    result: i32,
}

fn binary(args: &[ArrayRef], returns: &DataType, operation: Operation) -> Result<ArrayRef> {
    let (precision, scale) = shape(returns)?;
    let (_, left) = shape(argument(args, 0)?.data_type())?;
    let (_, right) = shape(argument(args, 1)?.data_type())?;
    let scales = Scales { left: left.into(), right: right.into(), result: scale.into() };
    let out: Decimal128Array = map2::<Decimal128Type, Decimal128Type, Decimal128Type>(args, |a, b| {
        let exact = operation(i256::from_i128(a), i256::from_i128(b), scales)?;
        let value = exact.and_then(|v| fitting(v, precision));
        value.map(Some).ok_or_else(|| out_of_range(a, left, precision, scale))
    })?;
    Ok(Arc::new(out.with_precision_and_scale(precision, scale)?))
}

fn out_of_range(value: i128, at: i8, precision: u8, scale: i8) -> LocalError {
    LocalError::numeric_out_of_range(plain(value, at), precision, scale)
}

fn aligned(a: i256, b: i256, scales: Scales) -> Option<(i256, i256, i32)> {
    let scale = scales.left.max(scales.right);
    Some((rescale(a, scales.left, scale)?, rescale(b, scales.right, scale)?, scale))
}

pub(in crate::query) fn add(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    binary(args, returns, |a, b, s| {
        Ok(aligned(a, b, s).and_then(|(a, b, at)| rescale(a.checked_add(b)?, at, s.result)))
    })
}

pub(in crate::query) fn subtract(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    binary(args, returns, |a, b, s| {
        Ok(aligned(a, b, s).and_then(|(a, b, at)| rescale(a.checked_sub(b)?, at, s.result)))
    })
}

pub(in crate::query) fn multiply(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    binary(args, returns, |a, b, s| Ok(a.checked_mul(b).and_then(|v| rescale(v, s.left + s.right, s.result))))
}

pub(in crate::query) fn divide(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    binary(args, returns, |a, b, s| {
        if b == i256::ZERO {
            return Err(LocalError::divide_by_zero());
        }
        // a / 10^left / (b / 10^right), at the result's scale.
        Ok(rescale_exact(a, s.result + s.right - s.left).and_then(|v| divide_half_up(v, b)))
    })
}

/// Times 10^shift; a negative shift would lose digits before the division and does not occur.
fn rescale_exact(value: i256, shift: i32) -> Option<i256> {
    value.checked_mul(power_of_ten(u32::try_from(shift).ok()?)?)
}

pub(in crate::query) fn remainder(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    binary(args, returns, |a, b, s| {
        if b == i256::ZERO {
            return Err(LocalError::divide_by_zero());
        }
        Ok(aligned(a, b, s).and_then(|(a, b, at)| rescale(a.checked_rem(b)?, at, s.result)))
    })
}

/// `DIV`: the whole part of the quotient, a BIGINT.
pub(in crate::query) fn integral_divide(args: &[ArrayRef], _returns: &DataType) -> Result<ArrayRef> {
    let (_, left) = shape(argument(args, 0)?.data_type())?;
    let (_, right) = shape(argument(args, 1)?.data_type())?;
    let scales = Scales { left: left.into(), right: right.into(), result: 0 };
    let pairs = numbers::<Decimal128Type>(args, 0)?.iter().zip(numbers::<Decimal128Type>(args, 1)?.iter());
    let out: Int64Array = pairs
        .map(|pair| {
            let (Some(a), Some(b)) = pair else { return Ok(None) };
            if b == 0 {
                return Err(LocalError::divide_by_zero());
            }
            let quotient = aligned(i256::from_i128(a), i256::from_i128(b), scales)
                .and_then(|(a, b, _)| a.checked_div(b)?.to_i128())
                .and_then(|q| i64::try_from(q).ok());
            quotient.map(Some).ok_or_else(|| LocalError::arithmetic_overflow("integral divide"))
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(out))
}

/// `round`, `bround` by half up, `ceil`, `floor`: a decimal at a smaller scale.
pub(in crate::query) fn to_scale(
    args: &[ArrayRef],
    returns: &DataType,
    places: i32,
    round: fn(i256, i256) -> Option<i256>,
) -> Result<ArrayRef> {
    let (precision, scale) = shape(returns)?;
    let (_, from) = shape(argument(args, 0)?.data_type())?;
    let drop = u32::try_from(i32::from(from) - places).unwrap_or_default();
    let out: Decimal128Array = super::map1::<Decimal128Type, Decimal128Type>(args, |value| {
        let rounded = power_of_ten(drop).and_then(|unit| round(i256::from_i128(value), unit));
        let at = i32::from(from) - i32::try_from(drop).unwrap_or_default();
        let value_out =
            rounded.and_then(|v| rescale(v, at, scale.into())).and_then(|v| fitting(v, precision));
        value_out.map(Some).ok_or_else(|| out_of_range(value, from, precision, scale))
    })?;
    Ok(Arc::new(out.with_precision_and_scale(precision, scale)?))
}

/// Quotient rounded half up.
pub(in crate::query) fn half_up(value: i256, unit: i256) -> Option<i256> {
    divide_half_up(value, unit)
}

/// Quotient rounded towards minus infinity.
pub(in crate::query) fn downwards(value: i256, unit: i256) -> Option<i256> {
    let quotient = value.checked_div(unit)?;
    let inexact = value.checked_rem(unit)? != i256::ZERO;
    if inexact && value < i256::ZERO { quotient.checked_sub(i256::ONE) } else { Some(quotient) }
}

/// Quotient rounded towards plus infinity.
pub(in crate::query) fn upwards(value: i256, unit: i256) -> Option<i256> {
    let quotient = value.checked_div(unit)?;
    let inexact = value.checked_rem(unit)? != i256::ZERO;
    if inexact && value > i256::ZERO { quotient.checked_add(i256::ONE) } else { Some(quotient) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_away_from_zero() {
        for (value, unit, expected) in
            [(25, 10, 3), (-25, 10, -3), (24, 10, 2), (-24, 10, -2), (5, 10, 1), (-4, 10, 0)]
        {
            let rounded = divide_half_up(i256::from_i128(value), i256::from_i128(unit)).unwrap();
            assert_eq!(rounded, i256::from_i128(expected), "{value}/{unit}");
        }
    }

    #[test]
    fn prints_without_exponent() {
        for (value, scale, expected) in [(12345, 2, "123.45"), (-5, 3, "-0.005"), (7, 0, "7"), (0, 1, "0.0")]
        {
            assert_eq!(plain(value, scale), expected);
        }
    }
}
