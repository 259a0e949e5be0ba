//! Functions over groups and windows of rows. Types and overflow are Databricks'; the engine does the adding up.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate as engine;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{AggregateUDF, Expr, WindowFunctionDefinition};

use super::{Call, wrong_count, wrong_type};
use crate::error::{LocalError, Result};
use crate::query::kernels::{self, arithmetic, decimals, math};
use crate::query::types::{self, Typed};
use crate::query::window::Over;
use crate::query::{cast, expression, operators};

const NAMES: &[&str] = &[
    "count",
    "count_if",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "any_value",
    "stddev",
    "stddev_samp",
    "std",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "bool_and",
    "every",
    "bool_or",
    "some",
    "any",
    "median",
];

pub(super) fn is_aggregate(function: &str) -> bool {
    NAMES.contains(&function)
}

/// Makes the engine's call: over a group, or over a window.
type Make<'a> = &'a dyn Fn(Arc<AggregateUDF>, Vec<Expr>) -> Expr;

/// Over a group.
pub(super) fn plain(call: &Call) -> Result<Typed> {
    let filter = call.filter.clone();
    serve(call, &|function, args| {
        let filter = filter.clone().map(Box::new);
        Expr::AggregateFunction(AggregateFunction::new_udf(
            function,
            args,
            call.distinct,
            filter,
            Vec::new(),
            None,
        ))
    })
}

/// Over a window.
pub(super) fn over(call: &Call, over: &Over) -> Result<Typed> {
    if call.distinct {
        let message = "Distinct window functions are not supported.";
        return Err(LocalError::new("DISTINCT_WINDOW_FUNCTION_UNSUPPORTED", "0A000", message));
    }
    serve(call, &|function, args| {
        over.call(WindowFunctionDefinition::AggregateUDF(function), args, call.filter.clone())
    })
}

fn serve(call: &Call, make: Make<'_>) -> Result<Typed> {
    let function = call.name.as_str();
    if function == "count" {
        return count(call, make);
    }
    let [value] = call.args.as_slice() else { return Err(wrong_count(function, "1", call.args.len())) };
    if call.star {
        return Err(LocalError::unsupported_feature(format!("{function}(*)")));
    }
    match function {
        "count_if" => {
            let test = operators::boolean(value.clone(), "argument of count_if")?;
            let one = Typed::new(Expr::Literal(ScalarValue::Int32(Some(1)), None), DataType::Int32);
            let hit = expression::case(vec![(test.expr, one)], None)?;
            Ok(Typed::new(make(engine::count::count_udaf(), vec![hit.expr]), DataType::Int64))
        }
        "sum" => sum(value, make),
        "avg" | "mean" => average(value, make),
        "min" => orderable(function, value, engine::min_max::min_udaf(), make),
        "max" => orderable(function, value, engine::min_max::max_udaf(), make),
        "any_value" => Ok(Typed::new(
            make(engine::first_last::first_value_udaf(), vec![value.expr.clone()]),
            value.ty.clone(),
        )),
        "stddev" | "stddev_samp" | "std" => double(function, value, engine::stddev::stddev_udaf(), make),
        "stddev_pop" => double(function, value, engine::stddev::stddev_pop_udaf(), make),
        "variance" | "var_samp" => double(function, value, engine::variance::var_samp_udaf(), make),
        "var_pop" => double(function, value, engine::variance::var_pop_udaf(), make),
        "median" => double(function, value, engine::median::median_udaf(), make),
        "bool_and" | "every" => boolean(value, engine::bool_and_or::bool_and_udaf(), make),
        _ => boolean(value, engine::bool_and_or::bool_or_udaf(), make),
    }
}

fn count(call: &Call, make: Make<'_>) -> Result<Typed> {
    let one = Expr::Literal(ScalarValue::Int64(Some(1)), None);
    let arg = match call.args.as_slice() {
        [] if call.star && !call.distinct => one,
        [value] if !call.star => {
            if call.distinct && !types::is_comparable(&value.ty) {
                return Err(LocalError::unsupported_feature(format!(
                    "count(DISTINCT {})",
                    types::name(&value.ty)
                )));
            }
            if call.distinct { operators::unsigned_zero(value.clone()).expr } else { value.expr.clone() }
        }
        [_, _, ..] => return Err(LocalError::unsupported_feature("count of several columns")),
        _ => return Err(wrong_count("count", "> 0", 0)),
    };
    Ok(Typed::new(make(engine::count::count_udaf(), vec![arg]), DataType::Int64))
}

