//! Jobs calls against a scripted server and a simulated workspace, in paused time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_days;
mod calls;
mod definitions;
mod example;
mod graph;
mod metrics;
mod repairs;
mod runs;
mod script;
mod sweeps;
mod wait;
mod world;
