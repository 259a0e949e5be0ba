//! The SQL text of every statement this crate sends: pure functions of values, nothing here talks to a server.
//!
//! Names and values are quoted here. Conditions, SET lists and the like are the caller's own SQL and are kept as they
//! are, each ended by a line break, so that a comment at its end cannot swallow what follows.

pub(crate) mod cast;
pub(crate) mod copy;
pub(crate) mod ddl;
pub(crate) mod dml;
pub(crate) mod insert;
pub(crate) mod maintenance;
pub(crate) mod merge;
pub(crate) mod point_in_time;
pub(crate) mod read;

#[cfg(test)]
mod merge_tests;
