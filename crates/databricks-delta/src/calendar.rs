//! The days that a DATE and a TIMESTAMP of Databricks can be: those of the years 1 to 9999.

use std::ops::RangeInclusive;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};

/// 0001-01-01 to 9999-12-31, as days since 1970.
const DAYS: RangeInclusive<i32> = -719_162..=2_932_896;
/// The same, as microseconds.
const MICROSECONDS: RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// Says which day or time in a column, or at any depth in it, is outside of the calendar, if one is.
pub(crate) fn check(column: &ArrayRef) -> Result<(), String> {
    match column.data_type() {
        DataType::Date32 => within::<Date32Type>(column, &DAYS, "days"),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            within::<TimestampMicrosecondType>(column, &MICROSECONDS, "microseconds")
        }
        DataType::List(_) => check(column.as_list::<i32>().values()),
        DataType::LargeList(_) => check(column.as_list::<i64>().values()),
        DataType::FixedSizeList(..) => check(column.as_fixed_size_list().values()),
        DataType::Struct(_) => column.as_struct().columns().iter().try_for_each(check),
        DataType::Map(..) => column.as_map().entries().columns().iter().try_for_each(check),
        _ => Ok(()),
    }
}

fn within<T: ArrowPrimitiveType>(
    column: &dyn Array,
    allowed: &RangeInclusive<T::Native>,
    unit: &str,
) -> Result<(), String>
where
    T::Native: std::fmt::Display + PartialOrd,
{
    let values = column.as_primitive::<T>();
    let ends = [min(values), max(values)];
    match ends.into_iter().flatten().find(|end| !allowed.contains(end)) {
        Some(end) => Err(format!(
            "{end} {unit} from 1970-01-01 lie outside of the years 1 to 9999: put NULL or a day within them in its place"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{Date32Array, ListArray, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn days_beyond_the_calendar_are_named_at_any_depth() {
        let days = |day: i32| Arc::new(Date32Array::from(vec![None, Some(day), Some(0)])) as ArrayRef;
        let times = |time: i64| Arc::new(TimestampMicrosecondArray::from(vec![Some(time)])) as ArrayRef;
        for column in [
            days(-719_162),
            days(2_932_896),
            times(-62_135_596_800_000_000),
            times(253_402_300_799_999_999),
            Arc::new(Date32Array::from(vec![None])),
        ] {
            check(&column).unwrap();
        }
        let list = ListArray::from_iter_primitive::<Date32Type, _, _>([Some([Some(2_932_897)])]);
        for (column, named) in [
            (days(-719_163), "-719163 days"),
            (times(253_402_300_800_000_000), "253402300800000000 microseconds"),
            (Arc::new(list) as ArrayRef, "2932897 days"),
        ] {
            let error = check(&column).unwrap_err();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
