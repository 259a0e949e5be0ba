//! What decoding takes beside its files and its batches: used again, and set aside from the budget.

use std::sync::{Mutex, PoisonError};

use super::budget::Budget;
use crate::decode::{Pool, Scratch};

/// The scratch memory of all decoders of a result.
#[derive(Debug)]
pub(super) struct Scratches {
    decoders: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    idle: Vec<Scratch>,
    /// The most that one decoder turned out to take.
    largest: u64,
    /// The bytes that the files of the budget, and the pool, do without.
    aside: u64,
    files: Budget,
    pool: Pool,
}

impl Scratches {
    /// `aside` bytes are set aside until it shows what so many decoders take. What they do not take, `files`
    /// and `pool` get.
    pub(super) fn new(files: Budget, pool: Pool, aside: u64, decoders: usize) -> Self {
        let state = State { idle: Vec::new(), largest: 0, aside, files, pool };
        Self { decoders: decoders as u64, state: Mutex::new(state) }
    }

    pub(super) fn take(&self) -> Scratch {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.idle.pop().unwrap_or_default()
    }

    pub(super) fn put(&self, scratch: Scratch) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.largest = state.largest.max(scratch.bytes());
        let taken = state.largest.saturating_mul(self.decoders).min(state.aside);
        let spare = state.aside - taken;
        state.files.raise(spare);
        state.pool.raise(spare);
        state.aside = taken;
        // Small files are decoded beside the decoders, by as many threads as there are.
        if (state.idle.len() as u64) < self.decoders {
            state.idle.push(scratch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn no_more_is_kept_than_decoders_use() {
        let scratches = Scratches::new(Budget::new(100), Pool::default(), 50, 2);
        let taken: Vec<_> = (0..5).map(|_| scratches.take()).collect();
        taken.into_iter().for_each(|scratch| scratches.put(scratch));
        assert_eq!(scratches.state.lock().map_or(0, |state| state.idle.len()), 2);
    }

    #[tokio::test]
    async fn what_decoders_do_not_take_is_for_files() {
        let files = Budget::new(100);
        let scratches = Scratches::new(files.clone(), Pool::default(), 50, 2);
        let _held = files.reserve(0, 100).await;
        let mut next = Box::pin(files.reserve(1, 50));
        assert!((&mut next).now_or_never().is_none());
        scratches.put(scratches.take());
        assert!(next.now_or_never().is_some());
    }
}
