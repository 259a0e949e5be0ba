//! Where the objects of a JSON file end: one after the other, or in one array.

use super::frames::{Frame, Problem, Split};

/// What may come outside of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The file's first value.
    Anything,
    /// Outside of an array: another object.
    Object,
    /// After the bracket of an array: an object, or the array's end.
    ObjectOrEnd,
    /// After a comma of an array.
    Element,
    /// After an object of an array.
    CommaOrEnd,
    Nothing,
}

/// Splits at the ends of objects.
#[derive(Debug)]
pub(crate) struct JsonRecords {
    expected: Expected,
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    line: u64,
    record_line: u64,
}

impl JsonRecords {
    pub(crate) fn new() -> Self {
        let expected = Expected::Anything;
        Self { expected, depth: 0, in_string: false, is_escaped: false, line: 1, record_line: 1 }
    }

    fn outside(&mut self, byte: u8) -> Result<(), Problem> {
        use Expected::{Anything, CommaOrEnd, Element, Nothing, Object, ObjectOrEnd};
        self.expected = match (self.expected, byte) {
            (expected, b' ' | b'\t' | b'\r' | b'\n') => expected,
            (Anything, b'[') => ObjectOrEnd,
            (Anything | Object, b'{') => self.opens(Object),
            (ObjectOrEnd | Element, b'{') => self.opens(CommaOrEnd),
            (ObjectOrEnd | CommaOrEnd, b']') => Nothing,
            (CommaOrEnd, b',') => Element,
            (expected, byte) => {
                let wanted = match expected {
                    Anything => "an object or an array of objects",
                    Object | Element => "an object",
                    ObjectOrEnd => "an object or the end of the array",
                    CommaOrEnd => "a comma or the end of the array",
                    Nothing => "nothing after the array's end",
                };
                let message = format!("`{}` stands where {wanted} is expected", byte.escape_ascii());
                return Err((self.line, message));
            }
        };
        Ok(())
    }

    fn opens(&mut self, next: Expected) -> Expected {
        (self.depth, self.record_line) = (1, self.line);
        next
    }

    /// Looks at a byte of an object.
    fn inside(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_string => self.is_escaped = true,
            b'"' => self.in_string = !self.in_string,
            b'{' | b'[' if !self.in_string => self.depth += 1,
            b'}' | b']' if !self.in_string => self.depth -= 1,
            _ => {}
        }
    }
}

impl Split for JsonRecords {
    fn take(&mut self, bytes: &[u8], frame: &mut Frame) -> Result<(usize, bool), Problem> {
        let mut start = 0;
        for (index, &byte) in bytes.iter().enumerate() {
            if self.depth == 0 {
                start = index;
                self.outside(byte)?;
            } else {
                self.inside(byte);
                if self.depth == 0 {
                    frame.bytes.extend_from_slice(bytes.get(start..=index).unwrap_or_default());
                    frame.bytes.push(b'\n');
                    frame.end_record(self.record_line);
                    return Ok((index + 1, true));
                }
            }
            self.line += u64::from(byte == b'\n');
        }
        if self.depth > 0 {
            frame.bytes.extend_from_slice(bytes.get(start..).unwrap_or_default());
        }
        Ok((bytes.len(), false))
    }

    fn end(&mut self, _: &mut Frame) -> Result<(), Problem> {
        match self.expected {
            _ if self.depth > 0 => {
                Err((self.record_line, "the object that begins here has no end".to_owned()))
            }
            Expected::Anything | Expected::Object | Expected::Nothing => Ok(()),
            _ => Err((self.line, "the array has no end: was the file cut off?".to_owned())),
        }
    }

    fn open_line(&self) -> u64 {
        self.record_line
    }
}
