//! The names of a row's fields, learned by serialising it and looking at the keys only.

use std::collections::HashSet;
use std::fmt;

use serde::ser::{self, Impossible, Serialize, Serializer};

use crate::error::{DeltaError, Result};

/// Names of fields in the order in which they are first seen.
#[derive(Debug, Default)]
pub(crate) struct Names {
    order: Vec<String>,
    seen: HashSet<String>,
}

impl Names {
    pub(crate) fn add_row<T: Serialize + ?Sized>(&mut self, row: &T) -> Result<()> {
        row.serialize(RowSerializer(NameSink { names: self, next: 0 })).map_err(DeltaError::data)
    }

    pub(crate) fn into_vec(self) -> Vec<String> {
        self.order
    }
}

/// Whether a row serialises as a map rather than as a struct.
pub(super) fn is_map<T: Serialize>(row: &T) -> bool {
    struct Kind<'a>(&'a mut bool);
    impl FieldSink for Kind<'_> {
        fn starts_map(&mut self) {
            *self.0 = true;
        }
        fn field<T: Serialize + ?Sized>(&mut self, _: &str, _: &T) -> Result<(), RowError> {
            Ok(())
        }
    }
    let mut map = false;
    let _ = row.serialize(RowSerializer(Kind(&mut map)));
    map
}

struct NameSink<'a> {
    names: &'a mut Names,
    next: usize,
}

impl FieldSink for NameSink<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, _: &T) -> Result<(), RowError> {
        // Rows mostly have the same fields in the same order, which then costs one comparison a field.
        if self.names.order.get(self.next).is_some_and(|expected| expected == name) {
            self.next += 1;
        } else if !self.names.seen.contains(name) {
            self.names.seen.insert(name.to_owned());
            self.names.order.push(name.to_owned());
            self.next = self.names.order.len();
        } else {
            self.next =
                self.names.order.iter().position(|known| known == name).map_or(0, |position| position + 1);
        }
        Ok(())
    }
}

/// What is done with each field of a row.
pub(super) trait FieldSink {
    fn starts_map(&mut self) {}

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RowError>;
}

/// Why a row has no fields.
#[derive(Debug)]
pub(super) struct RowError(String);

impl RowError {
    fn not_a_row(what: &str) -> Self {
        Self(format!("a row must be a struct or a map with text keys, and this one is {what}"))
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RowError {}

impl ser::Error for RowError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Hands each field of a row to a sink.
pub(super) struct RowSerializer<S>(pub(super) S);

macro_rules! not_rows {
    ($($method:ident($type:ty) $what:literal;)*) => {
        $(fn $method(self, _: $type) -> Result<(), RowError> { Err(RowError::not_a_row($what)) })*
    };
}

impl<S: FieldSink> Serializer for RowSerializer<S> {
    type Ok = ();
    type Error = RowError;
    type SerializeSeq = Impossible<(), RowError>;
    type SerializeTuple = Impossible<(), RowError>;
    type SerializeTupleStruct = Impossible<(), RowError>;
    type SerializeTupleVariant = Impossible<(), RowError>;
    type SerializeMap = MapFields<S>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), RowError>;

    not_rows! {
        serialize_bool(bool) "a boolean";
        serialize_i8(i8) "a number";
        serialize_i16(i16) "a number";
        serialize_i32(i32) "a number";
        serialize_i64(i64) "a number";
        serialize_u8(u8) "a number";
        serialize_u16(u16) "a number";
        serialize_u32(u32) "a number";
        serialize_u64(u64) "a number";
        serialize_f32(f32) "a number";
        serialize_f64(f64) "a number";
        serialize_char(char) "a character";
        serialize_str(&str) "text";
        serialize_bytes(&[u8]) "bytes";
        serialize_unit_struct(&'static str) "a unit struct";
    }

    fn serialize_none(self) -> Result<(), RowError> {
        Err(RowError::not_a_row("none"))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), RowError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), RowError> {
        Err(RowError::not_a_row("the unit value"))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), RowError> {
        Err(RowError::not_a_row("an enum"))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), RowError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), RowError> {
        Err(RowError::not_a_row("an enum"))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, RowError> {
        Err(RowError::not_a_row("a sequence"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, RowError> {
        Err(RowError::not_a_row("a tuple"))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, RowError> {
        Err(RowError::not_a_row("a tuple"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, RowError> {
        Err(RowError::not_a_row("an enum"))
    }

    fn serialize_map(mut self, _: Option<usize>) -> Result<Self::SerializeMap, RowError> {
        self.0.starts_map();
        Ok(MapFields { sink: self.0, key: None })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, RowError> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, RowError> {
        Err(RowError::not_a_row("an enum"))
    }
}

impl<S: FieldSink> ser::SerializeStruct for RowSerializer<S> {
    type Ok = ();
    type Error = RowError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), RowError> {
        self.0.field(key, value)
    }

    fn end(self) -> Result<(), RowError> {
        Ok(())
    }
}

pub(super) struct MapFields<S> {
    sink: S,
    key: Option<String>,
}

impl<S: FieldSink> ser::SerializeMap for MapFields<S> {
    type Ok = ();
    type Error = RowError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), RowError> {
        match serde_json::to_value(key) {
            Ok(serde_json::Value::String(key)) => {
                self.key = Some(key);
                Ok(())
            }
            _ => Err(RowError::not_a_row("a map whose keys are not text")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), RowError> {
        match self.key.take() {
            Some(key) => self.sink.field(&key, value),
            None => Err(RowError("a map gave a value before its key".to_owned())),
        }
    }

    fn end(self) -> Result<(), RowError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    fn names_of<T: Serialize>(rows: &[T]) -> Result<Vec<String>> {
        let mut names = Names::default();
        rows.iter().try_for_each(|row| names.add_row(row))?;
        Ok(names.into_vec())
    }

    #[test]
    fn names_keep_the_order_in_which_they_are_first_seen() {
        let rows =
            [BTreeMap::from([("b", 1), ("d", 1)]), BTreeMap::from([("a", 1), ("b", 1), ("c", 1), ("d", 1)])];
        assert_eq!(names_of(&rows).unwrap(), ["b", "d", "a", "c"]);
    }

    #[test]
    fn a_newtype_or_an_option_is_the_row_inside() {
        #[derive(serde::Serialize)]
        struct Inner {
            id: i32,
        }
        #[derive(serde::Serialize)]
        struct Outer(Inner);
        assert_eq!(names_of(&[Some(Outer(Inner { id: 1 }))]).unwrap(), ["id"]);
    }

    #[test]
    fn what_has_no_fields_is_refused_by_its_kind() {
        let text = names_of(&["x"]).unwrap_err().to_string();
        assert!(text.contains("this one is text"), "{text}");
        assert!(names_of(&[(1, 2)]).is_err());
        assert!(names_of(&[BTreeMap::from([(1, 2)])]).unwrap_err().to_string().contains("keys are not text"));
    }
}
