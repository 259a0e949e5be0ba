//! Which casts exist, and how each is served: by the engine where it agrees with Databricks, else by a kernel.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Cast, Expr};

use super::kernels::{self, casts};
use super::types::{self, Typed, name};
use crate::error::{LocalError, Result};

/// `CAST(value AS to)`.
pub(super) fn cast(value: Typed, to: &DataType) -> Result<Typed> {
    convert(value, to, "cast", casts::cast)
}

/// `TRY_CAST(value AS to)`.
pub(super) fn try_cast(value: Typed, to: &DataType) -> Result<Typed> {
    convert(value, to, "try_cast", casts::try_cast)
}

/// A literal's value in another type.
pub(super) fn constant(value: Typed, to: &DataType) -> Result<ScalarValue> {
    let args = [value.expr.clone()];
    if let Some(result) = kernels::try_constant(casts::cast, &args, to) {
        return result;
    }
    Err(LocalError::unsupported_feature(format!("a value of type {} that is no constant", name(&value.ty))))
}

/// Text and bytes in the one form the kernels read.
pub(super) fn normal(value: Typed) -> Typed {
    let to = match &value.ty {
        ty if types::is_string(ty) => DataType::Utf8,
        ty if types::is_binary(ty) => DataType::Binary,
        DataType::Timestamp(_, Some(_)) => types::timestamp(),
        DataType::Timestamp(_, None) => types::timestamp_ntz(),
        _ => return value,
    };
    native(value, &to)
}

/// The engine's cast, done now for a literal.
fn native(value: Typed, to: &DataType) -> Typed {
    if value.ty == *to {
        return value;
    }
    if let Expr::Literal(literal, _) = &value.expr
        && let Ok(done) = literal.cast_to(to)
    {
        return Typed::new(Expr::Literal(done, None), to.clone());
    }
    Typed::new(Expr::Cast(Cast::new(Box::new(value.expr), to.clone())), to.clone())
}

fn convert(value: Typed, to: &DataType, kernel: &'static str, eval: kernels::Eval) -> Result<Typed> {
    if value.ty == *to {
        return Ok(value);
    }
    if value.ty == DataType::Null {
        return Ok(Typed::new(Expr::Literal(ScalarValue::try_new_null(to)?, None), to.clone()));
    }
    if !castable(&value.ty, to) {
        return Err(no_cast(&value.ty, to));
    }
    if is_exact(&value.ty, to) {
        return Ok(native(value, to));
    }
    let value = normal(value);
    if value.ty == *to {
        return Ok(value);
    }
    Ok(kernels::call(kernel, eval, vec![value.expr], to.clone()))
}

fn no_cast(from: &DataType, to: &DataType) -> LocalError {
    LocalError::datatype_mismatch(
        "CAST_WITHOUT_SUGGESTION",
        format!("Cannot cast \"{}\" to \"{}\".", name(from), name(to)),
    )
}

fn is_scalar(ty: &DataType) -> bool {
    types::is_comparable(ty) && !types::is_binary(ty)
}

fn castable(from: &DataType, to: &DataType) -> bool {
    use types::{is_date, is_integer, is_numeric, is_string, is_timestamp};
    let both_nested = from.is_nested() && to.is_nested();
    match (from, to) {
        _ if both_nested => same_shape(from, to),
        (a, b) if is_string(a) && types::is_binary(b) => true,
        (a, b) if types::is_binary(a) && (is_string(b) || types::is_binary(b)) => true,
        (a, b) if is_string(a) || is_string(b) => is_scalar(a) && is_scalar(b),
        (a, b) if is_numeric(a) && is_numeric(b) => true,
        (DataType::Boolean, b) => is_numeric(b),
        (a, DataType::Boolean) => is_numeric(a),
        (a, b) if (is_date(a) || is_timestamp(a)) && (is_date(b) || is_timestamp(b)) => true,
        (DataType::Timestamp(_, Some(_)), b) => is_numeric(b),
        (a, DataType::Timestamp(_, Some(_))) => is_integer(a),
        _ => false,
    }
}

/// Nested types whose leaves are the same: only field names' nullability may differ.
fn same_shape(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::List(a) | DataType::LargeList(a), DataType::List(b) | DataType::LargeList(b)) => {
            same_shape(a.data_type(), b.data_type())
        }
        (DataType::Struct(a), DataType::Struct(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|(a, b)| a.name() == b.name() && same_shape(a.data_type(), b.data_type()))
        }
        (DataType::Map(a, _), DataType::Map(b, _)) => same_shape(a.data_type(), b.data_type()),
        (a, b) => a == b || (types::is_string(a) && types::is_string(b)),
    }
}

/// Casts that never fail and that the engine does as Databricks does.
fn is_exact(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (a, b) if a.is_nested() && b.is_nested() => true,
        (a, b) if types::is_string(a) && types::is_string(b) => true,
        (a, b) if types::is_binary(a) && types::is_binary(b) => true,
        (a, b) if types::is_string(a) && types::is_binary(b) => true,
        (a, b) if types::is_integer(a) && types::is_integer(b) => a.primitive_width() <= b.primitive_width(),
        (a, DataType::Float64) => types::is_integer(a) || a == &DataType::Float32,
        (a, DataType::Float32) => types::is_integer(a),
        (a, DataType::Decimal128(precision, scale)) => match types::decimal_of_integer(a) {
            Some((p, s)) => {
                let whole = i32::from(p) - i32::from(s);
                s <= *scale && whole <= i32::from(*precision) - i32::from(*scale)
            }
            None => false,
        },
        (DataType::Date32, DataType::Timestamp(..)) | (DataType::Timestamp(..), DataType::Timestamp(..)) => {
            true
        }
        _ => false,
    }
}

/// A value on its way into a column: ANSI store assignment.
pub(super) fn store(expr: Expr, from: &DataType, to: &DataType, column: &str) -> Result<Expr> {
    let value = Typed::new(expr, from.clone());
    if from == to || from == &DataType::Null {
        return Ok(cast(value, to)?.expr);
    }
    if !storable(from, to) || !castable(from, to) {
        return Err(LocalError::new(
            "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST",
            "KD000",
            format!(
                "Cannot write incompatible data: cannot safely cast `{column}` \"{}\" to \"{}\".",
                name(from),
                name(to)
            ),
        ));
    }
    if is_exact(from, to) {
        return Ok(native(value, to).expr);
    }
    // The column may be stored as another form of text or instant than the kernels give.
    let kernel_type = normal_type(to);
    let value = normal(value);
    if value.ty == kernel_type {
        return Ok(native(value, to).expr);
    }
    let name = Expr::Literal(ScalarValue::Utf8(Some(column.to_owned())), None);
    let stored = kernels::call("store_assignment", casts::store, vec![value.expr, name], kernel_type);
    Ok(native(stored, to).expr)
}

fn normal_type(ty: &DataType) -> DataType {
    match ty {
        ty if types::is_string(ty) => DataType::Utf8,
        ty if types::is_binary(ty) => DataType::Binary,
        other => other.clone(),
    }
}

fn storable(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Boolean, b) => types::is_string(b),
        (a, DataType::Boolean) => types::is_string(a),
        (a, b) if types::is_timestamp(a) => {
            types::is_timestamp(b) || types::is_date(b) || types::is_string(b)
        }
        (a, b) if types::is_timestamp(b) => types::is_date(a) || types::is_string(a),
        _ => true,
    }
}
