//! Looks that come too early: after a repair began, a service may go on for a moment to answer how the run ended before it.

use serde_json::{Map, Value, json};

use super::record::RunRecord;
use super::view::{self, Extras};

/// A run as it was before its latest repair, for the looks that come too early.
#[derive(Clone, Debug)]
pub(super) struct StaleView {
    run: Map<String, Value>,
    left: u32,
    /// Whether the last look at the first page was too early: further pages belong to what it saw.
    is_shown: bool,
}

impl StaleView {
    /// The run as it is now, for so many looks; `None` where none is to come too early.
    pub(super) fn of(record: &RunRecord, looks: u32) -> Option<Self> {
        if looks == 0 {
            return None;
        }
        let extras = Extras { history: true, resolved_values: false };
        let mut run = view::run(record, extras);
        run.insert("tasks".to_owned(), json!(view::tasks(record, extras)));
        Some(Self { run, left: looks, is_shown: false })
    }

    /// The run before the repair, if this look comes too early.
    pub(super) fn look(&mut self, extras: Extras, offset: usize) -> Option<Map<String, Value>> {
        if offset == 0 {
            self.is_shown = self.left > 0;
            self.left = self.left.saturating_sub(1);
        }
        let mut run = self.is_shown.then(|| self.run.clone())?;
        if !extras.history {
            run.remove("repair_history");
        }
        Some(run)
    }
}
