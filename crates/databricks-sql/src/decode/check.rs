//! What a message of an Arrow file says of itself, looked at before it is believed.
//!
//! Arrow's reader panics where a buffer ends outside of its message, and takes any number for a length. A file is the word
//! of a server, so the numbers are checked here, and what else makes the reader panic becomes an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::ipc::Message;

type Outcome<T> = std::result::Result<T, ArrowError>;

fn damaged<T>(what: String) -> Outcome<T> {
    Err(ArrowError::IpcError(what))
}

/// Whether all that a message says of its buffers lies inside of its body.
pub(super) fn message(message: &Message<'_>, body: &[u8]) -> Outcome<()> {
    let body = body.len() as u64;
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()));
    let Some(batch) = batch else { return Ok(()) };
    count(batch.length())?;
    let buffers = batch.buffers();
    for buffer in buffers.iter().flatten() {
        let end = count(buffer.offset())?.checked_add(count(buffer.length())?);
        if end.is_none_or(|end| end > body) {
            let (at, length) = (buffer.offset(), buffer.length());
            return damaged(format!("a buffer at {at} of {length} bytes in a message of {body}"));
        }
    }
    for node in batch.nodes().iter().flatten() {
        if count(node.null_count())? > count(node.length())? {
            return damaged(format!("{} NULLs in a column of {} cells", node.null_count(), node.length()));
        }
    }
    let known = buffers.map_or(0, |buffers| buffers.len()) as u64;
    for views in batch.variadicBufferCounts().iter().flatten() {
        if count(views)? > known {
            return damaged(format!("a column of {views} buffers in a message of {known}"));
        }
    }
    Ok(())
}

fn count(count: i64) -> Outcome<u64> {
    u64::try_from(count).or_else(|_| damaged(format!("a count of {count}")))
}

/// Whether so many bytes can hold so many rows. Columns that are all NULL need none for theirs, all others a bit at least.
pub(super) fn rows(batch: &RecordBatch, bytes: u64) -> Outcome<()> {
    let needs_bytes = batch.columns().iter().any(|column| column.data_type() != &DataType::Null);
    if needs_bytes && batch.num_rows() as u64 > bytes.saturating_mul(8) {
        return damaged(format!("{} rows in {bytes} bytes", batch.num_rows()));
    }
    Ok(())
}

/// Makes an error of a panic of Arrow's reader.
pub(super) fn fenced<T>(read: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    // What it was reading is dropped, so nothing half done is seen.
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| damaged("it is damaged in a way that Arrow does not expect".to_owned()))
}
