//! The rules together: which one decides, and what has happened so far.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use http::request::Parts;
use tokio::time::Instant;

use super::fault::Fault;
use super::latency::Latency;
use super::record::FaultRecord;
use super::rule::{FaultRule, Predicate};
use super::stale::{History, Kept, Read, Watch};

/// How many records are kept.
const CAPACITY: usize = 10_000;

/// A set of rules. Clones share it, so a test keeps one and the workspace another.
///
/// Every request is counted by every rule it matches; of the rules due at it, the one added first decides. Each fault
/// that happens is on record.
///
/// ```
/// use databricks_testkit::{Fault, FaultRule, Faults};
/// use http::Method;
///
/// # fn main() -> Result<(), databricks_testkit::InvalidRate> {
/// let flaky = FaultRule::on(Method::GET, "/api/", Fault::ResetBefore).rate(0.05, 42)?;
/// let faults = Faults::new().with(flaky);
/// assert!(faults.records().is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    rules: Vec<Armed>,
    added: u64,
    requests: u64,
    fired: u64,
    records: VecDeque<FaultRecord>,
    history: History,
    trace: Option<Vec<(Method, String)>>,
}

#[derive(Debug)]
struct Armed {
    number: u64,
    rule: FaultRule,
    seen: u64,
    due: u64,
}

/// The fault of one request, on record while it has not shown that it does nothing. Dropped before it acted (the caller
/// gave up, there was no body to spoil), it has not happened.
#[derive(Debug)]
#[must_use = "a fault that is dropped has not happened"]
pub(super) struct Pending {
    faults: Faults,
    number: u64,
    acted: bool,
}

impl Pending {
    /// The fault changes something now.
    pub(super) fn acted(mut self) {
        self.acted = true;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.acted {
            self.faults.lock().withdraw(self.number);
        }
    }
}

/// What a request meets.
#[derive(Debug)]
pub(super) enum Chosen {
    Nothing,
    Fault(Fault),
    Stale(Kept),
}

impl Armed {
    /// Counts a match and gives the number of the firing, from 0, when the rule is due at it.
    fn count(&mut self) -> Option<u64> {
        self.seen = self.seen.saturating_add(1);
        let FaultRule { first, times, rate, .. } = &self.rule;
        let in_turn = self.seen >= *first && self.due < *times;
        let is_due = in_turn && rate.is_none_or(|rate| rate.hits(self.seen));
        self.due = self.due.saturating_add(u64::from(is_due));
        is_due.then(|| self.due.saturating_sub(1))
    }

    fn staleness(&self) -> bool {
        matches!(self.rule.fault, Fault::Stale(_))
    }

    /// Whether the request with this number may be one of the rule's.
    fn may_fire_at(&self, request: u64) -> bool {
        self.rule.at_request.is_none_or(|at| request == at || (request > at && self.due > 0))
    }

    /// Counts the request and says what it meets by this rule, if the rule is due.
    fn decide(&mut self, history: &History, read: Option<&Read>) -> Option<Chosen> {
        match &self.rule.fault {
            Fault::Stale(staleness) => {
                let kept = history.before_last_write(read?, *staleness, Instant::now())?;
                self.count().map(|_| Chosen::Stale(kept))
            }
            fault => {
                let fault = fault.clone();
                self.count().map(|firing| Chosen::Fault(drawn(fault, firing)))
            }
        }
    }
}

/// A latency as it was drawn; any other fault as it is.
fn drawn(fault: Fault, firing: u64) -> Fault {
    match fault {
        Fault::Latency { latency, seed } => {
            Fault::Latency { latency: Latency::Fixed(latency.draw(seed, firing)), seed }
        }
        other => other,
    }
}

impl Faults {
    /// No faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// No faults, and a memory of every request's method and path.
    pub(crate) fn traced() -> Self {
        let faults = Self::default();
        faults.lock().trace = Some(Vec::new());
        faults
    }

    /// Adds a rule; it counts from now on.
    pub fn add(&self, rule: FaultRule) {
        let mut inner = self.lock();
        inner.added += 1;
        let number = inner.added;
        inner.rules.push(Armed { number, rule, seen: 0, due: 0 });
    }

