//! Arrow rows to serde values, with errors that name row, column, SQL type and Rust type.
//!
//! A column's type is looked at once for a batch ([`column`]); after that a row costs what its Rust type keeps. Text is
//! lent to types that borrow.

mod cell;
mod column;
mod error;
mod nested;
mod row;
mod text;

use std::ops::Range;

use arrow::array::RecordBatch;
use serde::de::Deserialize;

use crate::{Column, Result, RowError, SqlError};
use column::Cells;
use error::{CellError, short_type};
use row::Row;

/// The rows `range` of a batch as values of `T`; `first` is the position of the first of them in the whole result.
pub(crate) fn read<'b, T: Deserialize<'b>>(
    batch: &'b RecordBatch,
    columns: &'b [Column],
    range: Range<usize>,
    first: u64,
) -> impl Iterator<Item = Result<T>> {
    let cells: Vec<Cells<'b>> = batch.columns().iter().map(|array| Cells::of(array.as_ref())).collect();
    let start = range.start;
    let end = range.end.min(batch.num_rows());
    (start..end).map(move |index| {
        T::deserialize(Row::new(&cells, columns, index))
            .map_err(|error| row_error::<T>(&error, columns, first + (index - start) as u64))
    })
}

#[cold]
fn row_error<T>(error: &CellError, columns: &[Column], row: u64) -> SqlError {
    let report = error.report();
    let column = report.column.and_then(|at| columns.get(at));
    let mut message = error.to_string();
    if report.misses_column {
        let names: Vec<String> = columns.iter().map(|column| format!("`{}`", column.name())).collect();
        message = format!("{message}; the result has the columns {}", names.join(", "));
    }
    // What serde makes around a field, as for `with`, has a name of no use.
    let of_column = report.rust_type.map(short_type).filter(|name| !name.contains("__"));
    SqlError::Row(Box::new(RowError {
        row,
        column: column.map(|column| column.name().to_owned()).unwrap_or_default(),
        sql_type: column.map(|column| column.sql_type().to_owned()).unwrap_or_default(),
        rust_type: of_column.unwrap_or_else(|| short_type(std::any::type_name::<T>())),
        message,
    }))
}

#[cfg(test)]
mod tests;
