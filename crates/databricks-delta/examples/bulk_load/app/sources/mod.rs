//! Files as one stream of Arrow batches: found, looked at, united by the names of their columns, read in flat memory.

mod bytes;
mod cells;
mod columns;
mod csv;
mod csv_records;
mod dataset;
mod error;
mod frames;
mod guess;
mod json;
mod json_records;
mod kind;
mod parquet;
mod reader;
mod shape;
mod unite;
mod walk;

#[cfg(test)]
mod tests;

pub(crate) use dataset::{Dataset, Reading};
pub(crate) use error::SourceError;
pub(crate) use reader::{Batches, Tally};
