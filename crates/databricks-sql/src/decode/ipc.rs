//! Arrow IPC messages out of a stream of bytes, each looked at before anything is allocated or decoded for it.
//!
//! Arrow's own readers allocate the length that a message names of itself. Here none is larger than what can still come.

use std::io::{self, Read};

use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::{self, Message};

use super::check;

/// What every message but the oldest begins with, before its length.
const MARK: [u8; 4] = [0xff; 4];

/// Reads batches, and knows at most how many bytes its source can still give.
pub(super) struct Messages<R> {
    source: R,
    left: fn(&R) -> u64,
}

impl<R: Read> Messages<R> {
    /// `left` bounds from above what the source can still give.
    pub(super) fn new(source: R, left: fn(&R) -> u64) -> Self {
        Self { source, left }
    }

    /// All batches up to the end mark, or to the end of the source between two messages.
    pub(super) fn read(mut self) -> Result<Vec<RecordBatch>, String> {
        let mut decoder = Decoder::default();
        while let Some(message) = self.message()? {
            let body = self.body(body_length(&message)?)?;
            decoder.take(message, body)?;
        }
        decoder.finish()
    }

    /// The next message with its length before it; `None` at the end.
    fn message(&mut self) -> Result<Option<Buffer>, String> {
        let Some(mut word) = self.word()? else { return Ok(None) };
        if word == MARK {
            word = self.word()?.ok_or("it ends inside of a message")?;
        }
        let length = u64::from(u32::from_le_bytes(word));
        if length == 0 {
            return Ok(None);
        }
        self.check_left(length)?;
        let mut message = Vec::from(word);
        let read = self.source.by_ref().take(length).read_to_end(&mut message).map_err(unreadable)?;
        if read as u64 != length {
            return Err("it ends inside of a message".to_owned());
        }
        Ok(Some(Buffer::from_vec(message)))
    }

    /// Four bytes, or none at the end of the source.
    fn word(&mut self) -> Result<Option<[u8; 4]>, String> {
        let mut word = Vec::with_capacity(4);
        self.source.by_ref().take(4).read_to_end(&mut word).map_err(unreadable)?;
        match <[u8; 4]>::try_from(word) {
            Ok(word) => Ok(Some(word)),
            Err(word) if word.is_empty() => Ok(None),
            Err(_) => Err("it ends inside of a message".to_owned()),
        }
    }

    fn body(&mut self, length: u64) -> Result<Buffer, String> {
        self.check_left(length)?;
        let length = usize::try_from(length).map_err(|_| "its length fits no memory".to_owned())?;
        let mut body = MutableBuffer::from_len_zeroed(length);
        self.source.read_exact(body.as_slice_mut()).map_err(unreadable)?;
        Ok(body.into())
    }

    fn check_left(&self, length: u64) -> Result<(), String> {
        let left = (self.left)(&self.source);
        if length <= left {
            Ok(())
        } else {
            Err(format!("a message of {length} bytes, where at most {left} are left"))
        }
    }
}

/// The batches of a whole stream in memory. Their columns point into it.
pub(super) fn in_place(file: &Buffer) -> Result<Vec<RecordBatch>, String> {
    let (mut decoder, mut rest) = (Decoder::default(), file.clone());
    while let Some((message, body)) = split(&mut rest)? {
        decoder.take(message, body)?;
    }
    decoder.finish()
}

/// The first message and its body, taken off a stream in memory.
fn split(rest: &mut Buffer) -> Result<Option<(Buffer, Buffer)>, String> {
    const ENDS: &str = "it ends inside of a message";
    if rest.is_empty() {
        return Ok(None);
    }
    if rest.starts_with(&MARK) {
        rest.advance(MARK.len());
    }
    let word = rest.first_chunk::<4>().ok_or(ENDS)?;
    let length = u32::from_le_bytes(*word) as usize;
    if length == 0 {
        return Ok(None);
    }
    let end = length.checked_add(4).filter(|end| *end <= rest.len()).ok_or(ENDS)?;
    let message = rest.slice_with_length(0, end);
    rest.advance(end);
    let length = usize::try_from(body_length(&message)?).ok().filter(|length| *length <= rest.len());
    let length = length.ok_or(ENDS)?;
    let body = rest.slice_with_length(0, length);
    rest.advance(length);
    Ok(Some((message, body)))
}

