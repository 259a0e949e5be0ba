//! The transport as its users see it: a client over scripted leaves, and over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_servers;
mod breaker;
mod call_off;
#[cfg(unix)]
mod cli;
mod config_sources;
mod config_table;
mod crowd;
mod error_shapes;
mod errors;
mod faults;
mod gzip;
mod http2;
mod interplay;
mod logs;
mod metrics;
mod network;
mod proxy;
mod rate_limits;
mod secrets;
mod stack;
mod support;
mod tls;
mod token_endpoints;
mod tokens;
mod workspace;
