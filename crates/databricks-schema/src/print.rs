//! Types as Databricks prints them: `DECIMAL(10,2)`, `MAP<STRING, INT>`, `STRUCT<a: INT NOT NULL COMMENT 'x'>`.

use std::fmt;

use crate::{DataType, StructField, quote};

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision},{scale})"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::String => f.write_str("STRING"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::Varchar(length) => write!(f, "VARCHAR({length})"),
            Self::Binary => f.write_str("BINARY"),
            Self::Date => f.write_str("DATE"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::TimestampNtz => f.write_str("TIMESTAMP_NTZ"),
            Self::Interval(kind) => write!(f, "INTERVAL {kind}"),
            Self::Array(element) => write!(f, "ARRAY<{element}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Struct(fields) => print_struct(fields, f),
            Self::Variant => f.write_str("VARIANT"),
            Self::Void => f.write_str("VOID"),
            Self::Geography(srid) => write!(f, "GEOGRAPHY({srid})"),
            Self::Geometry(srid) => write!(f, "GEOMETRY({srid})"),
            Self::Unknown(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for StructField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", quote::identifier_if_needed(&self.name), self.data_type)?;
        print_suffix(self.nullable, self.comment.as_deref(), f)
    }
}

fn print_struct(fields: &[StructField], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("STRUCT<")?;
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{field}")?;
    }
    f.write_str(">")
}

/// What follows the type of a field or a column.
pub(crate) fn print_suffix(nullable: bool, comment: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !nullable {
        f.write_str(" NOT NULL")?;
    }
    if let Some(comment) = comment {
        write!(f, " COMMENT {}", quote::string(comment))?;
    }
    Ok(())
}
