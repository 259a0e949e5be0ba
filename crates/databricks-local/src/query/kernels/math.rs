//! Functions of numbers.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int8Type, Int32Type, Int64Type, i256};

use super::{argument, cast_text, decimals, map1, map2, numbers};
use crate::error::{LocalError, Result};
use crate::query::types;

fn doubles(args: &[ArrayRef], op: impl Fn(f64) -> Option<f64>) -> Result<ArrayRef> {
    Ok(Arc::new(map1::<Float64Type, Float64Type>(args, |v| Ok(op(v)))?))
}

pub(in crate::query) fn sqrt(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(v.sqrt()))
}

pub(in crate::query) fn cbrt(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(v.cbrt()))
}

pub(in crate::query) fn exp(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(v.exp()))
}

/// NULL of what is not positive, as all logarithms here.
pub(in crate::query) fn ln(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| (v > 0.0 || v.is_nan()).then(|| v.ln()))
}

pub(in crate::query) fn log10(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| (v > 0.0 || v.is_nan()).then(|| v.log10()))
}

pub(in crate::query) fn log2(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| (v > 0.0 || v.is_nan()).then(|| v.log2()))
}

/// `log(base, value)`.
pub(in crate::query) fn log(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let out = map2::<Float64Type, Float64Type, Float64Type>(args, |base, value| {
        Ok((base > 0.0 && value > 0.0).then(|| value.ln() / base.ln()))
    })?;
    Ok(Arc::new(out))
}

pub(in crate::query) fn power(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(map2::<Float64Type, Float64Type, Float64Type>(args, |a, b| Ok(Some(a.powf(b))))?))
}

pub(in crate::query) fn atan2(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(map2::<Float64Type, Float64Type, Float64Type>(args, |a, b| Ok(Some(a.atan2(b))))?))
}

pub(in crate::query) fn sin(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(v.sin()))
}

pub(in crate::query) fn cos(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(v.cos()))
}

pub(in crate::query) fn tan(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(v.tan()))
}

pub(in crate::query) fn degrees(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(v.to_degrees()))
}

pub(in crate::query) fn radians(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(v.to_radians()))
}

/// -1.0, 0.0 or 1.0.
pub(in crate::query) fn sign(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(args, |v| Some(if v == 0.0 || v.is_nan() { v } else { v.signum() }))
}

/// Whether it is NaN; false of NULL.
pub(in crate::query) fn is_nan(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let values = numbers::<Float64Type>(args, 0)?;
    let mut bits = BooleanBufferBuilder::new(values.len());
    values.iter().for_each(|v| bits.append(v.is_some_and(f64::is_nan)));
    Ok(Arc::new(BooleanArray::new(bits.finish(), None)))
}

/// Whether a number is not 0; NULL of NULL.
pub(in crate::query) fn truth(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(numbers::<Int8Type>(args, 0)?.iter().map(|v| v.map(|v| v != 0)).collect::<BooleanArray>()))
}

/// -0.0 as 0.0.
pub(in crate::query) fn unsigned_zero(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    Ok(match returns {
        DataType::Float32 => Arc::new(map1::<Float32Type, Float32Type>(args, |v| Ok(Some(v + 0.0)))?),
        _ => Arc::new(map1::<Float64Type, Float64Type>(args, |v| Ok(Some(v + 0.0)))?),
    })
}

