//! Arrow rows to serde values, with errors that name row, column and SQL type.

mod cell;
mod error;
mod text;

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch};
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::{Column, Result, RowError, SqlError};
use cell::Cell;
use error::CellError;

/// The rows `range` of a batch as values of `T`; `first` is the position of the first of them in the whole result.
pub(crate) fn read<'b, T: DeserializeOwned>(
    batch: &'b RecordBatch,
    columns: &'b [Column],
    range: Range<usize>,
    first: u64,
) -> impl Iterator<Item = Result<T>> + 'b {
    let start = range.start;
    range.map(move |index| {
        let row = Row { arrays: batch.columns(), columns, index };
        T::deserialize(row).map_err(|error| row_error(error, columns, first + (index - start) as u64))
    })
}

fn row_error(error: CellError, columns: &[Column], row: u64) -> SqlError {
    let column = error.column.and_then(|at| columns.get(at));
    SqlError::Row(Box::new(RowError {
        row,
        column: column.map(|column| column.name().to_owned()).unwrap_or_default(),
        sql_type: column.map(|column| column.sql_type().to_owned()).unwrap_or_default(),
        message: error.message,
    }))
}

/// One row: a map from column names to cells, or a sequence of cells, or the only cell of a row of one.
#[derive(Clone, Copy)]
struct Row<'b> {
    arrays: &'b [ArrayRef],
    columns: &'b [Column],
    index: usize,
}

impl<'b> Row<'b> {
    fn cells(self) -> Cells<'b> {
        Cells { row: self, at: 0 }
    }

    /// Rows of one column may be read as the column's type itself.
    fn only_cell(self) -> std::result::Result<Cell<'b>, CellError> {
        match self.arrays {
            [array] => Ok(Cell::new(array.as_ref(), self.index)),
            _ => Err(CellError::new(format!(
                "a row of {} columns cannot be read as a single value; read it as a struct, a map or a tuple",
                self.arrays.len()
            ))),
        }
    }
}

macro_rules! single_values {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, CellError> {
            self.only_cell()?.$method(visitor).map_err(|error| error.at(0))
        }
    )+};
}

impl<'de> Deserializer<'de> for Row<'_> {
    type Error = CellError;

    single_values! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, CellError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> std::result::Result<V::Value, CellError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> std::result::Result<V::Value, CellError> {
        visitor.visit_seq(self.cells())
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> std::result::Result<V::Value, CellError> {
        visitor.visit_seq(self.cells())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> std::result::Result<V::Value, CellError> {
        visitor.visit_seq(self.cells())
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> std::result::Result<V::Value, CellError> {
        self.only_cell()?.deserialize_enum(name, variants, visitor).map_err(|error| error.at(0))
    }

    forward_to_deserialize_any! { unit unit_struct map struct identifier ignored_any }
}

/// The cells of a row from left to right.
struct Cells<'b> {
    row: Row<'b>,
    at: usize,
}

impl<'b> Cells<'b> {
    fn value<'de, S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
        array: &'b ArrayRef,
    ) -> std::result::Result<S::Value, CellError> {
        let at = self.at;
        self.at += 1;
        seed.deserialize(Cell::new(array.as_ref(), self.row.index)).map_err(|error| error.at(at))
    }
}

impl<'de> MapAccess<'de> for Cells<'_> {
    type Error = CellError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> std::result::Result<Option<K::Value>, CellError> {
        match self.row.columns.get(self.at) {
            Some(column) => {
                let name: StrDeserializer<'_, CellError> = StrDeserializer::new(column.name());
                seed.deserialize(name).map(Some).map_err(|error| error.at(self.at))
            }
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> std::result::Result<S::Value, CellError> {
        match self.row.arrays.get(self.at) {
            Some(array) => self.value(seed, array),
            None => Err(CellError::new("the row has fewer cells than columns")),
        }
    }
}

impl<'de> SeqAccess<'de> for Cells<'_> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> std::result::Result<Option<S::Value>, CellError> {
        match self.row.arrays.get(self.at) {
            Some(array) => self.value(seed, array).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.arrays.len().saturating_sub(self.at))
    }
}

#[cfg(test)]
mod tests;
