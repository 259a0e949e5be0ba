//! Queries: WITH, set operations, VALUES, and ORDER BY and LIMIT of what is no single SELECT.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, JoinType, NullEquality, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use sqlparser::ast::{Cte, LimitClause, Offset, Query, SetExpr, SetOperator, SetQuantifier, Values, With};

use super::planner::{Planner, Relation};
use super::relation::aliased;
use super::scope::{Scope, ScopeColumn};
use super::types::{self, Typed};
use super::{cast, depth};
use crate::error::{LocalError, Result};

impl Planner<'_> {
    /// A whole query.
    #[recursive::recursive]
    pub(super) fn query(&mut self, query: &Query, outer: Option<Arc<Scope>>) -> Result<Relation> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        for (present, what) in [
            (fetch.is_some(), "FETCH"),
            (!locks.is_empty(), "FOR UPDATE"),
            (for_clause.is_some(), "the FOR clause"),
            (settings.is_some(), "SETTINGS"),
            (format_clause.is_some(), "FORMAT"),
            (!pipe_operators.is_empty(), "the pipe operator |>"),
        ] {
            if present {
                return Err(LocalError::unsupported_feature(what));
            }
        }
        let tables = self.ctes.len();
        if let Some(with) = with {
            self.with(with, outer.as_ref())?;
        }
        let relation = match body.as_ref() {
            SetExpr::Select(select) => self.select(select, order_by.as_ref(), outer.as_ref()),
            body => {
                let relation = self.body(body, outer.as_ref())?;
                match order_by {
                    Some(order_by) => self.sort_output(relation, order_by),
                    None => Ok(relation),
                }
            }
        }?;
        self.ctes.truncate(tables);
        let relation = self.limit(relation, limit_clause.as_ref())?;
        depth::check(&relation.plan)?;
        Ok(relation)
    }

    fn with(&mut self, with: &With, outer: Option<&Arc<Scope>>) -> Result<()> {
        let With { with_token: _, recursive, cte_tables } = with;
        if *recursive {
            return Err(LocalError::unsupported_feature("WITH RECURSIVE"));
        }
        for cte in cte_tables {
            let Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
            if from.is_some() || materialized.is_some() {
                return Err(LocalError::unsupported_feature("this form of WITH"));
            }
            let relation = match outer {
                Some(scope) => self.nested_in(query, Arc::clone(scope))?,
                None => self.nested_alone(query)?,
            };
            let relation = aliased(relation, Some(alias), &[])?;
            self.ctes.push((alias.name.value.clone(), relation));
        }
        Ok(())
    }

    #[recursive::recursive]
    fn body(&mut self, body: &SetExpr, outer: Option<&Arc<Scope>>) -> Result<Relation> {
        match body {
            SetExpr::Select(select) => self.select(select, None, outer),
            SetExpr::Query(query) => self.query(query, outer.cloned()),
            SetExpr::Values(values) => self.values(values, outer),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let left = self.body(left, outer)?;
                let right = self.body(right, outer)?;
                self.set_operation(left, *op, *set_quantifier, right)
            }
            other => Err(LocalError::unsupported_feature(format!("the query {other}"))),
        }
    }

    /// `VALUES (1, 'a'), ..`: columns `col1`, `col2`, ..
    fn values(&mut self, values: &Values, outer: Option<&Arc<Scope>>) -> Result<Relation> {
        let scope = Scope { columns: Vec::new(), outer: outer.cloned() };
        let mut rows: Vec<Vec<Typed>> = Vec::new();
        for row in &values.rows {
            rows.push(row.content.iter().map(|value| self.scalar(value, &scope)).collect::<Result<_>>()?);
        }
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != width) {
            let message = "The rows of VALUES do not have the same number of columns.";
            return Err(LocalError::new("INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", "42000", message));
        }
        let column_types = (0..width)
            .map(|at| types::common_of("VALUES", rows.iter().filter_map(|row| row.get(at)).map(|v| &v.ty)))
            .collect::<Result<Vec<_>>>()?;
        let exprs = rows
            .into_iter()
            .map(|row| {
                row.into_iter().zip(&column_types).map(|(v, ty)| Ok(cast::cast(v, ty)?.expr)).collect()
            })
            .collect::<Result<Vec<Vec<Expr>>>>()?;
        let plan = LogicalPlanBuilder::values(exprs)?.build()?;
        let columns = (1..).zip(column_types).map(|(number, ty)| ScopeColumn {
            qualifier: Vec::new(),
            name: format!("col{number}"),
            column: Column::new_unqualified(format!("column{number}")),
            ty,
            nullable: true,
            hidden: false,
        });
        let columns = columns.collect();
        self.renewed(Relation { plan, columns })
    }

    fn set_operation(
        &mut self,
        left: Relation,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: Relation,
    ) -> Result<Relation> {
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::Distinct | SetQuantifier::None => false,
            other => return Err(LocalError::unsupported_feature(format!("{op} {other}"))),
        };
        let (left, right) = self.aligned(left, right, &op.to_string())?;
        match op {
            SetOperator::Union => {
                let union = LogicalPlanBuilder::from(left.plan).union(right.plan)?;
                let plan = if all { union.build()? } else { union.distinct()?.build()? };
                Ok(Relation { plan, columns: left.columns })
            }
            SetOperator::Intersect if !all => keep(left, right, JoinType::LeftSemi),
            SetOperator::Except | SetOperator::Minus if !all => keep(left, right, JoinType::LeftAnti),
            other => Err(LocalError::unsupported_feature(format!("{other} ALL"))),
        }
    }

    /// Both sides with the same types, column by column, and names of their own.
    fn aligned(&mut self, left: Relation, right: Relation, op: &str) -> Result<(Relation, Relation)> {
        let (a, b) = (visible(&left), visible(&right));
        if a.len() != b.len() {
            let message = format!(
                "{op} can only be performed on inputs with the same number of columns, but the first input has {} columns and the second input has {} columns.",
                a.len(),
                b.len()
            );
            return Err(LocalError::new("NUM_COLUMNS_MISMATCH", "42826", message));
        }
        let common = a
            .iter()
            .zip(&b)
            .map(|(a, b)| types::common_of(op, [&a.ty, &b.ty]))
            .collect::<Result<Vec<_>>>()?;
        Ok((self.brought_to(left.plan, a, &common)?, self.brought_to(right.plan, b, &common)?))
    }

    fn brought_to(
        &mut self,
        plan: datafusion::logical_expr::LogicalPlan,
        columns: Vec<ScopeColumn>,
        to: &[DataType],
    ) -> Result<Relation> {
        let mut exprs = Vec::new();
        let mut out = Vec::new();
        for (column, ty) in columns.into_iter().zip(to) {
            let value = Typed::new(Expr::Column(column.column.clone()), column.ty.clone());
            let name = self.fresh_name("s");
            exprs.push(cast::cast(value, ty)?.expr.alias(&name));
            out.push(ScopeColumn {
                qualifier: Vec::new(),
                column: Column::new_unqualified(name),
                ty: ty.clone(),
                nullable: true,
                ..column
            });
        }
        Ok(Relation { plan: LogicalPlanBuilder::from(plan).project(exprs)?.build()?, columns: out })
    }

    fn limit(&mut self, relation: Relation, clause: Option<&LimitClause>) -> Result<Relation> {
        let (skip, fetch) = match clause {
            None => return Ok(relation),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                let skip = match offset {
                    Some(Offset { value, rows: _ }) => self.row_count(value, "OFFSET")?,
                    None => 0,
                };
                (skip, limit.as_ref().map(|l| self.row_count(l, "LIMIT")).transpose()?)
            }
            Some(_) => return Err(LocalError::unsupported_feature("this form of LIMIT")),
        };
        let plan = LogicalPlanBuilder::from(relation.plan).limit(skip, fetch)?.build()?;
        Ok(Relation { plan, columns: relation.columns })
    }

    fn row_count(&mut self, expr: &sqlparser::ast::Expr, what: &str) -> Result<usize> {
        let value = self.constant(expr, &DataType::Int64, what)?;
        let ScalarValue::Int64(Some(count)) = value else {
            let message = format!("The {what} expression must not be NULL.");
            return Err(LocalError::new("INVALID_LIMIT_LIKE_EXPRESSION.IS_NULL", "42K0E", message));
        };
        usize::try_from(count).map_err(|_| {
            let message =
                format!("The {what} expression must be equal to or greater than 0, but got {count}.");
            LocalError::new("INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", "42K0E", message)
        })
    }
}

/// The columns `*` would show.
pub(super) fn visible(relation: &Relation) -> Vec<ScopeColumn> {
    relation.columns.iter().filter(|c| !c.hidden).cloned().collect()
}

/// INTERSECT and EXCEPT: distinct rows with, or without, an equal on the other side; NULL equals NULL.
fn keep(left: Relation, right: Relation, join_type: JoinType) -> Result<Relation> {
    let keys = |r: &Relation| r.columns.iter().map(|c| c.column.clone()).collect::<Vec<_>>();
    let on = (keys(&left), keys(&right));
    let plan = LogicalPlanBuilder::from(left.plan)
        .distinct()?
        .join_detailed(right.plan, join_type, on, None, NullEquality::NullEqualsNull)?
        .build()?;
    Ok(Relation { plan, columns: left.columns })
}
