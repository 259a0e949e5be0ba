//! The crate against a simulated workspace: what is sent, what is left, what is said when it goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bulk_load;
mod dry_run;
mod files;
mod merge;
mod modes;
mod read;
mod scheduler;
mod support;
mod uploads;
mod write;
mod write_files;
