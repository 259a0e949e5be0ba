//! To and from Arrow types and schemas.
//!
//! | Databricks | Arrow |
//! |---|---|
//! | `TIMESTAMP` | `Timestamp(µs, "UTC")` |
//! | `TIMESTAMP_NTZ` | `Timestamp(µs)` |
//! | `INTERVAL` of years and months | `Interval(YearMonth)` |
//! | `INTERVAL` of days to seconds | `Duration(µs)` |
//! | `STRING`, `CHAR`, `VARCHAR`, `VARIANT`, `GEOGRAPHY`, `GEOMETRY` | `Utf8` |
//! | `DECIMAL` | `Decimal128` |
//! | `VOID` | `Null` |
//!
//! The rest map to the type of the same name. Where several Databricks types share an Arrow type, the field carries
//! its Databricks type in the metadata key [`TYPE_KEY`], and comments go to [`COMMENT_KEY`]; both are read back, so a
//! [`TableSchema`](crate::TableSchema) survives the round trip.

mod columns;
mod from;
mod schema;
mod to;

pub use columns::{columns_where, floating_columns};
pub use from::{from_arrow, from_arrow_field};
pub use to::{to_arrow, to_arrow_field};

/// Field metadata: the Databricks type, where the Arrow type alone does not tell.
pub const TYPE_KEY: &str = "databricks.type";

/// Field metadata: the comment, under the key Delta's own schemas use.
pub const COMMENT_KEY: &str = "comment";
