//! Functions that need a window: places, ranks and neighbours.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::functions_window as engine;
use datafusion::logical_expr::{Cast, Expr, WindowFunctionDefinition, WindowUDF};

use super::{Call, wrong_count};
use crate::error::{LocalError, Result};
use crate::query::cast;
use crate::query::types::{self, Typed};
use crate::query::window::Over;

const NAMES: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
];

pub(super) fn is_ranking(function: &str) -> bool {
    NAMES.contains(&function)
}

/// The call, when the function is one of these.
pub(super) fn call(call: &Call, over: &Over) -> Result<Option<Typed>> {
    let function = call.name.as_str();
    if !is_ranking(function) {
        return Ok(None);
    }
    if call.star || call.distinct || call.filter.is_some() {
        return Err(LocalError::unsupported_feature(format!("*, DISTINCT or FILTER in {function}")));
    }
    let framed = matches!(function, "first_value" | "last_value");
    if !framed && over.has_frame() {
        return Err(LocalError::unsupported_feature(format!("a window frame for {function}")));
    }
    if !framed && over.order_by.is_empty() {
        let message =
            format!("Window function {function} requires window to be ordered, please add ORDER BY clause.");
        return Err(LocalError::new("WINDOW_FUNCTION_WITHOUT_ORDER_BY", "42601", message));
    }
    let value = match function {
        "row_number" => place(call, over, engine::row_number::row_number_udwf())?,
        "rank" => place(call, over, engine::rank::rank_udwf())?,
        "dense_rank" => place(call, over, engine::rank::dense_rank_udwf())?,
        "percent_rank" => share(call, over, engine::rank::percent_rank_udwf())?,
        "cume_dist" => share(call, over, engine::cume_dist::cume_dist_udwf())?,
        "ntile" => ntile(call, over)?,
        "lag" => neighbour(call, over, engine::lead_lag::lag_udwf())?,
        "lead" => neighbour(call, over, engine::lead_lag::lead_udwf())?,
        "first_value" => edge(call, over, engine::nth_value::first_value_udwf())?,
        _ => edge(call, over, engine::nth_value::last_value_udwf())?,
    };
    Ok(Some(value))
}

fn window(udwf: Arc<WindowUDF>, args: Vec<Expr>, over: &Over) -> Expr {
    over.call(WindowFunctionDefinition::WindowUDF(udwf), args, None)
}

/// The engine counts unsigned; Databricks in INT.
fn int(expr: Expr) -> Typed {
    Typed::new(Expr::Cast(Cast::new(Box::new(expr), DataType::Int32)), DataType::Int32)
}

fn no_args(call: &Call) -> Result<()> {
    if call.args.is_empty() { Ok(()) } else { Err(wrong_count(&call.name, "0", call.args.len())) }
}

fn place(call: &Call, over: &Over, udwf: Arc<WindowUDF>) -> Result<Typed> {
    no_args(call)?;
    Ok(int(window(udwf, Vec::new(), over)))
}

fn share(call: &Call, over: &Over, udwf: Arc<WindowUDF>) -> Result<Typed> {
    no_args(call)?;
    Ok(Typed::new(window(udwf, Vec::new(), over), DataType::Float64))
}

fn ntile(call: &Call, over: &Over) -> Result<Typed> {
    let [buckets] = call.args.as_slice() else { return Err(wrong_count("ntile", "1", call.args.len())) };
    if !buckets.is_literal() || !types::is_integer(&buckets.ty) {
        return Err(LocalError::unsupported_feature("ntile of a number that is no constant"));
    }
    let buckets = cast::cast(buckets.clone(), &DataType::Int64)?;
    Ok(int(window(engine::ntile::ntile_udwf(), vec![buckets.expr], over)))
}

/// `lag(value[, offset[, default]])`.
fn neighbour(call: &Call, over: &Over, udwf: Arc<WindowUDF>) -> Result<Typed> {
    let (value, rest) = match call.args.split_first() {
        Some((value, rest)) if rest.len() <= 2 => (cast::normal(value.clone()), rest),
        _ => return Err(wrong_count(&call.name, "[1, 3]", call.args.len())),
    };
    let mut args = vec![value.expr.clone()];
    for (at, extra) in rest.iter().enumerate() {
        let to = if at == 0 { &DataType::Int64 } else { &value.ty };
        if !extra.is_literal() {
            return Err(LocalError::unsupported_feature(format!(
                "{} with an offset or default that is no constant",
                call.name
            )));
        }
        args.push(cast::cast(extra.clone(), to)?.expr);
    }
    Ok(Typed::new(window(udwf, args, over), value.ty))
}

fn edge(call: &Call, over: &Over, udwf: Arc<WindowUDF>) -> Result<Typed> {
    let [value] = call.args.as_slice() else { return Err(wrong_count(&call.name, "1", call.args.len())) };
    Ok(Typed::new(window(udwf, vec![value.expr.clone()], over), value.ty.clone()))
}
