//! Whole records of a text file, some at a time, with the lines that they begin in.

use std::io::Read;

use super::error::SourceError;

/// Bytes at which a frame is full.
const FRAME_BYTES: usize = 4 << 20;
/// What one record may take. The usual reason for more is a quote that is never closed.
const RECORD_BYTES: usize = 64 << 20;
const CHUNK: usize = 1 << 17;

/// Whole records, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// Where each record ends, and the line where it begins, counted from 1.
    ends: Vec<(usize, u64)>,
}

impl Frame {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn record(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(end, _)| *end);
        self.ends.get(index).and_then(|(end, _)| self.bytes.get(start..*end)).unwrap_or_default()
    }

    pub(crate) fn line(&self, index: usize) -> u64 {
        self.ends.get(index).map_or(0, |(_, line)| *line)
    }

    pub(crate) fn end_record(&mut self, line: u64) {
        self.ends.push((self.bytes.len(), line));
    }

    fn is_full(&self, rows: usize) -> bool {
        self.ends.len() >= rows || self.bytes.len() >= FRAME_BYTES
    }

    /// The records as text.
    pub(crate) fn check_text(&self, file: &str) -> Result<(), SourceError> {
        let Err(error) = std::str::from_utf8(&self.bytes) else { return Ok(()) };
        let index = self.ends.partition_point(|(end, _)| *end <= error.valid_up_to());
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(end, _)| *end);
        let before = self.bytes.get(start..error.valid_up_to()).unwrap_or_default();
        let line = self.line(index) + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        let message = "it holds bytes that are no UTF-8: convert the file, as by `iconv -f LATIN1 -t UTF-8`";
        Err(SourceError::malformed(file, line, message))
    }
}

/// Something wrong at a line.
pub(crate) type Problem = (u64, String);

/// Finds out where records end.
pub(crate) trait Split {
    /// Takes bytes, and adds those of records to the frame; how many were taken. Ends at a record's end when it says so.
    fn take(&mut self, bytes: &[u8], frame: &mut Frame) -> Result<(usize, bool), Problem>;

    /// There are no more bytes.
    fn end(&mut self, frame: &mut Frame) -> Result<(), Problem>;

    /// The line where the record begins that is not at its end.
    fn open_line(&self) -> u64;
}

/// The frames of a file.
pub(crate) struct Frames<S> {
    file: String,
    input: Box<dyn Read + Send>,
    split: S,
    chunk: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<S: Split> Frames<S> {
    pub(crate) fn new(file: &str, input: Box<dyn Read + Send>, split: S) -> Self {
        Self { file: file.to_owned(), input, split, chunk: Vec::new(), at: 0, is_over: false }
    }

    /// The next records, at most `rows`; none at the end.
    pub(crate) fn next(&mut self, rows: usize) -> Result<Option<Frame>, SourceError> {
        let mut frame = Frame::default();
        while !self.is_over {
            if self.at == self.chunk.len() {
                self.fill()?;
            }
            let malformed = |(line, message)| SourceError::malformed(&self.file, line, message);
            if self.chunk.is_empty() {
                self.is_over = true;
                self.split.end(&mut frame).map_err(malformed)?;
                break;
            }
            let bytes = self.chunk.get(self.at..).unwrap_or_default();
            let (taken, is_record_end) = self.split.take(bytes, &mut frame).map_err(malformed)?;
            self.at += taken;
            if is_record_end && frame.is_full(rows) {
                break;
            }
            let begun = frame.bytes.len() - frame.ends.last().map_or(0, |(end, _)| *end);
            if begun > RECORD_BYTES {
                let message = "the record that begins here takes more than 64 MiB: is a quote never closed?";
                return Err(malformed((self.split.open_line(), message.to_owned())));
            }
        }
        Ok(Some(frame).filter(|frame| frame.len() > 0))
    }

    fn fill(&mut self) -> Result<(), SourceError> {
        self.chunk.resize(CHUNK, 0);
        self.at = 0;
        let mut read = 0;
        while read == 0 {
            read = match self.input.read(&mut self.chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SourceError::io(&self.file, error)),
            };
        }
        self.chunk.truncate(read);
        Ok(())
    }
}
