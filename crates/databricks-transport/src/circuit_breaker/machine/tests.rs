//! A circuit and what is sent through it: its states in order, and laws that hold whatever happens.

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
fn a_probe_that_was_taken_for_lost_still_tells_that_the_host_works_but_not_that_it_fails() {
    const GIVEN: Duration = Duration::from_secs(30);
    let start = Instant::now();
    let mut machine = opened(start);
    let mut admit = |second| machine.admit(at(start, second), GIVEN).unwrap();
    let (slow, failing, hung) = (admit(60), admit(60), admit(90));
    let second = admit(90);
    assert_eq!(machine.check(at(start, 91)), Err(Refusal::Probing { until: at(start, 120) }));
    machine.settle(failing, BAD, at(start, 100));
    assert_eq!(machine.state(), CircuitState::HalfOpen);
    machine.settle(slow, Verdict::Works, at(start, 100));
    assert!(machine.check(at(start, 101)).is_err(), "its place was gone already");
    machine.settle(second, Verdict::Works, at(start, 102));
    assert_eq!(machine.state(), CircuitState::Closed);
    machine.settle(hung, BAD, at(start, 103));
    assert_eq!(machine.failures(), 0);
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
                    let current = (machine.generation, machine.round);
                    let holds = |ticket: &Ticket| (ticket.generation, ticket.round) == current;
                    let probes = tickets.iter().filter(|(ticket, probe)| *probe && holds(ticket)).count();
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
