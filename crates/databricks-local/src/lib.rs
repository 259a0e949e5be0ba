//! A Databricks workspace on this machine: SQL runs on DataFusion, every table is a real Delta table in a folder.
//!
//! ```no_run
//! # async fn run() -> Result<(), databricks_local::LocalError> {
//! let workspace = databricks_local::LocalWorkspace::open("./workspace")?;
//! let config = workspace.config()?; // host, token and warehouse id of this workspace
//! let leaf = workspace.service(); // a tower leaf: `Client::builder(config).leaf(leaf).build()`
//! # let _ = (config, leaf);
//! # Ok(())
//! # }
//! ```
//!
//! The folder holds `catalogs/<catalog>/<schema>/tables/<table>/` (Delta tables that any other reader opens),
//! `.../volumes/<volume>/` (plain files) and `metastore/` (what a folder name cannot tell). It survives a restart,
//! and one process owns it at a time. What the engine cannot run as Databricks would is refused by name, with
//! a Databricks error class and SQLSTATE: never a silent wrong answer.

mod error;
mod error_mapping;
mod exec;
mod fixture;
mod metastore;
mod parse;
mod query;
mod result;
mod stores;
mod workspace;

pub use error::{LocalError, Position, Result};
pub use fixture::fixture;
pub use parse::check_syntax;
pub use workspace::{LocalWorkspace, LocalWorkspaceBuilder};
