//! Faults on purpose: chosen requests fail, hang, break or lie in a way of the test's choosing.
//!
//! A [`SimulatedWorkspace`](crate::SimulatedWorkspace) has a set of faults built in; [`FaultLayer`] puts them around
//! any other leaf. What went wrong is on record: [`Faults::records`].

mod answers;
mod bodies;
mod corruption;
mod fault;
mod latency;
mod layer;
mod missing;
mod record;
mod rule;
mod set;
mod stale;

pub use corruption::Corruption;
pub use fault::{Cloud, ErrorBody, Fault, RetryAfterForm, Staleness, StallPoint, TokenKind};
pub use latency::Latency;
pub use layer::{FaultLayer, FaultService};
pub use record::FaultRecord;
pub use rule::{FaultRule, InvalidRate};
pub use set::Faults;
