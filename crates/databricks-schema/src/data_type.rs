//! The Databricks SQL data types.

use std::fmt;

use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{IntervalKind, Result, SchemaError};

/// How deep arrays, maps and structs may nest, counting every level.
pub const MAX_DEPTH: usize = 128;

/// A Databricks SQL data type.
///
/// Its text form is Databricks' own spelling, both ways; `serde` uses the text too, and `{"unknown": "text"}` for a type
/// that this crate does not know.
///
/// ```
/// use databricks_schema::DataType;
///
/// let data_type = DataType::parse("map<string, struct<`first name`: varchar(20), n: dec(10,2)>>")?;
/// assert_eq!(data_type.to_string(), "MAP<STRING, STRUCT<`first name`: VARCHAR(20), n: DECIMAL(10,2)>>");
/// # Ok::<(), databricks_schema::SchemaError>(())
/// ```
///
/// Array elements and map values may always be NULL: DDL has no way to say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataType {
    /// `TINYINT`: 1 byte, signed.
    TinyInt,
    /// `SMALLINT`: 2 bytes, signed.
    SmallInt,
    /// `INT`: 4 bytes, signed.
    Int,
    /// `BIGINT`: 8 bytes, signed.
    BigInt,
    /// `FLOAT`: 4 bytes.
    Float,
    /// `DOUBLE`: 8 bytes.
    Double,
    /// `DECIMAL(p,s)`: exact, with `precision` digits of which `scale` come after the point.
    Decimal {
        /// All digits: 1 to 38.
        precision: u8,
        /// Digits after the point: 0 to `precision`.
        scale: i8,
    },
    /// `BOOLEAN`
    Boolean,
    /// `STRING`
    String,
    /// `CHAR(n)`: padded to `n` characters.
    Char(u32),
    /// `VARCHAR(n)`: at most `n` characters.
    Varchar(u32),
    /// `BINARY`
    Binary,
    /// `DATE`
    Date,
    /// `TIMESTAMP`: an instant, in microseconds, shown in the session's time zone.
    Timestamp,
    /// `TIMESTAMP_NTZ`: date and time of day without a zone, in microseconds.
    TimestampNtz,
    /// `INTERVAL` with its qualifier.
    Interval(IntervalKind),
    /// `ARRAY<element>`
    Array(Box<DataType>),
    /// `MAP<key, value>`; keys are never NULL.
    Map(Box<DataType>, Box<DataType>),
    /// `STRUCT<name: type, ..>`
    Struct(Vec<StructField>),
    /// `VARIANT`: semi-structured data.
    Variant,
    /// `VOID`: the type of a bare NULL.
    Void,
    /// `GEOGRAPHY(srid)`
    Geography(Srid),
    /// `GEOMETRY(srid)`
    Geometry(Srid),
    /// A type that this crate does not know, as the server wrote it, or a string with a collation
    /// (`STRING COLLATE UTF8_LCASE`).
    ///
    /// But for collations only what a server says is read into it ([`DataType::from_server`]); it is printed as it
    /// came and equals itself alone.
    Unknown(String),
}

/// The coordinate system of a geospatial type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Srid {
    /// `ANY`: each value carries its own.
    Any,
    /// The identifier, for example 4326.
    Id(i32),
}

/// A field of a `STRUCT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StructField {
    /// Its name, as written; names match case-insensitively.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Its comment.
    pub comment: Option<String>,
}

impl StructField {
    /// A nullable field without a comment.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: true, comment: None }
    }

    /// Whether it may be NULL.
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// With this comment.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