/// A number to add up; text counts as a DOUBLE.
fn addend(function: &str, value: &Typed) -> Result<Typed> {
    let value = cast::normal(value.clone());
    match &value.ty {
        ty if types::is_numeric(ty) => Ok(value),
        ty if types::is_string(ty) || ty == &DataType::Null => cast::cast(value, &DataType::Float64),
        other => Err(wrong_type(function, "NUMERIC", other)),
    }
}

fn sum(value: &Typed, make: Make<'_>) -> Result<Typed> {
    let value = addend("sum", value)?;
    let add = |expr: Expr| make(engine::sum::sum_udaf(), vec![expr]);
    match value.ty {
        // The engine wraps around past 64 bits: totals of BIGINT are kept as decimals and checked once.
        DataType::Int64 => {
            let wide = cast::cast(value, &DataType::Decimal128(28, 0))?;
            let total = add(wide.expr);
            Ok(kernels::call("sum_of_long", arithmetic::long_total, vec![total], DataType::Int64))
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 => {
            Ok(Typed::new(add(cast::cast(value, &DataType::Int64)?.expr), DataType::Int64))
        }
        DataType::Decimal128(precision, scale) => total(value, precision, scale, make),
        _ => Ok(Typed::new(add(cast::cast(value, &DataType::Float64)?.expr), DataType::Float64)),
    }
}

/// The sum of decimals: ten digits wider. Up to 28 digits it cannot overflow before the rows run out.
fn total(value: Typed, precision: u8, scale: i8, make: Make<'_>) -> Result<Typed> {
    if precision > 28 {
        return Err(LocalError::unsupported_feature(format!("sum or avg of {}", types::name(&value.ty))));
    }
    let returns = types::bounded_decimal(i32::from(precision) + 10, scale.into());
    Ok(Typed::new(make(engine::sum::sum_udaf(), vec![value.expr]), returns))
}

fn average(value: &Typed, make: Make<'_>) -> Result<Typed> {
    let value = addend("avg", value)?;
    let DataType::Decimal128(precision, scale) = value.ty else {
        let value = cast::cast(value, &DataType::Float64)?;
        return Ok(Typed::new(make(engine::average::avg_udaf(), vec![value.expr]), DataType::Float64));
    };
    // The engine cuts the last digit, Databricks rounds it: the quotient is worked out here.
    let count = make(engine::count::count_udaf(), vec![value.expr.clone()]);
    let total = total(value, precision, scale, make)?;
    let zero = Expr::Literal(ScalarValue::Int64(Some(0)), None);
    let some = operators::engine(count.clone(), datafusion::logical_expr::Operator::NotEq, zero);
    let count = cast::cast(Typed::new(count, DataType::Int64), &DataType::Decimal128(20, 0))?;
    let returns = types::adjusted_decimal(i32::from(precision) + 4, i32::from(scale) + 4);
    let quotient = kernels::call("avg_of_decimal", decimals::divide, vec![total.expr, count.expr], returns);
    expression::case(vec![(some, quotient)], None)
}

fn orderable(function: &str, value: &Typed, udaf: Arc<AggregateUDF>, make: Make<'_>) -> Result<Typed> {
    let value = cast::normal(value.clone());
    if !types::is_comparable(&value.ty) {
        return Err(wrong_type(function, "orderable", &value.ty));
    }
    if types::is_float(&value.ty) {
        // In groups the engine forgets a NaN when a number follows, and starts at the largest finite number.
        let rank = kernels::call("float_rank", math::float_rank, vec![value.expr], DataType::Int64);
        let best = make(udaf, vec![rank.expr]);
        return Ok(kernels::call("float_of_rank", math::float_of_rank, vec![best], value.ty));
    }
    Ok(Typed::new(make(udaf, vec![value.expr]), value.ty))
}

fn double(function: &str, value: &Typed, udaf: Arc<AggregateUDF>, make: Make<'_>) -> Result<Typed> {
    let value = cast::cast(addend(function, value)?, &DataType::Float64)?;
    Ok(Typed::new(make(udaf, vec![value.expr]), DataType::Float64))
}

fn boolean(value: &Typed, udaf: Arc<AggregateUDF>, make: Make<'_>) -> Result<Typed> {
    let value = operators::boolean(value.clone(), "argument of a boolean aggregate")?;
    Ok(Typed::new(make(udaf, vec![value.expr]), DataType::Boolean))
}
