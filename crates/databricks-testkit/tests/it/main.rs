//! The simulated workspace from the outside: as a tower service, and over sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod client;
mod determinism;
mod fault_kinds;
mod fault_sockets;
mod faults;
mod files;
mod fixture;
mod life;
#[cfg(feature = "arrow")]
mod recorded;
#[cfg(feature = "arrow")]
mod results;
mod sockets;
mod support;
mod sweeps;
mod unity;
