//! The SQL client against a scripted workspace and against recorded answers of a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod leaf;

mod cancel;
mod example;
mod example_replay;
mod execute;
mod explain;
mod fault_sweep;
mod log;
mod lying_sizes;
mod progress;
mod replay;
mod simulated;
mod stream;
mod types;
mod warehouses;
