//! The statements a workspace knows: their states, their results, and how long they are kept.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::request::Delivery;
use crate::api_error::ApiFailure;
use crate::engine::{EngineResult, StatementFailure};

/// Statements remembered after their end, closed ones included.
const CAPACITY: usize = 10_000;
/// Statements that may wait or run at once.
const UNFINISHED: usize = 10_000;
/// How long a statement is known after its end, as documented.
const MEMORY: Duration = Duration::from_secs(12 * 60 * 60);

/// What a workspace holds of statements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) result_ttl: Duration,
    pub(crate) result_memory: u64,
    pub(crate) inline_bytes: u64,
    /// Whether a client that asks for compressed results gets them.
    pub(crate) compression: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            result_ttl: Duration::from_secs(60 * 60),
            result_memory: 512 * 1024 * 1024,
            inline_bytes: 25 * 1024 * 1024,
            compression: true,
        }
    }
}

/// All statements.
#[derive(Debug)]
pub(crate) struct Statements {
    limits: Limits,
    ledger: Arc<Ledger>,
    shelf: Mutex<Shelf>,
}

/// What statements report of themselves, so that nobody has to ask each of them.
#[derive(Debug, Default)]
struct Ledger {
    /// Bytes of all results. An end and a close may report in either order, so it may pass below zero for a moment.
    retained: AtomicI64,
    /// Statements that ended since the last look, and when.
    ended: Mutex<VecDeque<(Duration, String)>>,
}

/// The statements, in the orders in which they are looked for. Every request costs a few steps here, however many
/// statements there are.
#[derive(Debug, Default)]
struct Shelf {
    entries: HashMap<String, Arc<Entry>>,
    /// Those that hold a result, by their last use.
    by_use: BTreeMap<u64, String>,
    /// Those that are over, by their end: results to close, then statements to forget.
    to_close: VecDeque<(Duration, String)>,
    to_forget: VecDeque<(Duration, String)>,
    uses: u64,
}

/// One statement.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) user: String,
    pub(super) delivery: Delivery,
    pub(super) inline_limit: u64,
    created: Duration,
    created_at: Instant,
    last_use: AtomicU64,
    /// Bytes of the result, told once with it: chunks are not asked where they must not fail.
    result_bytes: AtomicI64,
    phase: watch::Sender<Phase>,
    task: Mutex<Option<AbortHandle>>,
    ledger: Arc<Ledger>,
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
    /// A result and its bytes.
    Succeeded(EngineResult, u64),
    Failed(StatementFailure),
}

