//! One circuit as a state machine: closed, open, half-open. Times are values, so it needs neither a clock nor a runtime.

use std::time::Duration;

use tokio::time::Instant;

use super::blame::Failure;
use super::report::CircuitState;
use crate::config::CircuitBreakerConfig;

/// Longer than any program runs: what an open time means that no clock can hold.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// The circuit of one host.
#[derive(Debug)]
pub(super) struct Machine {
    config: CircuitBreakerConfig,
    state: State,
    /// Counts the changes of state. A ticket remembers it: what was sent in an earlier state says nothing about this one.
    generation: u64,
    /// The number of the next ticket.
    next: u64,
    cause: Option<Failure>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        failures: u32,
        /// Requests with a smaller number were under way when a failure was counted: theirs is the same one.
        counts_from: u64,
    },
    Open {
        until: Instant,
    },
    HalfOpen {
        successes: u32,
        probes: u32,
        /// When the last probe was let through.
        last: Instant,
    },
}

/// Leave to send one request; what becomes of it is told by [`Machine::settle`], once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a ticket that is not settled holds its place"]
pub(super) struct Ticket {
    generation: u64,
    number: u64,
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

const CLOSED: State = State::Closed { failures: 0, counts_from: 0 };

impl Machine {
    pub(super) fn new(config: CircuitBreakerConfig) -> Self {
        Self { config, state: CLOSED, generation: 0, next: 0, cause: None }
    }

    /// Whether a request would be let through now. Changes nothing.
    pub(super) fn check(&self, now: Instant) -> Result<(), Refusal> {
        match self.state {
            State::Open { until } if until > now => {
                let remaining = until.saturating_duration_since(now);
                Err(Refusal::Open { remaining, cause: self.cause })
            }
            State::HalfOpen { successes, probes, last } => {
                let is_full = probes >= self.config.successes.saturating_sub(successes);
                let until = self.end_of_probes(last);
                if is_full && until > now { Err(Refusal::Probing { until }) } else { Ok(()) }
            }
            State::Closed { .. } | State::Open { .. } => Ok(()),
        }
    }

    /// Lets a request through, or says why not.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Refusal> {
        self.check(now)?;
        match self.state {
            State::Closed { .. } => {}
            State::HalfOpen { successes, probes, last } if self.end_of_probes(last) > now => {
                self.state = State::HalfOpen { successes, probes: probes.saturating_add(1), last: now };
            }
            State::HalfOpen { successes, .. } => {
                self.change(State::HalfOpen { successes, probes: 1, last: now });
            }
            State::Open { .. } => self.change(State::HalfOpen { successes: 0, probes: 1, last: now }),
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        Ok(Ticket { generation: self.generation, number })
    }

