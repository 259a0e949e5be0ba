//! Databricks SQL statements: run them on a warehouse, stream their results as Arrow batches or serde rows.
//!
//! ```no_run
//! use databricks_sql::SqlClient;
//! use databricks_transport::{Client, DatabricksConfig};
//! use futures::TryStreamExt;
//!
//! #[derive(serde::Deserialize)]
//! struct Day { date: chrono::NaiveDate, high: f64 }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(DatabricksConfig::from_env()?)?;
//! let sql = SqlClient::new(&client, "1234567890abcdef");
//! let mut days = sql
//!     .statement("SELECT date, high FROM main.weather.days WHERE high > :limit")
//!     .param("limit", 30.0)
//!     .rows::<Day>()
//!     .await?;
//! while let Some(day) = days.try_next().await? {
//!     println!("{} {}", day.date, day.high);
//! }
//! # Ok(()) }
//! ```
//!
//! * [`Statement`] is the builder; its ends are `rows`, `batches`, `fetch_all`, `execute` and `submit`.
//! * Large results come as Arrow files behind presigned links, fetched ahead of the reader, in order, in parallel and
//!   within a budget of bytes. Small ones come inline as JSON text. Both become the same Arrow types.
//! * [`QueryBuilder`] makes SELECT statements out of names and values; [`WarehousesClient`] starts and stops what runs them.
//! * A result that is shorter than the server announced is an error, never a short answer.

mod id;

mod error;
mod error_text;
mod failure;

mod lex;
mod qualifiers;
mod redact;

mod param;
mod wire;

mod limits;
mod progress;

mod api;
mod cancel;
mod wait;

mod decode;
mod rows;
mod stream;

mod handle;
mod result;
mod statement;

mod explain;
mod query;
mod warehouse;

mod client;
mod runner;

#[doc(hidden)]
pub mod fuzzing;

pub use client::SqlClient;
pub use decode::Column;
pub use error::{Result, SqlError};
pub use explain::Explain;
pub use failure::{RowError, SqlPosition, StatementFailure, WarehouseNotRunning};
pub use handle::{StatementHandle, StatementState};
pub use id::{StatementId, WarehouseId};
pub use param::{Decimal, IntoParam, Param};
pub use progress::{Progress, ProgressStream};
pub use qualifiers::qualifiers;
pub use query::QueryBuilder;
pub use result::StatementResult;
pub use statement::Statement;
pub use stream::{BatchStream, RowStream};
pub use warehouse::{Warehouse, WarehouseHealth, WarehouseState, WarehouseWait, WarehousesClient};
