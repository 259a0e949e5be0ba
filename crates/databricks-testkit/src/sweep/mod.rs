//! Sweeps: an operation is run once to count its requests, then once per request and fault, each time in a fresh world.

mod report;
mod run;
mod trace;

pub use report::{SweepCase, SweepFailure, SweepReport};
pub use run::{Sweep, SweepEnd, SweepOutcome, SweepRun, sweep};
