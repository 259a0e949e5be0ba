//! Stories across the crates: clients, wire and engine together, judged by an independent reader of the tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crowd;
mod delta_faults;
mod evolution;
mod failures;
mod features;
mod kill;
mod maintenance;
mod quickstart;
mod reader;
mod story;
mod upkeep;
mod workspace;
