//! Arrow IPC streams as the warehouse stores them: maybe compressed, as several LZ4 frames back to back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{read_dictionary, read_record_batch};
use arrow::ipc::{self, MessageHeader, root_as_message};
use bytes::Bytes;

use super::check;
use super::frames::{Frames, Scratch};
use super::memory::Pool;
use super::messages::{Message, Messages};
use super::parts::Parts;
use crate::{Result, SqlError};

/// A file on its way: what has come of it, in the form in which it waits for its turn.
#[derive(Debug)]
pub(crate) struct ArrowFile {
    content: Content,
    bytes: u64,
}

#[derive(Debug)]
enum Content {
    /// What is not compressed comes straight into the memory of its batches.
    Plain(Messages),
    /// What is stays so until somebody wants it.
    Compressed(Parts),
}

impl ArrowFile {
    /// A file that is put into memory of `pool`.
    pub(crate) fn new(compressed: bool, pool: &Pool) -> Self {
        let content = match compressed {
            true => Content::Compressed(Parts::new(pool.clone())),
            false => Content::Plain(Messages::new(pool.clone())),
        };
        Self { content, bytes: 0 }
    }

    /// Takes of the next piece as much as there is memory for, and says how much that was. More memory, as
    /// [`memory_to_come`](Self::memory_to_come) says, is only taken when it is called again.
    pub(crate) fn push(&mut self, part: &[u8]) -> usize {
        let taken = match &mut self.content {
            Content::Plain(messages) => messages.push(part),
            Content::Compressed(parts) => parts.push(part),
        };
        self.bytes = self.bytes.saturating_add(taken as u64);
        taken
    }

    /// Takes the whole piece.
    pub(crate) fn push_all(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let taken = self.push(part);
            part = part.get(taken..).unwrap_or_default();
        }
    }

    /// The memory that it will have after the next push, in bytes.
    pub(crate) fn memory_to_come(&self) -> u64 {
        let bytes = match &self.content {
            Content::Plain(messages) => messages.memory().saturating_add(messages.wants()),
            Content::Compressed(parts) => parts.memory().saturating_add(parts.wants()),
        };
        bytes as u64
    }

    /// The bytes that came.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The batches, without rows past `row_count`: files may hold more than their chunk.
    ///
    /// # Errors
    /// [`SqlError::Decode`] when the file is damaged.
    pub(crate) fn batches(
        self,
        row_count: Option<u64>,
        pool: &Pool,
        scratch: &mut Scratch,
    ) -> Result<Vec<RecordBatch>> {
        let batches = match self.content {
            Content::Plain(messages) => of_messages(messages),
            Content::Compressed(parts) => of_frames(parts, Messages::new(pool.clone()), scratch),
        };
        let batches =
            batches.map_err(|error| SqlError::decode(format!("an Arrow file cannot be read: {error}")))?;
        Ok(match row_count {
            Some(rows) => cap(batches, rows),
            None => batches,
        })
    }
}

/// The batches of a whole file.
pub(crate) fn arrow_file(file: Bytes, compressed: bool, row_count: Option<u64>) -> Result<Vec<RecordBatch>> {
    let pool = Pool::default();
    let mut arrow = ArrowFile::new(compressed, &pool);
    arrow.push_all(&file);
    drop(file);
    arrow.batches(row_count, &pool, &mut Scratch::default())
}

type Outcome<T> = std::result::Result<T, ArrowError>;

fn of_messages(messages: Messages) -> Outcome<Vec<RecordBatch>> {
    let mut reader = Reader::default();
    messages.finish()?.into_iter().try_for_each(|message| reader.take(message))?;
    reader.end()
}

/// Decompresses while it decodes, so that neither the file nor what it decompresses to is held beside the batches.
fn of_frames(parts: Parts, mut messages: Messages, scratch: &mut Scratch) -> Outcome<Vec<RecordBatch>> {
    let (mut frames, mut reader) = (Frames::new(parts, scratch), Reader::default());
    loop {
        let part = frames.fill()?;
        if part.is_empty() {
            break;
        }
        messages.push_all(part);
        let taken = part.len();
        frames.consume(taken);
        messages.take().into_iter().try_for_each(|message| reader.take(message))?;
    }
    messages.finish()?.into_iter().try_for_each(|message| reader.take(message))?;
    frames.end();
    reader.end()
}

/// Makes batches of messages. A file is the word of a server: what it says is checked before it is believed, and what
/// makes Arrow's reader panic all the same becomes an error.
#[derive(Default)]
struct Reader {
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Of the messages so far.
    bytes: u64,
    batches: Vec<RecordBatch>,
}

