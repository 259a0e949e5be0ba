//! Evolving a schema: values and functions of values. `manager` runs what is planned here.
//!
//! `diff` finds the changes between a table and a wanted schema, or every reason against them; `statement` and `plan`
//! make SQL of the changes; `apply` makes them to a description.

mod apply;
mod change;
mod compatibility;
mod diff;
mod incompatibility;
mod options;
mod order;
mod path;
mod plan;
pub(crate) mod property;
mod renames;
mod result;
mod statement;
mod storable;
#[cfg(test)]
mod tests;
mod widening;

pub use change::{NewColumn, Position, SchemaChange, WidenedColumn};
pub use compatibility::SchemaCompatibility;
pub use incompatibility::Incompatibility;
pub use options::EvolutionOptions;
pub use path::ColumnPath;
pub(crate) use path::same_name;
pub use plan::EvolutionPlan;
pub use result::SchemaEvolutionResult;
pub use statement::{PlanStatement, add_columns};
pub use widening::Widening;
