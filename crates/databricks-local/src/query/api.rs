//! What the rest of the crate asks of this module: plans for queries, expressions for conditions and
//! assignments.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::prelude::{SessionConfig, SessionContext};
use sqlparser::ast;

use super::planner::Planner;
use super::prefetch::Prefetched;
use super::scope::Scope;
use super::{Parameters, TableSource, TableVersion, cast};
use crate::error::Result;
use crate::parse;

/// A session of the engine for one statement: time zone UTC, identifiers left alone.
pub(crate) fn session() -> SessionContext {
    let mut config = SessionConfig::new().with_information_schema(false);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    config.options_mut().execution.time_zone = Some("UTC".to_owned());
    config.options_mut().execution.parquet.schema_force_view_types = false;
    SessionContext::new_with_config(config)
}

/// The plan of a query. Its fields carry Databricks' column names (which may repeat) in order.
pub(crate) async fn plan_query(
    source: &dyn TableSource,
    query: &ast::Query,
    parameters: &Parameters,
) -> Result<LogicalPlan> {
    let tables = Prefetched::of_query(source, query, parameters).await?;
    Planner::new(&tables, parameters).plan_output(query)
}

/// The plan of COPY INTO's `SELECT .. FROM 'path'` over these files.
pub(crate) async fn plan_copy_select(
    source: &dyn TableSource,
    select: &ast::Query,
    files: Arc<dyn TableProvider>,
    parameters: &Parameters,
) -> Result<LogicalPlan> {
    let mut tables = Prefetched::of_query(source, select, parameters).await?;
    tables.provide(select, files);
    Planner::new(&tables, parameters).plan_output(select)
}

/// An expression over the columns of `schema`: WHERE, SET, MERGE conditions. A qualifier of the schema is the
/// alias (or the table name's parts) that the statement may use. Its type is `expr.get_type(schema)`.
pub(crate) async fn plan_expr(
    source: &dyn TableSource,
    schema: &DFSchema,
    expr: &ast::Expr,
    parameters: &Parameters,
) -> Result<Expr> {
    let tables = Prefetched::of_expr(source, expr, parameters).await?;
    let mut planner = Planner::new(&tables, parameters);
    let scope = Scope::of_schema(schema);
    Ok(planner.scalar(expr, &scope)?.expr)
}

/// As [`plan_expr`], for a condition: DATATYPE_MISMATCH unless it is BOOLEAN.
pub(crate) async fn plan_predicate(
    source: &dyn TableSource,
    schema: &DFSchema,
    expr: &ast::Expr,
    parameters: &Parameters,
) -> Result<Expr> {
    let tables = Prefetched::of_expr(source, expr, parameters).await?;
    let mut planner = Planner::new(&tables, parameters);
    let scope = Scope::of_schema(schema);
    planner.predicate(expr, &scope, "condition")
}

/// The value as it is stored in a column of type `to` (ANSI store assignment): text and numbers that do not fit
/// fail with CAST_OVERFLOW_IN_TABLE_INSERT or CAST_INVALID_INPUT when they run, types that never fit fail now.
pub(crate) fn assign(expr: Expr, from: &DataType, to: &DataType, column: &str) -> Result<Expr> {
    cast::store(expr, from, to, column)
}

/// The version that `VERSION AS OF` or `TIMESTAMP AS OF` names.
pub(crate) fn time_travel(at: &parse::TimeTravel, parameters: &Parameters) -> Result<TableVersion> {
    let none = Prefetched::default();
    let mut planner = Planner::new(&none, parameters);
    match at {
        parse::TimeTravel::Version(expr) => planner.version(expr).map(TableVersion::Version),
        parse::TimeTravel::Timestamp(expr) => planner.instant(expr).map(TableVersion::Timestamp),
    }
}
