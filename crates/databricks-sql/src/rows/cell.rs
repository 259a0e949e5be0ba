//! One Arrow cell as a serde value.
//!
//! Dates, timestamps, decimals, intervals and bytes are text to whoever takes anything. Asked for a number, timestamps
//! and day-time intervals are microseconds, dates days, year-month intervals months, decimals numbers; asked for bytes
//! or a sequence, bytes are that.

use arrow::array::{Array, AsArray, MapArray, StructArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalUnit, IntervalYearMonthType, TimeUnit, TimestampMicrosecondType,
};
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::CellError;
use super::text;

type Result<T> = std::result::Result<T, CellError>;

/// One cell of an array.
#[derive(Clone, Copy)]
pub(super) struct Cell<'b> {
    array: &'b dyn Array,
    index: usize,
}

impl<'b> Cell<'b> {
    pub(super) fn new(array: &'b dyn Array, index: usize) -> Self {
        Self { array, index }
    }

    fn is_null(self) -> bool {
        self.array.is_null(self.index) || self.array.data_type() == &DataType::Null
    }

    /// The integer behind a date, a timestamp or an interval.
    fn count(self) -> Option<i64> {
        let (array, at) = (self.array, self.index);
        match array.data_type() {
            DataType::Date32 => Some(array.as_primitive_opt::<Date32Type>()?.value(at).into()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Some(array.as_primitive_opt::<TimestampMicrosecondType>()?.value(at))
            }
            DataType::Interval(IntervalUnit::YearMonth) => {
                Some(array.as_primitive_opt::<IntervalYearMonthType>()?.value(at).into())
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                Some(array.as_primitive_opt::<DurationMicrosecondType>()?.value(at))
            }
            _ => None,
        }
    }

    fn decimal(self) -> Option<(i128, i8)> {
        let DataType::Decimal128(_, scale) = self.array.data_type() else { return None };
        Some((self.array.as_primitive_opt::<Decimal128Type>()?.value(self.index), *scale))
    }

