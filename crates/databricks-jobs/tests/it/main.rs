//! Jobs calls against a scripted server, in paused time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod runs;
mod script;
mod wait;
