//! The statements a workspace knows: their states, their results, and how long they are kept.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::request::Delivery;
use crate::engine::{EngineResult, StatementFailure};

/// Statements remembered, closed ones included.
const CAPACITY: usize = 10_000;

/// What a workspace holds of statements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) result_ttl: Duration,
    pub(crate) result_memory: u64,
    pub(crate) inline_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            result_ttl: Duration::from_secs(60 * 60),
            result_memory: 512 * 1024 * 1024,
            inline_bytes: 25 * 1024 * 1024,
        }
    }
}

/// All statements, oldest first.
#[derive(Debug)]
pub(crate) struct Statements {
    limits: Limits,
    entries: Mutex<IndexMap<String, Arc<Entry>>>,
    /// Counts uses, so that the least recently used result is known.
    uses: AtomicU64,
}

/// One statement.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) user: String,
    pub(super) delivery: Delivery,
    pub(super) inline_limit: u64,
    created: Duration,
    last_use: AtomicU64,
    phase: watch::Sender<Phase>,
    task: Mutex<Option<AbortHandle>>,
}

/// Where a statement is.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Pending,
    Running,
    Succeeded(Arc<EngineResult>),
    Failed(StatementFailure),
    Canceled,
    /// It ended well, and its result is gone.
    Closed,
}

/// How the engine ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Succeeded(EngineResult),
    Failed(StatementFailure),
}

impl Phase {
    fn is_over(&self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    fn result_bytes(&self) -> u64 {
        match self {
            Self::Succeeded(result) => result.chunks.iter().map(|chunk| chunk.byte_count()).sum(),
            _ => 0,
        }
    }
}

impl Entry {
    pub(super) fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    /// Returns once the statement is over.
    pub(super) async fn ended(&self) {
        // The sender lives in this entry, so the wait cannot fail.
        let _ = self.phase.subscribe().wait_for(Phase::is_over).await;
    }

    pub(super) fn set_running(&self) {
        self.advance(|_| Phase::Running);
    }

    pub(super) fn finish(&self, outcome: Outcome) {
        self.advance(|_| match outcome {
            Outcome::Succeeded(result) => Phase::Succeeded(Arc::new(result)),
            Outcome::Failed(failure) => Phase::Failed(failure),
        });
    }

    /// Fails a statement whose result turned out to be unreadable.
    pub(super) fn fail(&self, failure: StatementFailure) {
        self.phase.send_if_modified(|phase| {
            let succeeded = matches!(phase, Phase::Succeeded(_));
            if succeeded {
                *phase = Phase::Failed(failure);
            }
            succeeded
        });
    }

    /// Stops a statement that is not over; one that is stays as it is.
    pub(super) fn cancel(&self) {
        self.advance(|_| Phase::Canceled);
        self.abort();
    }

    /// Cancels what runs, and frees the result of what has ended well.
    pub(super) fn close(&self) {
        self.phase.send_if_modified(|phase| {
            let next = match phase {
                Phase::Pending | Phase::Running => Phase::Canceled,
                Phase::Succeeded(_) => Phase::Closed,
                Phase::Failed(_) | Phase::Canceled | Phase::Closed => return false,
            };
            *phase = next;
            true
        });
        self.abort();
    }

    pub(super) fn set_task(&self, task: AbortHandle) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Moves on, unless the statement is over already: the first end stands.
    fn advance(&self, next: impl FnOnce(&Phase) -> Phase) {
        self.phase.send_if_modified(|phase| {
            let moves = !phase.is_over();
            if moves {
                *phase = next(phase);
            }
            moves
        });
    }

    fn abort(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("phase", &self.phase()).finish_non_exhaustive()
    }
}

impl Statements {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, entries: Mutex::default(), uses: AtomicU64::new(0) }
    }

    pub(super) fn insert(&self, id: String, user: &str, delivery: Delivery, now: Duration) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            id: id.clone(),
            user: user.to_owned(),
            delivery,
            inline_limit: self.limits.inline_bytes,
            created: now,
            last_use: AtomicU64::new(self.next_use()),
            phase: watch::Sender::new(Phase::Pending),
            task: Mutex::default(),
        });
        self.lock().insert(id, entry.clone());
        entry
    }

    /// A statement by id; it counts as used now.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Entry>> {
        let entry = self.lock().get(id).cloned()?;
        entry.last_use.store(self.next_use(), Ordering::Relaxed);
        Some(entry)
    }

    /// Forgets what is too old, and closes the results longest unused while there are too many bytes.
    pub(crate) fn make_room(&self, now: Duration) {
        let mut entries = self.lock();
        let ttl = self.limits.result_ttl;
        entries.retain(|_, entry| !entry.phase.borrow().is_over() || now.saturating_sub(entry.created) < ttl);
        if entries.len() > CAPACITY {
            let oldest = entries.values().position(|entry| entry.phase.borrow().is_over());
            oldest.and_then(|index| entries.shift_remove_index(index));
        }
        close_least_used(entries.values(), self.limits.result_memory);
    }

    pub(crate) fn retained_bytes(&self) -> u64 {
        self.lock().values().map(|entry| entry.phase.borrow().result_bytes()).sum()
    }

    fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes results, least recently used first, until the rest fits; the most recently used stays in any case.
