//! Which types a column's type can be changed to, in the log's types.

use databricks_schema::{DataType as SqlType, Widening};
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::kernel::{DataType, PrimitiveType};

/// The type as SQL has it; none for one that SQL here has no name for.
pub(in crate::exec) fn sql_type(data_type: &DataType) -> Option<SqlType> {
    let arrow: arrow::datatypes::DataType = data_type.try_into_arrow().ok()?;
    databricks_schema::arrow::from_arrow(&arrow).ok()
}

/// Whether every value of `from` is one of `to`, and Delta changes the type.
pub(in crate::exec) fn widens(from: &DataType, to: &DataType) -> bool {
    let types = sql_type(from).zip(sql_type(to));
    types.is_some_and(|(from, to)| Widening::between(&from, &to).is_some())
}

/// `DECIMAL(p + k1, s + k2)` with k1 >= k2 >= 0.
fn holds(precision: u8, scale: u8, to_precision: u8, to_scale: u8) -> bool {
    to_scale >= scale && to_precision >= precision && to_precision - precision >= to_scale - scale
}

/// Whether Spark takes the change for an up-cast: Delta then refuses it in its own words.
pub(in crate::exec) fn is_up_cast(from: &DataType, to: &DataType) -> bool {
    use PrimitiveType::{
        Byte, Date, Decimal, Double, Float, Integer, Long, Short, String, Timestamp, TimestampNtz,
    };
    let (DataType::Primitive(from), DataType::Primitive(to)) = (from, to) else { return false };
    let order = |of: &PrimitiveType| [Byte, Short, Integer, Long, Float, Double].iter().position(|t| t == of);
    let digits = |of: &PrimitiveType| match of {
        Byte => Some((3, 0)),
        Short => Some((5, 0)),
        Integer => Some((10, 0)),
        Long => Some((20, 0)),
        Decimal(decimal) => Some((decimal.precision(), decimal.scale())),
        _ => None,
    };
    match (from, to) {
        (_, String) | (Date, Timestamp | TimestampNtz) | (Timestamp, TimestampNtz) => true,
        (TimestampNtz, Timestamp) => true,
        (_, Decimal(to)) => digits(from).is_some_and(|(p, s)| holds(p, s, to.precision(), to.scale())),
        (Decimal(_), Double | Float) => true,
        (from, to) => order(from).zip(order(to)).is_some_and(|(from, to)| from <= to),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn named(name: &str) -> DataType {
        serde_json::from_value(serde_json::Value::from(name)).unwrap()
    }

    #[test]
    fn the_matrix_and_nothing_beside_it() {
        let names = [
            "byte",
            "short",
            "integer",
            "long",
            "float",
            "double",
            "date",
            "timestamp_ntz",
            "timestamp",
            "string",
            "boolean",
            "binary",
            "decimal(10,0)",
            "decimal(10,2)",
            "decimal(11,1)",
            "decimal(12,2)",
            "decimal(19,0)",
            "decimal(20,0)",
            "decimal(22,2)",
            "decimal(21,2)",
        ];
        let wider = |from: &str| -> Vec<&str> {
            names.iter().copied().filter(|to| widens(&named(from), &named(to))).collect()
        };
        let of_integers = [
            "double",
            "decimal(10,0)",
            "decimal(11,1)",
            "decimal(12,2)",
            "decimal(19,0)",
            "decimal(20,0)",
            "decimal(22,2)",
            "decimal(21,2)",
        ];
        assert_eq!(wider("byte"), [&["short", "integer", "long"][..], &of_integers].concat());
        assert_eq!(wider("short"), [&["integer", "long"][..], &of_integers].concat());
        assert_eq!(wider("integer"), [&["long"][..], &of_integers].concat());
        assert_eq!(wider("long"), ["decimal(20,0)", "decimal(22,2)"]);
        assert_eq!(wider("float"), ["double"]);
        assert_eq!(wider("date"), ["timestamp_ntz"]);
        assert_eq!(wider("decimal(10,2)"), ["decimal(12,2)", "decimal(22,2)", "decimal(21,2)"]);
        for never in ["double", "timestamp_ntz", "timestamp", "string", "boolean", "binary"] {
            assert!(wider(never).is_empty(), "{never}");
        }
    }
}
