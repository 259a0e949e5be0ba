//! Binary operators: the types both sides are brought to, and which kernel or engine operator serves them.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use sqlparser::ast::BinaryOperator;

use super::kernels::{self, arithmetic, dates, decimals, strings};
use super::literal::Span;
use super::types::{self, Typed, name};
use super::{cast, guard};
use crate::error::{LocalError, Result};

/// `left op right`.
pub(super) fn binary(left: Typed, op: &BinaryOperator, right: Typed) -> Result<Typed> {
    match op {
        BinaryOperator::Plus => plus(left, right),
        BinaryOperator::Minus => minus(left, right),
        BinaryOperator::Multiply => numeric(Sign::Times, left, right),
        BinaryOperator::Divide => numeric(Sign::Divide, left, right),
        BinaryOperator::MyIntegerDivide => numeric(Sign::Div, left, right),
        BinaryOperator::Modulo => numeric(Sign::Modulo, left, right),
        BinaryOperator::Eq => compare(left, Operator::Eq, right),
        BinaryOperator::NotEq => compare(left, Operator::NotEq, right),
        BinaryOperator::Lt => compare(left, Operator::Lt, right),
        BinaryOperator::LtEq => compare(left, Operator::LtEq, right),
        BinaryOperator::Gt => compare(left, Operator::Gt, right),
        BinaryOperator::GtEq => compare(left, Operator::GtEq, right),
        BinaryOperator::Spaceship => compare(left, Operator::IsNotDistinctFrom, right),
        other => Err(LocalError::unsupported_feature(format!("the operator {other}"))),
    }
}

/// `a op b op c ..` of AND, OR and `||`, which do not care how they are nested.
pub(super) fn chain(op: &BinaryOperator, terms: Vec<Typed>) -> Result<Typed> {
    let op = match op {
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
        BinaryOperator::StringConcat => return concat(terms),
        other => return Err(LocalError::unsupported_feature(format!("the operator {other}"))),
    };
    let what = op.to_string();
    let terms = terms.into_iter().map(|term| Ok(boolean(term, &what)?.expr)).collect::<Result<_>>()?;
    Ok(Typed::new(guard::chain(op, terms), DataType::Boolean))
}

/// The arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
    Times,
    Divide,
    Div,
    Modulo,
}

fn mismatch(op: &str, left: &DataType, right: &DataType) -> LocalError {
    LocalError::datatype_mismatch(
        "BINARY_OP_DIFF_TYPES",
        format!(
            "Cannot resolve \"(left {op} right)\" due to data type mismatch: the left and right operands have incompatible types (\"{}\" and \"{}\").",
            name(left),
            name(right)
        ),
    )
}

fn plus(left: Typed, right: Typed) -> Result<Typed> {
    match (&left.ty, &right.ty) {
        (DataType::Date32, days) if types::is_integer(days) => days_later(left, right, 1),
        (days, DataType::Date32) if types::is_integer(days) => days_later(right, left, 1),
        _ => numeric(Sign::Plus, left, right),
    }
}

fn minus(left: Typed, right: Typed) -> Result<Typed> {
    match (&left.ty, &right.ty) {
        (DataType::Date32, days) if types::is_integer(days) => days_later(left, right, -1),
        (a, b)
            if (types::is_date(a) || types::is_timestamp(a))
                && (types::is_date(b) || types::is_timestamp(b)) =>
        {
            Err(LocalError::unsupported_feature("the difference of dates or timestamps as an interval"))
        }
        _ => numeric(Sign::Minus, left, right),
    }
}

/// A date some days later (`sign` 1) or earlier (-1).
pub(super) fn days_later(date: Typed, days: Typed, sign: i32) -> Result<Typed> {
    let days = cast::cast(days, &DataType::Int32)?;
    let sign = Expr::Literal(ScalarValue::Int32(Some(sign)), None);
    Ok(kernels::call("date_add", dates::add_days, vec![date.expr, days.expr, sign], DataType::Date32))
}

