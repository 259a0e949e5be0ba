//! One warehouse: its state as a function of what was done to it and of the time. No timer runs for it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::spec::WarehouseSpec;

/// A warehouse and where it is.
#[derive(Clone, Debug)]
pub(super) struct Warehouse {
    /// Rises with each warehouse a workspace gets, and is never given again.
    pub(super) number: u64,
    pub(super) spec: WarehouseSpec,
    /// Settings that change nothing here and are given back as they came.
    pub(super) settings: Map<String, Value>,
    phase: Phase,
    /// Statements that run or wait for it now.
    active: usize,
    /// When the last one ended, or the warehouse came up.
    last_use: Duration,
    /// Counts stops: statements that ran before one were ended by it.
    pub(super) stops: u64,
}

/// A state, with the moment at which it passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Stopped,
    Starting { until: Duration },
    Running,
    Stopping { until: Duration },
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Starting { .. } => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping { .. } => "STOPPING",
        }
    }
}

impl Warehouse {
    pub(super) fn new(spec: WarehouseSpec, now: Duration) -> Self {
        let phase = if spec.running { Phase::Running } else { Phase::Stopped };
        Self { number: 0, spec, settings: Map::new(), phase, active: 0, last_use: now, stops: 0 }
    }

    pub(super) fn active(&self) -> usize {
        self.active
    }

    /// Where it is now.
    pub(super) fn phase(&mut self, now: Duration) -> Phase {
        // Each step may end in a state that has passed by now as well.
        loop {
            let next = match self.phase {
                Phase::Starting { until } if now >= until => {
                    self.last_use = until;
                    Phase::Running
                }
                Phase::Running => match self.idle_end() {
                    Some(end) if now >= end => self.stopping(end),
                    _ => return self.phase,
                },
                Phase::Stopping { until } if now >= until => Phase::Stopped,
                _ => return self.phase,
            };
            self.phase = next;
        }
    }

    /// Begins to start what is stopped. What is stopping is started once it has stopped.
    pub(super) fn start(&mut self, now: Duration) {
        let from = match self.phase(now) {
            Phase::Stopped => now,
            Phase::Stopping { until } => until,
            Phase::Starting { .. } | Phase::Running => return,
        };
        self.phase = Phase::Starting { until: from.saturating_add(self.spec.start_delay) };
    }

    /// Begins to stop what runs or starts, and with it the statements that run.
    pub(super) fn stop(&mut self, now: Duration) {
        if matches!(self.phase(now), Phase::Running | Phase::Starting { .. }) {
            self.phase = self.stopping(now);
            self.stops += 1;
            self.active = 0;
        }
    }

    /// Notes that a statement needs it.
    pub(super) fn begin(&mut self) {
        self.active += 1;
    }

    /// Notes that a statement has ended which began before so many stops.
    pub(super) fn end(&mut self, stops: u64, now: Duration) {
        if stops == self.stops {
            self.active = self.active.saturating_sub(1);
            self.last_use = now;
        }
    }

    /// When it stops by itself if nothing happens.
    fn idle_end(&self) -> Option<Duration> {
        let idle = self.spec.auto_stop.filter(|idle| self.active == 0 && !idle.is_zero())?;
        Some(self.last_use.saturating_add(idle))
    }

    fn stopping(&self, from: Duration) -> Phase {
        Phase::Stopping { until: from.saturating_add(self.spec.stop_delay) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn spec() -> WarehouseSpec {
        WarehouseSpec::new("w").start_delay(secs(90)).stop_delay(secs(5)).auto_stop(secs(600))
    }

    #[test]
    fn it_starts_runs_and_stops_by_itself_however_late_one_looks() {
        let seen = |at: u64| {
            let mut warehouse = Warehouse::new(spec().stopped(), secs(0));
            warehouse.start(secs(10));
            warehouse.phase(secs(at)).name()
        };
        let states: Vec<&str> = [10, 99, 100, 699, 700, 704, 705, 10_000].into_iter().map(seen).collect();
        let expected =
            ["STARTING", "STARTING", "RUNNING", "RUNNING", "STOPPING", "STOPPING", "STOPPED", "STOPPED"];
        assert_eq!(states, expected);
    }

    #[test]
    fn a_statement_keeps_it_up_and_its_end_begins_the_idle_time() {
        let mut warehouse = Warehouse::new(spec(), secs(0));
        warehouse.begin();
        assert_eq!(warehouse.phase(secs(5_000)), Phase::Running);
        warehouse.end(0, secs(5_000));
        assert_eq!(warehouse.phase(secs(5_599)), Phase::Running);
        assert_eq!(warehouse.phase(secs(5_600)).name(), "STOPPING");
    }

    #[test]
    fn starting_while_it_stops_waits_for_the_stop() {
        let mut warehouse = Warehouse::new(spec(), secs(0));
        warehouse.stop(secs(1));
        warehouse.start(secs(2));
        assert_eq!(warehouse.phase(secs(2)), Phase::Starting { until: secs(6 + 90) });
        warehouse.start(secs(3));
        assert_eq!(warehouse.phase(secs(96)), Phase::Running);
    }

    #[test]
    fn a_statement_that_a_stop_ended_does_not_count_again_when_it_notices() {
        let mut warehouse = Warehouse::new(spec(), secs(0));
        warehouse.begin();
        warehouse.stop(secs(1));
        warehouse.start(secs(6));
        assert_eq!(warehouse.phase(secs(96)), Phase::Running);
        warehouse.begin();
        warehouse.end(0, secs(97));
        assert_eq!(warehouse.active(), 1);
        warehouse.end(1, secs(98));
        assert_eq!(warehouse.active(), 0);
    }
}
