//! A file as it came from the network, in blocks that are let go of one by one as they are read.

use std::collections::VecDeque;
use std::io::{BufRead, Read, Result};

use super::memory::{Memory, Pool};

/// The most bytes of a block. Pieces of the network are copied into blocks, since each may hold on to more memory than
/// it has bytes.
const BLOCK: usize = 256 * 1024;

/// The bytes of a file that are not read yet. Reading takes them, so that what they become is never held beside the
/// whole of them.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pool: Pool,
    blocks: VecDeque<Memory>,
    /// Of the first block.
    read: usize,
    bytes: usize,
}

impl Parts {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, ..Self::default() }
    }

    /// Adds a piece at the end.
    pub(super) fn push(&mut self, mut part: &[u8]) {
        self.bytes += part.len();
        while !part.is_empty() {
            match self.blocks.back_mut().filter(|block| block.room() > 0) {
                Some(block) => {
                    let (taken, rest) = part.split_at_checked(block.room()).unwrap_or((part, &[]));
                    block.extend(taken);
                    part = rest;
                }
                None => self.blocks.push_back(self.pool.take(BLOCK)),
            }
        }
    }

    /// How many are left to read.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }
}

impl BufRead for Parts {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        let first = self.blocks.front().and_then(|block| block.as_ref().get(self.read..));
        Ok(first.unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        let Some(block) = self.blocks.front() else { return };
        let taken = bytes.min(block.len() - self.read);
        self.read += taken;
        if self.read == block.len() {
            self.blocks.pop_front();
            self.read = 0;
        }
        self.bytes -= taken;
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut block = self.fill_buf()?;
        let read = block.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn pieces_read_as_one_file_and_their_blocks_are_let_go_of() {
        let file: Vec<u8> = (0..3 * BLOCK + 7).map(|n| n as u8).collect();
        let mut parts = Parts::default();
        file.chunks(1000).for_each(|piece| parts.push(piece));
        assert_eq!((parts.len(), parts.blocks.len()), (file.len(), 4));
        let mut head = vec![0; BLOCK + 1];
        parts.read_exact(&mut head).unwrap();
        assert_eq!((parts.len(), parts.blocks.len()), (file.len() - head.len(), 3));
        let mut rest = Vec::new();
        parts.read_to_end(&mut rest).unwrap();
        assert_eq!([head, rest].concat(), file);
        assert_eq!((parts.len(), parts.blocks.len()), (0, 0));
    }
}
