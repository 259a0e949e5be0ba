//! A fault that happened.

use std::fmt;

use http::Method;

use super::fault::Fault;

/// One fault that happened. Queries are not kept: those of presigned links are credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultRecord {
    /// The request's number among all that passed the set of faults since its first rule was added, from 1.
    pub number: u64,
    /// The rule's number in the order of adding, from 1.
    pub rule: u64,
    /// The request's method.
    pub method: Method,
    /// The request's path, percent-encoded as it came.
    pub path: String,
    /// What went wrong. Of a latency, what was drawn.
    pub fault: Fault,
}

/// `#3 GET /path: 503 (rule 1)`
impl fmt::Display for FaultRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, rule, method, path, fault } = self;
        write!(f, "#{number} {method} {path}: {fault} (rule {rule})")
    }
}
