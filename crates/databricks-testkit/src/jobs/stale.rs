//! Looks that come too early: after a repair began, a service may go on for a moment to answer how the run ended before it.

use serde_json::{Map, Value};

use super::record::RunRecord;
use super::view::{self, Extras};

/// A run as it was before its latest repair, for the looks that come too early.
#[derive(Clone, Debug)]
pub(super) struct StaleView {
    run: Map<String, Value>,
    left: StaleLooks,
    /// What the last look at the first page saw: further pages belong to it.
    shown: Shown,
}

/// How many looks come too early.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StaleLooks {
    /// Those that see nothing of the repair.
    pub(super) whole: u32,
    /// Those after them, which find the repair in the history and all else as it was before.
    pub(super) torn: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Before,
    /// The history as it is, and the rest as it was.
    Torn,
    Now,
}

impl StaleView {
    /// The run as it is now, for so many looks; `None` where none is to come too early.
    pub(super) fn of(record: &RunRecord, left: StaleLooks) -> Option<Self> {
        if left.whole == 0 && left.torn == 0 {
            return None;
        }
        let extras = Extras { history: true, resolved_values: false };
        Some(Self { run: view::run_with_tasks(record, extras), left, shown: Shown::Now })
    }

    /// The run before the repair, if this look comes too early: without a history where that is as it is now.
    pub(super) fn look(&mut self, extras: Extras, offset: usize) -> Option<Map<String, Value>> {
        if offset == 0 {
            self.shown = self.left.next();
        }
        if self.shown == Shown::Now {
            return None;
        }
        let mut run = self.run.clone();
        if !extras.history || self.shown == Shown::Torn {
            run.remove("repair_history");
        }
        Some(run)
    }
}

impl StaleLooks {
    fn next(&mut self) -> Shown {
        let (left, shown) = match (self.whole, self.torn) {
            (0, 0) => return Shown::Now,
            (0, _) => (&mut self.torn, Shown::Torn),
            _ => (&mut self.whole, Shown::Before),
        };
        *left -= 1;
        shown
    }
}
