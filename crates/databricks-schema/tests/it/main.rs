//! The laws and the recorded evidence that types and quoting stand on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod evolution;
mod fuzz;
mod laws;
mod recorded;

#[cfg(feature = "catalog")]
mod catalog;
#[cfg(feature = "catalog")]
mod simulated;
