//! The simulated workspace from the outside: as a tower service, and over sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod cassette_files;
mod cassette_known_secrets;
mod cassette_laws;
mod cassette_lookalikes;
mod cassette_names;
mod cassette_recordings;
mod cassette_secrets;
mod cassettes;
mod catalog_writes;
mod client;
mod determinism;
mod fault_kinds;
mod fault_sockets;
mod faults;
mod files;
mod fixture;
mod grants;
mod isolated;
mod jobs;
mod jobs_definitions;
mod jobs_graph;
mod jobs_hostile;
mod jobs_repair;
mod jobs_support;
mod jobs_tasks;
mod life;
mod mock;
mod oauth;
mod rate_limits;
#[cfg(feature = "arrow")]
mod recorded;
#[cfg(feature = "arrow")]
mod result_server;
#[cfg(feature = "arrow")]
mod results;
mod sockets;
mod stale_answers;
mod statement_ends;
mod support;
mod sweeps;
mod unity;
mod uploads;
mod warehouses;
