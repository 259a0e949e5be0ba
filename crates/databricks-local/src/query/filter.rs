//! Filters that stay where they are written.
//!
//! The engine moves a condition below the subquery, join or aggregate it stands on and joins it to the filters
//! there, where it meets rows that those have excluded: `.. FROM (.. WHERE x <> 0) WHERE 10 / x > 1` would divide
//! by zero. A condition that can fail is held above its input instead.

use std::collections::HashMap;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ExprSchema};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use super::guard::can_fail;
use super::kernels;
use super::planner::Planner;
use super::select::replaced;
use super::subqueries;
use crate::error::Result;

impl Planner<'_> {
    /// The rows of `plan` that meet the condition.
    pub(super) fn filtered(&mut self, plan: LogicalPlan, condition: Expr) -> Result<LogicalPlan> {
        subqueries::check_nulls(&condition)?;
        if is_bare(&plan) {
            return Ok(LogicalPlanBuilder::from(plan).filter(condition)?.build()?);
        }
        let (held, free): (Vec<_>, Vec<_>) =
            split_conjunction_owned(condition).into_iter().partition(|part| must_stay(part, &plan));
        let plan = match conjunction(free) {
            Some(free) => LogicalPlanBuilder::from(plan).filter(free)?.build()?,
            None => plan,
        };
        match conjunction(held) {
            Some(held) => self.held(plan, held),
            None => Ok(plan),
        }
    }

    /// The filter over copies of its columns through which the engine moves nothing.
    fn held(&mut self, plan: LogicalPlan, condition: Expr) -> Result<LogicalPlan> {
        let columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        let mut exprs = columns.clone();
        let mut with = HashMap::new();
        for column in condition.column_refs() {
            let ty = plan.schema().data_type(column)?.clone();
            let (value, name) = (Expr::Column(column.clone()), self.fresh_name("h"));
            exprs.push(kernels::held(value.clone(), ty.clone()).alias(&name));
            with.insert(value, kernels::held(Expr::Column(Column::new_unqualified(name)), ty));
        }
        let condition = replaced(condition, &with)?;
        Ok(LogicalPlanBuilder::from(plan).project(exprs)?.filter(condition)?.project(columns)?.build()?)
    }
}

/// Whether nothing below the plan keeps rows from it.
fn is_bare(plan: &LogicalPlan) -> bool {
    let excludes = plan.exists(|node| {
        Ok(!matches!(
            node,
            LogicalPlan::TableScan(_)
                | LogicalPlan::Values(_)
                | LogicalPlan::EmptyRelation(_)
                | LogicalPlan::Projection(_)
        ))
    });
    !excludes.unwrap_or(true)
}

/// Whether the condition can fail, itself or in a column it reads. One that reaches into an outer query or holds
/// a query has to be seen by the engine as it is.
fn must_stay(condition: &Expr, plan: &LogicalPlan) -> bool {
    let own = condition.column_refs();
    if own.is_empty() || reaches_out(condition) {
        return false;
    }
    can_fail(condition) || own.into_iter().any(|column| column_can_fail(column, plan))
}

fn reaches_out(condition: &Expr) -> bool {
    let found = condition.exists(|e| {
        Ok(matches!(
            e,
            Expr::OuterReferenceColumn(..)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::SetComparison(_)
        ))
    });
    found.unwrap_or(true)
}

/// Whether working out the column can fail: projections are followed to where it is made.
#[recursive::recursive]
fn column_can_fail(column: &Column, plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            let at = projection.schema.maybe_index_of_column(column);
            let Some(made) = at.and_then(|at| projection.expr.get(at)) else { return true };
            let made = made.clone().unalias();
            can_fail(&made) || made.column_refs().into_iter().any(|c| column_can_fail(c, &projection.input))
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Join(_) => plan
            .inputs()
            .into_iter()
            .filter(|input| input.schema().maybe_index_of_column(column).is_some())
            .any(|input| column_can_fail(column, input)),
        other => any_can_fail(other),
    }
}

fn any_can_fail(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let done = plan.apply(|node| {
        found |= node.expressions().iter().any(can_fail);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || done.is_err()
}
