//! Memory for encoded parts: what held one part holds a later one.
//!
//! A part is megabytes that live as long as its upload. Allocated anew for each, from whichever thread encodes it, they
//! leave the allocator with pieces all over the place that it keeps, and a long write grows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The buffers of one write. There are as many as parts were in work at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer, one used before if there is any.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.idle().pop().unwrap_or_default()
    }

    /// What stands in a buffer, as bytes to share. The buffer comes back with the last of them.
    pub(crate) fn share(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that is somewhere else.
struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        self.home.idle().push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_when_nobody_holds_its_bytes() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(b"part one");
        let place = buffer.as_ptr();
        let bytes = buffers.share(buffer);
        let piece = bytes.slice(5..);
        drop(bytes);
        assert_eq!(buffers.take().capacity(), 0, "somebody still reads it");
        assert_eq!(piece, "one");
        drop(piece);
        let again = buffers.take();
        assert!(again.as_ptr() == place && again.is_empty() && again.capacity() >= 8);
    }
}
