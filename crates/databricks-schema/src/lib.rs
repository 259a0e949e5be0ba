//! Databricks data types, table schemas and their evolution, names, quoting and Unity Catalog.
//!
//! The types stand at the bottom of the workspace: without default features this crate knows neither HTTP nor an
//! async runtime. What it gives:
//!
//! - [`DataType`], [`ColumnSchema`] and [`TableSchema`]: read from the text Databricks prints (`type_text`, DDL
//!   column lists) and printed back in Databricks' spelling;
//! - [`TableName`] and [`quote`]: the one place where names and values become SQL text;
//! - [`SchemaManager`]: makes a table have the schema that is wanted, by a plan ([`EvolutionPlan`]) that can be read first;
//! - [`StatementRunner`]: the seam through which anything here runs SQL;
//! - `arrow` (feature): to and from Arrow types and schemas;
//! - `infer` (feature): schemas of serde types, of rows and of record batches;
//! - `catalog` (feature, on by default): `CatalogClient`, the Unity Catalog over REST.
//!
//! ```
//! use databricks_schema::{ColumnSchema, DataType, TableName, TableSchema};
//!
//! let schema = TableSchema::parse("id BIGINT NOT NULL COMMENT 'the key', tags ARRAY<STRING>")?;
//! assert_eq!(schema.columns[1].data_type, DataType::array(DataType::String));
//! assert_eq!(schema.to_string(), "`id` BIGINT NOT NULL COMMENT 'the key', `tags` ARRAY<STRING>");
//!
//! let table = TableName::parse("main.sales.`orders-2024`")?;
//! assert_eq!(table.to_string(), "`main`.`sales`.`orders-2024`");
//! # Ok::<(), databricks_schema::SchemaError>(())
//! ```

mod error;

mod data_type;
mod interval;
mod parse;
mod print;

mod column_name;
mod column_schema;
mod delta_json;
mod table_name;
mod table_schema;

mod literal;
pub mod quote;

mod evolve;
mod table_description;

mod runner;

mod manager;

#[cfg(feature = "arrow")]
pub mod arrow;
#[cfg(feature = "catalog")]
pub mod catalog;
#[cfg(feature = "infer")]
mod infer;

#[cfg(feature = "catalog")]
pub use catalog::CatalogClient;
pub use column_name::{ColumnNameRules, validate_column_name};
pub use column_schema::{ColumnMask, ColumnSchema, Generated, Identity};
pub use data_type::{DataType, MAX_DEPTH, Srid, StructField};
pub use error::{Result, SchemaError};
pub use evolve::{
    ColumnPath, EvolutionOptions, EvolutionPlan, Incompatibility, NewColumn, PlanStatement, Position,
    SchemaChange, SchemaCompatibility, SchemaEvolutionResult, WidenedColumn, Widening, add_columns,
};
#[cfg(feature = "infer")]
pub use infer::{infer_fields, infer_schema, infer_schema_of, infer_schema_of_batches};
pub use interval::IntervalKind;
pub use literal::Literal;
pub use manager::SchemaManager;
pub use runner::{BoxError, Rows, RunFuture, StatementError, StatementParameter, StatementRunner};
pub use table_description::{TableDescription, TableKey};
pub use table_name::{TableName, validate_object_name};
pub use table_schema::TableSchema;