impl Phase {
    fn is_over(&self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    fn has_result(&self) -> bool {
        matches!(self, Self::Succeeded(_))
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
        self.advance(|phase| (!phase.is_over()).then_some(Phase::Running));
    }

    /// Ends the statement, unless it is over already: the first end stands.
    pub(super) fn finish(&self, outcome: Outcome) {
        let next = match outcome {
            Outcome::Succeeded(result, bytes) => {
                self.result_bytes.store(i64::try_from(bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
                Phase::Succeeded(Arc::new(result))
            }
            Outcome::Failed(failure) => Phase::Failed(failure),
        };
        self.advance(|phase| (!phase.is_over()).then_some(next));
    }

    /// Fails a statement whose result turned out to be unreadable.
    pub(super) fn fail(&self, failure: StatementFailure) {
        self.advance(|phase| phase.has_result().then_some(Phase::Failed(failure)));
    }

    /// Stops a statement that is not over; one that is stays as it is.
    pub(super) fn cancel(&self) {
        self.advance(|phase| (!phase.is_over()).then_some(Phase::Canceled));
        self.abort();
    }

    /// Cancels what runs, and frees the result of what has ended well.
    pub(super) fn close(&self) {
        self.advance(|phase| match phase {
            Phase::Pending | Phase::Running => Some(Phase::Canceled),
            Phase::Succeeded(_) => Some(Phase::Closed),
            Phase::Failed(_) | Phase::Canceled | Phase::Closed => None,
        });
        self.abort();
    }

    pub(super) fn set_task(&self, task: AbortHandle) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Moves on where `next` says so, and reports what that changes for the whole.
    fn advance(&self, next: impl FnOnce(&Phase) -> Option<Phase>) {
        let (mut bytes, mut ends) = (0, false);
        self.phase.send_if_modified(|phase| {
            let Some(next) = next(phase) else { return false };
            ends = !phase.is_over() && next.is_over();
            bytes = self.bytes_held(&next).saturating_sub(self.bytes_held(phase));
            *phase = next;
            true
        });
        self.ledger.retained.fetch_add(bytes, Ordering::Relaxed);
        if ends {
            let at = self.created.saturating_add(self.created_at.elapsed());
            self.ledger.lock().push_back((at, self.id.clone()));
        }
    }

    fn bytes_held(&self, phase: &Phase) -> i64 {
        if phase.has_result() { self.result_bytes.load(Ordering::Relaxed) } else { 0 }
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

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(Duration, String)>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retained(&self) -> u64 {
        u64::try_from(self.retained.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

impl Statements {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, ledger: Arc::default(), shelf: Mutex::default() }
    }

    /// Whether results are compressed for who asks.
    pub(super) fn compresses(&self) -> bool {
        self.limits.compression
    }

    /// Takes a statement in.
    ///
    /// # Errors
    /// A refusal (429) when too many wait or run.
    pub(super) fn insert(
        &self,
        id: String,
        user: &str,
        delivery: Delivery,
        now: Duration,
    ) -> Result<Arc<Entry>, ApiFailure> {
        let mut shelf = self.settled();
        if shelf.unfinished() >= UNFINISHED {
            return Err(too_many());
        }
        let entry = Arc::new(Entry {
            id: id.clone(),
            user: user.to_owned(),
            delivery,
            inline_limit: self.limits.inline_bytes,
            created: now,
            created_at: Instant::now(),
            last_use: AtomicU64::new(0),
            result_bytes: AtomicI64::new(0),
            phase: watch::Sender::new(Phase::Pending),
            task: Mutex::default(),
            ledger: self.ledger.clone(),
        });
        shelf.entries.insert(id, entry.clone());
        Ok(entry)
    }

    /// A statement by id; it counts as used now.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Entry>> {
        let mut shelf = self.settled();
        let entry = shelf.entries.get(id).cloned()?;
        if let Some(id) = shelf.by_use.remove(&entry.last_use.load(Ordering::Relaxed)) {
            shelf.use_now(&entry, id);
        }
        Some(entry)
    }

    /// Closes results and forgets statements that are too old, and closes the results longest unused while there are
    /// too many bytes.
    pub(crate) fn make_room(&self, now: Duration) {
        let mut shelf = self.settled();
        shelf.close_old(now, self.limits.result_ttl);
        shelf.forget_old(now);
        shelf.close_least_used(&self.ledger, self.limits.result_memory);
    }

    pub(crate) fn retained_bytes(&self) -> u64 {
        self.ledger.retained()
    }

    /// The shelf, with what has ended since the last look in its place.
    fn settled(&self) -> MutexGuard<'_, Shelf> {
        let ended = std::mem::take(&mut *self.ledger.lock());
        let mut shelf = self.lock();
        for (at, id) in ended {
            shelf.note_end(at, id);
        }
        shelf
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What no client can ask about any more does not run on. Tasks hold their own entry, never the workspace.
impl Drop for Statements {
    fn drop(&mut self) {
        self.lock().entries.values().for_each(|entry| entry.cancel());
    }
}

fn too_many() -> ApiFailure {
    let message =
        format!("{UNFINISHED} statements wait or run, and no more may: try again when some have ended.");
    ApiFailure::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message)
}

impl Shelf {
    /// How many statements wait or run. Every one that is over stands in line to be forgotten.
    fn unfinished(&self) -> usize {
        self.entries.len().saturating_sub(self.to_forget.len())
    }

    fn use_now(&mut self, entry: &Entry, id: String) {
        self.uses += 1;
        entry.last_use.store(self.uses, Ordering::Relaxed);
        self.by_use.insert(self.uses, id);
    }

    fn note_end(&mut self, at: Duration, id: String) {
        let Some(entry) = self.entries.get(&id).cloned() else { return };
        if entry.phase.borrow().has_result() {
            self.use_now(&entry, id.clone());
            self.to_close.push_back((at, id.clone()));
        }
        self.to_forget.push_back((at, id));
    }

    fn close(&mut self, id: &str) {
        if let Some(entry) = self.entries.get(id) {
            self.by_use.remove(&entry.last_use.load(Ordering::Relaxed));
            entry.close();
        }
    }

    fn close_old(&mut self, now: Duration, ttl: Duration) {
        while let Some((_, id)) = self.to_close.pop_front_if(|(at, _)| now.saturating_sub(*at) >= ttl) {
            self.close(&id);
        }
    }

    fn forget_old(&mut self, now: Duration) {
        let mut crowded = self.to_forget.len().saturating_sub(CAPACITY);
        while let Some((_, id)) =
            self.to_forget.pop_front_if(|(at, _)| crowded > 0 || now.saturating_sub(*at) >= MEMORY)
        {
            crowded = crowded.saturating_sub(1);
            self.close(&id);
            self.entries.remove(&id);
        }
    }

    /// The most recently used result stays, whatever its size.
    fn close_least_used(&mut self, ledger: &Ledger, limit: u64) {
        while ledger.retained() > limit && self.has_several_results() {
            if let Some((_, id)) = self.by_use.pop_first() {
                self.close(&id);
            }
        }
    }

    /// Whether more than one statement still holds its result; drops from the end those that a client has closed.
    fn has_several_results(&mut self) -> bool {
        while let Some(last) = self.by_use.last_entry() {
            if self.entries.get(last.get()).is_some_and(|entry| entry.phase.borrow().has_result()) {
                break;
            }
            last.remove();
        }
        self.by_use.len() > 1
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

    fn running(statements: &Statements, id: &str, now: u64) -> Arc<Entry> {
        let delivery = Delivery {
            disposition: Disposition::Inline,
            format: Format::JsonArray,
            lz4: false,
            byte_limit: None,
        };
        statements.insert(id.to_owned(), "ada", delivery, Duration::from_secs(now)).unwrap()
    }

    fn finished(statements: &Statements, id: &str, bytes: u64, now: u64) -> Arc<Entry> {
        let entry = running(statements, id, now);
        let chunks: Vec<Arc<dyn ResultChunk>> = vec![Arc::new(Sized(bytes))];
        entry.finish(Outcome::Succeeded(EngineResult { chunks, ..EngineResult::default() }, bytes));
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
    fn what_is_over_is_closed_then_forgotten_and_what_runs_is_not() {
        let statements = statements(10);
        finished(&statements, "done", 1, 0);
        running(&statements, "running", 0);
        let phase_at = |seconds| {
            statements.make_room(Duration::from_secs(seconds));
            statements.get("done").map(|entry| entry.phase())
        };
        assert!(matches!(phase_at(3599), Some(Phase::Succeeded(_))));
        assert!(matches!(phase_at(3601), Some(Phase::Closed)));
        assert_eq!(statements.retained_bytes(), 0);
        assert!(matches!(phase_at(12 * 3600 - 1), Some(Phase::Closed)));
        assert!(phase_at(12 * 3600 + 1).is_none());
        assert!(statements.get("running").is_some());
    }

    #[test]
    fn a_result_closed_by_its_client_does_not_protect_or_doom_another() {
        let statements = statements(10);
        let old = finished(&statements, "old", 12, 0);
        let new = finished(&statements, "new", 4, 0);
        statements.make_room(Duration::ZERO);
        assert!(matches!(old.phase(), Phase::Closed));
        let big = finished(&statements, "big", 12, 0);
        let closed = finished(&statements, "closed", 1, 0);
        closed.close();
        statements.make_room(Duration::ZERO);
        assert!(matches!(new.phase(), Phase::Closed));
        assert!(matches!(big.phase(), Phase::Succeeded(_)), "the only result left");
        assert_eq!(statements.retained_bytes(), 12);
    }

    #[test]
    fn past_the_capacity_the_oldest_ends_are_forgotten() {
        let statements = statements(u64::MAX);
        for n in 0..CAPACITY + 3 {
            finished(&statements, &n.to_string(), 1, 0);
            statements.make_room(Duration::ZERO);
        }
        assert!(statements.get("2").is_none());
        assert!(statements.get("3").is_some());
        assert_eq!(statements.retained_bytes(), CAPACITY as u64);
    }

    #[test]
    fn what_runs_is_bounded_and_does_not_push_out_what_has_ended() {
        let statements = statements(u64::MAX);
        finished(&statements, "done", 1, 0);
        let all: Vec<_> = (0..UNFINISHED).map(|n| running(&statements, &n.to_string(), 0)).collect();
        statements.make_room(Duration::ZERO);
        assert!(matches!(statements.get("done").unwrap().phase(), Phase::Succeeded(_)));
        let more = |id: &str| statements.insert(id.to_owned(), "ada", all[0].delivery, Duration::ZERO);
        assert_eq!(more("more").unwrap_err().status(), 429);
        assert!(statements.get("more").is_none());
        all[7].cancel();
        more("more").unwrap();
        assert_eq!(more("one more").unwrap_err().status(), 429);
    }

    #[test]
    fn statements_do_not_outlive_their_workspace() {
        let statements = statements(10);
        let (waiting, done) = (running(&statements, "waiting", 0), finished(&statements, "done", 1, 0));
        drop(statements);
        assert!(matches!(waiting.phase(), Phase::Canceled));
        assert!(matches!(done.phase(), Phase::Succeeded(_)));
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
