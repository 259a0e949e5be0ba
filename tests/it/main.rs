//! Stories across the crates: clients, wire and engine together, judged by an independent reader of the tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod delta_faults;
mod delta_writes;
mod evolution;
mod failures;
mod kill;
mod quickstart;
mod reader;
mod story;
mod workspace;
