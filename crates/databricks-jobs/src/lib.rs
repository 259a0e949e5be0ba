//! Databricks jobs: start runs, wait for them, understand how they ended.
//!
//! ```no_run
//! use databricks_jobs::{JobId, JobsClient};
//! use databricks_transport::{Client, DatabricksConfig};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let jobs = JobsClient::new(&Client::new(DatabricksConfig::from_env()?)?);
//! let run_id = jobs.run_now(JobId::new(42)).parameter("day", "2024-01-31").send().await?;
//! let run = jobs.wait(run_id).send().await?; // an error unless the run succeeded
//! println!("{}", run.run_page_url.unwrap_or_default());
//! # Ok(()) }
//! ```
//!
//! Nothing here knows SQL, tables or Arrow.

mod error;
mod ids;

mod run;
mod state;

mod client;
mod list_runs;
mod run_now;
mod wait;

pub use client::JobsClient;
pub use error::{JobError, Result, RunFailure, TaskFailure};
pub use ids::{JobId, RunId};
pub use list_runs::ListRuns;
pub use run::{Run, RunTask};
pub use run_now::RunNow;
pub use state::{LegacyState, RunOutcome, RunState, RunStatus, TerminationDetails};
pub use wait::{Wait, WaitConfig};
