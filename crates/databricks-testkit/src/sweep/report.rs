//! What a sweep found: a table, and laws over all its cases.

use std::fmt;
use std::time::Duration;

use http::Method;

use super::run::{Measured, SweepOutcome};
use super::trace::{Step, first_difference};
use crate::faults::{Fault, FaultRecord};

/// The longest text of an outcome in the table, in characters.
const SHOWN: usize = 100;

/// One run of the operation with one fault.
#[derive(Clone, Debug)]
pub struct SweepCase<S> {
    number: usize,
    request: usize,
    step: Step,
    fault: Fault,
    outcome: SweepOutcome,
    state: Option<S>,
    steps: Vec<Step>,
    records: Vec<FaultRecord>,
    time: Duration,
}

impl<S> SweepCase<S> {
    pub(super) fn new(
        number: usize,
        request: usize,
        step: Step,
        fault: Fault,
        measured: Measured<S>,
    ) -> Self {
        let Measured { outcome, state, steps, faults, time } = measured;
        // Rule 1 is the case's own; rule 2 only ends runs that send without end.
        let records = faults.records().into_iter().filter(|record| record.rule == 1).collect();
        Self { number, request, step, fault, outcome, state, steps, records, time }
    }

    /// The case's number, from 1: what [`Sweep::only_case`](super::Sweep::only_case) takes to run it alone.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Which request of the operation had the fault, from 1.
    pub fn request(&self) -> usize {
        self.request
    }

    /// That request's method, as in the run without a fault.
    pub fn method(&self) -> &Method {
        &self.step.method
    }

    /// That request's path, as in the run without a fault.
    pub fn path(&self) -> &str {
        &self.step.path
    }

    /// What went wrong at it.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// How the operation ended.
    pub fn outcome(&self) -> &SweepOutcome {
        &self.outcome
    }

    /// The state it left: what stands beside the `Result` of the closure, else the value of its success.
    pub fn state(&self) -> Option<&S> {
        self.state.as_ref()
    }

    /// How many requests the operation made in this run, those sent again included.
    pub fn requests(&self) -> usize {
        self.steps.len()
    }

    /// Whether the fault happened. It does not when the operation made fewer requests than without a fault, when nothing
    /// is known that would make a stale answer, and when the answer has no body to spoil.
    pub fn fired(&self) -> bool {
        !self.records.is_empty()
    }

    /// The fault as it happened.
    pub fn record(&self) -> Option<&FaultRecord> {
        self.records.first()
    }

    /// How long the run took, on tokio's clock.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// How the run left the way of the one without a fault before the fault was there.
    pub(super) fn deviation(&self, baseline: &[Step]) -> Option<String> {
        let number = self.number;
        if self.had_nothing_to_act_on() {
            return None;
        }
        if !self.fired() {
            return Some(format!("case {number} {}", self.missed()));
        }
        let until = |steps: &[Step]| steps.iter().take(self.request).cloned().collect::<Vec<_>>();
        let difference = first_difference(&until(baseline), &until(&self.steps))?;
        Some(format!("case {number} went another way before its fault: {difference}"))
    }

    /// Whether the fault came to its request and found nothing that it could change there.
    fn had_nothing_to_act_on(&self) -> bool {
        !self.fired() && self.steps.len() >= self.request && self.fault.depends_on_answer()
    }

    /// How the fault did not happen.
    fn missed(&self) -> String {
        let (made, request) = (self.requests(), self.request);
        format!("made {made} requests: its fault at request {request} never happened")
    }

    /// Number, request, fault, outcome, requests, time.
    fn row(&self) -> [String; 6] {
        let Self { number, request, step, fault, outcome, .. } = self;
        [
            number.to_string(),
            format!("{request} {} {}", step.method, step.path),
            fault.to_string(),
            format!("{}{}", if self.fired() { "" } else { "(no fault) " }, one_line(&outcome.to_string())),
            self.requests().to_string(),
            format!("{:.1} s", self.time.as_secs_f64()),
        ]
    }
}

/// What a sweep found. `Display` is a table; the alternate form (`{:#}`) leaves out counts and times, which vary with the
/// jitter of retries, and so suits snapshots.
#[derive(Clone, Debug)]
#[must_use]
pub struct SweepReport<S> {
    baseline: SweepOutcome,
    steps: Vec<Step>,
    time: Duration,
    cases: Vec<SweepCase<S>>,
    notes: Vec<String>,
    may_vary: bool,
}

impl<S> SweepReport<S> {
    pub(super) fn new(
        baseline: SweepOutcome,
        steps: Vec<Step>,
        time: Duration,
        cases: Vec<SweepCase<S>>,
        notes: Vec<String>,
    ) -> Self {
        Self { baseline, steps, time, cases, notes, may_vary: false }
    }

    /// Lets laws hold although runs that should have been alike were not.
    pub(super) fn varying(mut self, may_vary: bool) -> Self {
        self.may_vary = may_vary;
        self
    }

    /// How the operation ended without a fault. When it failed, there are no cases.
    pub fn baseline(&self) -> &SweepOutcome {
        &self.baseline
    }

    /// Requests of the operation without a fault.
    pub fn baseline_requests(&self) -> usize {
        self.steps.len()
    }

    /// The cases in order: by request, then by fault.
    pub fn cases(&self) -> &[SweepCase<S>] {
        &self.cases
    }

