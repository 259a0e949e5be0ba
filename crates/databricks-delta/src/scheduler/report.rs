//! What a round of maintenance did.

use super::health::TableHealth;
use crate::error::DeltaError;
use crate::maintenance::{OptimizeResult, VacuumResult};

/// What a round of maintenance did, and to which tables.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MaintenanceReport {
    /// The tables that were optimized, and what that did.
    pub optimized: Vec<(String, OptimizeResult)>,
    /// The tables that were vacuumed.
    pub vacuumed: Vec<(String, VacuumResult)>,
    /// What went wrong, and with which table. The others were looked after all the same.
    pub errors: Vec<(String, DeltaError)>,
    /// Every table, in the order in which they were given.
    pub tables: Vec<TableReport>,
}

/// How a table was found, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableReport {
    /// The table's full name.
    pub table: String,
    /// How it was found; none when that could not be told.
    pub health: Option<TableHealth>,
    /// What became of its OPTIMIZE.
    pub optimize: Upkeep,
    /// What became of its VACUUM.
    pub vacuum: Upkeep,
}

/// What became of an OPTIMIZE or a VACUUM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Upkeep {
    /// It was not due.
    #[default]
    NotDue,
    /// It was due in the table's quiet hours, and was left for later.
    Quiet,
    /// It was due, and another scheduler is at it or has done it.
    LeftToAnother,
    /// It was done.
    Done,
    /// It was due and failed, or whether it was due could not be found out: the report's errors say why.
    Failed,
    /// The scheduler was told to end before it came to this table.
    Stopped,
}

/// What came of one table.
pub(super) struct Tended {
    pub(super) report: TableReport,
    pub(super) optimized: Option<OptimizeResult>,
    pub(super) vacuumed: Option<VacuumResult>,
    pub(super) errors: Vec<DeltaError>,
}

impl Tended {
    pub(super) fn new(table: String, upkeep: Upkeep) -> Self {
        let report = TableReport { table, health: None, optimize: upkeep, vacuum: upkeep };
        Self { report, optimized: None, vacuumed: None, errors: Vec::new() }
    }
}

impl FromIterator<Tended> for MaintenanceReport {
    fn from_iter<I: IntoIterator<Item = Tended>>(tables: I) -> Self {
        let mut all = Self::default();
        for Tended { report, optimized, vacuumed, errors } in tables {
            let name = || report.table.clone();
            all.optimized.extend(optimized.map(|result| (name(), result)));
            all.vacuumed.extend(vacuumed.map(|result| (name(), result)));
            all.errors.extend(errors.into_iter().map(|error| (name(), error)));
            all.tables.push(report);
        }
        all
    }
}
