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
        bytes: Memory,
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
                Ok(length) => Self::Head { length, bytes: Vec::new() },
                Err(_) => Self::Damaged(format!("a message says that its head has {length} bytes")),
            },
        }
    }

    fn after_head(head: Vec<u8>, pool: &Pool) -> Self {
        let announced = match root_as_message(&head) {
            Ok(message) => message.bodyLength(),
            Err(error) => return Self::Damaged(format!("a message is unreadable: {error}")),
        };
        match u64::try_from(announced) {
            Ok(left) => {
                let aside = usize::try_from(left.min(SET_ASIDE)).unwrap_or_default();
                Self::Body { head, left, bytes: pool.take(aside) }
            }
            Err(_) => Self::Damaged(format!("a message says that it has {announced} bytes")),
        }
    }
}

impl Messages {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, ..Self::default() }
    }

    /// Takes the next piece of the stream.
    pub(super) fn push(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            part = self.step(part);
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
                bytes.extend(taken);
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
            State::Head { length, bytes } if bytes.len() == length => State::after_head(bytes, &self.pool),
            unfinished => unfinished,
        };
        // A message may have no body at all.
        self.state = match std::mem::replace(&mut self.state, State::End) {
            State::Body { head, left: 0, bytes } => {
                self.ready.push(Message { head, body: bytes.freeze() });
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
