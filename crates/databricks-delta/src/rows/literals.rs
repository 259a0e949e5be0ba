//! A row's values as SQL literals, for merges of a few rows.

use std::collections::HashMap;
use std::fmt;

use databricks_schema::quote;
use serde::ser::{self, Impossible, Serialize, Serializer};

use super::names::{FieldSink, RowError, RowSerializer};
use crate::error::{DeltaError, Result};

/// The row's values in the order of `names`, NULL where it has none. None when a value is nested.
pub(super) fn row_literals<T: Serialize>(row: &T, names: &[String]) -> Result<Option<Vec<String>>> {
    let mut sink = LiteralSink { values: HashMap::new(), nested: false };
    row.serialize(RowSerializer(&mut sink)).map_err(DeltaError::data)?;
    if sink.nested {
        return Ok(None);
    }
    let literal = |name: &String| sink.values.remove(name).unwrap_or_else(|| "NULL".to_owned());
    Ok(Some(names.iter().map(literal).collect()))
}

struct LiteralSink {
    values: HashMap<String, String>,
    nested: bool,
}

impl FieldSink for &mut LiteralSink {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RowError> {
        match value.serialize(LiteralSerializer) {
            Ok(literal) => {
                self.values.insert(name.to_owned(), literal);
                Ok(())
            }
            Err(NoLiteral::Nested) => {
                self.nested = true;
                Ok(())
            }
            Err(NoLiteral::Failed(message)) => Err(ser::Error::custom(format!("field `{name}`: {message}"))),
        }
    }
}

/// Why a value has no literal.
#[derive(Debug)]
pub(super) enum NoLiteral {
    Nested,
    Failed(String),
}

impl fmt::Display for NoLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nested => f.write_str("the value is nested"),
            Self::Failed(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for NoLiteral {}

impl ser::Error for NoLiteral {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Failed(message.to_string())
    }
}

/// Writes one scalar as the literal of its SQL type.
pub(super) struct LiteralSerializer;

type Literal = Result<String, NoLiteral>;
type Nested = Impossible<String, NoLiteral>;

macro_rules! digits {
    ($($method:ident($type:ty);)*) => {
        $(fn $method(self, value: $type) -> Literal { Ok(value.to_string()) })*
    };
}

impl Serializer for LiteralSerializer {
    type Ok = String;
    type Error = NoLiteral;
    type SerializeSeq = Nested;
    type SerializeTuple = Nested;
    type SerializeTupleStruct = Nested;
    type SerializeTupleVariant = Nested;
    type SerializeMap = Nested;
    type SerializeStruct = Nested;
    type SerializeStructVariant = Nested;

    // Whole numbers are INT, BIGINT or DECIMAL by their size, which every numeric column takes.
    digits! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
    }

    fn serialize_bool(self, value: bool) -> Literal {
        Ok(if value { "TRUE" } else { "FALSE" }.to_owned())
    }

    fn serialize_f32(self, value: f32) -> Literal {
        // As text, since a number would be rounded twice: to a DOUBLE first.
        Ok(cast(&named(value.into()).map_or_else(|| format!("{value:E}"), str::to_owned), "FLOAT"))
    }

    fn serialize_f64(self, value: f64) -> Literal {
        // The exponent makes it a DOUBLE, where plain digits would be a DECIMAL.
        Ok(named(value).map_or_else(|| format!("{value:E}"), |name| cast(name, "DOUBLE")))
    }

    fn serialize_char(self, value: char) -> Literal {
        Ok(quote::string(value.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, value: &str) -> Literal {
        Ok(quote::string(value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Literal {
        let digits: String = value.iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(format!("X'{digits}'"))
    }

    fn serialize_none(self) -> Literal {
        Ok("NULL".to_owned())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Literal {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Literal {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Literal {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Literal {
        Ok(quote::string(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Literal {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Literal {
        Err(NoLiteral::Nested)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Nested, NoLiteral> {
        Err(NoLiteral::Nested)
    }

    fn serialize_tuple(self, _: usize) -> Result<Nested, NoLiteral> {
        Err(NoLiteral::Nested)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Nested, NoLiteral> {
        Err(NoLiteral::Nested)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Nested, NoLiteral> {
        Err(NoLiteral::Nested)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Nested, NoLiteral> {
        Err(NoLiteral::Nested)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Nested, NoLiteral> {
        Err(NoLiteral::Nested)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Nested, NoLiteral> {
        Err(NoLiteral::Nested)
    }
}

/// What a number without digits is called.
fn named(value: f64) -> Option<&'static str> {
    match value {
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        nan if nan.is_nan() => Some("NaN"),
        _ => None,
    }
}

fn cast(text: &str, sql_type: &str) -> String {
    format!("CAST({} AS {sql_type})", quote::string(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn literal<T: Serialize>(value: T) -> String {
        value.serialize(LiteralSerializer).unwrap()
    }

    #[test]
    fn scalars_keep_their_type() {
        let literals = [
            literal(true),
            literal(-5i8),
            literal(i64::MIN),
            literal(u64::MAX),
            literal(170_141_183_460_469_231_731_687_303_715_884_105_727i128),
            literal(1.5f64),
            literal(1e300f64),
            literal(0.1f32),
            literal(f64::NAN),
            literal(f64::NEG_INFINITY),
            literal('\''),
            literal("it's \\ a\nline"),
            literal(None::<i32>),
            literal(()),
            literal(Some("x")),
        ];
        insta::assert_snapshot!(literals.join(",\n"));
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(LiteralSerializer.serialize_bytes(&[0, 255, 16]).unwrap(), "X'00FF10'");
    }

    #[test]
    fn a_missing_field_is_null_and_a_nested_one_has_no_literal() {
        let row = serde_json::json!({"b": 2});
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(row_literals(&row, &names).unwrap().unwrap(), ["NULL", "2"]);
        assert!(row_literals(&serde_json::json!({"a": [1]}), &names).unwrap().is_none());
    }
}
