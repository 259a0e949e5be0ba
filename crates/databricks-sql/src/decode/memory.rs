//! Memory that is used again: a result is read through the same few megabytes, which the allocator would else take from
//! several of its heaps and keep in each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow::buffer::{Buffer, MutableBuffer};
use bytes::Bytes;

/// The most bytes that wait to be used again.
const MOST_IDLE: usize = 8 * 1024 * 1024;

/// Where memory comes from, and goes back to when it is dropped, whoever holds it then. Clones are the same pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    idle: Arc<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: Mutex<Vec<MutableBuffer>>,
}

/// Bytes in memory of a pool.
#[derive(Debug)]
pub(super) struct Memory {
    bytes: MutableBuffer,
    pool: Weak<Idle>,
}

impl Pool {
    /// Memory for so many bytes, empty; it grows like any other when there are more.
    pub(super) fn take(&self, capacity: usize) -> Memory {
        let bytes = self.idle.take(capacity).unwrap_or_else(|| MutableBuffer::with_capacity(capacity));
        Memory { bytes, pool: Arc::downgrade(&self.idle) }
    }
}

impl Idle {
    fn buffers(&self) -> MutexGuard<'_, Vec<MutableBuffer>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that fits and wastes little. Where there is none, what waits longest goes: it fits what no longer comes.
    fn take(&self, capacity: usize) -> Option<MutableBuffer> {
        let mut buffers = self.buffers();
        let most = capacity.saturating_add(capacity / 4);
        match buffers.iter().rposition(|idle| (capacity..=most).contains(&idle.capacity())) {
            Some(fits) => Some(buffers.swap_remove(fits)),
            None => {
                if !buffers.is_empty() {
                    buffers.remove(0);
                }
                None
            }
        }
    }

    fn put(&self, mut bytes: MutableBuffer) {
        bytes.clear();
        let mut buffers = self.buffers();
        let waiting: usize = buffers.iter().map(MutableBuffer::capacity).sum();
        if waiting.saturating_add(bytes.capacity()) <= MOST_IDLE {
            buffers.push(bytes);
        }
    }
}

impl Memory {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes more fit without another allocation.
    pub(super) fn room(&self) -> usize {
        self.bytes.capacity().saturating_sub(self.bytes.len())
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// For arrays to point into. It goes back to the pool with the last of them.
    pub(super) fn freeze(self) -> Buffer {
        Buffer::from(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.put(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_when_its_last_holder_drops_it() {
        let pool = Pool::default();
        let mut memory = pool.take(1000);
        memory.extend(&[7; 1000]);
        let at = memory.as_ref().as_ptr();
        let buffer = memory.freeze();
        let slice = buffer.slice(10);
        drop(buffer);
        assert_ne!(pool.take(1000).as_ref().as_ptr(), at, "it is still read");
        drop(slice);
        let again = pool.take(990);
        assert_eq!((again.as_ref().as_ptr(), again.len()), (at, 0));
    }

    #[test]
    fn memory_outlives_its_pool_and_little_waits() {
        let pool = Pool::default();
        let held: Vec<_> = (0..20).map(|_| pool.take(MOST_IDLE / 4)).collect();
        drop(held);
        assert_eq!(pool.idle.buffers().len(), 4);
        let last = pool.take(MOST_IDLE / 4).freeze();
        drop(pool);
        assert_eq!(last.len(), 0);
    }

    #[test]
    fn what_fits_nothing_makes_way() {
        let pool = Pool::default();
        drop((pool.take(100_000), pool.take(100_000)));
        drop(pool.take(1_000_000));
        assert_eq!(
            pool.idle.buffers().iter().map(|idle| idle.capacity() / 1000).collect::<Vec<_>>(),
            [100, 1000]
        );
    }
}
