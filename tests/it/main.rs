//! Stories across the crates: clients, wire and engine together, judged by an independent reader of the tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bulk_load;
mod crowd;
mod delta_faults;
mod delta_writes;
mod evolution;
mod evolution_race;
mod external_staging;
mod failures;
mod features;
mod hostile;
mod kill;
mod maintenance;
mod optimize_where;
mod quickstart;
mod reader;
mod statements;
mod story;
mod upkeep;
mod workspace;
