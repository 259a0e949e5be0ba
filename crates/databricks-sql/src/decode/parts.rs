//! A file as it came from the network, in blocks that are let go of one by one as they are read.

use std::collections::VecDeque;
use std::io::{BufRead, Read, Result};

use super::memory::{Memory, Pool};

/// The most bytes of a block. Pieces of the network are copied into blocks, since each may hold on to more memory than
/// it has bytes. The last block of a file is in part empty, so they are small beside a file.
const BLOCK: usize = 128 * 1024;

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

    /// Adds of a piece as much as a block has room for, and says how much that was. A new block is taken only when the
    /// last one is full.
    pub(super) fn push(&mut self, part: &[u8]) -> usize {
        if self.wants() > 0 {
            self.blocks.push_back(self.pool.take(BLOCK));
        }
        let Some(block) = self.blocks.back_mut() else { return 0 };
        let taken = part.get(..block.room()).unwrap_or(part);
        block.extend(taken);
        self.bytes += taken.len();
        taken.len()
    }

    /// The memory of the blocks, in bytes: the last one counts as far as it is written.
    pub(super) fn memory(&self) -> usize {
        self.bytes
    }

    /// The memory that the next push takes, in bytes.
    pub(super) fn wants(&self) -> usize {
        if self.blocks.back().is_some_and(|block| block.room() > 0) { 0 } else { BLOCK }
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
        for mut piece in file.chunks(1000) {
            while !piece.is_empty() {
                let wanted = parts.wants() > 0;
                let blocks = parts.blocks.len();
                piece = &piece[parts.push(piece)..];
                assert_eq!(parts.blocks.len() > blocks, wanted, "memory is announced");
            }
        }
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