impl DataType {
    /// Reads a type as Databricks writes it: `type_text` of results and of Unity Catalog, or DDL.
    ///
    /// Any case, synonyms (`INTEGER`, `LONG`, `NUMERIC`, ..), nested types, `NOT NULL`, `COMMENT '..'`, names in
    /// backticks and SQL comments are understood. Takes time in proportion to the text.
    ///
    /// # Errors
    /// [`SchemaError::UnreadableType`] with the place and the reason; [`SchemaError::TypeTooDeep`] past
    /// [`MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self> {
        crate::parse::data_type(text)
    }

    /// Reads a type that a server wrote: as [`parse`](Self::parse), but what is not understood is kept as
    /// [`Unknown`](Self::Unknown).
    pub fn from_server(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|_| Self::Unknown(text.to_owned()))
    }

    /// `DECIMAL(precision,scale)`, checked.
    ///
    /// # Errors
    /// [`SchemaError::InvalidDataType`] unless 1 <= precision <= 38 and 0 <= scale <= precision.
    pub fn decimal(precision: u8, scale: i8) -> Result<Self> {
        let fits = u8::try_from(scale).is_ok_and(|scale| scale <= precision);
        if fits && (1..=38).contains(&precision) {
            return Ok(Self::Decimal { precision, scale });
        }
        Err(SchemaError::invalid_type(
            &format!("DECIMAL({precision},{scale})"),
            "precision must be 1 to 38 and scale 0 to the precision",
        ))
    }

    /// `ARRAY<element>`
    pub fn array(element: Self) -> Self {
        Self::Array(Box::new(element))
    }

    /// `MAP<key, value>`
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// The type of a result column from the parts the server sends beside `type_text`.
    ///
    /// For scalars only; use it where `type_text` holds something [`parse`](Self::parse) does not know (a collation,
    /// for instance). `None` when the parts do not make a type.
    pub fn from_type_name(
        type_name: &str,
        precision: Option<u32>,
        scale: Option<u32>,
        interval: Option<&str>,
    ) -> Option<Self> {
        Some(match type_name.to_ascii_uppercase().as_str() {
            "BYTE" => Self::TinyInt,
            "SHORT" => Self::SmallInt,
            "INT" => Self::Int,
            "LONG" => Self::BigInt,
            "FLOAT" => Self::Float,
            "DOUBLE" => Self::Double,
            "DECIMAL" => {
                let precision = u8::try_from(precision?).ok()?;
                Self::decimal(precision, i8::try_from(scale.unwrap_or(0)).ok()?).ok()?
            }
            "BOOLEAN" => Self::Boolean,
            "STRING" | "CHAR" => Self::String,
            "BINARY" => Self::Binary,
            "DATE" => Self::Date,
            "TIMESTAMP" => Self::Timestamp,
            "TIMESTAMP_NTZ" => Self::TimestampNtz,
            "INTERVAL" => Self::Interval(interval?.parse().ok()?),
            "VARIANT" => Self::Variant,
            "NULL" => Self::Void,
            "GEOGRAPHY" => Self::Geography(Srid::Any),
            "GEOMETRY" => Self::Geometry(Srid::Any),
            _ => return None,
        })
    }

    /// The `type_name` of the REST APIs: `BYTE`, `SHORT`, `INT`, `LONG`, `DECIMAL`, `NULL`, ...
    ///
    /// They have no name for `VARCHAR`: it is a `STRING`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::TinyInt => "BYTE",
            Self::SmallInt => "SHORT",
            Self::Int => "INT",
            Self::BigInt => "LONG",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Decimal { .. } => "DECIMAL",
            Self::Boolean => "BOOLEAN",
            Self::String | Self::Varchar(_) => "STRING",
            Self::Char(_) => "CHAR",
            Self::Binary => "BINARY",
            Self::Date => "DATE",
            Self::Timestamp => "TIMESTAMP",
            Self::TimestampNtz => "TIMESTAMP_NTZ",
            Self::Interval(_) => "INTERVAL",
            Self::Array(_) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(_) => "STRUCT",
            Self::Variant => "VARIANT",
            Self::Void => "NULL",
            Self::Geography(_) => "GEOGRAPHY",
            Self::Geometry(_) => "GEOMETRY",
            Self::Unknown(_) => "USER_DEFINED_TYPE",
        }
    }

    /// Whether it is an array, a map or a struct.
    pub const fn is_nested(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Map(..) | Self::Struct(_))
    }

    /// Whether this type, or one inside it, is what is looked for.
    pub(crate) fn any(&self, wanted: &dyn Fn(&Self) -> bool) -> bool {
        wanted(self)
            || match self {
                Self::Array(element) => element.any(wanted),
                Self::Map(key, value) => key.any(wanted) || value.any(wanted),
                Self::Struct(fields) => fields.iter().any(|field| field.data_type.any(wanted)),
                _ => false,
            }
    }

    /// Whether it is a number: an integer, a decimal or a float.
    pub const fn is_numeric(&self) -> bool {
        matches!(
            self,
            Self::TinyInt
                | Self::SmallInt
                | Self::Int
                | Self::BigInt
                | Self::Float
                | Self::Double
                | Self::Decimal { .. }
        )
    }
}