    /// Where runs that should have been alike were not: the operation is not deterministic (it runs things at once, or
    /// depends on ids or time), and a case may have hit another request than the one it names. Laws fail then, unless
    /// [`Sweep::allow_nondeterminism`](super::Sweep::allow_nondeterminism) was said.
    pub fn nondeterminism(&self) -> &[String] {
        &self.notes
    }

    /// Checks a law: what must be true of every case, whatever went wrong in it.
    ///
    /// # Errors
    /// The cases for which it is false, and those in which nothing went wrong: their fault never happened. Faults that
    /// need an answer of a kind (a body to spoil, an earlier answer) may find none, but some fault must have happened.
    ///
    /// A law over nothing says nothing: a sweep without a case, of an operation that fails without a fault, or of one that
    /// is not deterministic is an error too.
    pub fn law(&self, name: &str, holds: impl Fn(&SweepCase<S>) -> bool) -> Result<(), SweepFailure> {
        self.check(name, |case| if holds(case) { Ok(()) } else { Err(String::new()) })
    }

    /// Checks a law that says what is wrong where it is broken.
    ///
    /// # Errors
    /// As [`law`](Self::law).
    pub fn check(
        &self,
        name: &str,
        check: impl Fn(&SweepCase<S>) -> Result<(), String>,
    ) -> Result<(), SweepFailure> {
        let failure = |broken, untested| {
            Err(SweepFailure { law: name.to_owned(), of: self.cases.len(), broken, untested })
        };
        let why = |case: &SweepCase<S>| check(case).and_then(|()| self.happened(case)).err();
        let broken: Vec<String> =
            self.cases.iter().filter_map(|case| Some(broken(case, &why(case)?))).collect();
        if !broken.is_empty() {
            return failure(broken, false);
        }
        let untested = self.untested();
        if untested.is_empty() { Ok(()) } else { failure(untested, true) }
    }

    /// That something went wrong in a case, or could not.
    fn happened(&self, case: &SweepCase<S>) -> Result<(), String> {
        let is_fine = case.fired() || case.had_nothing_to_act_on() || self.may_vary;
        if is_fine { Ok(()) } else { Err(case.missed()) }
    }

    /// Why the sweep says nothing about any law; empty when it does.
    fn untested(&self) -> Vec<String> {
        let requests = self.steps.len();
        if !self.baseline.is_ok() {
            return vec![format!("without a fault: {}", self.baseline)];
        }
        if self.cases.is_empty() {
            return vec![format!("no case was run (the operation made {requests} requests)")];
        }
        if !self.cases.iter().any(SweepCase::fired) {
            return vec!["no fault happened in any case".to_owned()];
        }
        let notes = if self.may_vary { &[] } else { self.notes.as_slice() };
        notes.iter().map(|note| format!("not deterministic: {note}")).collect()
    }

    /// Checks that every run ended by itself: no hang, no endless sending, no panic.
    ///
    /// # Errors
    /// As [`law`](Self::law).
    pub fn orderly(&self) -> Result<(), SweepFailure> {
        self.law("every run ends by itself", |case| case.outcome.is_orderly())
    }
}

fn broken<S>(case: &SweepCase<S>, why: &str) -> String {
    let [number, request, fault, outcome, requests, time] = case.row();
    let why = if why.is_empty() { String::new() } else { format!("; {why}") };
    format!("case {number}: {fault} at request {request}: {outcome} ({requests} requests, {time}){why}")
}

fn one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

impl<S> fmt::Display for SweepReport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, cases) = (self.steps.len(), self.cases.len());
        let well = self.cases.iter().filter(|case| case.outcome.is_ok()).count();
        write!(f, "without a fault: {}, {requests} requests", one_line(&self.baseline.to_string()))?;
        if !f.alternate() {
            write!(f, ", {:.1} s", self.time.as_secs_f64())?;
        }
        writeln!(f, "; {cases} cases, {well} ok")?;
        let titles = ["case", "request", "fault", "outcome", "requests", "time"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(titles).chain(self.cases.iter().map(SweepCase::row)).collect();
        let shown = if f.alternate() { 4 } else { 6 };
        table(f, &rows, shown)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "not deterministic: {note}"))
    }
}

/// The first columns of the rows, each as wide as its widest cell.
fn table(f: &mut fmt::Formatter<'_>, rows: &[[String; 6]], columns: usize) -> fmt::Result {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(f, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// A law that some cases break. `Debug` is the same text as `Display`, so that `unwrap` shows it readably.
#[derive(Clone, PartialEq, Eq)]
pub struct SweepFailure {
    law: String,
    of: usize,
    broken: Vec<String>,
    /// The lines say why there is no telling.
    untested: bool,
}

impl SweepFailure {
    /// The law's name.
    pub fn law(&self) -> &str {
        &self.law
    }

    /// A line for each case that breaks it; where it was not tested at all, why.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }
}

impl fmt::Display for SweepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, of, broken, untested } = self;
        if *untested {
            write!(f, "the law \"{law}\" was not tested:")?;
            return broken.iter().try_for_each(|line| write!(f, "\n  {line}"));
        }
        write!(f, "the law \"{law}\" is broken in {} of {of} cases:", broken.len())?;
        broken.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        f.write_str("\nrun one alone: Sweep::only_case(number)")
    }
}

impl fmt::Debug for SweepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SweepFailure {}