fn unreadable(error: io::Error) -> String {
    error.to_string()
}

/// The message behind its length.
fn header(message: &Buffer) -> Result<Message<'_>, String> {
    let bytes = message.get(4..).unwrap_or_default();
    ipc::root_as_message(bytes).map_err(|error| format!("a message is damaged: {error}"))
}

/// The length of a message's body.
fn body_length(message: &Buffer) -> Result<u64, String> {
    let length = header(message)?.bodyLength();
    u64::try_from(length).map_err(|_| format!("a message of {length} bytes"))
}

/// Arrow's decoder behind a fence.
#[derive(Default)]
struct Decoder {
    inner: StreamDecoder,
    /// Of the bodies so far.
    bytes: u64,
    batches: Vec<RecordBatch>,
}

impl Decoder {
    /// Decodes a message. It comes whole, so that the decoder copies no body.
    fn take(&mut self, message: Buffer, body: Buffer) -> Result<(), String> {
        check::message(&header(&message)?, &body).map_err(|error| error.to_string())?;
        self.bytes = self.bytes.saturating_add(body.len() as u64);
        self.feed(message)?;
        self.feed(body)
    }

    fn feed(&mut self, mut bytes: Buffer) -> Result<(), String> {
        while !bytes.is_empty() {
            let decoded = check::fenced(|| {
                let batch = self.inner.decode(&mut bytes)?;
                batch.iter().try_for_each(|batch| check::rows(batch, self.bytes))?;
                Ok(batch)
            });
            self.batches.extend(decoded.map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    /// All batches. The end mark makes the decoder look at a last message that has no body.
    fn finish(mut self) -> Result<Vec<RecordBatch>, String> {
        self.feed(Buffer::from([MARK, [0; 4]].concat()))?;
        match self.inner.schema() {
            Some(_) => Ok(self.batches),
            None => Err("it has no schema".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Cursor;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatchOptions};
    use arrow::datatypes::Schema;
    use arrow::ipc::writer::StreamWriter;

    fn numbers(rows: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    fn file(batches: &[RecordBatch]) -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.into_inner().unwrap()
    }

    fn read(file: &[u8]) -> Result<Vec<RecordBatch>, String> {
        let left = |source: &Cursor<Vec<u8>>| source.get_ref().len() as u64 - source.position();
        let streamed = Messages::new(Cursor::new(file.to_vec()), left).read();
        let placed = in_place(&Buffer::from_vec(file.to_vec()));
        assert_eq!(streamed.is_ok(), placed.is_ok(), "{streamed:?} {placed:?}");
        assert_eq!(streamed.as_ref().ok(), placed.as_ref().ok());
        streamed
    }

    #[test]
    fn batches_come_as_they_were_written() {
        let batches = [numbers(3), numbers(0), numbers(5)];
        assert_eq!(read(&file(&batches)).unwrap(), batches);
        let nothing = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            vec![],
            &RecordBatchOptions::new().with_row_count(Some(7)),
        );
        let nothing = [nothing.unwrap()];
        assert_eq!(read(&file(&nothing)).unwrap(), nothing);
    }

    #[test]
    fn file_without_a_schema_is_an_error() {
        assert!(read(b"").is_err());
        assert!(read(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]).is_err());
    }

    /// Each length of eight bytes in turn is enormous: an error, and nothing of that size is allocated.
    #[test]
    fn length_that_no_file_has_is_an_error() {
        let whole = file(&[numbers(3)]);
        for (at, hostile) in (0..whole.len() - 8).flat_map(|at| [i64::MAX, -1, 1 << 40].map(|n| (at, n))) {
            let mut file = whole.clone();
            file[at..at + 8].copy_from_slice(&hostile.to_le_bytes());
            if let Ok(batches) = read(&file) {
                assert!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() <= file.len() * 8);
            }
        }
    }
}
