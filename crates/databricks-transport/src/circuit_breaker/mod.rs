//! The circuit breaker: a host that keeps failing is left alone for a while, so that calls to it fail at once instead of
//! one timeout after the other, and so that it gets the rest it may need.
//!
//! What is decided is a function of values (`machine`); what counts as the host's failure is said in `blame`; each host has
//! one circuit (`host`), and a client keeps them (`circuits`); two layers put it to use (`layer`): one refuses before any
//! wait, one admits and counts.

mod blame;
mod circuits;
mod host;
mod layer;
mod machine;
mod report;

pub(crate) use circuits::Circuits;
pub(crate) use host::Host;
pub(crate) use layer::{CircuitBreaker, CircuitCheck};
pub use report::{Circuit, CircuitState};