    /// Takes a ticket back with what became of its request.
    pub(super) fn settle(&mut self, ticket: Ticket, verdict: Verdict, now: Instant) {
        if ticket.generation != self.generation {
            return;
        }
        match (self.state, verdict) {
            (State::Closed { counts_from, .. }, Verdict::Works) => {
                self.state = State::Closed { failures: 0, counts_from };
            }
            // A host that hiccups fails all that is under way. That is one failure, and their repetitions will tell.
            (State::Closed { counts_from, .. }, Verdict::Failed(cause)) if ticket.number < counts_from => {
                self.cause = Some(cause);
            }
            (State::Closed { failures, .. }, Verdict::Failed(cause)) => {
                self.cause = Some(cause);
                let failures = failures.saturating_add(1);
                self.state = State::Closed { failures, counts_from: self.next };
                if failures >= self.config.failures {
                    self.open(now);
                }
            }
            (State::HalfOpen { .. }, Verdict::Failed(cause)) => {
                self.cause = Some(cause);
                self.open(now);
            }
            (State::HalfOpen { successes, probes, last }, verdict) => {
                let successes = successes.saturating_add(u32::from(verdict == Verdict::Works));
                self.state = State::HalfOpen { successes, probes: probes.saturating_sub(1), last };
                if successes >= self.config.successes {
                    self.change(State::Closed { failures: 0, counts_from: self.next });
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

    /// Failures in a row of a closed circuit, those of requests side by side as one; those that opened it otherwise.
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

    /// Closed, without a failure since the last success.
    pub(super) fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Closed { failures: 0, .. })
    }

    /// Probes that take longer than a circuit stays open hold no place any more, so that requests which hang without a
    /// limit cannot keep a circuit half-open for good.
    fn end_of_probes(&self, last: Instant) -> Instant {
        after(last, self.config.open_for)
    }

    fn open(&mut self, now: Instant) {
        self.change(State::Open { until: after(now, self.config.open_for) });
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
    }
}

fn after(moment: Instant, time: Duration) -> Instant {
    moment.checked_add(time).or_else(|| moment.checked_add(FOREVER)).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    const BAD: Verdict = Verdict::Failed(Failure { kind: ErrorKind::Unavailable, status: None });
    const OPEN_FOR: Duration = Duration::from_secs(60);

    fn machine() -> Machine {
        Machine::new(CircuitBreakerConfig::default())
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// Sends a request at a moment and settles it at once; whether it was let through.
    fn send(machine: &mut Machine, now: Instant, verdict: Verdict) -> bool {
        match machine.admit(now) {
            Ok(ticket) => {
                machine.settle(ticket, verdict, now);
                true
            }
            Err(_) => false,
        }
    }

    /// Each row: what is sent at which second, whether it is let through, and the state after it.
    #[test]
    fn the_states_follow_one_another() {
        use CircuitState::{Closed, HalfOpen, Open};
        const OK: Verdict = Verdict::Works;
        type Row = (u64, Verdict, bool, CircuitState);
        let stories: &[(&str, &[Row])] = &[
            (
                "five failures in a row open it, for 60 s; two successes close it",
                &[
                    (0, BAD, true, Closed),
                    (1, BAD, true, Closed),
                    (2, BAD, true, Closed),
                    (3, BAD, true, Closed),
                    (4, BAD, true, Open),
                    (5, OK, false, Open),
                    (63, OK, false, Open),
                    (64, OK, true, HalfOpen),
                    (64, OK, true, Closed),
                    (65, BAD, true, Closed),
                ],
            ),
            (
                "a success in between starts the count again, however long the failures go on",
                &[
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, OK, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, Verdict::Unknown, true, Closed),
                    (0, BAD, true, Open),
                ],
            ),
            (
                "a probe that fails opens it for the whole time again",
                &[
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Open),
                    (60, OK, true, HalfOpen),
                    (61, BAD, true, Open),
                    (120, OK, false, Open),
                    (121, OK, true, HalfOpen),
                    (121, OK, true, Closed),
                ],
            ),
            (
                "a probe that says nothing leaves it half-open",
                &[
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Closed),
                    (0, BAD, true, Open),
                    (60, Verdict::Unknown, true, HalfOpen),
                    (60, Verdict::Unknown, true, HalfOpen),
                    (60, Verdict::Unknown, true, HalfOpen),
                    (60, OK, true, HalfOpen),
                    (60, OK, true, Closed),
                ],
            ),
        ];
        for (story, rows) in stories {
            let (mut machine, start) = (machine(), Instant::now());
            for (number, (second, verdict, admitted, state)) in rows.iter().enumerate() {
                let sent = send(&mut machine, at(start, *second), *verdict);
                assert_eq!((sent, machine.state()), (*admitted, *state), "{story}: row {number}");
            }
        }
    }

    fn opened(start: Instant) -> Machine {
        let mut machine = machine();
        for _ in 0..5 {
            send(&mut machine, start, BAD);
        }
        assert_eq!(machine.state(), CircuitState::Open);
        machine
    }

    #[test]
    fn late_failures_do_not_extend_the_open_time_and_late_successes_do_not_close_it() {
        let (mut machine, start) = (machine(), Instant::now());
        let mut tickets: Vec<_> = (0..20).map(|_| machine.admit(start).unwrap()).collect();
        while send(&mut machine, start, BAD) {}
        assert_eq!(machine.open_until(), Some(at(start, 60)));
        for (number, ticket) in tickets.drain(..).enumerate() {
            let verdict = if number % 2 == 0 { BAD } else { Verdict::Works };
            machine.settle(ticket, verdict, at(start, 30));
        }
        assert_eq!((machine.state(), machine.open_until()), (CircuitState::Open, Some(at(start, 60))));
    }

    #[test]
    fn requests_side_by_side_that_fail_together_are_one_failure() {
        let (mut machine, start) = (machine(), Instant::now());
        for round in 1..=5 {
            let tickets: Vec<_> = (0..20).map(|_| machine.admit(start).unwrap()).collect();
            assert_eq!(machine.state(), CircuitState::Closed, "before round {round}");
            for ticket in tickets {
                machine.settle(ticket, BAD, start);
            }
            assert_eq!(machine.failures(), round);
        }
        assert_eq!(
            machine.state(),
            CircuitState::Open,
            "a host that is down is left alone after as many rounds"
        );
    }

