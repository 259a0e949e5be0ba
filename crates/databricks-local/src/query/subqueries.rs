//! Queries in conditions that the engine's joins would answer otherwise: refused by name.
//!
//! The engine turns IN and EXISTS into joins. A query that reaches into the one around it gives its filter to the
//! join, whatever the filter stood below. An IN that is not the whole of a condition becomes a mark, which is false
//! where IN is NULL. And a NOT IN knows NULL only where the join has a key.

use datafusion::common::JoinType;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Case, Expr, LogicalPlan, Operator};

use crate::error::{LocalError, Result};

/// What a query in an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Value,
    In,
    Exists,
}

/// Refuses a query that reaches out from below what its filter cannot be moved over.
pub(super) fn check_correlation(plan: &LogicalPlan, purpose: Purpose) -> Result<()> {
    walk(plan, purpose, false)
}

/// `covered`: something above has no place for what an aggregate of no row gives.
#[recursive::recursive]
fn walk(plan: &LogicalPlan, purpose: Purpose, covered: bool) -> Result<()> {
    let inputs = plan.inputs();
    let reaching: Vec<bool> = inputs.iter().map(|input| !input.all_out_ref_exprs().is_empty()).collect();
    if !reaching.contains(&true) {
        return Ok(());
    }
    let what = match plan {
        LogicalPlan::Window(_) => Some("a window function"),
        LogicalPlan::Limit(limit) if purpose != Purpose::Exists || limit.skip.is_some() => {
            Some("LIMIT or OFFSET")
        }
        LogicalPlan::Aggregate(aggregate)
            if aggregate.group_expr.is_empty() && (purpose != Purpose::Value || covered) =>
        {
            Some("an aggregate without GROUP BY")
        }
        LogicalPlan::Join(join) if !keeps_rows(join.join_type, &reaching) => Some("an outer join"),
        _ => None,
    };
    if let Some(what) = what {
        return Err(LocalError::unsupported_feature(format!(
            "{what} in a subquery over rows that depend on the query around it"
        )));
    }
    let transparent =
        matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_));
    inputs.into_iter().try_for_each(|input| walk(input, purpose, covered || !transparent))
}

/// Whether a filter of the sides that reach out may as well stand above the join.
fn keeps_rows(join_type: JoinType, reaching: &[bool]) -> bool {
    match join_type {
        JoinType::Inner => true,
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => reaching.get(1) == Some(&false),
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => reaching.first() == Some(&false),
        _ => false,
    }
}

/// Whether the query gives exactly one row, whatever it reads.
pub(super) fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_one_row(&projection.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// Whether an IN with a query is part of the expression.
pub(super) fn asks(expr: &Expr) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::InSubquery(_)))).unwrap_or(true)
}

/// Refuses an IN with a query of which the engine would forget that it is NULL.
pub(super) fn check_nulls(condition: &Expr) -> Result<()> {
    for part in split_conjunction(condition) {
        match alone(part) {
            Some((asked, true)) => check_join(asked)?,
            Some((_, false)) => {}
            None if keeps(part, true) => {}
            None => {
                return Err(LocalError::unsupported_feature(
                    "NOT IN (query) within OR, NOT, CASE or a comparison: make it a condition of its own, or use NOT EXISTS",
                ));
            }
        }
    }
    Ok(())
}

/// An IN or NOT IN that is a whole condition, and whether it is NOT IN.
fn alone(part: &Expr) -> Option<(&InSubquery, bool)> {
    match part {
        Expr::InSubquery(asked) => Some((asked, asked.negated)),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::InSubquery(asked) => Some((asked, !asked.negated)),
            _ => None,
        },
        _ => None,
    }
}

/// A NOT IN that stands alone needs one key.
fn check_join(asked: &InSubquery) -> Result<()> {
    if !asked.subquery.outer_ref_columns.is_empty() {
        return Err(LocalError::unsupported_feature("a correlated NOT IN (query): use NOT EXISTS"));
    }
    if asked.expr.column_refs().is_empty() {
        return Err(LocalError::unsupported_feature("NOT IN (query) of a constant: use NOT EXISTS"));
    }
    Ok(())
}

/// Whether the condition is `wanted` for the same rows where each IN that is NULL is false instead.
#[recursive::recursive]
fn keeps(expr: &Expr, wanted: bool) -> bool {
    if !asks(expr) {
        return true;
    }
    match expr {
        Expr::InSubquery(asked) => asked.negated != wanted,
        Expr::Not(inner) => keeps(inner, !wanted),
        Expr::BinaryExpr(both) if matches!(both.op, Operator::And | Operator::Or) => {
            keeps(&both.left, wanted) && keeps(&both.right, wanted)
        }
        Expr::IsTrue(inner) => keeps(inner, true),
        Expr::IsFalse(inner) => keeps(inner, false),
        Expr::Cast(cast) => keeps(&cast.expr, wanted),
        Expr::ScalarFunction(call) if call.name() == "truth" => call.args.iter().all(|e| keeps(e, wanted)),
        Expr::Case(case) => case.expr.is_none() && keeps_case(case, wanted),
        _ => false,
    }
}

/// As [`keeps`]. A term of a guarded AND that is false for NULL ends it as false, which is as little true as NULL.
fn keeps_case(case: &Case, wanted: bool) -> bool {
    let when = |when: &Expr, then: &Expr| match when {
        Expr::IsFalse(term) if wanted && matches!(then, Expr::Cast(_)) => {
            keeps(term, true) || keeps(term, false)
        }
        when => keeps(when, true),
    };
    case.when_then_expr.iter().all(|(w, then)| when(w, then) && keeps(then, wanted))
        && case.else_expr.as_deref().is_none_or(|otherwise| keeps(otherwise, wanted))
}