impl Reader {
    fn take(&mut self, message: Message) -> Outcome<()> {
        let Message { head, body } = message;
        let message = root_as_message(&head).map_err(|error| unreadable(&error.to_string()))?;
        check::message(&message, &body)?;
        self.bytes = self.bytes.saturating_add(body.len() as u64);
        let batch = check::fenced(|| self.read(&message, &body))?;
        batch.iter().try_for_each(|batch| check::rows(batch, self.bytes))?;
        self.batches.extend(batch);
        Ok(())
    }

    fn read(&mut self, message: &ipc::Message<'_>, body: &Buffer) -> Outcome<Option<RecordBatch>> {
        let (version, incomplete) = (message.version(), || unreadable("it has no content"));
        match message.header_type() {
            MessageHeader::Schema => {
                let schema = message.header_as_schema().ok_or_else(incomplete)?;
                self.schema = Some(Arc::new(fb_to_schema(schema)));
            }
            MessageHeader::DictionaryBatch => {
                let values = message.header_as_dictionary_batch().ok_or_else(incomplete)?;
                let schema = self.schema()?;
                read_dictionary(body, values, &schema, &mut self.dictionaries, &version)?;
            }
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(incomplete)?;
                let schema = self.schema()?;
                return read_record_batch(body, batch, schema, &self.dictionaries, None, &version).map(Some);
            }
            MessageHeader::NONE => {}
            other => return Err(unreadable(&format!("it is {other:?}"))),
        }
        Ok(None)
    }

    fn schema(&self) -> Outcome<SchemaRef> {
        self.schema.clone().ok_or_else(|| ArrowError::IpcError("it has no schema".to_owned()))
    }

    /// All batches, of a file that had as much as a schema.
    fn end(self) -> Outcome<Vec<RecordBatch>> {
        self.schema()?;
        Ok(self.batches)
    }
}

fn unreadable(reason: &str) -> ArrowError {
    ArrowError::IpcError(format!("a message is unreadable: {reason}"))
}