impl std::str::FromStr for DataType {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Srid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("ANY"),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// The member that keeps a type which is not known: as text it would be refused when it is read again.
const UNKNOWN: &str = "unknown";

impl Serialize for DataType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown(text) if Self::parse(text).is_err() => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(UNKNOWN, text)?;
                map.end()
            }
            known => serializer.collect_str(known),
        }
    }
}

impl<'de> Deserialize<'de> for DataType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Known(String),
            Unknown { unknown: String },
        }
        match Written::deserialize(deserializer)? {
            Written::Known(text) => Self::parse(&text).map_err(D::Error::custom),
            Written::Unknown { unknown } => Ok(Self::Unknown(unknown)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn decimals_are_checked() {
        assert_eq!(DataType::decimal(38, 38).unwrap(), DataType::Decimal { precision: 38, scale: 38 });
        for (precision, scale) in [(0, 0), (39, 0), (10, 11), (10, -1)] {
            let error = DataType::decimal(precision, scale).unwrap_err().to_string();
            assert!(error.contains(&format!("DECIMAL({precision},{scale})")), "{error}");
        }
    }

    #[test]
    fn scalars_come_back_from_their_type_name() {
        for text in ["TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN", "STRING", "BINARY"]
        {
            let data_type = DataType::parse(text).unwrap();
            assert_eq!(DataType::from_type_name(data_type.type_name(), None, None, None), Some(data_type));
        }
        let decimal = DataType::from_type_name("DECIMAL", Some(7), Some(2), None);
        assert_eq!(decimal, Some(DataType::Decimal { precision: 7, scale: 2 }));
        let interval = DataType::from_type_name("INTERVAL", None, None, Some("DAY TO SECOND"));
        assert_eq!(interval, Some(DataType::Interval(IntervalKind::DayToSecond)));
        assert_eq!(DataType::from_type_name("STRUCT", None, None, None), None);
        assert_eq!(DataType::from_type_name("DECIMAL", None, None, None), None);
    }

    #[test]
    fn serde_uses_the_text() {
        let data_type = DataType::parse("array<int>").unwrap();
        assert_eq!(serde_json::to_string(&data_type).unwrap(), "\"ARRAY<INT>\"");
        assert_eq!(serde_json::from_str::<DataType>("\"array<integer>\"").unwrap(), data_type);
        assert!(serde_json::from_str::<DataType>("\"ARRAY<\"").is_err());
        for (text, json) in [
            ("timestamp_ntz(9)", r#"{"unknown":"timestamp_ntz(9)"}"#),
            ("string collate UTF8_LCASE", r#""STRING COLLATE UTF8_LCASE""#),
        ] {
            let kept = DataType::from_server(text);
            assert_eq!(serde_json::to_string(&kept).unwrap(), json);
            assert_eq!(serde_json::from_str::<DataType>(json).unwrap(), kept);
        }
    }
}
