//! What a warehouse is made with.

use std::time::Duration;

/// A SQL warehouse to be simulated. What is not set makes one that runs from the start and never stops by itself.
///
/// ```
/// use std::time::Duration;
/// use databricks_testkit::{SimulatedWorkspace, WarehouseSpec};
///
/// let cold = WarehouseSpec::new("5134e1a7ed00c01d")
///     .stopped()
///     .start_delay(Duration::from_secs(90))
///     .auto_stop(Duration::from_secs(600));
/// let workspace = SimulatedWorkspace::builder().warehouse_with(cold).build();
/// # let _ = workspace;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct WarehouseSpec {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) creator: Option<String>,
    pub(super) running: bool,
    pub(super) start_delay: Duration,
    pub(super) stop_delay: Duration,
    pub(super) auto_stop: Option<Duration>,
}

impl WarehouseSpec {
    /// A running warehouse.
    pub fn new(id: impl Into<String>) -> Self {
        let id = id.into();
        let name = format!("Simulated warehouse {id}");
        Self {
            id,
            name,
            creator: None,
            running: true,
            start_delay: Duration::ZERO,
            stop_delay: Duration::ZERO,
            auto_stop: None,
        }
    }

    /// Sets the name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets who made it; without it everybody reads himself there.
    pub fn creator(mut self, user: impl Into<String>) -> Self {
        self.creator = Some(user.into());
        self
    }

    /// Lets it be STOPPED at the beginning.
    pub fn stopped(mut self) -> Self {
        self.running = false;
        self
    }

    /// How long it is STARTING. Default: not at all.
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.start_delay = delay;
        self
    }

    /// How long it is STOPPING. Default: not at all.
    pub fn stop_delay(mut self, delay: Duration) -> Self {
        self.stop_delay = delay;
        self
    }

    /// Stops it once it has had no statement for so long; zero is never, the default. Reported in minutes, rounded up.
    pub fn auto_stop(mut self, idle: Duration) -> Self {
        self.auto_stop = Some(idle);
        self
    }
}
