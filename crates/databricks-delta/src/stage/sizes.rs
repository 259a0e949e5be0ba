//! How much memory each row of a batch stands for: a function of its values alone, however they came.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::datatypes::DataType;
use arrow::downcast_dictionary_array;

/// Bytes for the length of a text or of a list.
const LENGTH: u64 = 4;

/// Bytes of each row of the batch.
pub(crate) fn row_sizes(batch: &RecordBatch) -> Vec<u64> {
    let (mut sizes, mut same) = (vec![0; batch.num_rows()], 0);
    for column in batch.columns() {
        match size_of_all(column) {
            Some(size) => same += size,
            None => add(&mut sizes, &value_sizes(column)),
        }
    }
    sizes.iter_mut().for_each(|size| *size += same);
    sizes
}

/// Bytes of any value of a column of which all have the same; most columns of most tables are so.
fn size_of_all(array: &ArrayRef) -> Option<u64> {
    width(array.data_type()).filter(|_| array.null_count() == 0)
}

/// Bytes of any value of a type whose values all have the same.
fn width(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Boolean => Some(1),
        DataType::FixedSizeBinary(length) => u64::try_from(*length).ok(),
        other => other.primitive_width().map(|width| width as u64),
    }
}

/// Bytes of each value; none for a NULL, whatever lies beneath it.
fn value_sizes(array: &ArrayRef) -> Vec<u64> {
    let mut sizes = sizes_with_nulls(array);
    if let Some(nulls) = array.logical_nulls() {
        for (size, is_valid) in sizes.iter_mut().zip(&nulls) {
            *size = if is_valid { *size } else { 0 };
        }
    }
    sizes
}

fn sizes_with_nulls(array: &ArrayRef) -> Vec<u64> {
    match array.data_type() {
        DataType::Utf8 => lengths(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => lengths(array.as_string::<i64>().value_offsets()),
        DataType::Binary => lengths(array.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => lengths(array.as_binary::<i64>().value_offsets()),
        DataType::Utf8View => array.as_string_view().lengths().map(text).collect(),
        DataType::BinaryView => array.as_binary_view().lengths().map(text).collect(),
        DataType::List(_) => {
            elements(array.as_list::<i32>().value_offsets(), array.as_list::<i32>().values())
        }
        DataType::LargeList(_) => {
            elements(array.as_list::<i64>().value_offsets(), array.as_list::<i64>().values())
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            elements(map.value_offsets(), &entries)
        }
        DataType::FixedSizeList(_, length) => {
            let length = usize::try_from(*length).unwrap_or_default();
            let values = value_sizes(array.as_fixed_size_list().values());
            (0..array.len()).map(|row| values.iter().skip(row * length).take(length).sum()).collect()
        }
        DataType::Struct(_) => {
            let mut sizes = vec![0; array.len()];
            for column in array.as_struct().columns() {
                add(&mut sizes, &value_sizes(column));
            }
            sizes
        }
        DataType::Dictionary(_, _) => dictionary(array.as_ref()),
        fixed => vec![width(fixed).unwrap_or(1); array.len()],
    }
}

fn dictionary(array: &dyn Array) -> Vec<u64> {
    downcast_dictionary_array!(
        array => {
            let values = value_sizes(array.values());
            array.keys_iter().map(|key| key.and_then(|key| values.get(key)).copied().unwrap_or_default()).collect()
        }
        _ => vec![LENGTH; array.len()],
    )
}

fn text(length: u32) -> u64 {
    u64::from(length) + LENGTH
}

fn lengths<O: OffsetSizeTrait>(offsets: &[O]) -> Vec<u64> {
    bounds(offsets).map(|(start, end)| end.saturating_sub(start) as u64 + LENGTH).collect()
}

/// Bytes of lists: those of the elements between their offsets. Only elements that the lists reach are looked at, since
/// the slices of one batch share them all.
fn elements<O: OffsetSizeTrait>(offsets: &[O], values: &ArrayRef) -> Vec<u64> {
    let ends = (offsets.first(), offsets.last());
    let (Some(first), Some(last)) = ends else { return Vec::new() };
    let (first, last) = (first.as_usize(), last.as_usize());
    let sizes = value_sizes(&values.slice(first, last - first));
    let mut sizes = sizes.into_iter();
    let mut list = |(start, end): (usize, usize)| sizes.by_ref().take(end - start).sum::<u64>() + LENGTH;
    bounds(offsets).map(&mut list).collect()
}

fn bounds<O: OffsetSizeTrait>(offsets: &[O]) -> impl Iterator<Item = (usize, usize)> + '_ {
    offsets.iter().zip(offsets.iter().skip(1)).map(|(start, end)| (start.as_usize(), end.as_usize()))
}

fn add(sizes: &mut [u64], more: &[u64]) {
    for (size, more) in sizes.iter_mut().zip(more) {
        *size += more;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Int32Array, Int64Array, ListArray, StringArray, StringViewArray};
    use arrow::datatypes::{Int32Type, Int64Type};

    use super::*;

    fn sizes(column: ArrayRef) -> Vec<u64> {
        row_sizes(&RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap())
    }

    #[test]
    fn a_row_has_the_size_of_its_values() {
        let texts = vec![Some("abc"), None, Some("")];
        assert_eq!(sizes(Arc::new(Int64Array::from(vec![Some(1), None]))), [8, 0]);
        assert_eq!(sizes(Arc::new(StringArray::from(texts.clone()))), [7, 0, 4]);
        assert_eq!(sizes(Arc::new(StringViewArray::from(texts.clone()))), [7, 0, 4]);
        let words: DictionaryArray<Int32Type> = texts.into_iter().collect();
        assert_eq!(sizes(Arc::new(words)), [7, 0, 4]);
        let numbers = [Some(vec![Some(1), Some(2)]), None, Some(vec![]), Some(vec![None])];
        assert_eq!(
            sizes(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(numbers))),
            [20, 0, 4, 4]
        );
    }

    #[test]
    fn a_slice_has_the_sizes_of_its_rows() {
        let numbers = (0..6).map(|count| Some((0..count).map(Some).collect::<Vec<_>>()));
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(numbers);
        let batch = RecordBatch::try_from_iter([
            ("l", Arc::new(lists) as ArrayRef),
            ("n", Arc::new(Int32Array::from_iter_values(0..6)) as ArrayRef),
        ]);
        let batch = batch.unwrap();
        let whole = row_sizes(&batch);
        assert_eq!(whole, [8, 16, 24, 32, 40, 48]);
        assert_eq!(row_sizes(&batch.slice(2, 3)), whole[2..5]);
    }
}
