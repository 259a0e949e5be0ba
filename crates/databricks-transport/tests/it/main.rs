//! The transport as its users see it: a client over scripted leaves, and over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(unix)]
mod cli;
mod config_sources;
mod config_table;
mod errors;
mod logs;
mod network;
mod rate_limits;
mod secrets;
mod stack;
mod support;
mod token_endpoints;
mod tokens;
mod workspace;
