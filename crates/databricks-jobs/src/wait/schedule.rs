//! When a run is looked at: pauses that double, a deadline, and how many failures in a row are borne.

use std::time::Duration;

use databricks_transport::{Error, ErrorKind};
use tokio::time::{Instant, sleep};

use super::{Look, WaitConfig};
use crate::run::{Run, RunState};
use crate::{JobError, Result, RunId};

/// What a look that begins at the end of the wait may take, so that a run that is over is not reported as going.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// How long a cancelled run may take to be over.
const CANCELLATION: Duration = Duration::from_secs(120);

/// What the clock cannot hold is as good as never: thirty years.
const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// What a wait remembers between two looks.
pub(super) struct Schedule {
    started: Instant,
    deadline: Instant,
    first_interval: Duration,
    interval: Duration,
    max_interval: Duration,
    errors_left: u32,
    max_errors: u32,
    looks: u64,
    pub(super) last_state: Option<RunState>,
}

impl Schedule {
    pub(super) fn new(config: &WaitConfig) -> Self {
        let started = Instant::now();
        let never = started + NEVER;
        Self {
            started,
            deadline: started.checked_add(config.timeout).map_or(never, |deadline| deadline.min(never)),
            first_interval: config.initial_interval,
            interval: config.initial_interval,
            max_interval: config.max_interval,
            errors_left: config.max_poll_errors,
            max_errors: config.max_poll_errors,
            looks: 0,
            last_state: None,
        }
    }

    /// The tries to cancel a run when the time is up.
    pub(super) fn without_end(self) -> Self {
        let deadline = Instant::now() + NEVER;
        Self { deadline, interval: self.first_interval, errors_left: self.max_errors, ..self }
    }

    /// The looks at a run that was cancelled when the time was up.
    pub(super) fn rest(self) -> Self {
        Self { deadline: Instant::now() + CANCELLATION, ..self.without_end() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A look that went well.
    pub(super) fn seen(&mut self, run: Run) -> Look {
        self.looks += 1;
        self.errors_left = self.max_errors;
        let state = run.state();
        self.last_state = Some(state.clone());
        Look { run, state, elapsed: self.elapsed(), looks: self.looks }
    }

    /// A look that went well and showed the run as it was before what is waited for.
    pub(super) fn seen_too_early(&mut self) {
        self.looks += 1;
        self.errors_left = self.max_errors;
    }

    /// A look that failed.
    pub(super) fn failed(&mut self, run_id: RunId, source: Error) -> Result<()> {
        self.looks += 1;
        let borne = self.borne(run_id, source);
        borne.map_err(|source| JobError::LostSight { run_id, last_state: self.last_state.clone(), source })
    }

    /// A passing error costs one of those allowed in a row; any other is not borne.
    pub(super) fn borne(&mut self, run_id: RunId, source: Error) -> Result<(), Error> {
        // A good answer that makes no sense is more often a proxy's page than the service's.
        let passes = source.is_retryable() || source.kind() == ErrorKind::Decode;
        if !passes || self.errors_left == 0 {
            return Err(source);
        }
        self.errors_left -= 1;
        tracing::warn!(%run_id, error = %source, errors_left = self.errors_left, "the service fails; trying again");
        Ok(())
    }

    /// Until when the next look may take.
    pub(super) fn end_of_look(&self) -> Instant {
        self.deadline.max(Instant::now() + LAST_LOOK)
    }

    /// Sleeps, but not past the deadline, where the last look is taken; `false` when that was it.
    pub(super) async fn pause(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(self.interval.min(left)).await;
        self.interval = self.interval.saturating_mul(2).min(self.max_interval);
        true
    }
}