    /// The same, for building a set in one expression.
    #[must_use]
    pub fn with(self, rule: FaultRule) -> Self {
        self.add(rule);
        self
    }

    /// How many faults have happened: those that changed something. A truncated answer without a body is as it was, and
    /// so does not count.
    pub fn fired(&self) -> u64 {
        self.lock().fired
    }

    /// The faults that have happened, oldest first; the last 10,000 are kept.
    pub fn records(&self) -> Vec<FaultRecord> {
        self.lock().records.iter().cloned().collect()
    }

    /// Removes every rule, and forgets what has happened.
    pub fn clear(&self) {
        let mut inner = self.lock();
        let (requests, trace) = (inner.requests, inner.trace.take());
        *inner = Inner { requests, trace, ..Inner::default() };
    }

    /// Method and path of the requests so far, for a traced set.
    pub(crate) fn trace(&self) -> Vec<(Method, String)> {
        self.lock().trace.clone().unwrap_or_default()
    }

    /// What this request meets, and what its answer is needed for.
    ///
    /// What is chosen is on record at once, so that predicates see it; the pending fault takes that back unless it acts.
    pub(super) fn decide(&self, parts: &Parts) -> (Chosen, Watch, Pending) {
        let matching = self.matching(parts);
        let mut inner = self.lock();
        inner.note(parts);
        let pending = Pending { faults: self.clone(), number: inner.requests, acted: false };
        if inner.rules.is_empty() {
            return (Chosen::Nothing, Watch::Nothing, pending);
        }
        let (chosen, watch) = inner.choose(parts, &matching);
        (chosen, watch, pending)
    }

    /// Remembers an answer for reads to come.
    pub(super) fn remember(&self, remember: impl FnOnce(&mut History)) {
        remember(&mut self.lock().history);
    }

