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
        Self { config, state: CALM, generation: 0, counted: 0, cause: None }
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
                self.change(State::HalfOpen { successes, probes: 1, lost_at: end });
            }
            State::Open { .. } => self.change(State::HalfOpen { successes: 0, probes: 1, lost_at: end }),
        }
        Ok(Ticket { generation: self.generation, counted: self.counted })
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
            (State::HalfOpen { .. }, Verdict::Failed(cause)) => {
                self.cause = Some(cause);
                self.open(now);
            }
            (State::HalfOpen { successes, probes, lost_at }, verdict) => {
                let successes = successes.saturating_add(u32::from(verdict == Verdict::Works));
                self.state = State::HalfOpen { successes, probes: probes.saturating_sub(1), lost_at };
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
        match machine.admit(now, OPEN_FOR) {
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
        let mut tickets: Vec<_> = (0..15).map(|_| machine.admit(start, OPEN_FOR).unwrap()).collect();
        for _ in 0..5 {
            send(&mut machine, start, BAD);
        }
        assert_eq!(machine.open_until(), Some(at(start, 60)));
        for (number, ticket) in tickets.drain(..).enumerate() {
            let verdict = if number % 2 == 0 { BAD } else { Verdict::Works };
            machine.settle(ticket, verdict, at(start, 30));
        }
        assert_eq!((machine.state(), machine.open_until()), (CircuitState::Open, Some(at(start, 60))));
    }

    /// Each row: how many fail side by side and how long until the next do; how many of these bursts open the circuit.
    #[test]
    fn what_fails_side_by_side_counts_once() {
        for (parallel, millis, bursts) in
            [(1, 0, 5), (1, 10_000, 5), (2, 1000, 5), (100, 1000, 5), (100, 250, 17)]
        {
            let (mut machine, start) = (machine(), Instant::now());
            let mut now = start;
            let mut seen = 0;
            while machine.state() == CircuitState::Closed {
                let tickets: Vec<_> = (0..parallel).map(|_| machine.admit(now, OPEN_FOR).unwrap()).collect();
                for ticket in tickets {
                    machine.settle(ticket, BAD, now);
                }
                seen += 1;
                now += Duration::from_millis(millis);
            }
            assert_eq!(seen, bursts, "{parallel} every {millis} ms");
        }
    }

    #[test]
    fn a_success_ends_a_burst() {
        let (mut machine, start) = (machine(), Instant::now());
        let tickets = [machine.admit(start, OPEN_FOR).unwrap(), machine.admit(start, OPEN_FOR).unwrap()];
        for ticket in tickets {
            machine.settle(ticket, BAD, start);
        }
        send(&mut machine, start, Verdict::Works);
        assert_eq!(machine.failures(), 0);
        send(&mut machine, start, BAD);
        assert_eq!(machine.failures(), 1);
    }

    #[test]
    fn as_many_probes_as_successes_are_needed_may_be_under_way() {
        let start = Instant::now();
        let mut machine = opened(start);
        let first = machine.admit(at(start, 60), OPEN_FOR).unwrap();
        let second = machine.admit(at(start, 60), OPEN_FOR).unwrap();
        assert_eq!(machine.admit(at(start, 61), OPEN_FOR), Err(Refusal::Probing { until: at(start, 120) }));
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
        // One may take longer than the circuit stays open, which is not waited for; one may take 30 s.
        let hung = [
            machine.admit(at(start, 60), Duration::MAX).unwrap(),
            machine.admit(at(start, 70), Duration::from_secs(30)).unwrap(),
        ];
        assert_eq!(machine.check(at(start, 119)), Err(Refusal::Probing { until: at(start, 120) }));
        assert!(send(&mut machine, at(start, 120), Verdict::Works));
        assert!(send(&mut machine, at(start, 120), Verdict::Works));
        assert_eq!(machine.state(), CircuitState::Closed);
        for ticket in hung {
            machine.settle(ticket, BAD, at(start, 140));
        }
        assert_eq!(machine.failures(), 0, "what comes that late says nothing");
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
                        let admitted = machine.admit(now, OPEN_FOR);
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
