//! `+ - * / % DIV`, negation and absolute value: overflow and a zero divisor are errors, as ANSI mode has it.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowNativeTypeOp};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow::error::ArrowError;

use super::{argument, decimals, map1, map2};
use crate::error::{LocalError, Result};
use crate::query::types;

fn overflow(ty: &DataType) -> LocalError {
    let name = match ty {
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "long".to_owned(),
        other => types::name(other).to_lowercase(),
    };
    LocalError::arithmetic_overflow(name)
}

fn checked(out: std::result::Result<ArrayRef, ArrowError>, returns: &DataType) -> Result<ArrayRef> {
    out.map_err(|error| match error {
        ArrowError::ArithmeticOverflow(_) => overflow(returns),
        ArrowError::DivideByZero => LocalError::divide_by_zero(),
        other => other.into(),
    })
}

pub(in crate::query) fn add(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    if types::is_decimal(returns) {
        return decimals::add(args, returns);
    }
    checked(numeric::add(argument(args, 0)?, argument(args, 1)?), returns)
}

pub(in crate::query) fn subtract(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    if types::is_decimal(returns) {
        return decimals::subtract(args, returns);
    }
    checked(numeric::sub(argument(args, 0)?, argument(args, 1)?), returns)
}

pub(in crate::query) fn multiply(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    if types::is_decimal(returns) {
        return decimals::multiply(args, returns);
    }
    checked(numeric::mul(argument(args, 0)?, argument(args, 1)?), returns)
}

/// `/` of doubles.
pub(in crate::query) fn divide(args: &[ArrayRef], _returns: &DataType) -> Result<ArrayRef> {
    let out = map2::<Float64Type, Float64Type, Float64Type>(args, |a, b| {
        if b == 0.0 { Err(LocalError::divide_by_zero()) } else { Ok(Some(a / b)) }
    })?;
    Ok(Arc::new(out))
}

/// `DIV` of BIGINTs.
pub(in crate::query) fn integral_divide(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let out = map2::<Int64Type, Int64Type, Int64Type>(args, |a, b| {
        if b == 0 {
            return Err(LocalError::divide_by_zero());
        }
        a.checked_div(b).map(Some).ok_or_else(|| overflow(returns))
    })?;
    Ok(Arc::new(out))
}

/// `%`: the sign is the dividend's.
pub(in crate::query) fn remainder(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    macro_rules! integers {
        ($ty:ty) => {
            Arc::new(map2::<$ty, $ty, $ty>(args, |a, b| {
                if b == 0 { Err(LocalError::divide_by_zero()) } else { Ok(Some(a.wrapping_rem(b))) }
            })?)
        };
    }
    macro_rules! floats {
        ($ty:ty) => {
            Arc::new(map2::<$ty, $ty, $ty>(args, |a, b| {
                if b == 0.0 { Err(LocalError::divide_by_zero()) } else { Ok(Some(a % b)) }
            })?)
        };
    }
    Ok(match returns {
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::Float32 => floats!(Float32Type),
        DataType::Float64 => floats!(Float64Type),
        _ => return decimals::remainder(args, returns),
    })
}

/// `pmod`: the remainder, made positive by the divisor.
pub(in crate::query) fn positive_remainder(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    macro_rules! integers {
        ($ty:ty) => {
            Arc::new(map2::<$ty, $ty, $ty>(args, |a, b| {
                if b == 0 {
                    return Err(LocalError::divide_by_zero());
                }
                let rest = a.wrapping_rem(b);
                Ok(Some(if rest < 0 { rest.wrapping_add(b).wrapping_rem(b) } else { rest }))
            })?)
        };
    }
    Ok(match returns {
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::Float64 => Arc::new(map2::<Float64Type, Float64Type, Float64Type>(args, |a, b| {
            if b == 0.0 {
                return Err(LocalError::divide_by_zero());
            }
            let rest = a % b;
            Ok(Some(if rest < 0.0 { (rest + b) % b } else { rest }))
        })?),
        other => return Err(LocalError::unsupported_feature(format!("pmod of {}", types::name(other)))),
    })
}

pub(in crate::query) fn negate(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    checked(numeric::neg(argument(args, 0)?), returns)
}

pub(in crate::query) fn absolute(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    macro_rules! integers {
        ($ty:ty) => {
            Arc::new(map1::<$ty, $ty>(args, |v| v.checked_abs().map(Some).ok_or_else(|| overflow(returns)))?)
        };
    }
    Ok(match returns {
        DataType::Int8 => integers!(Int8Type),
        DataType::Int16 => integers!(Int16Type),
        DataType::Int32 => integers!(Int32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::Float32 => Arc::new(map1::<Float32Type, Float32Type>(args, |v| Ok(Some(v.abs())))?),
        DataType::Float64 => Arc::new(map1::<Float64Type, Float64Type>(args, |v| Ok(Some(v.abs())))?),
        DataType::Decimal128(precision, scale) => {
            let out =
                map1::<arrow::datatypes::Decimal128Type, arrow::datatypes::Decimal128Type>(args, |v| {
                    v.neg_checked().map(|negated| Some(v.max(negated))).map_err(LocalError::from)
                })?;
            Arc::new(out.with_precision_and_scale(*precision, *scale)?)
        }
        other => return Err(LocalError::internal(format!("abs of {other}"))),
    })
}

/// A total of `DECIMAL(38, 0)` back as the BIGINT it is a sum of.
pub(in crate::query) fn long_total(args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let out = map1::<arrow::datatypes::Decimal128Type, Int64Type>(args, |v| {
        i64::try_from(v).map(Some).map_err(|_| overflow(returns))
    })?;
    Ok(Arc::new(out))
}
