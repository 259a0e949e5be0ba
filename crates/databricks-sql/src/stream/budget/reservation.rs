//! What a chunk holds of a budget.

use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;

use super::Shared;

/// The parts in which a chunk asks for its bytes.
pub(super) const PARTS: u64 = 4;

/// Bytes held from a [`Budget`], given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(super) shared: Arc<Shared>,
    pub(super) chunk: u64,
    pub(super) bytes: u64,
    /// Whether it had to wait for more.
    pub(super) waited: bool,
}

impl Reservation {
    /// The chunk turns out to come to so many bytes: what is too much is given back, what is missing is asked for later.
    pub(crate) fn expect(&mut self, whole: u64) {
        if let Some(share) = self.shared.state().chunks.get_mut(&self.chunk) {
            share.whole = whole;
        }
        if whole < self.bytes {
            self.set(whole);
        } else {
            // What is kept for it may be less now.
            Shared::hand_out(&self.shared);
        }
    }

    /// Whether `bytes` are more than it holds, so that they have to be waited for.
    pub(crate) fn lacks(&self, bytes: u64) -> bool {
        bytes > self.bytes
    }

    /// Waits for at least `bytes`, in parts of what is expected.
    pub(crate) async fn cover(&mut self, bytes: u64) {
        let whole = self.expected();
        let parts = bytes.checked_next_multiple_of(whole.div_ceil(PARTS).max(1)).unwrap_or(bytes);
        self.reach(parts.min(whole).max(bytes)).await;
    }

    /// Waits for all that is expected.
    pub(crate) async fn cover_all(&mut self) {
        self.reach(self.expected()).await;
    }

    fn expected(&self) -> u64 {
        self.shared.state().chunks.get(&self.chunk).map_or(0, |share| share.whole)
    }

    async fn reach(&mut self, bytes: u64) {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return;
        }
        let mut request = pin!(Shared::request(&self.shared, self.chunk, more, None));
        let mut granted = match (&mut request).now_or_never() {
            Some(granted) => granted,
            None => {
                self.waited = true;
                request.await
            }
        };
        self.bytes = self.bytes.saturating_add(std::mem::take(&mut granted.bytes));
    }

    /// Whether it had to wait for more.
    pub(crate) fn waited(&self) -> bool {
        self.waited
    }

    /// Forgets that it had to.
    pub(crate) fn take_waited(&mut self) -> bool {
        std::mem::take(&mut self.waited)
    }

    /// Holds exactly `bytes` from now on, and expects no more. Growing does not wait: the bytes are there already, and are
    /// counted so that nothing else is let in beside them.
    pub(crate) fn set(&mut self, bytes: u64) {
        {
            let mut state = self.shared.state();
            if bytes < self.bytes {
                state.give_back(self.chunk, self.bytes - bytes);
            } else {
                state.add(self.chunk, bytes - self.bytes);
            }
            if let Some(share) = state.chunks.get_mut(&self.chunk) {
                share.whole = share.held;
            }
        }
        self.bytes = bytes;
        Shared::hand_out(&self.shared);
    }

    /// Gives `bytes` back.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        self.set(self.bytes.saturating_sub(bytes));
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state();
            state.give_back(self.chunk, self.bytes);
            if let Some(share) = state.chunks.get_mut(&self.chunk) {
                share.reservations -= 1;
                if share.reservations == 0 {
                    state.chunks.remove(&self.chunk);
                }
            }
        }
        Shared::hand_out(&self.shared);
    }
}
