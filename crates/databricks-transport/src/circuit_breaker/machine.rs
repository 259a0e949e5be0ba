//! One circuit as a state machine: closed, open, half-open. Times are values, so it needs neither a clock nor a runtime.

use std::time::Duration;

use tokio::time::Instant;

use super::blame::Failure;
use super::report::CircuitState;
use crate::config::CircuitBreakerConfig;

/// Longer than any program runs: what an open time means that no clock can hold.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// Once requests have failed side by side, no other failure counts for so long: many callers meet the same moment of
/// trouble, and those who try again meet it again, a few milliseconds apart.
const BURST: Duration = Duration::from_secs(1);

/// The circuit of one host.
#[derive(Debug)]
pub(super) struct Machine {
    config: CircuitBreakerConfig,
    state: State,
    /// Counts the changes of state. A ticket remembers it: what was sent in an earlier state says nothing about this one.
    generation: u64,
    /// Counts the failures that were counted, ever. A ticket remembers it too: what was under way when another failed
    /// tells of the same trouble.
    counted: u64,
    /// Counts the times that the probes under way were taken for lost. A ticket remembers it too: one of an earlier round
    /// holds no place any more.
    round: u64,
    cause: Option<Failure>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        failures: u32,
        /// Others have failed side by side with the last failure that counted; until then none counts.
        burst_until: Option<Instant>,
    },
    Open {
        until: Instant,
    },
    HalfOpen {
        successes: u32,
        probes: u32,
        /// When the probes under way are taken for lost.
        lost_at: Instant,
    },
}

/// Leave to send one request; what becomes of it is told by [`Machine::settle`], once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a ticket that is not settled holds its place"]
pub(super) struct Ticket {
    generation: u64,
    counted: u64,
    round: u64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The host answered.
    Works,
    /// The host failed.
    Failed(Failure),
    /// Nothing is known about the host: the request was given up, or failed on this machine.
    Unknown,
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The circuit is open for so long.
    Open { remaining: Duration, cause: Option<Failure> },
    /// The host is being tried again by as many requests as may do so at once. What they bring, or that they are taken
    /// for lost at this moment, decides about others.
    Probing { until: Instant },
}

impl Machine {
    pub(super) fn new(config: CircuitBreakerConfig) -> Self {
        Self { config, state: CALM, generation: 0, counted: 0, round: 0, cause: None }
    }

    /// Whether a request would be let through at any time: nothing has to be known but what the machine knows.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// A ticket of a closed circuit, which takes no time to get.
    pub(super) fn admit_at_once(&self) -> Option<Ticket> {
        self.is_closed().then(|| self.ticket())
    }

    /// Whether a request would be let through now. Changes nothing.
    pub(super) fn check(&self, now: Instant) -> Result<(), Refusal> {
        match self.state {
            State::Open { until } if until > now => {
                let remaining = until.saturating_duration_since(now);
                Err(Refusal::Open { remaining, cause: self.cause })
            }
            State::HalfOpen { successes, probes, lost_at: until } => {
                let is_full = probes >= self.config.successes.saturating_sub(successes);
                if is_full && until > now { Err(Refusal::Probing { until }) } else { Ok(()) }
            }
            State::Closed { .. } | State::Open { .. } => Ok(()),
        }
    }

    /// Lets a request through, or says why not. One that is sent to try the host holds its place for as long as it may
    /// reasonably take.
    pub(super) fn admit(&mut self, now: Instant, takes: Duration) -> Result<Ticket, Refusal> {
        self.check(now)?;
        let end = self.end_of_probe(now, takes);
        match self.state {
            State::Closed { .. } => {}
            State::HalfOpen { successes, probes, lost_at } if lost_at > now => {
                let probes = probes.saturating_add(1);
                self.state = State::HalfOpen { successes, probes, lost_at: lost_at.max(end) };
            }
            State::HalfOpen { successes, .. } => {
                self.round = self.round.wrapping_add(1);
                self.state = State::HalfOpen { successes, probes: 1, lost_at: end };
            }
            State::Open { .. } => self.change(State::HalfOpen { successes: 0, probes: 1, lost_at: end }),
        }
        Ok(self.ticket())
    }

    fn ticket(&self) -> Ticket {
        Ticket { generation: self.generation, counted: self.counted, round: self.round }
    }

    /// A request of a closed circuit has shown that the host works. `false` when it is not closed, or was not meanwhile:
    /// then the ticket is still to be settled.
    pub(super) fn worked(&mut self, ticket: &Ticket) -> bool {
        let tells = self.is_closed() && ticket.generation == self.generation;
        if tells {
            self.state = CALM;
        }
        tells
    }

    /// Takes a ticket back with what became of its request.
    pub(super) fn settle(&mut self, ticket: Ticket, verdict: Verdict, now: Instant) {
        if ticket.generation != self.generation {
            return;
        }
        match (self.state, verdict) {
            (State::Closed { .. }, Verdict::Works) => self.state = CALM,
            (State::Closed { failures, burst_until }, Verdict::Failed(cause)) => {
                self.cause = Some(cause);
                if ticket.counted != self.counted {
                    let burst_until = burst_until.or_else(|| now.checked_add(BURST));
                    self.state = State::Closed { failures, burst_until };
                } else if burst_until.is_none_or(|until| until <= now) {
                    self.count(failures, now);
                }
            }
            (State::HalfOpen { .. }, Verdict::Failed(cause)) if ticket.round == self.round => {
                self.cause = Some(cause);
                self.open(now);
            }
            (State::HalfOpen { successes, probes, lost_at }, verdict) => {
                // A probe that was taken for lost may have been a long upload: that it was answered counts all the same.
                let successes = successes.saturating_add(u32::from(verdict == Verdict::Works));
                let probes = probes.saturating_sub(u32::from(ticket.round == self.round));
                self.state = State::HalfOpen { successes, probes, lost_at };
                if successes >= self.config.successes {
                    self.change(CALM);
                }
            }
            (State::Closed { .. } | State::Open { .. }, _) => {}
        }
    }

    pub(super) fn state(&self) -> CircuitState {
        match self.state {
            State::Closed { .. } => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// Failures in a row of a closed circuit; those that opened it otherwise.
    pub(super) fn failures(&self) -> u32 {
        match self.state {
            State::Closed { failures, .. } => failures,
            State::Open { .. } | State::HalfOpen { .. } => self.config.failures,
        }
    }

    /// When an open circuit lets a request through again.
    pub(super) fn open_until(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// The last failure that counted.
    pub(super) fn cause(&self) -> Option<Failure> {
        self.cause
    }

    /// A probe that takes longer than it may, or longer than a circuit stays open, holds no place any more: requests that
    /// hang without a limit, or that nobody drives, cannot keep a circuit half-open for good.
    fn end_of_probe(&self, now: Instant, takes: Duration) -> Instant {
        after(now, takes.min(self.config.open_for))
    }

    /// One more failure in a row.
    fn count(&mut self, failures: u32, now: Instant) {
        let failures = failures.saturating_add(1);
        self.counted = self.counted.wrapping_add(1);
        self.state = State::Closed { failures, burst_until: None };
        if failures >= self.config.failures {
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        self.change(State::Open { until: after(now, self.config.open_for) });
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
    }
}

/// Closed, without a failure since the last success.
const CALM: State = State::Closed { failures: 0, burst_until: None };

fn after(moment: Instant, time: Duration) -> Instant {
    moment.checked_add(time).or_else(|| moment.checked_add(FOREVER)).unwrap_or(moment)
}

#[cfg(test)]
mod tests;
