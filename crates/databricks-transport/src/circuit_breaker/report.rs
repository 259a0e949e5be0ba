//! What is told about circuits: to programs, to metrics, to logs, and to callers who are refused.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::blame::Failure;
use crate::error::{Error, ErrorKind};
use crate::trace::show_circuit;

/// The state of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CircuitState {
    /// Requests pass; failures are counted.
    Closed,
    /// A few requests pass, to find out whether the host works again.
    HalfOpen,
    /// Nothing is sent.
    Open,
}

/// From the best to the worst.
const STATES: [CircuitState; 3] = [CircuitState::Closed, CircuitState::HalfOpen, CircuitState::Open];

impl CircuitState {
    /// The value of the gauge `databricks_circuit_breaker_state`.
    const fn level(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }
}

/// The circuit of one host, as it is at the moment; see [`Client::circuits`](crate::Client::circuits).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Circuit {
    /// The host, with its port unless that is the usual one of `https`.
    pub host: String,
    /// The state. An open circuit whose time is over stays open until the next request.
    pub state: CircuitState,
    /// Failures in a row.
    pub failures: u32,
    /// The last failure that counted, in a few words, such as `503 Service Unavailable`.
    pub last_failure: Option<String>,
    /// How long until an open circuit lets a request through.
    pub retry_in: Option<Duration>,
}

/// The gauge of a host, or of several under one name: it shows the worst of their states.
#[derive(Debug)]
pub(super) struct Gauge {
    name: String,
    /// How many hosts are in each state, best first.
    hosts: Mutex<[usize; STATES.len()]>,
}

impl Gauge {
    pub(super) fn named(name: String) -> Self {
        Self { name, hosts: Mutex::default() }
    }

    /// One more host.
    pub(super) fn enters(&self, state: CircuitState) {
        self.change(None, Some(state));
    }

    pub(super) fn moves(&self, from: CircuitState, to: CircuitState) {
        self.change(Some(from), Some(to));
    }

    /// A host is forgotten.
    pub(super) fn leaves(&self, state: CircuitState) {
        self.change(Some(state), None);
    }

    fn change(&self, from: Option<CircuitState>, to: Option<CircuitState>) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        for (state, count) in STATES.into_iter().zip(hosts.iter_mut()) {
            *count = count.saturating_add(usize::from(to == Some(state)));
            *count = count.saturating_sub(usize::from(from == Some(state)));
        }
        let mut taken = STATES.into_iter().zip(*hosts).filter(|(_, count)| *count > 0);
        let worst = taken.next_back().map_or(CircuitState::Closed, |(state, _)| state);
        // While it is locked, so that it shows the last of several changes.
        show_circuit(&self.name, worst.level());
    }
}

/// Tells of a change.
pub(super) fn log(from: CircuitState, circuit: &Circuit) {
    let Circuit { host, state, failures, last_failure, retry_in } = circuit;
    let failure = last_failure.as_deref().unwrap_or("unknown");
    match state {
        CircuitState::Open => {
            let again = from == CircuitState::HalfOpen;
            tracing::warn!(%host, failures, failure, ?retry_in, again, "circuit opened: the host is left alone");
        }
        CircuitState::HalfOpen => tracing::debug!(%host, "circuit half-open: the host is tried again"),
        CircuitState::Closed => tracing::info!(%host, "circuit closed: the host works again"),
    }
}

/// What a caller is told who is refused. Nothing was sent.
pub(super) fn refused(host: &dyn fmt::Display, remaining: Duration, cause: Option<Failure>) -> Error {
    let seconds = remaining.as_secs_f64();
    let cause = cause.map(|cause| format!(", the last one: {cause}")).unwrap_or_default();
    let message = format!(
        "{host} is left alone for another {seconds:.1} s, because it failed several times in a row{cause}"
    );
    Error::new(ErrorKind::CircuitOpen, message)
        .with_hint("Call again after that; what opens the circuit is set by `with_circuit_breaker`.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::StatusCode;

    #[test]
    fn a_refusal_names_the_host_the_reason_and_the_time_left() {
        let status = Some(StatusCode::SERVICE_UNAVAILABLE);
        let cause = Some(Failure { kind: ErrorKind::Unavailable, status });
        let open = refused(&"h.example", Duration::from_millis(41_520), cause);
        assert_eq!(
            open.to_string(),
            "h.example is left alone for another 41.5 s, because it failed several times in a row, the last one: 503 \
             Service Unavailable. Call again after that; what opens the circuit is set by `with_circuit_breaker`."
        );
        assert!(open.kind() == ErrorKind::CircuitOpen && open.is_retryable() && !open.is_ambiguous());
    }
}
