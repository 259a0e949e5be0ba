//! A parsed query or expression -> a DataFusion plan that answers as Databricks would, or a refusal by name.
//!
//! The planner walks the syntax tree itself and knows each form it lets through: what it does not know is
//! refused, so nothing the engine would ignore slips by. Types, casts, arithmetic, names and null order are
//! settled here, before the engine's own rules (which differ) have anything left to decide. Identifiers match
//! case-insensitively; the engine only ever sees the names its providers have.
//!
//! - `planner`, `relation`, `select`, `setops`, `filter`: FROM, SELECT, WHERE, set operations, ORDER BY.
//! - `expression`, `operators`, `types`, `cast`, `literal`: expressions and their types.
//! - `functions`: the table of functions known here, and how each is served.
//! - `kernels`: what runs per batch where the engine's own function answers differently.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use futures::future::BoxFuture;

use crate::error::Result;

mod api;
mod cast;
mod depth;
mod expression;
mod filter;
mod functions;
mod guard;
mod kernels;
mod literal;
mod names;
mod operators;
mod parameters;
mod planner;
mod prefetch;
mod relation;
mod scope;
mod select;
mod setops;
mod star;
mod subqueries;
mod types;
mod window;

#[cfg(test)]
mod tests;

pub(crate) use api::{assign, plan_copy_select, plan_expr, plan_predicate, plan_query, session, time_travel};
pub(crate) use parameters::Parameters;

/// A version or instant of a table, after its expression has been worked out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TableVersion {
    /// `VERSION AS OF n`.
    Version(i64),
    /// `TIMESTAMP AS OF t`.
    Timestamp(DateTime<Utc>),
}

/// Where a query's tables and files come from.
pub(crate) trait TableSource: Send + Sync {
    /// The table of this name (one to three parts, as written: names match case-insensitively), as it is now or
    /// as it was `at` a version. TABLE_OR_VIEW_NOT_FOUND when there is none.
    fn table<'a>(
        &'a self,
        name: &'a [String],
        at: Option<TableVersion>,
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>>;

    /// `table_changes('name', from, to)`: the change data feed between two versions, both included.
    fn changes<'a>(
        &'a self,
        name: &'a [String],
        from: TableVersion,
        to: Option<TableVersion>,
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>>;

    /// `read_files('path', format => 'parquet', ..)`: format in lower case, the other options as written.
    fn files<'a>(
        &'a self,
        path: &'a str,
        format: &'a str,
        options: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>>>;
}
