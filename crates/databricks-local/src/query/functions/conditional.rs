//! Functions made of other expressions, or whose parameters follow rules of their own.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator};
use sqlparser::ast;

use super::{wrong_count, wrong_type};
use crate::error::{LocalError, Result};
use crate::query::expression::case;
use crate::query::kernels::{self, dates, extremes, strings};
use crate::query::literal::Span;
use crate::query::types::{self, Typed};
use crate::query::{cast, operators};

/// The call, when this module knows the name.
pub(super) fn call(function: &str, args: &[Typed]) -> Result<Option<Typed>> {
    let value = match (function, args) {
        ("coalesce", [_, ..]) => coalesce(args.to_vec())?,
        ("ifnull" | "nvl", [_, _]) => coalesce(args.to_vec())?,
        ("nvl2", [test, then, otherwise]) => choose(is_not_null(test), then, otherwise)?,
        ("nullif", [a, b]) => {
            let equal = operators::compare(a.clone(), Operator::Eq, b.clone())?;
            choose(equal.expr, &null(), a)?
        }
        ("if" | "iff", [test, then, otherwise]) => {
            choose(operators::boolean(test.clone(), "condition of if")?.expr, then, otherwise)?
        }
        ("isnull", [value]) => Typed::new(Expr::IsNull(Box::new(value.expr.clone())), DataType::Boolean),
        ("isnotnull", [value]) => Typed::new(is_not_null(value), DataType::Boolean),
        ("greatest" | "least", [_, _, ..]) => extreme(function, args)?,
        ("concat", [_, ..]) => operators::concat(args.to_vec())?,
        ("concat_ws", [_, ..]) => {
            let args = args
                .iter()
                .map(|a| Ok(cast::cast(a.clone(), &DataType::Utf8)?.expr))
                .collect::<Result<_>>()?;
            kernels::call("concat_ws", strings::concat_ws, args, DataType::Utf8)
        }
        ("trim" | "btrim", [_] | [_, _]) => trim("trim", args.to_vec())?,
        // These take the characters first.
        ("ltrim" | "rtrim", [value]) => trim(function, vec![value.clone()])?,
        ("ltrim" | "rtrim", [characters, value]) => trim(function, vec![value.clone(), characters.clone()])?,
        ("lpad" | "rpad", [value, length]) => {
            super::call(function, vec![value.clone(), length.clone(), text(" ")])?
        }
        ("date_add" | "dateadd", [date, days]) => moved(function, date, days, 1)?,
        ("date_sub", [date, days]) => moved(function, date, days, -1)?,
        ("date_add" | "dateadd" | "timestampadd", [unit, count, value]) => {
            added(function, unit, count, value)?
        }
        ("date", [value]) => to_date(value)?,
        ("timestamp", [value]) => cast::cast(value.clone(), &types::timestamp())?,
        ("to_date", [value]) => to_date(value)?,
        ("to_date", [value, pattern]) => parse_text(function, value, pattern)?,
        ("to_timestamp", [value]) => cast::cast(value.clone(), &types::timestamp())?,
        ("to_timestamp", [value, pattern]) => parse_text(function, value, pattern)?,
        ("date_part" | "datepart", [field, value]) => match &field.expr {
            Expr::Literal(ScalarValue::Utf8(Some(field)), _) => super::extract(field, value.clone())?,
            _ => return Err(LocalError::unsupported_feature("date_part of a field that is no constant")),
        },
        ("string", [value]) => cast::cast(value.clone(), &DataType::Utf8)?,
        ("int", [value]) => cast::cast(value.clone(), &DataType::Int32)?,
        ("bigint", [value]) => cast::cast(value.clone(), &DataType::Int64)?,
        ("double", [value]) => cast::cast(value.clone(), &DataType::Float64)?,
        ("float", [value]) => cast::cast(value.clone(), &DataType::Float32)?,
        ("boolean", [value]) => cast::cast(value.clone(), &DataType::Boolean)?,
        ("typeof", [value]) => text(&types::name(&value.ty).to_lowercase()),
        ("array", _) => array(args)?,
        (known, args) => {
            let expected = match known {
                "coalesce" | "concat" | "concat_ws" => "> 0",
                "greatest" | "least" => "> 1",
                "isnull" | "isnotnull" | "typeof" => "1",
                "ifnull" | "nvl" | "nullif" | "date_sub" => "2",
                "nvl2" | "if" | "iff" => "3",
                _ => return Ok(None),
            };
            return Err(wrong_count(known, expected, args.len()));
        }
    };
    Ok(Some(value))
}

fn null() -> Typed {
    Typed::new(Expr::Literal(ScalarValue::Null, None), DataType::Null)
}

fn text(value: &str) -> Typed {
    Typed::new(Expr::Literal(ScalarValue::Utf8(Some(value.to_owned())), None), DataType::Utf8)
}

fn is_not_null(value: &Typed) -> Expr {
    Expr::IsNotNull(Box::new(value.expr.clone()))
}

fn choose(test: Expr, then: &Typed, otherwise: &Typed) -> Result<Typed> {
    case(vec![(test, then.clone())], Some(otherwise.clone()))
}

/// The first that is not NULL; the others are not worked out.
pub(in crate::query) fn coalesce(args: Vec<Typed>) -> Result<Typed> {
    let mut args = args;
    let Some(last) = args.pop() else { return Ok(null()) };
    if args.is_empty() {
        return Ok(last);
    }
    case(args.into_iter().map(|a| (is_not_null(&a), a)).collect(), Some(last))
}