fn cap(batches: Vec<RecordBatch>, rows: u64) -> Vec<RecordBatch> {
    let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut kept = Vec::with_capacity(batches.len());
    for batch in batches {
        let take = batch.num_rows().min(left);
        left -= take;
        if take > 0 {
            kept.push(batch.slice(0, take));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow::array::{Int32Array, RecordBatchOptions};
    use arrow::datatypes::{DataType, Field, Schema};
    use arrow::ipc::writer::StreamWriter;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    use std::sync::Arc;

    fn batch(values: std::ops::Range<i32>) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int32Array::from_iter_values(values))]).unwrap()
    }

    fn numbers(rows: i32) -> RecordBatch {
        batch(0..rows)
    }

    fn written(batches: &[RecordBatch]) -> Vec<u8> {
        let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.into_inner().unwrap()
    }

    fn file(batches: &[std::ops::Range<i32>]) -> Vec<u8> {
        written(&batches.iter().cloned().map(batch).collect::<Vec<_>>())
    }

    fn frames(file: &[u8], frame_bytes: usize) -> Bytes {
        let frame = |part: &[u8]| {
            let mut encoder = FrameEncoder::new(Vec::new());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        };
        file.chunks(frame_bytes).flat_map(frame).collect::<Vec<u8>>().into()
    }

    fn rows(batches: &[RecordBatch]) -> Vec<usize> {
        batches.iter().map(RecordBatch::num_rows).collect()
    }

    #[test]
    fn frames_may_differ_in_block_size_and_mode() {
        let plain = file(&[0..40_000, 0..40_000]);
        let expected = arrow_file(plain.clone().into(), false, None).unwrap();
        let sizes = [BlockSize::Max256KB, BlockSize::Max64KB, BlockSize::Max1MB];
        let modes = [BlockMode::Independent, BlockMode::Linked];
        let infos = sizes.into_iter().flat_map(|size| modes.map(|mode| (size, mode)));
        let frame = |(part, (size, mode)): (&[u8], (BlockSize, BlockMode))| {
            let info = FrameInfo::new().block_size(size).block_mode(mode);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        };
        let frames: Vec<u8> = plain.chunks(plain.len() / 6 + 1).zip(infos).flat_map(frame).collect();
        assert_eq!(arrow_file(frames.into(), true, None).unwrap(), expected);
    }

    #[test]
    fn frames_back_to_back_are_one_file() {
        let plain = file(&[0..1000, 1000..1500]);
        let expected = arrow_file(plain.clone().into(), false, None).unwrap();
        for size in [7, 100, 4096, plain.len()] {
            assert_eq!(arrow_file(frames(&plain, size), true, None).unwrap(), expected, "{size}");
        }
    }

    #[test]
    fn file_in_pieces_is_read_as_if_it_were_whole() {
        let plain = file(&[0..1000, 1000..1500]);
        let packed = frames(&plain, 3000);
        let expected = arrow_file(plain.clone().into(), false, None).unwrap();
        for size in [1, 7, 1000, plain.len()] {
            for (bytes, compressed) in [(&plain[..], false), (&packed[..], true)] {
                let mut arrow = ArrowFile::new(compressed, &Pool::default());
                bytes.chunks(size).for_each(|part| arrow.push_all(part));
                assert_eq!(arrow.bytes(), bytes.len() as u64);
                let batches = arrow.batches(None, &Pool::default(), &mut Scratch::default()).unwrap();
                assert_eq!(batches, expected, "{size} {compressed}");
            }
        }
    }

    #[test]
    fn batches_of_a_file_share_no_memory() {
        let batches = arrow_file(file(&[0..1000, 1000..1500]).into(), false, None).unwrap();
        let memory: Vec<_> =
            batches.iter().map(|batch| batch.column(0).to_data().buffers()[0].data_ptr()).collect();
        assert_ne!(memory[0], memory[1]);
    }

    #[test]
    fn message_that_announces_more_than_there_is_sets_little_aside() {
        let mut plain = file(std::slice::from_ref(&(0..10)));
        let length = root_as_message(&plain[8..]).map(|schema| schema.bodyLength());
        assert_eq!(length, Ok(0), "the schema comes first");
        let batch_at = plain.windows(4).skip(8).position(|word| word == [0xff; 4]).unwrap() + 8;
        let length = root_as_message(&plain[batch_at + 8..]).unwrap().bodyLength();
        let at =
            plain.windows(8).skip(batch_at).position(|word| word == length.to_le_bytes()).unwrap() + batch_at;
        plain[at..at + 8].copy_from_slice(&i64::MAX.to_le_bytes());
        let error = arrow_file(plain.into(), false, None).unwrap_err().to_string();
        assert!(error.contains("ends within a message"), "{error}");
    }

    #[test]
    fn bytes_past_the_end_mark_are_no_harm() {
        let mut plain = file(&[0..10, 10..20]);
        plain.extend_from_slice(b"padding");
        assert_eq!(rows(&arrow_file(plain.into(), false, None).unwrap()), [10, 10]);
    }

    #[test]
    fn rows_past_the_chunk_are_cut() {
        let plain: Bytes = file(&[0..10, 10..20]).into();
        for (rows_of_chunk, expected) in [(20, vec![10, 10]), (13, vec![10, 3]), (10, vec![10]), (0, vec![])]
        {
            assert_eq!(rows(&arrow_file(plain.clone(), false, Some(rows_of_chunk)).unwrap()), expected);
        }
    }

    #[test]
    fn damaged_file_is_an_error_or_short_but_never_a_panic() {
        let whole = frames(&file(std::slice::from_ref(&(0..500))), 300);
        for end in 0..whole.len() {
            let rows = arrow_file(whole.slice(..end), true, None)
                .map(|batches| rows(&batches).iter().sum::<usize>());
            assert!(rows.is_err() || rows.is_ok_and(|rows| rows == 0 || rows == 500), "cut at {end}");
        }
        assert!(arrow_file(Bytes::from_static(b"<Error>AccessDenied</Error>"), true, None).is_err());
    }

    #[test]
    fn batches_come_as_they_were_written() {
        let read = |batches: &[RecordBatch]| {
            let plain = written(batches);
            let read = arrow_file(plain.clone().into(), false, None).unwrap();
            assert_eq!(arrow_file(frames(&plain, 50), true, None).unwrap(), read);
            read
        };
        let numbers: Vec<RecordBatch> = [3, 0, 5].map(numbers).into();
        assert_eq!(read(&numbers), numbers);
        let nothing = RecordBatch::try_new_with_options(
            Arc::new(Schema::empty()),
            vec![],
            &RecordBatchOptions::new().with_row_count(Some(7)),
        );
        let nothing = [nothing.unwrap()];
        assert_eq!(read(&nothing), nothing);
    }

    #[test]
    fn file_without_a_schema_is_an_error() {
        for file in [&[][..], &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]] {
            for compressed in [false, true] {
                let bytes = if compressed { frames(file, 3) } else { Bytes::from_static(file) };
                assert!(arrow_file(bytes, compressed, None).is_err(), "{file:?}");
            }
        }
    }

    /// Each length of eight bytes in turn is enormous: an error, and nothing of that size is allocated.
    #[test]
    fn length_that_no_file_has_is_an_error() {
        let whole = written(&[numbers(3)]);
        for (at, hostile) in (0..whole.len() - 8).flat_map(|at| [i64::MAX, -1, 1 << 40].map(|n| (at, n))) {
            let mut file = whole.clone();
            file[at..at + 8].copy_from_slice(&hostile.to_le_bytes());
            let bytes = file.len();
            if let Ok(batches) = arrow_file(file.into(), false, None) {
                assert!(batches.iter().map(RecordBatch::num_rows).sum::<usize>() <= bytes * 8);
            }
        }
    }
}
