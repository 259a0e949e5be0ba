//! Where the records of a CSV file end. A quote that is never closed, or text after a closing one, is an error here:
//! readers that pass over it join rows.

use super::frames::{Frame, Problem, Split};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    RecordStart,
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside of quotes: the end of the field, or half of a quote that is meant.
    Closing,
}

/// Splits at line ends outside of quotes. Blank lines are no records.
#[derive(Debug)]
pub(crate) struct CsvRecords {
    delimiter: u8,
    state: State,
    line: u64,
    record_line: u64,
    quote_line: u64,
}

impl CsvRecords {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self { delimiter, state: State::RecordStart, line: 1, record_line: 1, quote_line: 1 }
    }

    fn next_state(&mut self, byte: u8) -> Result<State, Problem> {
        use State::{Closing, FieldStart, Plain, Quoted};
        Ok(match (self.state, byte) {
            (Quoted, b'"') => Closing,
            (Quoted, _) | (Closing, b'"') => Quoted,
            (_, delimiter) if delimiter == self.delimiter => FieldStart,
            (Closing, _) => {
                let message = "text stands between a closing quote and the end of its field: a quote inside of \
                               quotes is written twice, and --delimiter says what stands between fields";
                return Err((self.line, message.to_owned()));
            }
            (Plain, _) => Plain,
            (_, b'"') => {
                self.quote_line = self.line;
                Quoted
            }
            _ => Plain,
        })
    }
}

impl Split for CsvRecords {
    fn take(&mut self, bytes: &[u8], frame: &mut Frame) -> Result<(usize, bool), Problem> {
        let mut start = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            let is_line_end = matches!(byte, b'\n' | b'\r');
            if is_line_end && self.state == State::RecordStart {
                // A blank line, or the second half of a line end.
                start = index + 1;
                self.line += u64::from(byte == b'\n');
                continue;
            }
            if self.state == State::RecordStart {
                self.record_line = self.line;
            }
            if is_line_end && self.state != State::Quoted {
                self.line += u64::from(byte == b'\n');
                self.state = State::RecordStart;
                frame.bytes.extend_from_slice(bytes.get(start..=index).unwrap_or_default());
                frame.end_record(self.record_line);
                return Ok((index + 1, true));
            }
            self.state = self.next_state(byte)?;
            self.line += u64::from(byte == b'\n');
        }
        frame.bytes.extend_from_slice(bytes.get(start..).unwrap_or_default());
        Ok((bytes.len(), false))
    }

    fn end(&mut self, frame: &mut Frame) -> Result<(), Problem> {
        match self.state {
            State::RecordStart => Ok(()),
            State::Quoted => Err((self.quote_line, "the quote that opens here is never closed".to_owned())),
            _ => {
                frame.bytes.push(b'\n');
                frame.end_record(self.record_line);
                Ok(())
            }
        }
    }

    fn open_line(&self) -> u64 {
        if self.state == State::Quoted { self.quote_line } else { self.record_line }
    }
}
