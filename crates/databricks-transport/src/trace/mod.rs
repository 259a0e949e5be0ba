//! What can be seen of a client from outside: spans, logs, metrics. Nothing secret gets into any of them, and what is not
//! looked at costs next to nothing.
//!
//! `call` is the outermost layer of a stack, `attempt` the innermost; `metrics` has the names, `endpoint` what
//! they are counted under, `bodies` what a log shows of JSON.

mod attempt;
mod bodies;
mod call;
mod endpoint;
mod metrics;
mod watch;

pub(crate) use attempt::TraceAttempt;
pub(crate) use bodies::{trace_answer, trace_request};
pub(crate) use call::TraceCall;
pub(crate) use endpoint::Endpoint;
pub(crate) use metrics::{count_error, count_rate_limit, describe, show_circuit};
pub(crate) use watch::{Traffic, Watch};