/// `greatest` and `least`: NULLs do not count.
fn extreme(function: &str, args: &[Typed]) -> Result<Typed> {
    let common = types::common_of(function, args.iter().map(|a| &a.ty))?;
    if !types::is_comparable(&common) {
        return Err(wrong_type(function, "orderable", &common));
    }
    if common == DataType::Null {
        return Ok(null());
    }
    let values = args.iter().map(|arg| cast::cast(arg.clone(), &common).map(cast::normal));
    let values = values.collect::<Result<Vec<_>>>()?;
    let ty = values.first().map_or(common, |value| value.ty.clone());
    let kernel: (&'static str, kernels::Eval) = match function {
        "greatest" => ("greatest", extremes::greatest),
        _ => ("least", extremes::least),
    };
    Ok(kernels::call(kernel.0, kernel.1, values.into_iter().map(|value| value.expr).collect(), ty))
}

/// `trim`, `ltrim`, `rtrim` of (text[, characters]).
pub(in crate::query) fn trim(function: &str, args: Vec<Typed>) -> Result<Typed> {
    let set = args.len() > 1;
    let kernel: (&'static str, kernels::Eval) = match (function, set) {
        ("ltrim", false) => ("ltrim", strings::ltrim),
        ("rtrim", false) => ("rtrim", strings::rtrim),
        (_, false) => ("trim", strings::trim),
        ("ltrim", true) => ("ltrim_characters", strings::ltrim_characters),
        ("rtrim", true) => ("rtrim_characters", strings::rtrim_characters),
        (_, true) => ("trim_characters", strings::trim_characters),
    };
    let args = args.into_iter().map(|a| Ok(cast::cast(a, &DataType::Utf8)?.expr)).collect::<Result<_>>()?;
    Ok(kernels::call(kernel.0, kernel.1, args, DataType::Utf8))
}

fn to_date(value: &Typed) -> Result<Typed> {
    cast::cast(value.clone(), &DataType::Date32)
}

/// A date some days away.
fn moved(function: &str, date: &Typed, days: &Typed, sign: i32) -> Result<Typed> {
    let whole = matches!(days.ty, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Null);
    if !whole && !types::is_string(&days.ty) {
        return Err(wrong_type(function, "INT", &days.ty));
    }
    if types::is_numeric(&date.ty) || date.ty == DataType::Boolean {
        return Err(wrong_type(function, "DATE", &date.ty));
    }
    operators::days_later(to_date(date)?, days.clone(), sign)
}

/// `dateadd(unit, count, value)` with a constant count: a timestamp.
fn added(function: &str, unit: &Typed, count: &Typed, value: &Typed) -> Result<Typed> {
    let refused = || {
        LocalError::unsupported_feature(format!(
            "{function} with this unit or with a count that is no constant"
        ))
    };
    let Expr::Literal(ScalarValue::Utf8(Some(unit)), _) = &unit.expr else { return Err(refused()) };
    let count = match cast::cast(count.clone(), &DataType::Int64)?.expr {
        Expr::Literal(ScalarValue::Int64(Some(count)), _) => count,
        _ => return Err(refused()),
    };
    let span = match unit.to_uppercase().as_str() {
        "YEAR" => Span::Months(count.saturating_mul(12)),
        "QUARTER" => Span::Months(count.saturating_mul(3)),
        "MONTH" => Span::Months(count),
        "WEEK" => Span::Micros(count.saturating_mul(7 * 86_400_000_000)),
        "DAY" | "DAYOFYEAR" => Span::Micros(count.saturating_mul(86_400_000_000)),
        "HOUR" => Span::Micros(count.saturating_mul(3_600_000_000)),
        "MINUTE" => Span::Micros(count.saturating_mul(60_000_000)),
        "SECOND" => Span::Micros(count.saturating_mul(1_000_000)),
        "MILLISECOND" => Span::Micros(count.saturating_mul(1_000)),
        "MICROSECOND" => Span::Micros(count),
        _ => return Err(refused()),
    };
    operators::shift(cast::cast(value.clone(), &types::timestamp())?, span, 1)
}

/// `to_date` or `to_timestamp` with a constant pattern.
fn parse_text(function: &str, value: &Typed, pattern: &Typed) -> Result<Typed> {
    let Expr::Literal(ScalarValue::Utf8(Some(java)), _) = &pattern.expr else {
        return Err(LocalError::unsupported_feature(format!(
            "{function} with a pattern that is no constant"
        )));
    };
    dates::pattern(java)?;
    let args = vec![cast::cast(value.clone(), &DataType::Utf8)?.expr, pattern.expr.clone()];
    Ok(match function {
        "to_date" => kernels::call("to_date", dates::parse_date, args, DataType::Date32),
        _ => kernels::call("to_timestamp", dates::parse_timestamp, args, types::timestamp()),
    })
}

/// `array(1, 2, ..)`.
fn array(args: &[Typed]) -> Result<Typed> {
    let common = types::common_of("array", args.iter().map(|a| &a.ty))?;
    if common == DataType::Null {
        return Err(LocalError::unsupported_feature("an array of nothing but NULL"));
    }
    let args = args.iter().map(|a| Ok(cast::cast(a.clone(), &common)?.expr)).collect::<Result<Vec<_>>>()?;
    let expr = datafusion::functions_nested::expr_fn::make_array(args);
    Ok(Typed::new(expr, DataType::new_list(common, true)))
}

/// The unit of `dateadd(DAY, 1, d)`: its first of three arguments is a word.
pub(super) fn unit(function: &str, at: usize, expr: &ast::Expr, count: usize) -> Option<Typed> {
    let takes_unit = matches!(function, "date_add" | "dateadd" | "timestampadd");
    match expr {
        ast::Expr::Identifier(word) if takes_unit && at == 0 && count == 3 => Some(text(&word.value)),
        _ => None,
    }
}
