//! `greatest` and `least` of values of one type. NULLs do not count.

use arrow::array::{ArrayRef, BooleanArray, Datum};
use arrow::compute::kernels::cmp;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_null, or_kleene};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::{argument, math};
use crate::error::Result;
use crate::query::types;

/// Whether the first value stays the best beside the second one.
type Keeps = fn(&dyn Datum, &dyn Datum) -> std::result::Result<BooleanArray, ArrowError>;

pub(in crate::query) fn greatest(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    best(args, cmp::gt_eq)
}

pub(in crate::query) fn least(args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    best(args, cmp::lt_eq)
}

fn best(args: &[ArrayRef], keeps: Keeps) -> Result<ArrayRef> {
    let mut best = argument(args, 0)?.clone();
    for next in args.iter().skip(1) {
        // NULL only where the best so far is: there the next one takes its place.
        let stays = or_kleene(&is_null(next)?, &keeps(&compared(&best)?, &compared(next)?)?)?;
        best = zip(&stays, &best, next)?;
    }
    Ok(best)
}

/// The values as they compare: the engine tells -0.0 from 0.0.
fn compared(values: &ArrayRef) -> Result<ArrayRef> {
    match values.data_type() {
        ty if types::is_float(ty) => math::unsigned_zero(std::slice::from_ref(values), ty),
        _ => Ok(values.clone()),
    }
}