/// The place of a bit pattern among those of all numbers, and back.
fn flipped(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// A double's or float's place among all numbers, NaN being the last.
pub(in crate::query) fn float_rank(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let rank = |v: f64| flipped(if v.is_nan() { f64::NAN } else { v }.to_bits().cast_signed());
    Ok(match argument(args, 0)?.data_type() {
        DataType::Float32 => Arc::new(map1::<Float32Type, Int64Type>(args, |v| Ok(Some(rank(v.into()))))?),
        _ => Arc::new(map1::<Float64Type, Int64Type>(args, |v| Ok(Some(rank(v))))?),
    })
}

/// The number of a [`float_rank`].
pub(in crate::query) fn float_of_rank(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let number = |rank: i64| f64::from_bits(flipped(rank).cast_unsigned());
    Ok(match returns {
        #[allow(clippy::cast_possible_truncation, reason = "a float again")]
        DataType::Float32 => Arc::new(map1::<Int64Type, Float32Type>(args, |v| Ok(Some(number(v) as f32)))?),
        _ => Arc::new(map1::<Int64Type, Float64Type>(args, |v| Ok(Some(number(v))))?),
    })
}

/// `ceil` and `floor` of doubles: a BIGINT, at its limits for what has no place there.
fn whole(args: &[ArrayRef], op: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    #[allow(clippy::cast_possible_truncation, reason = "Java's cast saturates too")]
    let out = map1::<Float64Type, Int64Type>(args, |v| Ok(Some(op(v) as i64)))?;
    Ok(Arc::new(out))
}

pub(in crate::query) fn ceil(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    if types::is_decimal(returns) {
        return decimals::to_scale(args, returns, 0, decimals::upwards);
    }
    whole(args, f64::ceil)
}

pub(in crate::query) fn floor(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    if types::is_decimal(returns) {
        return decimals::to_scale(args, returns, 0, decimals::downwards);
    }
    whole(args, f64::floor)
}

/// `round(value, places)`, half up; the places are one constant.
pub(in crate::query) fn round(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let places = numbers::<Int32Type>(args, 1)?.iter().flatten().next().unwrap_or_default();
    match returns {
        DataType::Decimal128(..) => decimals::to_scale(args, returns, places, decimals::half_up),
        DataType::Float64 => doubles(args, |v| Some(round_double(v, places))),
        DataType::Float32 => {
            #[allow(clippy::cast_possible_truncation, reason = "a float again")]
            let out = map1::<Float32Type, Float32Type>(args, |v| {
                Ok(Some(if v.is_finite() {
                    round_text(&format!("{v:e}"), places).unwrap_or(v.into()) as f32
                } else {
                    v
                }))
            })?;
            Ok(Arc::new(out))
        }
        _ => round_integer(args, returns, places),
    }
}

fn round_double(value: f64, places: i32) -> f64 {
    if !value.is_finite() {
        return value;
    }
    round_text(&format!("{value:e}"), places).unwrap_or(value)
}

/// The shortest text of the number is what is rounded, so 2.675 becomes 2.68.
fn round_text(text: &str, places: i32) -> Option<f64> {
    if !(0..=30).contains(&places) {
        let unit = 10f64.powi(places.checked_neg()?);
        let value: f64 = text.parse().ok()?;
        return (places < 0).then(|| (value / unit).abs().add_half().copysign(value) * unit);
    }
    let scale = i8::try_from(places).ok()?;
    let value = cast_text::decimal(text, types::MAX_PRECISION, scale)??;
    decimals::plain(value, scale).parse().ok()
}

trait AddHalf {
    fn add_half(self) -> Self;
}

impl AddHalf for f64 {
    fn add_half(self) -> Self {
        (self + 0.5).floor()
    }
}

fn round_integer(args: &[ArrayRef], returns: &DataType, places: i32) -> Result<ArrayRef> {
    let values = arrow::compute::cast(argument(args, 0)?, &DataType::Int64)?;
    let values = values.as_primitive::<Int64Type>();
    let unit = decimals::power_of_ten(u32::try_from(places.checked_neg().unwrap_or(0)).unwrap_or_default());
    let rounded = values.iter().map(|v| {
        let Some(v) = v else { return Ok(None) };
        let value = unit.and_then(|unit| {
            decimals::divide_half_up(i256::from_i128(v.into()), unit)?.checked_mul(unit)?.to_i128()
        });
        value
            .and_then(|v| i64::try_from(v).ok())
            .map(Some)
            .ok_or_else(|| LocalError::arithmetic_overflow("round"))
    });
    let rounded: arrow::array::Int64Array = rounded.collect::<Result<_>>()?;
    super::casts::cast(&[Arc::new(rounded)], returns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_round_by_their_shortest_text() {
        for (value, places, expected) in [
            (2.675, 2, 2.68),
            (2.5, 0, 3.0),
            (-2.5, 0, -3.0),
            (1234.0, -2, 1200.0),
            (1250.0, -2, 1300.0),
            (0.1, 5, 0.1),
        ] {
            assert_eq!(round_double(value, places), expected, "round({value}, {places})");
        }
    }
}