    /// The cell as text, where serde has no type for it.
    fn printed(self) -> Option<String> {
        if let Some((value, scale)) = self.decimal() {
            return Some(text::decimal(value, scale));
        }
        if let Some(bytes) = self.bytes() {
            return Some(text::hexadecimal(bytes));
        }
        let count = self.count()?;
        match self.array.data_type() {
            DataType::Date32 => text::date(i32::try_from(count).ok()?),
            DataType::Timestamp(_, zone) => text::timestamp(count, zone.is_some()),
            DataType::Interval(_) => Some(text::months(i32::try_from(count).ok()?)),
            _ => Some(text::duration(count)),
        }
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_null() {
            return visitor.visit_unit();
        }
        if let Some(count) = self.count() {
            return visitor.visit_i64(count);
        }
        match self.decimal() {
            Some((value, 0)) => match i64::try_from(value) {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => visitor.visit_i128(value),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.decimal().filter(|_| !self.is_null()) {
            Some((value, scale)) => {
                let printed = text::decimal(value, scale);
                let number =
                    printed.parse().map_err(|_| CellError::new(format!("`{printed}` is not a number")))?;
                visitor.visit_f64(number)
            }
            None => self.deserialize_any(visitor),
        }
    }

    fn bytes(self) -> Option<&'b [u8]> {
        let array = self.array.as_binary_opt::<i32>()?;
        Some(array.value(self.index))
    }

    fn unreadable(self) -> CellError {
        CellError::new(format!("Arrow {} cannot be read as a serde value", self.array.data_type()))
    }
}

macro_rules! forward {
    ($to:ident: $($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$to(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for Cell<'_> {
    type Error = CellError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_null() {
            return visitor.visit_unit();
        }
        let (array, at) = (self.array, self.index);
        match array.data_type() {
            DataType::Boolean => visitor.visit_bool(array.as_boolean().value(at)),
            DataType::Int8 => visitor.visit_i8(array.as_primitive::<Int8Type>().value(at)),
            DataType::Int16 => visitor.visit_i16(array.as_primitive::<Int16Type>().value(at)),
            DataType::Int32 => visitor.visit_i32(array.as_primitive::<Int32Type>().value(at)),
            DataType::Int64 => visitor.visit_i64(array.as_primitive::<Int64Type>().value(at)),
            DataType::Float32 => visitor.visit_f32(array.as_primitive::<Float32Type>().value(at)),
            DataType::Float64 => visitor.visit_f64(array.as_primitive::<Float64Type>().value(at)),
            DataType::Utf8 => visitor.visit_str(array.as_string::<i32>().value(at)),
            DataType::List(_) => visitor.visit_seq(Items::of(array.as_list::<i32>().value(at).as_ref())),
            DataType::Struct(_) => visitor.visit_map(Members::of(array.as_struct(), at)),
            DataType::Map(..) => visitor.visit_map(Entries::of(array.as_map(), at)),
            _ => visitor.visit_string(self.printed().ok_or_else(|| self.unreadable())?),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    forward!(number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128);
    forward!(float: deserialize_f32 deserialize_f64);
    forward!(deserialize_bytes: deserialize_byte_buf);

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.bytes().filter(|_| !self.is_null()) {
            Some(bytes) => visitor.visit_bytes(bytes),
            None => self.deserialize_any(visitor),
        }
    }

    /// `Vec<u8>` asks for a sequence; bytes are one.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.bytes().filter(|_| !self.is_null()) {
            Some(bytes) => visitor.visit_seq(SeqDeserializer::<_, CellError>::new(bytes.iter().copied())),
            None => self.deserialize_any(visitor),
        }
    }

    /// A struct may be read as a tuple.
    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        match self.array.as_struct_opt().filter(|_| !self.is_null()) {
            Some(fields) => visitor.visit_seq(Members::of(fields, self.index)),
            None => self.deserialize_seq(visitor),
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
        match self.array.as_string_opt::<i32>().filter(|_| !self.is_null()) {
            Some(strings) => {
                let name: StrDeserializer<'_, CellError> = strings.value(self.index).into_deserializer();
                visitor.visit_enum(name)
            }
            None => Err(CellError::new("only a STRING that is not NULL can name the variant of an enum")),
        }
    }

    forward_to_deserialize_any! {
        bool char str string unit unit_struct map struct identifier ignored_any
    }
}

/// The items of a list.
struct Items<'b> {
    array: &'b dyn Array,
    at: usize,
}

impl<'b> Items<'b> {
    fn of(array: &'b dyn Array) -> Self {
        Self { array, at: 0 }
    }
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.at >= self.array.len() {
            return Ok(None);
        }
        let cell = Cell::new(self.array, self.at);
        self.at += 1;
        seed.deserialize(cell).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.array.len() - self.at)
    }
}

/// The fields of a struct.
struct Members<'b> {
    fields: &'b StructArray,
    index: usize,
    at: usize,
}

impl<'b> Members<'b> {
    fn of(fields: &'b StructArray, index: usize) -> Self {
        Self { fields, index, at: 0 }
    }

    fn next<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(array) = self.fields.columns().get(self.at) else { return Ok(None) };
        self.at += 1;
        seed.deserialize(Cell::new(array.as_ref(), self.index)).map(Some)
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = CellError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(field) = self.fields.fields().get(self.at) else { return Ok(None) };
        let name: StrDeserializer<'_, CellError> = StrDeserializer::new(field.name());
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        self.next(seed)?.ok_or_else(|| CellError::new("the struct has fewer values than fields"))
    }
}

impl<'de> SeqAccess<'de> for Members<'_> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }
}

/// The entries of a map.
struct Entries<'b> {
    keys: &'b dyn Array,
    values: &'b dyn Array,
    at: usize,
    end: usize,
}

impl<'b> Entries<'b> {
    fn of(map: &'b MapArray, index: usize) -> Self {
        let bound = |at: usize| map.value_offsets().get(at).and_then(|offset| usize::try_from(*offset).ok());
        let (at, end) = (bound(index).unwrap_or_default(), bound(index + 1).unwrap_or_default());
        Self { keys: map.keys().as_ref(), values: map.values().as_ref(), at, end }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = CellError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.at >= self.end {
            return Ok(None);
        }
        seed.deserialize(Cell::new(self.keys, self.at)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let cell = Cell::new(self.values, self.at);
        self.at += 1;
        seed.deserialize(cell)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.end.saturating_sub(self.at))
    }
}
