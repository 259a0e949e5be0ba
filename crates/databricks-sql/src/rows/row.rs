//! One row as a serde value: a map from column names to cells, a sequence of cells, or the only cell of a row of one.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::cell::Cell;
use super::column::Cells;
use super::error::CellError;
use crate::Column;

type Result<T> = std::result::Result<T, CellError>;

/// One row of a batch.
#[derive(Clone, Copy)]
pub(super) struct Row<'c, 'b> {
    cells: &'c [Cells<'b>],
    columns: &'b [Column],
    index: usize,
}

impl<'c, 'b> Row<'c, 'b> {
    pub(super) fn new(cells: &'c [Cells<'b>], columns: &'b [Column], index: usize) -> Self {
        Self { cells, columns, index }
    }

    fn walk(self) -> Walk<'c, 'b> {
        Walk { row: self, at: 0 }
    }

    /// Rows of one column may be read as the column's type itself.
    fn only_cell(self) -> Result<Cell<'c, 'b>> {
        match self.cells {
            [cells] => Ok(Cell::new(cells, self.index)),
            _ => Err(CellError::new(format!(
                "a row of {} columns cannot be read as a single value; read it as a struct, a map or a tuple",
                self.cells.len()
            ))),
        }
    }
}

macro_rules! single_values {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.only_cell()?.$method(visitor).map_err(|error| error.at::<V::Value>(0))
        }
    )+};
}

impl<'de> Deserializer<'de> for Row<'_, 'de> {
    type Error = CellError;

    single_values! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(self.walk())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(self.walk())
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(self.walk())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_seq(self.walk())
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let cell = self.only_cell()?;
        cell.deserialize_enum(name, variants, visitor).map_err(|error| error.at::<V::Value>(0))
    }

    forward_to_deserialize_any! { unit unit_struct map struct identifier ignored_any }
}

/// The cells of a row from left to right.
struct Walk<'c, 'b> {
    row: Row<'c, 'b>,
    at: usize,
}

impl<'b> Walk<'_, 'b> {
    fn next<S: DeserializeSeed<'b>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(cells) = self.row.cells.get(self.at) else { return Ok(None) };
        let at = self.at;
        self.at += 1;
        match seed.deserialize(Cell::new(cells, self.row.index)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.at::<S::Value>(at)),
        }
    }
}

impl<'de> MapAccess<'de> for Walk<'_, 'de> {
    type Error = CellError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(column) = self.row.columns.get(self.at) else { return Ok(None) };
        let key = seed.deserialize(BorrowedStrDeserializer::new(column.name()));
        key.map(Some).map_err(|error: CellError| error.at::<K::Value>(self.at))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        self.next(seed)?.ok_or_else(|| CellError::new("the row has fewer cells than columns"))
    }
}

impl<'de> SeqAccess<'de> for Walk<'_, 'de> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.cells.len().saturating_sub(self.at))
    }
}
