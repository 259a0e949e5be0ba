//! Functions of arrays and of subqueries' rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Int32Type, Int64Type};

use super::{argument, numbers};
use crate::error::{LocalError, Result};

fn list(args: &[ArrayRef]) -> Result<&ListArray> {
    argument(args, 0)?.as_list_opt::<i32>().ok_or_else(|| LocalError::internal("not an array"))
}

/// `size(array)`; NULL of NULL.
pub(in crate::query) fn size(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let lists = list(args)?;
    let sizes = (0..lists.len()).map(|row| (!lists.is_null(row)).then(|| lists.value_length(row)));
    Ok(Arc::new(sizes.collect::<Int32Array>()))
}

/// `array[index]`, from 0; outside of the array is an error.
pub(in crate::query) fn element(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (lists, places) = (list(args)?, numbers::<Int32Type>(args, 1)?);
    let rows: UInt64Array = (0..lists.len())
        .map(|row| {
            if lists.is_null(row) || places.is_null(row) {
                return Ok(None);
            }
            let (at, size) = (places.value(row), lists.value_length(row));
            if at < 0 || at >= size {
                return Err(LocalError::new(
                    "INVALID_ARRAY_INDEX",
                    "22003",
                    format!("The index {at} is out of bounds. The array has {size} elements. Use the SQL function `get()` to tolerate accessing element at invalid index and return NULL instead."),
                ));
            }
            let start = lists.value_offsets().get(row).copied().unwrap_or_default();
            Ok(u64::try_from(i64::from(start) + i64::from(at)).ok())
        })
        .collect::<Result<_>>()?;
    Ok(take(lists.values(), &rows, None)?)
}

/// `(value, rows)` of a subquery used as a value: more than one row is an error.
pub(in crate::query) fn only_row(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    if numbers::<Int64Type>(args, 1)?.iter().flatten().any(|rows| rows > 1) {
        let message = "More than one row returned by a subquery used as an expression.";
        return Err(LocalError::new("SCALAR_SUBQUERY_TOO_MANY_ROWS", "21000", message));
    }
    Ok(argument(args, 0)?.clone())
}
