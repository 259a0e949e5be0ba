//! Stories across the crates: clients, wire and engine together, judged by an independent reader of the tables.

mod failures;
mod kill;
mod quickstart;
mod reader;
mod workspace;
