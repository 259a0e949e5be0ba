//! Query results on their way out: Arrow batches -> API columns, Arrow IPC chunks, JSON cells.
//!
//! A result is read from the engine as a stream and cut into chunks as it comes. Chunks stay in memory up to a bound
//! that all results share; what is above it lies in a temporary file, so a large SELECT costs disk, not memory.

mod cells;
mod chunk;
mod spool;
mod wire;

pub(crate) use self::spool::SpoolSettings;
