//! The simulated workspace from the outside: as a tower service, and over sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod cassette_files;
mod cassette_laws;
mod cassette_recordings;
mod cassette_secrets;
mod cassettes;
mod client;
mod faults;
mod files;
mod life;
mod mock;
#[cfg(feature = "arrow")]
mod recorded;
#[cfg(feature = "arrow")]
mod results;
mod sockets;
mod support;
mod unity;
