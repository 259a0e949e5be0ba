//! Which types Delta can widen to which.

use crate::DataType;

/// How a change of a type may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Widening {
    /// Delta makes it by itself in schema evolution, and by hand.
    Automatic,
    /// Only `ALTER TABLE .. ALTER COLUMN .. TYPE` makes it: values are shown in another form afterwards.
    ByHand,
}

impl Widening {
    /// How a scalar type can be widened to another; `None` where Delta cannot.
    ///
    /// A type is no widening of itself. Nested types are widened at their parts.
    ///
    /// | from | to | |
    /// |---|---|---|
    /// | `TINYINT` | `SMALLINT`, `INT`, `BIGINT` | automatic |
    /// | `SMALLINT` | `INT`, `BIGINT` | automatic |
    /// | `INT` | `BIGINT` | automatic |
    /// | `FLOAT` | `DOUBLE` | automatic |
    /// | `DECIMAL(p,s)` | `DECIMAL(p+k1,s+k2)`, k1 >= k2 >= 0 | automatic |
    /// | `DATE` | `TIMESTAMP_NTZ` | automatic |
    /// | `TINYINT`, `SMALLINT`, `INT` | `DOUBLE`, `DECIMAL(10+k1,k2)`, k1 >= k2 >= 0 | by hand |
    /// | `BIGINT` | `DECIMAL(20+k1,k2)`, k1 >= k2 >= 0 | by hand |
    ///
    /// Source: Databricks documentation, "Type widening".
    pub fn between(from: &DataType, to: &DataType) -> Option<Self> {
        use DataType as T;
        match (from, to) {
            (T::TinyInt, T::SmallInt | T::Int | T::BigInt)
            | (T::SmallInt, T::Int | T::BigInt)
            | (T::Int, T::BigInt)
            | (T::Float, T::Double)
            | (T::Date, T::TimestampNtz) => Some(Self::Automatic),
            (T::TinyInt | T::SmallInt | T::Int, T::Double) => Some(Self::ByHand),
            (T::TinyInt | T::SmallInt | T::Int, T::Decimal { precision, scale }) => {
                grows((10, 0), (*precision, *scale)).then_some(Self::ByHand)
            }
            (T::BigInt, T::Decimal { precision, scale }) => {
                grows((20, 0), (*precision, *scale)).then_some(Self::ByHand)
            }
            (T::Decimal { precision: p, scale: s }, T::Decimal { precision, scale }) => {
                (from != to && grows((*p, *s), (*precision, *scale))).then_some(Self::Automatic)
            }
            _ => None,
        }
    }
}

/// Whether neither the digits before the point nor those after it become fewer.
fn grows((precision, scale): (u8, i8), (wider, finer): (u8, i8)) -> bool {
    let (digits, after) = (i16::from(wider) - i16::from(precision), i16::from(finer) - i16::from(scale));
    wider <= 38 && digits >= after && after >= 0
}

/// Whether a table that Iceberg readers read can make the change: the Iceberg format knows fewer.
pub(crate) fn fits_iceberg(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::TinyInt | T::SmallInt | T::Int, T::SmallInt | T::Int | T::BigInt) | (T::Float, T::Double) => true,
        (T::Decimal { scale: from, .. }, T::Decimal { scale: to, .. }) => from == to,
        _ => false,
    }
}
