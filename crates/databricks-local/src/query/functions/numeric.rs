//! Functions of numbers whose result depends on the type that comes in.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

use super::{wrong_count, wrong_type};
use crate::error::{LocalError, Result};
use crate::query::cast;
use crate::query::kernels::{self, arithmetic, math};
use crate::query::operators::{self, Sign};
use crate::query::types::{self, Typed};

/// The call, when this module knows the name.
pub(super) fn call(function: &str, args: &[Typed]) -> Result<Option<Typed>> {
    let value = match (function, args) {
        ("abs", [value]) => {
            let value = number(function, value)?;
            kernels::call("abs", arithmetic::absolute, vec![value.expr], value.ty)
        }
        ("negative", [value]) => {
            let value = number(function, value)?;
            kernels::call("negative", arithmetic::negate, vec![value.expr], value.ty)
        }
        ("positive", [value]) => number(function, value)?,
        ("mod", [a, b]) => operators::numeric(Sign::Modulo, a.clone(), b.clone())?,
        ("pmod", [a, b]) => pmod(a, b)?,
        ("ceil" | "ceiling", [value]) => whole("ceil", value, math::ceil)?,
        ("floor", [value]) => whole("floor", value, math::floor)?,
        ("round", [value]) => round(value, 0)?,
        ("round", [value, places]) => match cast::cast(places.clone(), &DataType::Int32)?.expr {
            Expr::Literal(ScalarValue::Int32(Some(places)), _) => round(value, places)?,
            _ => return Err(LocalError::unsupported_feature("round to places that are no constant")),
        },
        ("log", [value]) => super::call("ln", vec![value.clone()])?,
        ("log", [base, value]) => {
            let args = [base, value].map(|v| cast::cast(v.clone(), &DataType::Float64).map(|v| v.expr));
            kernels::call("log", math::log, args.into_iter().collect::<Result<_>>()?, DataType::Float64)
        }
        ("pi", []) => constant(std::f64::consts::PI),
        ("e", []) => constant(std::f64::consts::E),
        ("abs" | "negative" | "positive" | "ceil" | "ceiling" | "floor", args) => {
            return Err(wrong_count(function, "1", args.len()));
        }
        ("mod" | "pmod", args) => return Err(wrong_count(function, "2", args.len())),
        ("round" | "log", args) => return Err(wrong_count(function, "[1, 2]", args.len())),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn constant(value: f64) -> Typed {
    Typed::new(Expr::Literal(ScalarValue::Float64(Some(value)), None), DataType::Float64)
}

/// A number; text counts as a DOUBLE.
fn number(function: &str, value: &Typed) -> Result<Typed> {
    let value = cast::normal(value.clone());
    match &value.ty {
        ty if types::is_numeric(ty) => Ok(value),
        ty if types::is_string(ty) || ty == &DataType::Null => cast::cast(value, &DataType::Float64),
        other => Err(wrong_type(function, "NUMERIC", other)),
    }
}

fn pmod(a: &Typed, b: &Typed) -> Result<Typed> {
    let (a, b) = (number("pmod", a)?, number("pmod", b)?);
    let (a, b) = operators::unify(a, b, "pmod")?;
    let ty = a.ty.clone();
    if types::is_decimal(&ty) || ty == DataType::Float32 {
        return Err(LocalError::unsupported_feature(format!("pmod of {}", types::name(&ty))));
    }
    Ok(kernels::call("pmod", arithmetic::positive_remainder, vec![a.expr, b.expr], ty))
}

/// `ceil` and `floor`: a BIGINT, or a decimal without a fraction.
fn whole(function: &'static str, value: &Typed, eval: kernels::Eval) -> Result<Typed> {
    let value = number(function, value)?;
    match value.ty {
        DataType::Decimal128(precision, scale) => {
            let returns = types::bounded_decimal(i32::from(precision) - i32::from(scale) + 1, 0);
            Ok(kernels::call(function, eval, vec![value.expr], returns))
        }
        ref ty if types::is_integer(ty) => cast::cast(value, &DataType::Int64),
        _ => {
            let value = cast::cast(value, &DataType::Float64)?;
            Ok(kernels::call(function, eval, vec![value.expr], DataType::Int64))
        }
    }
}

/// Half up; a decimal keeps no more digits than are asked for.
fn round(value: &Typed, places: i32) -> Result<Typed> {
    let value = number("round", value)?;
    let returns = match value.ty {
        DataType::Decimal128(precision, scale) => {
            let whole = i32::from(precision) - i32::from(scale) + 1;
            if places < 0 {
                types::bounded_decimal(whole.max(1 - places), 0)
            } else {
                let scale = places.min(scale.into());
                types::bounded_decimal(whole + scale, scale)
            }
        }
        ref ty if types::is_integer(ty) && places >= 0 => return Ok(value),
        ref ty => ty.clone(),
    };
    let places = Expr::Literal(ScalarValue::Int32(Some(places)), None);
    Ok(kernels::call("round", math::round, vec![value.expr, places], returns))
}
