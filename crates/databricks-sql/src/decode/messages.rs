//! The messages of an Arrow IPC stream, put together from pieces as they come, each in memory of its own: a batch is
//! free as soon as its reader lets go of it, whatever else was in the file.

use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow::ipc::root_as_message;

use super::memory::{Memory, Pool};

/// What a message begins with, except in files of the oldest writers.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The most bytes that are set aside because a message announces them.
const SET_ASIDE: u64 = 16 * 1024 * 1024;

/// The longest description of a message that is read, in bytes: it has some hundred for each column, and comes before
/// anybody has counted it.
const LONGEST_HEAD: usize = 64 * 1024 * 1024;

/// A whole message, not looked into yet.
#[derive(Debug)]
pub(super) struct Message {
    /// The flatbuffer that describes it.
    pub(super) head: Vec<u8>,
    pub(super) body: Buffer,
}

/// Cuts a stream into its messages.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pool: Pool,
    state: State,
    ready: Vec<Message>,
    /// Of all bodies, in bytes.
    memory: usize,
}

/// Where in a message the stream stands.
#[derive(Debug)]
enum State {
    /// In the mark, or in the length after it.
    Word {
        bytes: [u8; 4],
        read: usize,
        continued: bool,
    },
    Head {
        length: usize,
        bytes: Vec<u8>,
    },
    Body {
        head: Vec<u8>,
        left: u64,
        /// None yet for a body that has just begun.
        bytes: Option<Memory>,
    },
    /// At the end mark; what follows it is nobody's.
    End,
    /// Nothing can be made of the rest.
    Damaged(String),
}

impl Default for State {
    fn default() -> Self {
        Self::word(false)
    }
}

impl State {
    fn word(continued: bool) -> Self {
        Self::Word { bytes: [0; 4], read: 0, continued }
    }

    fn after_word(word: [u8; 4], continued: bool) -> Self {
        match u32::from_le_bytes(word) {
            _ if word == CONTINUATION && !continued => Self::word(true),
            0 => Self::End,
            length => match usize::try_from(length) {
                Ok(length) if length <= LONGEST_HEAD => Self::Head { length, bytes: Vec::new() },
                _ => Self::Damaged(format!("a message says that its head has {length} bytes")),
            },
        }
    }

    fn after_head(head: Vec<u8>) -> Self {
        let announced = match root_as_message(&head) {
            Ok(message) => message.bodyLength(),
            Err(error) => return Self::Damaged(format!("a message is unreadable: {error}")),
        };
        match u64::try_from(announced) {
            Ok(left) => Self::Body { head, left, bytes: None },
            Err(_) => Self::Damaged(format!("a message says that it has {announced} bytes")),
        }
    }
}

impl Messages {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, ..Self::default() }
    }

    /// Takes of the next piece of the stream as much as comes before the next body, for which memory is set aside only
    /// when this is called again, and says how much that was.
    pub(super) fn push(&mut self, part: &[u8]) -> usize {
        if let State::Body { left, bytes: bytes @ None, .. } = &mut self.state {
            self.memory = self.memory.saturating_add(aside(*left));
            *bytes = Some(self.pool.take(aside(*left)));
        }
        let mut rest = part;
        while !rest.is_empty() && self.wants() == 0 {
            rest = self.step(rest);
        }
        part.len() - rest.len()
    }

    /// Takes the whole piece.
    pub(super) fn push_all(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let taken = self.push(part);
            part = part.get(taken..).unwrap_or_default();
        }
    }

    /// The memory of the bodies so far, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// The memory that the next push sets aside, in bytes.
    pub(super) fn wants(&self) -> usize {
        match self.state {
            State::Body { left, bytes: None, .. } => aside(left),
            _ => 0,
        }
    }

    /// Takes what belongs to the present state; what is left belongs to the next.
    fn step<'a>(&mut self, part: &'a [u8]) -> &'a [u8] {
        let rest = match &mut self.state {
            State::Word { bytes, read, .. } => {
                let (taken, rest) = split(part, bytes.len() - *read);
                bytes.iter_mut().skip(*read).zip(taken).for_each(|(byte, taken)| *byte = *taken);
                *read += taken.len();
                rest
            }
            State::Head { length, bytes } => {
                let (taken, rest) = split(part, *length - bytes.len());
                bytes.extend_from_slice(taken);
                rest
            }
            State::Body { left, bytes, .. } => {
                let (taken, rest) = split(part, usize::try_from(*left).unwrap_or(usize::MAX));
                bytes.iter_mut().for_each(|bytes| bytes.extend(taken));
                *left -= taken.len() as u64;
                rest
            }
            State::End | State::Damaged(_) => &[],
        };
        self.advance();
        rest
    }

    /// Goes on to the next state once the present one has all its bytes.
    fn advance(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::End) {
            State::Word { bytes, read: 4, continued } => State::after_word(bytes, continued),
            State::Head { length, bytes } if bytes.len() == length => State::after_head(bytes),
            unfinished => unfinished,
        };
        // A message may have no body at all.
        self.state = match std::mem::replace(&mut self.state, State::End) {
            State::Body { head, left: 0, bytes } => {
                let body = bytes.map_or_else(|| Buffer::from(&[]), Memory::freeze);
                self.ready.push(Message { head, body });
                State::default()
            }
            unfinished => unfinished,
        };
    }

    /// The messages that are whole by now.
    pub(super) fn take(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.ready)
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// When the stream was damaged, or ends within a message.
    pub(super) fn finish(self) -> Result<Vec<Message>, ArrowError> {
        match self.state {
            State::End | State::Word { read: 0, continued: false, .. } => Ok(self.ready),
            State::Damaged(reason) => Err(ArrowError::IpcError(reason)),
            _ => Err(ArrowError::IpcError("it ends within a message".to_owned())),
        }
    }
}

fn split(part: &[u8], at: usize) -> (&[u8], &[u8]) {
    part.split_at_checked(at).unwrap_or((part, &[]))
}

/// The memory for a body of which so many bytes are to come.
fn aside(left: u64) -> usize {
    usize::try_from(left.min(SET_ASIDE)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_that_no_message_has_is_not_waited_for() {
        for length in [LONGEST_HEAD as u32 + 1, u32::MAX - 1] {
            let mut messages = Messages::default();
            messages.push_all(&[&CONTINUATION[..], &length.to_le_bytes(), &[7; 1000]].concat());
            assert!(
                matches!(&messages.state, State::Damaged(reason) if reason.contains(&length.to_string()))
            );
        }
        let mut messages = Messages::default();
        messages.push_all(&[&CONTINUATION[..], &(LONGEST_HEAD as u32).to_le_bytes(), &[7; 1000]].concat());
        assert!(matches!(&messages.state, State::Head { bytes, .. } if bytes.len() == 1000));
    }
}