fn close_least_used<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>, limit: u64) {
    let sized = entries
        .map(|entry| (entry.last_use.load(Ordering::Relaxed), entry.phase.borrow().result_bytes(), entry));
    let mut holding: Vec<_> = sized.filter(|(_, bytes, _)| *bytes > 0).collect();
    let mut total: u64 = holding.iter().map(|(_, bytes, _)| bytes).sum();
    if total <= limit {
        return;
    }
    holding.sort_by_key(|(last_use, _, _)| *last_use);
    holding.pop();
    for (_, bytes, entry) in holding {
        if total <= limit {
            return;
        }
        entry.close();
        total -= bytes;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::request::{Disposition, Format};
    use super::*;
    use crate::engine::ResultChunk;
    use bytes::Bytes;

    struct Sized(u64);

    impl ResultChunk for Sized {
        fn row_count(&self) -> u64 {
            1
        }
        fn byte_count(&self) -> u64 {
            self.0
        }
        fn json_rows(&self) -> Result<Vec<Vec<Option<String>>>, StatementFailure> {
            Ok(Vec::new())
        }
        fn arrow_stream(&self) -> Result<Bytes, StatementFailure> {
            Ok(Bytes::new())
        }
    }

    fn statements(result_memory: u64) -> Statements {
        Statements::new(Limits { result_memory, ..Limits::default() })
    }

    fn finished(statements: &Statements, id: &str, bytes: u64, now: u64) -> Arc<Entry> {
        let delivery = Delivery {
            disposition: Disposition::Inline,
            format: Format::JsonArray,
            lz4: false,
            byte_limit: None,
        };
        let entry = statements.insert(id.to_owned(), "ada", delivery, Duration::from_secs(now));
        let chunks: Vec<Arc<dyn ResultChunk>> = vec![Arc::new(Sized(bytes))];
        entry.finish(Outcome::Succeeded(EngineResult { chunks, ..EngineResult::default() }));
        entry
    }

    #[test]
    fn the_result_longest_unused_makes_room() {
        let statements = statements(10);
        let a = finished(&statements, "a", 4, 0);
        let b = finished(&statements, "b", 4, 0);
        statements.get("a").unwrap();
        let c = finished(&statements, "c", 4, 0);
        statements.make_room(Duration::ZERO);
        assert!(matches!(a.phase(), Phase::Succeeded(_)));
        assert!(matches!(b.phase(), Phase::Closed));
        assert!(matches!(c.phase(), Phase::Succeeded(_)));
        assert_eq!(statements.retained_bytes(), 8);
    }

    #[test]
    fn a_single_result_over_the_limit_stays() {
        let statements = statements(10);
        let big = finished(&statements, "big", 100, 0);
        statements.make_room(Duration::ZERO);
        assert!(matches!(big.phase(), Phase::Succeeded(_)));
    }

    #[test]
    fn what_is_over_is_forgotten_in_time_and_what_runs_is_not() {
        let statements = statements(10);
        finished(&statements, "done", 1, 0);
        let delivery = Delivery {
            disposition: Disposition::Inline,
            format: Format::JsonArray,
            lz4: false,
            byte_limit: None,
        };
        statements.insert("running".to_owned(), "ada", delivery, Duration::ZERO);
        statements.make_room(Duration::from_secs(3599));
        assert!(statements.get("done").is_some());
        statements.make_room(Duration::from_secs(3600));
        assert!(statements.get("done").is_none());
        assert!(statements.get("running").is_some());
    }

    #[test]
    fn the_first_end_stands() {
        let statements = statements(10);
        let entry = finished(&statements, "a", 1, 0);
        entry.cancel();
        entry.finish(Outcome::Failed(StatementFailure::internal("late")));
        assert!(matches!(entry.phase(), Phase::Succeeded(_)));
        entry.close();
        entry.close();
        assert!(matches!(entry.phase(), Phase::Closed));
    }
}
