//! The Databricks client for Rust: jobs, SQL, Delta tables and schemas behind one client.
//!
//! This crate adds no behaviour. It re-exports the crates of the family, each behind a feature, and
//! [`DatabricksClient`] hands out their clients with the warehouse, catalog and schema of one configuration.
//!
//! ```no_run
//! use databricks_delta_lake::DatabricksClient;
//!
//! # async fn example() -> Result<(), databricks_delta_lake::DatabricksError> {
//! let client = DatabricksClient::from_env()?;
//! let days: Vec<(String, i64)> = client
//!     .default_sql()?
//!     .statement("SELECT weather, count(*) FROM weather WHERE wind > :wind GROUP BY weather")
//!     .param("wind", 5.0)
//!     .fetch_all()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! | feature | brings | default |
//! |---|---|---|
//! | `jobs` | [`jobs`]: jobs defined, run, waited for and repaired | yes |
//! | `schema` | [`schema`]: data types, quoting, schema evolution, Unity Catalog | yes |
//! | `sql` | [`sql`]: statements and their results (Arrow); schemas inferred from rows | yes |
//! | `delta` | [`delta`]: reads, writes, merge, maintenance (Parquet) | yes |
//! | `object-store` | writes staged in S3, Azure storage, Google Cloud Storage and R2 | no |
//! | `testkit` | `testkit`: record, replay and simulate a workspace in tests | no |

mod client;
mod error;

pub use client::DatabricksClient;
pub use error::DatabricksError;

#[cfg(feature = "delta")]
pub use databricks_delta as delta;
#[cfg(feature = "jobs")]
pub use databricks_jobs as jobs;
#[cfg(feature = "schema")]
pub use databricks_schema as schema;
#[cfg(feature = "sql")]
pub use databricks_sql as sql;
#[cfg(feature = "testkit")]
pub use databricks_testkit as testkit;
pub use databricks_transport as transport;

pub use databricks_transport::DatabricksConfig;
