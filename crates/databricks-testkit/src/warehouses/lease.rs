//! A statement on its warehouse: waiting for it, running on it, and losing it.

use std::time::Duration;

use super::Warehouses;
use super::warehouse::Phase;
use crate::engine::StatementFailure;

/// A statement's hold on its warehouse, which does not stop by itself before the statement is done.
#[derive(Debug)]
pub(crate) struct Lease {
    warehouses: Warehouses,
    id: String,
    /// How often the warehouse had been stopped when the statement came; `None` when it was gone by then.
    stops: Option<u64>,
}

impl Lease {
    /// Starts the warehouse if it is not running, and keeps it up.
    pub(super) fn new(warehouses: Warehouses, id: &str) -> Self {
        let now = warehouses.clock.elapsed();
        let stops = warehouses.lock().get_mut(id).map(|warehouse| {
            warehouse.start(now);
            warehouse.begin();
            warehouse.stops
        });
        Self { warehouses, id: id.to_owned(), stops }
    }

    /// Waits until the warehouse runs.
    ///
    /// # Errors
    /// A failure when the warehouse is stopped or deleted meanwhile.
    pub(crate) async fn ready(&self) -> Result<(), StatementFailure> {
        let mut changes = self.warehouses.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let Some(wait) = self.time_to_run()? else { return Ok(()) };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // The sender lives in this lease, so the channel does not close.
                _ = changes.changed() => {}
            }
        }
    }

    /// Runs to the end of `work`, or to that of the warehouse.
    ///
    /// # Errors
    /// Those of `work`; a failure when the warehouse is stopped or deleted meanwhile.
    pub(crate) async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, StatementFailure>>,
    ) -> Result<T, StatementFailure> {
        tokio::select! {
            biased;
            lost = self.lost() => Err(lost),
            outcome = work => outcome,
        }
    }

    /// How long until it runs; `None` when it does.
    fn time_to_run(&self) -> Result<Option<Duration>, StatementFailure> {
        if let Some(failure) = self.loss() {
            return Err(failure);
        }
        let now = self.warehouses.clock.elapsed();
        let mut known = self.warehouses.lock();
        let warehouse = known.get_mut(&self.id).ok_or_else(|| deleted(&self.id))?;
        Ok(match warehouse.phase(now) {
            Phase::Running => None,
            Phase::Starting { until } => Some(until.saturating_sub(now)),
            Phase::Stopped | Phase::Stopping { .. } => return Err(stopped(&self.id)),
        })
    }

    async fn lost(&self) -> StatementFailure {
        let mut changes = self.warehouses.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(failure) = self.loss() {
                return failure;
            }
            if changes.changed().await.is_err() {
                return deleted(&self.id);
            }
        }
    }

    fn loss(&self) -> Option<StatementFailure> {
        match self.warehouses.lock().get(&self.id) {
            None => Some(deleted(&self.id)),
            Some(warehouse) => (Some(warehouse.stops) != self.stops).then(|| stopped(&self.id)),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let now = self.warehouses.clock.elapsed();
        if let (Some(warehouse), Some(stops)) = (self.warehouses.lock().get_mut(&self.id), self.stops) {
            warehouse.end(stops, now);
        }
    }
}

fn stopped(id: &str) -> StatementFailure {
    failure("ABORTED", format!("SQL warehouse {id} was stopped."))
}

fn deleted(id: &str) -> StatementFailure {
    failure("NOT_FOUND", format!("SQL warehouse {id} does not exist."))
}

fn failure(error_code: &str, message: String) -> StatementFailure {
    StatementFailure { error_code: error_code.to_owned(), message, sql_state: None }
}
