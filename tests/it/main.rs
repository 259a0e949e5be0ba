//! Stories across the crates: clients, wire and engine together, judged by an independent reader of the tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod delta_faults;
mod evolution;
mod failures;
mod hostile;
mod kill;
mod quickstart;
mod reader;
mod statements;
mod story;
mod workspace;
