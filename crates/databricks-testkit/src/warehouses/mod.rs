//! SQL warehouses: what they are, where they are, and the statements that need them to run.

mod lease;
mod rest;
mod spec;
mod warehouse;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::watch;

pub(crate) use lease::Lease;
pub(crate) use rest::{create, delete, edit, get, list, start, stop};
pub use spec::WarehouseSpec;
use warehouse::Warehouse;

use crate::access::{Privilege, Securable, guard};
use crate::api_error::ApiFailure;
use crate::clock::Clock;
use crate::route::Call;
use crate::workspace::{SimulatedWorkspace, SimulatedWorkspaceBuilder};

/// The warehouses of a workspace, in the order they were made. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Warehouses {
    clock: Clock,
    known: Arc<Mutex<IndexMap<String, Warehouse>>>,
    /// The number of the next warehouse.
    next: Arc<AtomicU64>,
    /// Wakes who waits for a warehouse when one was started, stopped or deleted.
    changes: Arc<watch::Sender<u64>>,
    /// What a warehouse made over REST is like.
    template: WarehouseSpec,
}

/// What a builder knows of warehouses.
#[derive(Clone, Debug)]
pub(crate) struct WarehouseSettings {
    specs: Vec<WarehouseSpec>,
    template: WarehouseSpec,
}

impl Default for WarehouseSettings {
    fn default() -> Self {
        Self { specs: Vec::new(), template: WarehouseSpec::new("") }
    }
}

impl WarehouseSettings {
    /// The warehouses, or the default one when there are none.
    pub(crate) fn build(self, clock: Clock) -> Warehouses {
        let Self { mut specs, template } = self;
        if specs.is_empty() {
            specs.push(WarehouseSpec::new(SimulatedWorkspace::DEFAULT_WAREHOUSE));
        }
        let known = specs.into_iter().map(|spec| (spec.id.clone(), Warehouse::new(spec, Duration::ZERO)));
        let mut known: IndexMap<String, Warehouse> = known.collect();
        let mut next = 0;
        for warehouse in known.values_mut() {
            (warehouse.number, next) = (next, next + 1);
        }
        let (known, next) = (Arc::new(Mutex::new(known)), Arc::new(AtomicU64::new(next)));
        Warehouses { clock, known, next, changes: Arc::new(watch::Sender::new(0)), template }
    }
}

impl Warehouses {
    /// The ids, for logs.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Whether there is such a warehouse.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.lock().contains_key(id)
    }

    /// A statement's hold on a warehouse, which is started if it is not running.
    pub(crate) fn lease(&self, id: &str) -> Lease {
        Lease::new(self.clone(), id)
    }

    /// The number of a new warehouse. It is taken under the lock, so that numbers rise as the order does.
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Warehouse>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Succeeds for a warehouse of this workspace that the caller may use.
///
/// Ids of the wrong form and ids of the right form that nobody has are refused in different words, as the service does.
pub(crate) fn usable(call: &Call<'_>, id: &str) -> Result<(), ApiFailure> {
    known(call, id)?;
    guard::require(call, Privilege::CanUse, &Securable::warehouse(id))
}

fn known(call: &Call<'_>, id: &str) -> Result<(), ApiFailure> {
    if call.shared.warehouses.lock().contains_key(id) {
        return Ok(());
    }
    let well_formed = id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    Err(if well_formed {
        ApiFailure::not_found(format!("SQL warehouse {id} does not exist."))
    } else {
        ApiFailure::invalid(format!("{id} is not a valid endpoint id."))
    })
}

impl SimulatedWorkspaceBuilder {
    /// Adds a SQL warehouse by id, which runs from the start and never stops by itself. May be called many times.
    pub fn warehouse(self, id: impl Into<String>) -> Self {
        self.warehouse_with(WarehouseSpec::new(id))
    }

    /// Adds a SQL warehouse that starts and stops. May be called many times; of two with one id the last counts.
    ///
    /// A statement on a warehouse that is not running starts it and stays PENDING until it runs. Time is tokio's
    /// clock, so a test with paused time waits for nothing.
    pub fn warehouse_with(mut self, spec: WarehouseSpec) -> Self {
        self.warehouses.specs.push(spec);
        self
    }

    /// How long warehouses made over REST take to start, there and whenever they start again. Default: not at all.
    pub fn created_warehouse_start_delay(mut self, delay: Duration) -> Self {
        self.warehouses.template = self.warehouses.template.start_delay(delay);
        self
    }
}

impl SimulatedWorkspace {
    /// The state of a warehouse now, such as `RUNNING`; `None` when there is none of this id.
    pub fn warehouse_state(&self, id: &str) -> Option<&'static str> {
        let warehouses = &self.shared.warehouses;
        let now = warehouses.clock.elapsed();
        warehouses.lock().get_mut(id).map(|warehouse| warehouse.phase(now).name())
    }
}