    /// The numbers of the rules that match. Predicates are a test's own code: they run outside the lock.
    fn matching(&self, parts: &Parts) -> Vec<u64> {
        let rules: Vec<(u64, Predicate)> = {
            let inner = self.lock();
            inner.rules.iter().map(|armed| (armed.number, armed.rule.matches.clone())).collect()
        };
        rules.into_iter().filter(|(_, matches)| matches(parts)).map(|(number, _)| number).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn note(&mut self, parts: &Parts) {
        self.requests += 1;
        if let Some(trace) = &mut self.trace {
            trace.push((parts.method.clone(), parts.uri.path().to_owned()));
        }
    }

    fn choose(&mut self, parts: &Parts, matching: &[u64]) -> (Chosen, Watch) {
        let remembers = self.rules.iter().any(Armed::staleness);
        let read = if remembers { Read::of(parts) } else { None };
        let (mut chosen, mut by, mut read_again, request) = (Chosen::Nothing, 0, false, self.requests);
        for armed in self.rules.iter_mut().filter(|armed| matching.contains(&armed.number)) {
            read_again |= armed.staleness();
            if !armed.may_fire_at(request) {
                continue;
            }
            let decision = armed.decide(&self.history, read.as_ref());
            if let (Chosen::Nothing, Some(decision)) = (&chosen, decision) {
                (chosen, by) = (decision, armed.number);
            }
        }
        self.record(parts, &chosen, by);
        if let (Chosen::Stale(_), Some(read)) = (&chosen, &read) {
            self.history.served(read);
        }
        let watch =
            if remembers { self.history.watch(parts, read.filter(|_| read_again)) } else { Watch::Nothing };
        (chosen, watch)
    }

    fn record(&mut self, parts: &Parts, chosen: &Chosen, by: u64) {
        let fault = match chosen {
            Chosen::Nothing => return,
            Chosen::Fault(fault) => fault.clone(),
            Chosen::Stale(_) => match self.rules.iter().find(|armed| armed.number == by) {
                Some(armed) => armed.rule.fault.clone(),
                None => return,
            },
        };
        self.fired += 1;
        if self.records.len() == CAPACITY {
            self.records.pop_front();
        }
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        self.records.push_back(FaultRecord { number: self.requests, rule: by, method, path, fault });
    }

    /// Takes back the record of a request. The rule's turn stays taken.
    fn withdraw(&mut self, number: u64) {
        if let Ok(at) = self.records.binary_search_by_key(&number, |record| record.number) {
            self.records.remove(at);
            self.fired = self.fired.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        let Inner { rules, added: _, requests, fired, records: _, history: _, trace: _ } = &*inner;
        f.debug_struct("Faults")
            .field("rules", rules)
            .field("requests", requests)
            .field("fired", fired)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::Request;
    use std::time::Duration;

    fn parts(method: Method, path: &str) -> Parts {
        Request::builder().method(method).uri(path).body(()).unwrap().into_parts().0
    }

    fn decide(faults: &Faults, path: &str) -> Option<Fault> {
        let (chosen, _, pending) = faults.decide(&parts(Method::GET, path));
        pending.acted();
        match chosen {
            Chosen::Fault(fault) => Some(fault),
            _ => None,
        }
    }

    fn decisions(faults: &Faults, requests: usize) -> Vec<bool> {
        (0..requests).map(|_| decide(faults, "/a/b").is_some()).collect()
    }

    #[test]
    fn a_rule_fires_at_its_turn_and_as_often_as_asked() {
        let rule = || FaultRule::on(Method::GET, "/a", Fault::ResetBefore);
        assert_eq!(decisions(&Faults::new().with(rule()), 3), [true, false, false]);
        assert_eq!(decisions(&Faults::new().with(rule().nth(2).times(2)), 4), [false, true, true, false]);
        assert_eq!(decisions(&Faults::new().with(rule().nth(3).always()), 4), [false, false, true, true]);
        let put = FaultRule::on(Method::PUT, "/a", Fault::ResetBefore);
        assert_eq!(decisions(&Faults::new().with(put), 2), [false, false]);
    }

    #[test]
    fn of_two_rules_due_at_once_the_first_added_decides_and_both_count() {
        let faults = Faults::new()
            .with(FaultRule::on(Method::GET, "/", Fault::ResetBefore))
            .with(FaultRule::on(Method::GET, "/", Fault::ResetAfter));
        assert_eq!(decide(&faults, "/x"), Some(Fault::ResetBefore));
        assert_eq!(decide(&faults, "/x"), None);
        assert_eq!(faults.fired(), 1);
        faults.clear();
        assert_eq!((faults.fired(), faults.records().len()), (0, 0));
    }

    #[test]
    fn a_rate_draws_among_the_matches_and_times_bounds_it() {
        let rule = || FaultRule::any(Fault::ResetBefore).rate(0.3, 11).unwrap();
        let faults = Faults::new().with(rule());
        let drawn = decisions(&faults, 1_000);
        assert_eq!(drawn, decisions(&Faults::new().with(rule()), 1_000));
        assert!((250..350).contains(&faults.fired()), "{}", faults.fired());
        let first_three = decisions(&Faults::new().with(rule().times(3)), 1_000);
        assert_eq!(first_three.iter().filter(|hit| **hit).count(), 3);
        let last = first_three.iter().rposition(|hit| *hit).unwrap();
        assert_eq!(first_three[..=last], drawn[..=last]);
    }

    #[test]
    fn every_fault_is_on_record_with_what_was_drawn() {
        let slow = Fault::latency(Latency::Uniform(Duration::ZERO, Duration::from_secs(9)));
        let faults = Faults::new()
            .with(FaultRule::on(Method::PUT, "/", Fault::ResetAfter))
            .with(FaultRule::on(Method::GET, "/slow", slow.clone()));
        decide(&faults, "/fast");
        decide(&faults, "/slow/x?secret=1");
        let records = faults.records();
        assert_eq!(records.len(), 1);
        let Fault::Latency { latency: Latency::Fixed(time), .. } = records[0].fault else {
            panic!("{records:?}")
        };
        let shown = format!("#2 GET /slow/x: latency {time:?} (rule 2)");
        assert_eq!(records[0].to_string(), shown);
    }

    #[test]
    fn a_predicate_may_use_the_set_it_belongs_to() {
        let faults = Faults::new();
        let own = faults.clone();
        faults.add(FaultRule::when(move |_, _| own.fired() == 0, Fault::ResetBefore).always());
        assert_eq!(decisions(&faults, 3), [true, false, false]);
    }
}
