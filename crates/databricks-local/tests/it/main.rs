//! The local workspace, driven through its engine; Delta tables are read back with an independent reader's eye.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adopt;
mod alter;
mod browse;
mod conditions;
mod copy_into;
mod errors;
mod face;
mod history;
mod local;
mod maintenance;
mod merge;
mod objects;
mod results;
mod running;
mod writes;
