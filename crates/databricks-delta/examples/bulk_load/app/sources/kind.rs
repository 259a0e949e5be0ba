//! How text becomes the values of a column.

use std::sync::Arc;

use arrow::datatypes::{DataType as Arrow, Field, FieldRef, TimeUnit};
use databricks_schema::{DataType, SchemaError};

/// What the text of a column is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal(u8, i8),
    Date,
    Timestamp,
    TimestampNtz,
    /// Text; the server casts it, where the table's type is another one.
    Text,
    /// Arrays, structs and the like, which no CSV file can hold.
    Nested(Arrow),
}

impl Kind {
    /// For a column of the table.
    pub(crate) fn of(data_type: &DataType) -> Result<Self, SchemaError> {
        Ok(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::TinyInt => Self::TinyInt,
            DataType::SmallInt => Self::SmallInt,
            DataType::Int => Self::Int,
            DataType::BigInt => Self::BigInt,
            DataType::Float => Self::Float,
            DataType::Double => Self::Double,
            DataType::Decimal { precision, scale } => Self::Decimal(*precision, *scale),
            DataType::Date => Self::Date,
            DataType::Timestamp => Self::Timestamp,
            DataType::TimestampNtz => Self::TimestampNtz,
            DataType::Array(_) | DataType::Map(..) | DataType::Struct(_) => {
                Self::Nested(without_zone_names(&databricks_schema::arrow::to_arrow(data_type)?))
            }
            _ => Self::Text,
        })
    }

    /// For a column that a Parquet file has, too; none for what text cannot stand for.
    pub(crate) fn of_arrow(data_type: &Arrow) -> Option<Self> {
        Some(match data_type {
            Arrow::Boolean => Self::Boolean,
            Arrow::Int8 => Self::TinyInt,
            Arrow::Int16 => Self::SmallInt,
            Arrow::Int32 => Self::Int,
            Arrow::Int64 => Self::BigInt,
            Arrow::Float32 => Self::Float,
            Arrow::Float64 => Self::Double,
            Arrow::Decimal128(precision, scale) => Self::Decimal(*precision, *scale),
            Arrow::Date32 => Self::Date,
            Arrow::Timestamp(_, Some(_)) => Self::Timestamp,
            Arrow::Timestamp(_, None) => Self::TimestampNtz,
            Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => Self::Text,
            nested @ (Arrow::Struct(_) | Arrow::List(_) | Arrow::Map(..)) => {
                Self::Nested(without_zone_names(nested))
            }
            _ => return None,
        })
    }

    /// The type of its arrays.
    pub(crate) fn arrow(&self) -> Arrow {
        match self {
            Self::Boolean => Arrow::Boolean,
            Self::TinyInt => Arrow::Int8,
            Self::SmallInt => Arrow::Int16,
            Self::Int => Arrow::Int32,
            Self::BigInt => Arrow::Int64,
            Self::Float => Arrow::Float32,
            Self::Double => Arrow::Float64,
            Self::Decimal(precision, scale) => Arrow::Decimal128(*precision, *scale),
            Self::Date => Arrow::Date32,
            Self::Timestamp => Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::TimestampNtz => Arrow::Timestamp(TimeUnit::Microsecond, None),
            Self::Text => Arrow::Utf8,
            Self::Nested(data_type) => data_type.clone(),
        }
    }

    /// The SQL type's name, for messages.
    pub(crate) fn sql(&self) -> String {
        match databricks_schema::arrow::from_arrow(&self.arrow()) {
            Ok(data_type) => data_type.to_string(),
            Err(_) => self.arrow().to_string(),
        }
    }
}

/// The type with every part of it replaced.
pub(crate) fn mapped(data_type: &Arrow, leaf: &impl Fn(&Arrow) -> Arrow) -> Arrow {
    let field = |field: &FieldRef| -> FieldRef {
        Arc::new(Field::new(field.name(), mapped(field.data_type(), leaf), field.is_nullable()))
    };
    match data_type {
        Arrow::Struct(fields) => Arrow::Struct(fields.iter().map(field).collect()),
        Arrow::List(element) => Arrow::List(field(element)),
        Arrow::Map(entries, sorted) => Arrow::Map(field(entries), *sorted),
        other => leaf(other),
    }
}

/// Zones by offset: names of zones need a table of them.
fn without_zone_names(data_type: &Arrow) -> Arrow {
    mapped(data_type, &|leaf| match leaf {
        Arrow::Timestamp(_, Some(_)) => Arrow::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        other => other.clone(),
    })
}
