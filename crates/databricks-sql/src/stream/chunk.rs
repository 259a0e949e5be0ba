//! One chunk as its reader gets it: batches, each with the bytes that it gives back to the budget.

use std::collections::{HashSet, VecDeque};
use std::ptr::NonNull;

use arrow::array::{Array, ArrayData, RecordBatch};

use super::budget::Reservation;

/// The decoded batches of one chunk, and the bytes that they hold of the budget.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Each with the bytes that are free once it and those before it are.
    batches: VecDeque<(RecordBatch, u64)>,
    reservation: Reservation,
}

impl Chunk {
    pub(crate) fn new(batches: Vec<RecordBatch>, mut reservation: Reservation) -> Self {
        let sizes = sizes(&batches);
        reservation.set(sizes.iter().sum());
        Self { batches: batches.into_iter().zip(sizes).collect(), reservation }
    }

    /// The bytes that its batches keep in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.reservation.bytes()
    }

    /// The next batch; its bytes are the reader's from now on.
    pub(crate) fn pop(&mut self) -> Option<RecordBatch> {
        let (batch, bytes) = self.batches.pop_front()?;
        self.reservation.shrink(bytes);
        Some(batch)
    }
}

/// The bytes that each batch keeps in memory beside those that later ones keep too. The columns of a message share one
/// allocation, and so may all batches of a file: it counts once, for the last batch that needs it.
fn sizes(batches: &[RecordBatch]) -> Vec<u64> {
    let mut seen = HashSet::new();
    let mut size = |batch: &RecordBatch| {
        batch.columns().iter().map(|column| allocated(&column.to_data(), &mut seen)).sum()
    };
    let mut sizes: Vec<u64> = batches.iter().rev().map(&mut size).collect();
    sizes.reverse();
    sizes
}

fn allocated(data: &ArrayData, seen: &mut HashSet<NonNull<u8>>) -> u64 {
    let validity = data.nulls().map(|nulls| nulls.buffer());
    let mut bytes = 0_u64;
    for buffer in data.buffers().iter().chain(validity) {
        if seen.insert(buffer.data_ptr()) {
            // Memory that arrow did not allocate itself says nothing of its size.
            bytes = bytes.saturating_add(buffer.capacity().max(buffer.len()) as u64);
        }
    }
    data.child_data().iter().fold(bytes, |bytes, child| bytes.saturating_add(allocated(child, seen)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{DataType, Field};
    use arrow::ipc::writer::StreamWriter;
    use std::sync::Arc;

    use crate::decode;

    fn read_back(batch: &RecordBatch) -> RecordBatch {
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        let mut file = decode::ArrowFile::new(false, &decode::Pool::default());
        file.push_all(&writer.into_inner().unwrap());
        let scratch = &mut decode::Scratch::default();
        file.batches(None, &decode::Pool::default(), scratch).unwrap().remove(0)
    }

    #[test]
    fn columns_of_one_file_count_its_memory_once() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let columns = (0..20).map(|n| (format!("c{n}"), Arc::clone(&column)));
        let batch = read_back(&RecordBatch::try_from_iter(columns).unwrap());
        let (data, counted) = (20 * 8000, sizes(&[batch])[0]);
        assert!((data..data + data / 5).contains(&counted), "{counted} for {data}");
    }

    #[test]
    fn memory_of_several_batches_counts_for_the_last_of_them() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let own =
            RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(0..10)) as ArrayRef)])
                .unwrap();
        let counted = sizes(&[batch.slice(0, 500), own, batch.slice(500, 500)]);
        assert!(counted[0] == 0 && (80..200).contains(&counted[1]) && counted[2] >= 8000, "{counted:?}");
    }

    #[test]
    fn nested_and_optional_values_are_counted() {
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter((0..1000).map(|n| (n % 2 == 0).then_some("x".repeat(10)))));
        let item = Arc::new(Field::new("item", DataType::Utf8, true));
        let lists =
            ListArray::new(Arc::clone(&item), OffsetBuffer::from_lengths([1000]), Arc::clone(&texts), None);
        let nested = StructArray::from(vec![(
            Arc::new(Field::new("l", lists.data_type().clone(), true)),
            Arc::new(lists) as ArrayRef,
        )]);
        let batch = RecordBatch::try_from_iter([("s", Arc::new(nested) as ArrayRef)]).unwrap();
        // Offsets, characters, validity.
        let counted = sizes(&[batch])[0];
        assert!(counted >= 4 * 1001 + 5000 + 125, "{counted}");
    }
}
