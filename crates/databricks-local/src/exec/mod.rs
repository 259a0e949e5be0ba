//! Runs commands: one file per group, on delta-rs' builders and DataFusion plans.
//!
//! Each statement that changes a table makes exactly one Delta commit, under that table's lock. Reads take no lock:
//! they work on the version that was current when they began.

mod adopt;
mod alter;
mod browse;
mod by_merge;
mod change_feed;
mod clone;
mod commit;
mod compact;
mod condition;
mod copy_into;
mod create_table;
mod definition;
mod describe;
mod engine;
mod evolving_merge;
mod files;
mod history;
mod information_schema;
mod insert;
mod kept_filters;
mod log;
mod maintenance;
mod merge;
mod modify;
mod objects;
mod open;
mod part;
mod pattern;
mod pauses;
mod projection;
mod restore;
mod rows;
mod scans;
mod show;
mod sides;
mod source_path;
mod statement;
mod stored;
mod threads;
mod write;

pub(crate) use self::definition::{table_key, table_properties};
pub(crate) use self::describe::catalog_text;
pub(crate) use self::engine::LocalEngine;
pub(crate) use self::open::builder as table_builder;
