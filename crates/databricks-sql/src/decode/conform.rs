//! Arrow columns from the server, made to be of the type that their SQL type names.
//!
//! A warehouse sends nested columns natively or as JSON text, and names the fields inside lists and maps as it likes.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, make_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use arrow::error::ArrowError;

use super::arrays;

/// `array` as `target`, exactly; the time zone that the server names is kept.
pub(super) fn conform(array: &ArrayRef, target: &DataType, sql_type: &str) -> Result<ArrayRef, String> {
    if let Some(kind) = same_layout(target, array.data_type()) {
        if &kind == array.data_type() {
            return Ok(Arc::clone(array));
        }
        return retype(array.to_data(), &kind).map(make_array).map_err(|error| error.to_string());
    }
    if let Some(text) = array.as_string_opt::<i32>() {
        return arrays::from_text(target, &text.iter().collect::<Vec<_>>(), sql_type);
    }
    // Same values in another container, such as a dictionary or large strings. What does not fit is an error.
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |target: &DataType| {
        cast_with_options(array, target, &exact).map_err(|error| {
            format!("it came as Arrow {}, which is not {target}: {error}", array.data_type())
        })
    };
    if target != &DataType::Utf8 && is_text(array.data_type()) {
        return conform(&cast(&DataType::Utf8)?, target, sql_type);
    }
    if loses(array.data_type(), target) {
        return Err(format!("it came as Arrow {}, of which {target} would lose digits", array.data_type()));
    }
    // A cast would make a list of one out of any value.
    if target.is_nested() && !(array.data_type().is_nested() || array.data_type().is_null()) {
        return Err(format!("it came as Arrow {}, which is not {target}", array.data_type()));
    }
    cast(target)
}

/// Text in any container, which is read by the rules of text.
fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => values.as_ref() == &DataType::Utf8 || is_text(values),
        _ => false,
    }
}

/// Whether a cast may round, which it does not report.
fn loses(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Duration, Float32, Float64, Timestamp};
    let is_fine = |unit: &TimeUnit| *unit == TimeUnit::Nanosecond;
    match (from, to) {
        (Float64, Float32) => true,
        (Timestamp(unit, _), Timestamp(..)) | (Duration(unit), Duration(_)) => is_fine(unit),
        (from, to) if from.is_floating() => !to.is_floating(),
        (from, Decimal128(..)) => from.is_decimal(),
        _ => false,
    }
}

/// The target with the server's time zones and decimal places, if both types have the same layout in memory.
fn same_layout(target: &DataType, actual: &DataType) -> Option<DataType> {
    use DataType::{Decimal128, List, Map, Struct, Timestamp};
    match (target, actual) {
        (Timestamp(TimeUnit::Microsecond, Some(_)), Timestamp(TimeUnit::Microsecond, Some(_))) => {
            Some(actual.clone())
        }
        // The file knows the places of its digits; a server may describe a DECIMAL without any.
        (Decimal128(..), Decimal128(..)) => Some(actual.clone()),
        (List(wanted), List(found)) => Some(List(same_field(wanted, found)?)),
        (Map(wanted, _), Map(found, sorted)) => Some(Map(same_field(wanted, found)?, *sorted)),
        (Struct(wanted), Struct(found)) if wanted.len() == found.len() => {
            let fields = wanted.iter().zip(found).map(|(wanted, found)| same_field(wanted, found));
            Some(Struct(fields.collect::<Option<Vec<_>>>()?.into()))
        }
        (target, actual) => (target == actual).then(|| target.clone()),
    }
}

fn same_field(wanted: &FieldRef, found: &FieldRef) -> Option<FieldRef> {
    let kind = same_layout(wanted.data_type(), found.data_type())?;
    Some(Arc::new(Field::new(wanted.name(), kind, wanted.is_nullable())))
}

/// The same buffers under another type of the same layout.
fn retype(data: ArrayData, target: &DataType) -> Result<ArrayData, ArrowError> {
    let inner: Vec<&DataType> = match target {
        DataType::List(field) | DataType::Map(field, _) => vec![field.data_type()],
        DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
        _ => Vec::new(),
    };
    let children = data.child_data().iter().cloned().zip(inner).map(|(child, kind)| retype(child, kind));
    let children = children.collect::<Result<Vec<_>, _>>()?;
    data.into_builder().data_type(target.clone()).child_data(children).build()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::{
        DictionaryArray, Int64Array, LargeStringArray, ListArray, StringArray, StringViewArray,
        TimestampMicrosecondArray,
    };
    use arrow::datatypes::Int32Type;

    fn utc() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    }

    #[test]
    fn session_zone_is_kept() {
        let array: ArrayRef = Arc::new(
            TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("America/Los_Angeles"),
        );
        assert_eq!(&conform(&array, &utc(), "TIMESTAMP").unwrap(), &array);
    }

    #[test]
    fn list_gets_the_name_of_its_element() {
        let found = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let target = DataType::List(Arc::new(Field::new("element", DataType::Int32, true)));
        let got = conform(&(Arc::new(found.clone()) as ArrayRef), &target, "ARRAY<INT>").unwrap();
        assert_eq!(got.data_type(), &target);
        assert_eq!(got.as_list::<i32>().values(), found.values());
        assert!(got.is_null(1));
    }

    #[test]
    fn nested_column_sent_as_text_becomes_native() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("[1,null]"), None]));
        let target = DataType::List(Arc::new(Field::new("element", DataType::Int32, true)));
        let expected = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let got = conform(&text, &target, "ARRAY<INT>").unwrap();
        assert_eq!(got.as_list::<i32>().values(), expected.values());
        assert!(got.is_null(1));
    }

    #[test]
    fn text_in_another_container_is_read_as_text() {
        let words = vec![Some(r#"["a","b"]"#), None];
        let bytes = vec![Some("AP8="), None];
        let element = Arc::new(Field::new("element", DataType::Utf8, true));
        for (cells, target, sql_type) in
            [(words, DataType::List(element), "ARRAY<STRING>"), (bytes, DataType::Binary, "BINARY")]
        {
            let plain: ArrayRef = Arc::new(StringArray::from(cells.clone()));
            let expected = conform(&plain, &target, sql_type).unwrap();
            let others: [ArrayRef; 3] = [
                Arc::new(LargeStringArray::from(cells.clone())),
                Arc::new(StringViewArray::from(cells.clone())),
                Arc::new(cells.into_iter().collect::<DictionaryArray<Int32Type>>()),
            ];
            for other in others {
                let got = conform(&other, &target, sql_type).unwrap();
                assert_eq!(&got, &expected, "{} {sql_type}", other.data_type());
            }
        }
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let list = DataType::List(Arc::new(Field::new("element", DataType::Int64, true)));
        assert!(conform(&number, &list, "ARRAY<BIGINT>").unwrap_err().contains("Int64"));
    }

    #[test]
    fn other_container_is_cast_and_loss_is_an_error() {
        let large: ArrayRef = Arc::new(LargeStringArray::from(vec!["a"]));
        let got = conform(&large, &DataType::Utf8, "STRING").unwrap();
        assert_eq!(got.as_string::<i32>().value(0), "a");
        let big: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
        let message = conform(&big, &DataType::Int32, "INT").unwrap_err();
        assert!(message.contains("Int64"), "{message}");
    }
}
