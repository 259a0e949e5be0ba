//! Memory that is used again: a result is read through the same few megabytes, which the allocator would else take from
//! several of its heaps and keep in each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arrow::buffer::{Buffer, MutableBuffer};
use bytes::Bytes;

/// Where memory comes from, and goes back to when it is dropped, whoever holds it then. Clones are the same pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The most bytes that are held and wait together. More can be held; then nothing waits.
    limit: usize,
    /// Bytes that somebody holds.
    held: usize,
    /// Bytes that wait to be used again.
    waiting: usize,
    /// What waits, the longest first.
    idle: Vec<MutableBuffer>,
}

/// Bytes in memory of a pool.
#[derive(Debug)]
pub(super) struct Memory {
    bytes: MutableBuffer,
    /// As the pool counts it: it may have grown since.
    taken: usize,
    pool: Weak<Shared>,
}

impl Pool {
    /// A pool that keeps no more than so many bytes, those that are in use included.
    pub(crate) fn new(limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let state = State { limit, ..State::default() };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }) }
    }

    /// Keeps so many bytes more.
    pub(crate) fn raise(&self, bytes: u64) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut state = self.shared.state();
        state.limit = state.limit.saturating_add(bytes);
    }

    /// Memory for so many bytes, empty; it grows like any other when there are more.
    pub(super) fn take(&self, capacity: usize) -> Memory {
        let bytes = self.shared.take(size_class(capacity));
        Memory { taken: bytes.capacity(), bytes, pool: Arc::downgrade(&self.shared) }
    }
}

/// Sizes in steps of an eighth, so that what served one message serves the next, which is about as large. What is above
/// the size that was asked for is never written, and so takes no memory of the machine.
fn size_class(capacity: usize) -> usize {
    let step = (capacity.checked_next_power_of_two().unwrap_or_default() / 16).max(64);
    capacity.checked_next_multiple_of(step).unwrap_or(capacity)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, capacity: usize) -> MutableBuffer {
        let mut state = self.state();
        let bytes = match state.idle.iter().rposition(|idle| idle.capacity() == capacity) {
            Some(fits) => {
                let bytes = state.idle.remove(fits);
                state.waiting -= bytes.capacity();
                bytes
            }
            None => {
                let most = state.limit.saturating_sub(capacity);
                state.make_way(most);
                MutableBuffer::with_capacity(capacity)
            }
        };
        state.held += bytes.capacity();
        bytes
    }

    fn put(&self, mut bytes: MutableBuffer, taken: usize) {
        bytes.clear();
        let mut state = self.state();
        state.held = state.held.saturating_sub(taken);
        let capacity = bytes.capacity();
        let fits = state.held.saturating_add(state.waiting).saturating_add(capacity) <= state.limit;
        if fits && capacity > 0 {
            state.waiting += capacity;
            state.idle.push(bytes);
        }
    }
}

impl State {
    /// Lets go of what waits longest until no more than `most` bytes are held and wait: it fits what no longer comes.
    fn make_way(&mut self, most: usize) {
        while !self.idle.is_empty() && self.held.saturating_add(self.waiting) > most {
            self.waiting -= self.idle.remove(0).capacity();
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
            pool.put(std::mem::take(&mut self.bytes), self.taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn memory_is_used_again_when_its_last_holder_drops_it() {
        let pool = Pool::new(10_000);
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
    fn what_is_held_and_what_waits_are_bounded_together() {
        let pool = Pool::new(8 * MIB as u64);
        let mut held: Vec<_> = (0..12).map(|_| pool.take(MIB)).collect();
        let waiting = || pool.shared.state().waiting;
        held.truncate(10);
        assert_eq!(waiting(), 0, "more is held than may be kept");
        held.truncate(3);
        assert_eq!(waiting(), 5 * MIB);
        held.clear();
        assert_eq!((waiting(), pool.shared.state().held), (8 * MIB, 0));
    }

    #[test]
    fn what_fits_nothing_makes_way_once_there_is_no_room() {
        let pool = Pool::new(3 * MIB as u64);
        let waiting = || pool.shared.state().idle.iter().map(|idle| idle.capacity()).collect::<Vec<_>>();
        drop((pool.take(MIB), pool.take(MIB)));
        let held = pool.take(MIB / 2);
        assert_eq!(waiting(), [MIB, MIB], "there is room for all");
        drop(pool.take(2 * MIB));
        assert_eq!(waiting(), [2 * MIB]);
        drop(held);
        assert_eq!(waiting(), [2 * MIB, MIB / 2]);
    }

    #[test]
    fn memory_outlives_its_pool() {
        let pool = Pool::new(MIB as u64);
        let last = pool.take(1000).freeze();
        drop(pool);
        assert_eq!(last.len(), 0);
    }

    #[test]
    fn a_size_wastes_little_and_none_is_too_large() {
        for capacity in [0, 1, 64, 1000, 100_000, 2_345_678, 16 * MIB, usize::MAX - 1] {
            let class = size_class(capacity);
            assert!(class >= capacity && class - capacity <= capacity / 8 + 64, "{capacity} {class}");
        }
        assert_eq!(size_class(2_310_000), size_class(2_350_000));
    }
}
