//! One large result over real sockets, prepared before the first request: what benches and fault sweeps read.
//!
//! The protocol is the simulated workspace's. What is added here costs as little processor time as it can: files
//! written once and shared, a road that delays and paces, and counters.

mod builder;
mod cells;
mod counters;
mod engine;
mod file;
mod road;
mod server;
mod shape;

pub use builder::ResultServerBuilder;
pub use counters::ResultServerStats;
pub use server::ResultServer;
pub use shape::ResultShape;
