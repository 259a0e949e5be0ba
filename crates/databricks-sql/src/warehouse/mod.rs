//! SQL warehouses: which there are, how they stand, starting and stopping them, waiting for one to run.

mod client;
mod info;
mod wait;

pub use client::WarehousesClient;
pub use info::{Warehouse, WarehouseHealth, WarehouseState};
pub use wait::WarehouseWait;
