//! The transport as its users see it: a client over scripted leaves, and over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod errors;
mod logs;
mod network;
mod stack;
mod support;
