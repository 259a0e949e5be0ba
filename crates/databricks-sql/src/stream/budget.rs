//! A budget of bytes that chunks reserve before they are fetched and give back as their rows are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::gauge;
use tokio::sync::Notify;

/// The bytes that all streams of the process hold.
const HELD: &str = "databricks_sql_prefetched_bytes";

/// Bytes that one stream may hold. Reserve in the order of delivery, from one task: then the chunk that the reader
/// waits for always has its bytes already, and nothing can block it.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: AtomicU64,
    used: AtomicU64,
    freed: Notify,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        let limit = AtomicU64::new(limit);
        Self { shared: Arc::new(Shared { limit, used: AtomicU64::new(0), freed: Notify::new() }) }
    }

    /// Waits until `bytes` fit. More than the whole budget is let in once nothing else is held.
    pub(crate) async fn reserve(&self, bytes: u64) -> Reservation {
        while !self.shared.take(bytes) {
            self.shared.freed.notified().await;
        }
        Reservation { shared: Arc::clone(&self.shared), bytes }
    }

    /// No bytes yet, for what comes beside what is reserved.
    pub(crate) fn nothing(&self) -> Reservation {
        Reservation { shared: Arc::clone(&self.shared), bytes: 0 }
    }

    /// Lets so many more bytes in.
    pub(crate) fn raise(&self, bytes: u64) {
        if bytes > 0 {
            self.shared.limit.fetch_add(bytes, Ordering::SeqCst);
            self.shared.freed.notify_one();
        }
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.shared.used.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn take(&self, bytes: u64) -> bool {
        let limit = self.limit.load(Ordering::SeqCst);
        let fits = |used: u64| {
            (used == 0 || used.saturating_add(bytes) <= limit).then(|| used.saturating_add(bytes))
        };
        let taken = self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok();
        if taken {
            gauge!(HELD).increment(bytes as f64);
        }
        taken
    }

    /// Bytes that are there already.
    fn add(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::SeqCst);
        gauge!(HELD).increment(bytes as f64);
    }

    fn give_back(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        gauge!(HELD).decrement(bytes as f64);
        self.freed.notify_one();
    }
}

/// Bytes held from a [`Budget`], given back on drop.
#[derive(Debug)]
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Reservation {
    /// Holds exactly `bytes` from now on. Growing does not wait: the bytes are there already, and are counted so
    /// that nothing else is let in beside them.
    pub(crate) fn set(&mut self, bytes: u64) {
        if bytes < self.bytes {
            self.shared.give_back(self.bytes - bytes);
        } else {
            self.shared.add(bytes - self.bytes);
        }
        self.bytes = bytes;
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
        self.shared.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn chunk_waits_until_its_bytes_fit() {
        let budget = Budget::new(100);
        let first = budget.reserve(60).await;
        let mut second = Box::pin(budget.reserve(50));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert_eq!(second.await.bytes(), 50);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn chunk_above_the_budget_is_let_in_alone() {
        let budget = Budget::new(100);
        let small = budget.reserve(1).await;
        assert!(budget.reserve(500).now_or_never().is_none());
        drop(small);
        let big = budget.reserve(500).await;
        assert!(budget.reserve(1).now_or_never().is_none());
        drop(big);
    }

    #[tokio::test]
    async fn grown_reservation_keeps_others_out_until_it_shrinks() {
        let budget = Budget::new(100);
        let mut held = budget.reserve(10).await;
        held.set(150);
        let mut next = Box::pin(budget.reserve(50));
        assert!((&mut next).now_or_never().is_none());
        held.shrink(100);
        assert_eq!(next.await.bytes(), 50);
        assert_eq!(budget.used(), 50);
        drop(held);
        assert_eq!(budget.used(), 0);
    }
}
