//! Waiting until a warehouse runs: polling with backoff, within a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{Warehouse, WarehouseState, WarehousesClient};
use crate::{Result, SqlError, WarehouseId, WarehouseNotRunning};

const FIRST_POLL: Duration = Duration::from_secs(1);
const LONGEST_POLL: Duration = Duration::from_secs(10);
/// What the official SDKs give a warehouse.
const TIMEOUT: Duration = Duration::from_secs(20 * 60);
/// How long a warehouse may still read as stopped after it was started.
const SETTLING: Duration = Duration::from_secs(10);
/// What a look that begins at the end of the wait may take, so that one that runs by then is not reported as starting.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// A wait about to begin; [`WarehousesClient::wait_until_running`] makes one.
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for before `send`"]
pub struct WarehouseWait {
    warehouses: WarehousesClient,
    id: WarehouseId,
    timeout: Duration,
}

/// What a look at a warehouse says about waiting on.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Runs,
    Wait,
    GiveUp,
}

impl WarehouseWait {
    pub(super) fn new(warehouses: WarehousesClient, id: WarehouseId) -> Self {
        Self { warehouses, id, timeout: TIMEOUT }
    }

    /// How long to wait in all. 20 minutes by default. The warehouse is looked at once more at the end, which may take up
    /// to 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Waits until the warehouse runs, and gives it. Looks that fail for a passing reason are repeated.
    ///
    /// # Errors
    /// [`SqlError::WarehouseNotRunning`] when it is stopped and nobody starts it, when it is deleted, and when it does not
    /// run in time; [`SqlError::Transport`] when the server does not say.
    pub async fn send(self) -> Result<Warehouse> {
        let started = Instant::now();
        let deadline = started.checked_add(self.timeout);
        let mut pause = FIRST_POLL;
        loop {
            let is_last = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if let Some(outcome) = self.look(started, deadline, is_last).await {
                return outcome;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            sleep(left.map_or(pause, |left| left.min(pause))).await;
            pause = (pause * 2).min(LONGEST_POLL);
        }
    }

    /// One look; `None` to wait on.
    async fn look(
        &self,
        started: Instant,
        deadline: Option<Instant>,
        is_last: bool,
    ) -> Option<Result<Warehouse>> {
        let looked = match deadline.and_then(|deadline| deadline.checked_add(LAST_LOOK)) {
            Some(end) => timeout_at(end, self.warehouses.get(self.id.clone())).await.ok(),
            None => Some(self.warehouses.get(self.id.clone()).await),
        };
        let warehouse = match looked {
            Some(Ok(warehouse)) => warehouse,
            Some(Err(SqlError::Transport(error))) if error.is_retryable() && !is_last => {
                tracing::warn!(warehouse_id = %self.id, %error, "could not look at the warehouse; trying again");
                return None;
            }
            Some(Err(error)) => return Some(Err(error)),
            None => return Some(Err(self.not_running(None, started))),
        };
        match verdict(&warehouse.state, started.elapsed()) {
            Verdict::Runs => Some(Ok(warehouse)),
            Verdict::Wait if !is_last => None,
            Verdict::Wait | Verdict::GiveUp => Some(Err(self.not_running(Some(&warehouse), started))),
        }
    }

    fn not_running(&self, last: Option<&Warehouse>, started: Instant) -> SqlError {
        SqlError::WarehouseNotRunning(Box::new(WarehouseNotRunning {
            warehouse_id: self.id.clone(),
            state: last.map(|warehouse| warehouse.state.clone()).unwrap_or_default(),
            elapsed: started.elapsed(),
            health: last.and_then(Warehouse::ailment),
        }))
    }
}

fn verdict(state: &WarehouseState, waited: Duration) -> Verdict {
    match state {
        WarehouseState::Running => Verdict::Runs,
        WarehouseState::Deleting | WarehouseState::Deleted => Verdict::GiveUp,
        WarehouseState::Stopped if waited >= SETTLING => Verdict::GiveUp,
        // One that was started while it stopped reads as stopping until it has.
        _ => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopped_warehouse_has_a_moment_to_start_and_a_deleted_one_has_none() {
        use WarehouseState::{Deleted, Deleting, Running, Starting, Stopped, Stopping, Unknown};
        let (soon, late) = (Duration::from_secs(1), Duration::from_secs(10));
        for (state, waited, expected) in [
            (Running, soon, Verdict::Runs),
            (Starting, late, Verdict::Wait),
            (Stopping, late, Verdict::Wait),
            (Unknown("NEW".to_owned()), late, Verdict::Wait),
            (Stopped, soon, Verdict::Wait),
            (Stopped, late, Verdict::GiveUp),
            (Deleting, soon, Verdict::GiveUp),
            (Deleted, soon, Verdict::GiveUp),
        ] {
            assert_eq!(verdict(&state, waited), expected, "{state:?} {waited:?}");
        }
    }
}
