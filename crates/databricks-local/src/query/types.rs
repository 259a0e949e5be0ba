//! Databricks' rules of types: which are which, what two of them have in common, how wide a decimal gets.

use arrow::datatypes::{DataType, TimeUnit};
use databricks_schema::SchemaError;
use datafusion::logical_expr::Expr;

use crate::error::{LocalError, Result};

/// The widest decimal.
pub(super) const MAX_PRECISION: u8 = 38;

/// An expression and its type.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) ty: DataType,
}

impl Typed {
    pub(super) fn new(expr: Expr, ty: DataType) -> Self {
        Self { expr, ty }
    }

    pub(super) fn is_literal(&self) -> bool {
        matches!(self.expr, Expr::Literal(..))
    }
}

/// TIMESTAMP: an instant.
pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// TIMESTAMP_NTZ: a wall clock's reading.
pub(super) fn timestamp_ntz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

pub(super) fn is_string(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

pub(super) fn is_binary(ty: &DataType) -> bool {
    matches!(ty, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

pub(super) fn is_integer(ty: &DataType) -> bool {
    matches!(ty, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)
}

pub(super) fn is_float(ty: &DataType) -> bool {
    matches!(ty, DataType::Float32 | DataType::Float64)
}

pub(super) fn is_decimal(ty: &DataType) -> bool {
    matches!(ty, DataType::Decimal128(..))
}

pub(super) fn is_numeric(ty: &DataType) -> bool {
    is_integer(ty) || is_float(ty) || is_decimal(ty)
}

pub(super) fn is_timestamp(ty: &DataType) -> bool {
    matches!(ty, DataType::Timestamp(..))
}

pub(super) fn is_date(ty: &DataType) -> bool {
    matches!(ty, DataType::Date32)
}

/// Types that compare, sort and group here.
pub(super) fn is_comparable(ty: &DataType) -> bool {
    is_numeric(ty)
        || is_string(ty)
        || is_binary(ty)
        || is_date(ty)
        || is_timestamp(ty)
        || matches!(ty, DataType::Boolean | DataType::Null)
}

/// The name of a type in messages and column names.
pub(super) fn name(ty: &DataType) -> String {
    match ty {
        DataType::Null => "VOID".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ".to_owned(),
        DataType::List(field) | DataType::LargeList(field) => format!("ARRAY<{}>", name(field.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|f| format!("{}: {}", f.name(), name(f.data_type()))).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) => {
                let pair: Vec<_> = pair.iter().map(|field| name(field.data_type())).collect();
                format!("MAP<{}>", pair.join(", "))
            }
            other => name(other),
        },
        ty if is_string(ty) => "STRING".to_owned(),
        ty if is_binary(ty) => "BINARY".to_owned(),
        other => other.to_string().to_ascii_uppercase(),
    }
}

/// The type a text names.
pub(super) fn parse(text: &str) -> Result<DataType> {
    let unsupported = |why: &dyn std::fmt::Display| {
        let message = format!("Unsupported data type \"{}\": {why}.", text.to_ascii_uppercase());
        LocalError::new("UNSUPPORTED_DATATYPE", "0A000", message)
    };
    let ty = databricks_schema::DataType::parse(text).map_err(|error| match error {
        SchemaError::TypeTooDeep { .. } => {
            LocalError::new("FAILED_TO_PARSE_TOO_COMPLEX", "54001", format!("The statement's {error}."))
        }
        _ => unsupported(&error),
    })?;
    if matches!(ty, databricks_schema::DataType::Char(_) | databricks_schema::DataType::Varchar(_)) {
        return Err(LocalError::unsupported_feature(format!("{text} outside of a table's columns")));
    }
    databricks_schema::arrow::to_arrow(&ty).map_err(|e| unsupported(&e))
}

/// The decimal that holds every value of an integer type.
pub(super) fn decimal_of_integer(ty: &DataType) -> Option<(u8, i8)> {
    match ty {
        DataType::Int8 => Some((3, 0)),
        DataType::Int16 => Some((5, 0)),
        DataType::Int32 => Some((10, 0)),
        DataType::Int64 => Some((20, 0)),
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

/// `DECIMAL(precision, scale)` cut to 38 digits the way Databricks does: whole digits are kept, and at least
/// six of the fraction.
pub(super) fn adjusted_decimal(precision: i32, scale: i32) -> DataType {
    let most = i32::from(MAX_PRECISION);
    let (precision, scale) = if precision <= most {
        (precision, scale)
    } else {
        let whole = precision - scale;
        (most, (most - whole).max(scale.min(6)))
    };
    decimal(precision, scale)
}

/// `DECIMAL(min(precision, 38), min(scale, 38))`.
pub(super) fn bounded_decimal(precision: i32, scale: i32) -> DataType {
    decimal(precision.min(i32::from(MAX_PRECISION)), scale.min(i32::from(MAX_PRECISION)))
}

fn decimal(precision: i32, scale: i32) -> DataType {
    DataType::Decimal128(
        u8::try_from(precision.max(1)).unwrap_or(MAX_PRECISION),
        i8::try_from(scale).unwrap_or_default(),
    )
}

/// The type both sides of a comparison, the branches of CASE, the rows of a UNION are brought to.
pub(super) fn common(left: &DataType, right: &DataType) -> Option<DataType> {
    match (left, right) {
        (a, b) if a == b => Some(a.clone()),
        (DataType::Null, other) | (other, DataType::Null) => Some(other.clone()),
        (a, b) if is_string(a) && is_string(b) => Some(DataType::Utf8),
        (a, b) if is_binary(a) && is_binary(b) => Some(DataType::Binary),
        (a, b) if is_numeric(a) && is_numeric(b) => common_number(a, b),
        (a, b) if is_string(a) => common_with_string(b),
        (a, b) if is_string(b) => common_with_string(a),
        (DataType::Date32, DataType::Timestamp(_, zone))
        | (DataType::Timestamp(_, zone), DataType::Date32) => {
            Some(if zone.is_some() { timestamp() } else { timestamp_ntz() })
        }
        (DataType::Timestamp(..), DataType::Timestamp(..)) => Some(timestamp()),
        _ => None,
    }
}

/// Text meets another type as that type; with numbers, as BIGINT or DOUBLE.
fn common_with_string(other: &DataType) -> Option<DataType> {
    match other {
        ty if is_integer(ty) => Some(DataType::Int64),
        ty if is_numeric(ty) => Some(DataType::Float64),
        DataType::Boolean | DataType::Date32 | DataType::Timestamp(..) => Some(other.clone()),
        ty if is_binary(ty) => Some(DataType::Binary),
        _ => None,
    }
}

fn common_number(left: &DataType, right: &DataType) -> Option<DataType> {
    if is_float(left) || is_float(right) {
        let both = left == &DataType::Float32 && right == &DataType::Float32;
        return Some(if both { DataType::Float32 } else { DataType::Float64 });
    }
    if is_integer(left) && is_integer(right) {
        return Some(if rank(left) >= rank(right) { left.clone() } else { right.clone() });
    }
    let (p1, s1) = decimal_of_integer(left)?;
    let (p2, s2) = decimal_of_integer(right)?;
    let scale = s1.max(s2);
    let whole = (i32::from(p1) - i32::from(s1)).max(i32::from(p2) - i32::from(s2));
    let precision = whole + i32::from(scale);
    (precision <= i32::from(MAX_PRECISION)).then(|| decimal(precision, i32::from(scale)))
}

fn rank(ty: &DataType) -> u8 {
    match ty {
        DataType::Int8 => 1,
        DataType::Int16 => 2,
        DataType::Int32 => 3,
        _ => 4,
    }
}

/// The common type of several expressions, or DATATYPE_MISMATCH naming them.
pub(super) fn common_of<'a>(what: &str, types: impl IntoIterator<Item = &'a DataType>) -> Result<DataType> {
    let mut whole = DataType::Null;
    for ty in types {
        whole = common(&whole, ty).ok_or_else(|| {
            LocalError::datatype_mismatch(
                "DATA_DIFF_TYPES",
                format!(
                    "Cannot resolve {what} due to data type mismatch: its values have the types \"{}\" and \"{}\", which have none in common.",
                    name(&whole),
                    name(ty)
                ),
            )
        })?;
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_types_follow_the_documented_precedence() {
        let decimal = |p, s| DataType::Decimal128(p, s);
        for (left, right, expected) in [
            (DataType::Int32, DataType::Int64, Some(DataType::Int64)),
            (DataType::Int32, DataType::Float32, Some(DataType::Float64)),
            (DataType::Float32, DataType::Float32, Some(DataType::Float32)),
            (decimal(2, 1), DataType::Int32, Some(decimal(11, 1))),
            (decimal(10, 2), decimal(5, 4), Some(decimal(12, 4))),
            (decimal(38, 0), decimal(38, 10), None),
            (DataType::Utf8, DataType::Int32, Some(DataType::Int64)),
            (DataType::Utf8, decimal(3, 1), Some(DataType::Float64)),
            (DataType::Utf8View, DataType::Utf8, Some(DataType::Utf8)),
            (DataType::Date32, DataType::Utf8, Some(DataType::Date32)),
            (DataType::Date32, timestamp(), Some(timestamp())),
            (DataType::Null, DataType::Boolean, Some(DataType::Boolean)),
            (DataType::Boolean, DataType::Int32, None),
            (DataType::Date32, DataType::Int32, None),
        ] {
            assert_eq!(common(&left, &right), expected, "{left} and {right}");
            assert_eq!(common(&right, &left), expected, "{right} and {left}");
        }
    }

    #[test]
    fn a_decimal_too_wide_keeps_six_digits_of_its_fraction() {
        assert_eq!(adjusted_decimal(40, 10), DataType::Decimal128(38, 8));
        assert_eq!(adjusted_decimal(60, 20), DataType::Decimal128(38, 6));
        assert_eq!(adjusted_decimal(60, 2), DataType::Decimal128(38, 2));
        assert_eq!(adjusted_decimal(12, 3), DataType::Decimal128(12, 3));
    }
}
