//! Delta tables on Databricks: atomic writes, merge, time travel and maintenance.
//!
//! [`DeltaClient`] is the way in. Its methods give builders that end in `send` (or another end, such as `rows`); what
//! a builder sends can be seen by its `build_sql`.
//!
//! A write stages its rows as Parquet files in a volume, part by part and in bounded memory, and loads them by one
//! COPY INTO: all rows become one commit, or none do. With an idempotency key it can be run again safely. By the feature
//! `object-store` they are staged in S3, Azure storage, Google Cloud Storage or R2 instead: `Staging::external`.
//!
//! ```no_run
//! use databricks_delta::{DeltaClient, DeltaError};
//! use serde::Serialize;
//!
//! #[derive(Serialize)]
//! struct Change {
//!     id: i64,
//!     value: f64,
//!     deleted: bool,
//! }
//!
//! # async fn example(delta: &DeltaClient) -> Result<(), DeltaError> {
//! let source_data = vec![Change { id: 1, value: 2.5, deleted: false }];
//! let result = delta.merge("target_table")
//!     .using_values(&source_data)
//!     .on("target.id = source.id")
//!     .when_matched_update("target.value = source.value, target.updated_at = current_timestamp()")
//!     .when_matched_delete_if("source.deleted = true")
//!     .when_not_matched_insert_all()
//!     .execute()
//!     .await?;
//! println!("{} rows changed", result.num_affected_rows);
//! # Ok(())
//! # }
//! ```
//!
//! The same statement without a workspace, for tests:
//!
//! ```
//! # fn main() -> Result<(), databricks_delta::DeltaError> {
//! let sql = databricks_delta::DeltaClient::mock()
//!     .merge("target_table")
//!     .using_source("changes")
//!     .on_keys(&["id"])
//!     .when_matched_update_all()
//!     .when_matched_delete_if("source.deleted")
//!     .build_sql()?;
//! assert!(sql.find("THEN DELETE") < sql.find("THEN UPDATE SET *"));
//! # Ok(())
//! # }
//! ```

mod client;
mod error;
mod names;

mod add_columns;
mod clone_table;
mod create_table;
mod detail;
mod dml;
mod features;
mod history;
mod maintenance;
mod merge;
mod read;
mod resume;
mod scheduler;
mod write;

mod commit;
mod files;
mod progress;
mod stage;
mod write_id;

mod calendar;
mod cells;
mod columns;
mod input;
mod lookup;
mod mark;
mod operation;
mod rows;
mod statement;

pub use add_columns::AddColumns;
pub use client::DeltaClient;
pub use clone_table::CloneTable;
pub use create_table::CreateTable;
pub use detail::TableDetail;
pub use dml::{Delete, RowsChanged, Update};
pub use error::{BoxError, DeltaError, Result};
pub use features::{FeatureTable, PointInTime};
pub use files::{DirectoryEntry, FileMetadata, FilesClient, Upload};
pub use history::{Commit, History};
pub use maintenance::{
    Optimize, OptimizeMetrics, OptimizeResult, Restore, RestoreResult, Vacuum, VacuumResult,
};
pub use merge::{MergeBuilder, MergeResult};
pub use names::IntoTableName;
pub use progress::{WriteEvent, WriteProgress};
pub use read::Read;
pub use resume::Resumed;
pub use scheduler::{
    HealthReason, MaintenancePolicy, MaintenanceReport, MaintenanceScheduler, QuietHours, TableHealth,
    TableReport, Upkeep,
};
#[cfg(feature = "object-store")]
pub use stage::ExternalStaging;
pub use stage::Staging;
pub use stage::sweep::SweepResult;
pub use write::{DryRunResult, SchemaMode, Write, WriteCompression, WriteMode, WriteOptions, WriteResult};
pub use write_id::WriteId;