/// A date or timestamp moved by a length of time.
pub(super) fn shift(value: Typed, span: Span, sign: i64) -> Result<Typed> {
    let constant = |v: i64| Expr::Literal(ScalarValue::Int64(Some(v)), None);
    let value = cast::normal(value);
    let (amount, months) = match span {
        Span::Months(months) => (months.saturating_mul(sign), true),
        Span::Micros(micros) => (micros.saturating_mul(sign), false),
    };
    let ty = match &value.ty {
        DataType::Date32 if months || amount % 86_400_000_000 == 0 => DataType::Date32,
        DataType::Date32 => types::timestamp(),
        ty if types::is_timestamp(ty) => ty.clone(),
        ty if types::is_string(ty) => types::timestamp(),
        other => {
            let message = format!("Cannot add an interval to \"{}\".", name(other));
            return Err(LocalError::datatype_mismatch("UNEXPECTED_INPUT_TYPE", message));
        }
    };
    let value = cast::cast(value, &ty)?;
    let kernel: (&'static str, kernels::Eval) =
        if months { ("add_months", dates::add_months_to) } else { ("add_time", dates::add_micros) };
    Ok(kernels::call(kernel.0, kernel.1, vec![value.expr, constant(amount)], ty))
}

/// Arithmetic on numbers; text counts as the number it spells.
pub(super) fn numeric(sign: Sign, left: Typed, right: Typed) -> Result<Typed> {
    let (left, right) = (number(left, sign)?, number(right, sign)?);
    let (left, right) = with_text(left, right)?;
    if left.ty == DataType::Null && right.ty == DataType::Null {
        return Ok(Typed::new(Expr::Literal(ScalarValue::Float64(None), None), DataType::Float64));
    }
    let decimals = types::is_decimal(&left.ty) || types::is_decimal(&right.ty);
    let floats = types::is_float(&left.ty) || types::is_float(&right.ty);
    if decimals && !floats {
        return decimal(sign, left, right);
    }
    if sign == Sign::Div && floats {
        return Err(mismatch("div", &left.ty, &right.ty));
    }
    let common = match sign {
        Sign::Divide => DataType::Float64,
        Sign::Div => DataType::Int64,
        _ => types::common(&left.ty, &right.ty).ok_or_else(|| mismatch("op", &left.ty, &right.ty))?,
    };
    let args = vec![cast::cast(left, &common)?.expr, cast::cast(right, &common)?.expr];
    let (name, eval): (_, kernels::Eval) = match sign {
        Sign::Plus => ("add", arithmetic::add),
        Sign::Minus => ("subtract", arithmetic::subtract),
        Sign::Times => ("multiply", arithmetic::multiply),
        Sign::Divide => ("divide", arithmetic::divide),
        Sign::Div => ("div", arithmetic::integral_divide),
        Sign::Modulo => ("mod", arithmetic::remainder),
    };
    Ok(kernels::call(name, eval, args, common))
}

fn number(value: Typed, sign: Sign) -> Result<Typed> {
    let value = cast::normal(value);
    if types::is_numeric(&value.ty) || types::is_string(&value.ty) || value.ty == DataType::Null {
        return Ok(value);
    }
    Err(LocalError::datatype_mismatch(
        "BINARY_OP_WRONG_TYPE",
        format!("The operator {sign:?} requires a numeric operand, not \"{}\".", name(&value.ty)),
    ))
}

/// Text beside a number becomes BIGINT or DOUBLE; two texts become DOUBLE.
fn with_text(left: Typed, right: Typed) -> Result<(Typed, Typed)> {
    let as_number = |text: Typed, beside: &DataType| {
        if !types::is_string(&text.ty) {
            return Ok(text);
        }
        let to = if types::is_integer(beside) { DataType::Int64 } else { DataType::Float64 };
        cast::cast(text, &to)
    };
    let (left_type, right_type) = (left.ty.clone(), right.ty.clone());
    Ok((as_number(left, &right_type)?, as_number(right, &left_type)?))
}

/// An integer's decimal: as wide as its type, or as the literal itself.
fn as_decimal(value: Typed) -> Result<Typed> {
    let to = match (&value.expr, &value.ty) {
        (_, DataType::Decimal128(..)) => return Ok(value),
        (Expr::Literal(literal, _), ty) if types::is_integer(ty) => {
            let text = literal.to_string();
            let digits = text.trim_start_matches('-').len();
            types::bounded_decimal(i32::try_from(digits).unwrap_or(20), 0)
        }
        (_, ty) => {
            let (precision, scale) = types::decimal_of_integer(ty).unwrap_or((20, 0));
            DataType::Decimal128(precision, scale)
        }
    };
    cast::cast(value, &to)
}

fn decimal(sign: Sign, left: Typed, right: Typed) -> Result<Typed> {
    if left.ty == DataType::Null || right.ty == DataType::Null {
        let ty = if left.ty == DataType::Null { right.ty } else { left.ty };
        return Ok(Typed::new(Expr::Literal(ScalarValue::try_new_null(&ty)?, None), ty));
    }
    let (left, right) = (as_decimal(left)?, as_decimal(right)?);
    let ((p1, s1), (p2, s2)) = (decimal_shape(&left.ty), decimal_shape(&right.ty));
    let (name, eval): (_, kernels::Eval) = match sign {
        Sign::Plus => ("add", decimals::add),
        Sign::Minus => ("subtract", decimals::subtract),
        Sign::Times => ("multiply", decimals::multiply),
        Sign::Divide => ("divide", decimals::divide),
        Sign::Div => ("div", decimals::integral_divide),
        Sign::Modulo => ("mod", decimals::remainder),
    };
    let returns = match sign {
        Sign::Plus | Sign::Minus => {
            let scale = s1.max(s2);
            types::adjusted_decimal((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        Sign::Times => types::adjusted_decimal(p1 + p2 + 1, s1 + s2),
        Sign::Divide => {
            let scale = 6.max(s1 + p2 + 1);
            types::adjusted_decimal(p1 - s1 + s2 + scale, scale)
        }
        Sign::Div => DataType::Int64,
        Sign::Modulo => {
            let scale = s1.max(s2);
            types::adjusted_decimal((p1 - s1).min(p2 - s2) + scale, scale)
        }
    };
    Ok(kernels::call(name, eval, vec![left.expr, right.expr], returns))
}

fn decimal_shape(ty: &DataType) -> (i32, i32) {
    match ty {
        DataType::Decimal128(precision, scale) => ((*precision).into(), (*scale).into()),
        _ => (38, 0),
    }
}

/// Both sides in their common type.
pub(super) fn unify(left: Typed, right: Typed, op: &str) -> Result<(Typed, Typed)> {
    let (left, right) = (literal_beside(left, &right), right);
    let right = literal_beside(right, &left);
    let common = types::common(&left.ty, &right.ty).ok_or_else(|| mismatch(op, &left.ty, &right.ty))?;
    // Two forms of text compare as they are: the engine need not copy a column for it.
    if types::is_string(&left.ty) && types::is_string(&right.ty) {
        return Ok((left, right));
    }
    Ok((cast::cast(left, &common)?, cast::cast(right, &common)?))
}

/// A whole literal beside a decimal takes as many digits as it has, not as many as its type.
fn literal_beside(value: Typed, other: &Typed) -> Typed {
    if value.is_literal() && types::is_integer(&value.ty) && types::is_decimal(&other.ty) {
        return as_decimal(value.clone()).unwrap_or(value);
    }
    value
}

/// A comparison.
pub(super) fn compare(left: Typed, op: Operator, right: Typed) -> Result<Typed> {
    let (left, right) = unify(left, right, &op.to_string())?;
    if !types::is_comparable(&left.ty) {
        return Err(LocalError::unsupported_feature(format!("comparing values of type {}", name(&left.ty))));
    }
    let (left, right) = if types::is_float(&left.ty) {
        (zero_beside(left.clone(), &right), zero_beside(right, &left))
    } else {
        (left, right)
    };
    Ok(Typed::new(engine(left.expr, op, right.expr), DataType::Boolean))
}

/// The engine tells -0.0 from 0.0: a double that may meet a zero is rid of its sign, unless the other side is
/// a constant that is no zero.
fn zero_beside(value: Typed, other: &Typed) -> Typed {
    let harmless = match &other.expr {
        Expr::Literal(ScalarValue::Float64(Some(v)), _) => *v != 0.0,
        Expr::Literal(ScalarValue::Float32(Some(v)), _) => *v != 0.0,
        _ => false,
    };
    if harmless { value } else { unsigned_zero(value) }
}

/// -0.0 as 0.0; other types as they are.
pub(super) fn unsigned_zero(value: Typed) -> Typed {
    if !types::is_float(&value.ty) {
        return value;
    }
    kernels::call("unsigned_zero", kernels::math::unsigned_zero, vec![value.expr], value.ty)
}

pub(super) fn engine(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// A condition, or DATATYPE_MISMATCH.
pub(super) fn boolean(value: Typed, what: &str) -> Result<Typed> {
    match &value.ty {
        DataType::Boolean => Ok(value),
        DataType::Null => cast::cast(value, &DataType::Boolean),
        ty if types::is_string(ty) && value.is_literal() => cast::cast(value, &DataType::Boolean),
        other => Err(LocalError::datatype_mismatch(
            "FILTER_NOT_BOOLEAN",
            format!("The {what} has the type \"{}\", which is not BOOLEAN.", name(other)),
        )),
    }
}

/// `concat` and `||`: NULL when any part is.
pub(super) fn concat(parts: Vec<Typed>) -> Result<Typed> {
    if parts.iter().any(|p| p.ty.is_nested() || types::is_binary(&p.ty)) {
        return Err(LocalError::unsupported_feature("concat of arrays or bytes"));
    }
    let args =
        parts.into_iter().map(|p| Ok(cast::cast(p, &DataType::Utf8)?.expr)).collect::<Result<Vec<_>>>()?;
    Ok(kernels::call("concat", strings::concat, args, DataType::Utf8))
}
