//! One cell as a serde value.
//!
//! Dates, timestamps, decimals, intervals and bytes are text to whoever takes anything. Asked for a number, timestamps
//! and day-time intervals are microseconds, dates days, year-month intervals months, decimals numbers; asked for bytes
//! or a sequence, bytes are that.

use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::column::{Cells, Values};
use super::error::CellError;
use super::nested::{self, Entries, Items, Members};
use super::text::{self, Text};

type Result<T> = std::result::Result<T, CellError>;

/// One cell of a column.
#[derive(Clone, Copy)]
pub(super) struct Cell<'c, 'b> {
    cells: &'c Cells<'b>,
    index: usize,
}

impl<'c, 'b> Cell<'c, 'b> {
    pub(super) fn new(cells: &'c Cells<'b>, index: usize) -> Self {
        Self { cells, index }
    }

    fn is_null(self) -> bool {
        self.cells.is_null(self.index)
    }

    /// The values of its column, `None` if the cell is NULL.
    fn values(self) -> Option<&'c Values<'b>> {
        (!self.is_null()).then(|| self.cells.values())
    }

    fn integer<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value> {
        let at = self.index;
        match self.values() {
            Some(Values::Date(days)) => visitor.visit_i32(days[at]),
            Some(Values::Months(months)) => visitor.visit_i32(months[at]),
            Some(Values::Timestamp(micros, _) | Values::Duration(micros)) => visitor.visit_i64(micros[at]),
            Some(Values::Decimal(values, 0)) => whole(values[at], visitor),
            Some(Values::Decimal(values, scale)) => {
                let shown = shown(text::decimal(values[at], *scale), values[at])?;
                Err(CellError::new(format!(
                    "`{}` has places behind its point; read it into text, a decimal type or a float",
                    shown.as_str()
                )))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn float<V: Visitor<'b>>(self, visitor: V) -> Result<V::Value> {
        match self.values() {
            Some(Values::Decimal(values, scale)) => {
                let value = values[self.index];
                match text::float(value, *scale) {
                    Some(number) => visitor.visit_f64(number),
                    None => Err(unwritable(value)),
                }
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn bytes(self) -> Option<&'b [u8]> {
        match self.values()? {
            Values::Bytes(array) => Some(array.value(self.index)),
            _ => None,
        }
    }
}

/// A number of SQL's 38 digits, as the smallest of serde's that holds it.
fn whole<'b, V: Visitor<'b>>(value: i128, visitor: V) -> Result<V::Value> {
    if let Ok(value) = i64::try_from(value) {
        return visitor.visit_i64(value);
    }
    match u64::try_from(value) {
        Ok(value) => visitor.visit_u64(value),
        Err(_) => visitor.visit_i128(value),
    }
}

/// The text of a value, unless it is outside of what can be written.
fn shown(text: Option<Text>, value: impl std::fmt::Display) -> Result<Text> {
    text.ok_or_else(|| unwritable(value))
}

#[cold]
fn unwritable(value: impl std::fmt::Display) -> CellError {
    CellError::new(format!("its value {value} is outside of what its SQL type holds"))
}

macro_rules! forward {
    ($to:ident: $($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$to(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for Cell<'_, 'de> {
    type Error = CellError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let at = self.index;
        let Some(values) = self.values() else { return visitor.visit_unit() };
        match values {
            Values::Null => visitor.visit_unit(),
            Values::Boolean(array) => visitor.visit_bool(array.value(at)),
            Values::Int8(values) => visitor.visit_i8(values[at]),
            Values::Int16(values) => visitor.visit_i16(values[at]),
            Values::Int32(values) => visitor.visit_i32(values[at]),
            Values::Int64(values) => visitor.visit_i64(values[at]),
            Values::Float32(values) => visitor.visit_f32(values[at]),
            Values::Float64(values) => visitor.visit_f64(values[at]),
            Values::Decimal(values, scale) => {
                visitor.visit_str(shown(text::decimal(values[at], *scale), values[at])?.as_str())
            }
            Values::Text(array) => visitor.visit_borrowed_str(array.value(at)),
            Values::Bytes(array) => visitor.visit_string(text::hexadecimal(array.value(at))),
            Values::Date(days) => visitor.visit_str(shown(text::date(days[at]), days[at])?.as_str()),
            Values::Timestamp(micros, instants) => {
                visitor.visit_str(shown(text::timestamp(micros[at], *instants), micros[at])?.as_str())
            }
            Values::Months(months) => {
                visitor.visit_str(shown(text::months(months[at]), months[at])?.as_str())
            }
            Values::Duration(micros) => {
                visitor.visit_str(shown(text::duration(micros[at]), micros[at])?.as_str())
            }
            Values::List(offsets, items) => nested::all(visitor, Items::of(offsets, items, at)),
            Values::Struct(fields, members) => visitor.visit_map(Members::of(fields, members, at)),
            Values::Map(offsets, entries) => visitor.visit_map(Entries::of(offsets, entries, at)),
            Values::Other(kind) => {
                Err(CellError::new(format!("Arrow {kind} cannot be read as a serde value")))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    forward!(integer: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128);
    forward!(float: deserialize_f32 deserialize_f64);
    forward!(deserialize_bytes: deserialize_byte_buf);

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.bytes() {
            Some(bytes) => visitor.visit_borrowed_bytes(bytes),
            None => self.deserialize_any(visitor),
        }
    }

    /// `Vec<u8>` asks for a sequence; bytes are one.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.bytes() {
            Some(bytes) => nested::all(visitor, SeqDeserializer::<_, CellError>::new(bytes.iter().copied())),
            None => self.deserialize_any(visitor),
        }
    }

    /// A struct may be read as a tuple.
    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        match self.values() {
            Some(Values::Struct(fields, members)) => {
                nested::all(visitor, Members::of(fields, members, self.index))
            }
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    /// A STRING names a variant without content.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.values() {
            Some(Values::Text(strings)) => {
                let name: StrDeserializer<'_, CellError> = strings.value(self.index).into_deserializer();
                visitor.visit_enum(name)
            }
            _ => Err(CellError::new("only a STRING that is not NULL can name the variant of an enum")),
        }
    }

    /// What no field asks for is not made.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool char str string unit unit_struct map struct identifier
    }
}