    #[test]
    fn as_many_probes_as_successes_are_needed_may_be_under_way() {
        let start = Instant::now();
        let mut machine = opened(start);
        let first = machine.admit(at(start, 60)).unwrap();
        let second = machine.admit(at(start, 60)).unwrap();
        assert_eq!(machine.admit(at(start, 61)), Err(Refusal::Probing { until: at(start, 120) }));
        machine.settle(first, Verdict::Works, at(start, 61));
        assert!(machine.check(at(start, 61)).is_err(), "one success is missing and one probe is under way");
        machine.settle(second, Verdict::Unknown, at(start, 61));
        assert!(send(&mut machine, at(start, 62), Verdict::Works));
        assert_eq!(machine.state(), CircuitState::Closed);
    }

    #[test]
    fn probes_that_hang_lose_their_places_in_the_end() {
        let start = Instant::now();
        let mut machine = opened(start);
        let hung = [machine.admit(at(start, 60)).unwrap(), machine.admit(at(start, 70)).unwrap()];
        assert_eq!(machine.check(at(start, 129)), Err(Refusal::Probing { until: at(start, 130) }));
        assert!(send(&mut machine, at(start, 130), Verdict::Works));
        assert!(send(&mut machine, at(start, 130), Verdict::Works));
        assert_eq!(machine.state(), CircuitState::Closed);
        for ticket in hung {
            machine.settle(ticket, BAD, at(start, 140));
        }
        assert!(machine.is_at_rest(), "what comes that late says nothing");
    }

    #[test]
    fn no_open_time_is_too_long_or_too_short() {
        let start = Instant::now();
        for (open_for, later) in [(Duration::MAX, false), (Duration::ZERO, true)] {
            let mut machine = Machine::new(CircuitBreakerConfig::default().with_open_for(open_for));
            (0..5).for_each(|_| assert!(send(&mut machine, start, BAD)));
            assert_eq!(machine.check(at(start, 1)).is_ok(), later, "{open_for:?}");
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Admit,
        Settle(usize, u8),
        Pass(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Admit),
            4 => (any::<usize>(), 0..4_u8).prop_map(|(which, verdict)| Step::Settle(which, verdict)),
            1 => (0..90_u64).prop_map(Step::Pass),
        ];
        prop::collection::vec(step, 0..200)
    }

    fn verdict(number: u8) -> Verdict {
        match number {
            0 => Verdict::Works,
            1 => Verdict::Unknown,
            _ => BAD,
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_an_open_circuit_stays_shut_probes_are_few_and_success_closes_it(
            steps in steps(),
            failures in 1..7_u32,
            successes in 1..5_u32,
        ) {
            let config = CircuitBreakerConfig::default().with_failures(failures).with_successes(successes);
            let mut machine = Machine::new(config);
            let mut now = Instant::now();
            let mut opened = now;
            let mut tickets: Vec<(Ticket, bool)> = Vec::new();
            for step in steps {
                let before = machine.state();
                match step {
                    Step::Pass(seconds) => now += Duration::from_secs(seconds),
                    Step::Admit => {
                        let could = machine.check(now).is_ok();
                        let admitted = machine.admit(now);
                        prop_assert_eq!(admitted.is_ok(), could, "check and admit agree");
                        if before == CircuitState::Open {
                            prop_assert_eq!(could, now >= opened + OPEN_FOR);
                        }
                        if before == CircuitState::Closed {
                            prop_assert!(could);
                        }
                        if let Ok(ticket) = admitted {
                            tickets.push((ticket, machine.state() == CircuitState::HalfOpen));
                        }
                        let current = machine.generation;
                        let probes = tickets.iter().filter(|(t, probe)| *probe && t.generation == current).count();
                        prop_assert!(probes <= successes as usize, "{} probes", probes);
                    }
                    Step::Settle(which, number) => {
                        if tickets.is_empty() {
                            continue;
                        }
                        let (ticket, _) = tickets.swap_remove(which % tickets.len());
                        let is_late = ticket.generation != machine.generation;
                        let until = machine.open_until();
                        machine.settle(ticket, verdict(number), now);
                        if is_late {
                            prop_assert_eq!((machine.state(), machine.open_until()), (before, until));
                        }
                    }
                }
                if before != CircuitState::Open && machine.state() == CircuitState::Open {
                    opened = now;
                }
                prop_assert!(machine.failures() <= failures);
            }
            // Whoever held a place is gone or forgotten: the host works again, and the circuit closes.
            now += OPEN_FOR + Duration::from_secs(1);
            for _ in 0..successes {
                prop_assert!(send(&mut machine, now, Verdict::Works), "{:?}", machine);
            }
            prop_assert_eq!(machine.state(), CircuitState::Closed);
        }
    }
}
