//! Which types a column's type can be widened to, as Delta's type widening defines it.

use deltalake::kernel::{DataType, PrimitiveType};

/// Whether every value of `from` is one of `to`, and Delta changes the type.
pub(in crate::exec) fn widens(from: &DataType, to: &DataType) -> bool {
    use PrimitiveType::{Byte, Date, Decimal, Double, Float, Integer, Long, Short, TimestampNtz};
    let (DataType::Primitive(from), DataType::Primitive(to)) = (from, to) else { return false };
    match (from, to) {
        (Byte, Short | Integer | Long | Double)
        | (Short, Integer | Long | Double)
        | (Integer, Long | Double)
        | (Float, Double)
        | (Date, TimestampNtz) => true,
        // The digits before the point may not become fewer than the integer had.
        (Byte | Short | Integer, Decimal(to)) => holds(10, 0, to.precision(), to.scale()),
        (Long, Decimal(to)) => holds(20, 0, to.precision(), to.scale()),
        (Decimal(from), Decimal(to)) => {
            from != to && holds(from.precision(), from.scale(), to.precision(), to.scale())
        }
        _ => false,
    }
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
