//! FROM: tables at a version, files, subqueries, VALUES and joins.

use std::sync::Arc;

use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::{Column, JoinType};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator};
use sqlparser::ast::{Join, JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins};

use super::depth;
use super::functions::conditional;
use super::operators;
use super::planner::{Planner, Relation};
use super::prefetch;
use super::scope::{Scope, ScopeColumn, same};
use super::subqueries;
use super::types::Typed;
use crate::error::{LocalError, Result};

impl Planner<'_> {
    /// All of FROM: comma means cross join. Without FROM there is one row of nothing.
    pub(super) fn from(&mut self, from: &[TableWithJoins], outer: Option<&Arc<Scope>>) -> Result<Relation> {
        depth::check_relations(from)?;
        let mut whole: Option<Relation> = None;
        for item in from {
            let next = self.joined(item, outer)?;
            whole = Some(match whole {
                None => next,
                Some(before) => cross(before, next)?,
            });
        }
        match whole {
            Some(relation) => Ok(relation),
            None => {
                let plan = LogicalPlanBuilder::empty(true).build()?;
                Ok(Relation { plan, columns: Vec::new() })
            }
        }
    }

    fn joined(&mut self, item: &TableWithJoins, outer: Option<&Arc<Scope>>) -> Result<Relation> {
        let mut left = self.factor(&item.relation, outer)?;
        for join in &item.joins {
            let Join { relation, global, join_operator } = join;
            if *global {
                return Err(LocalError::unsupported_feature("GLOBAL joins"));
            }
            let right = self.factor(relation, outer)?;
            left = self.join(left, right, join_operator, outer)?;
        }
        Ok(left)
    }

    fn join(
        &mut self,
        left: Relation,
        right: Relation,
        operator: &JoinOperator,
        outer: Option<&Arc<Scope>>,
    ) -> Result<Relation> {
        let (join_type, constraint) = match operator {
            JoinOperator::Join(c) | JoinOperator::Inner(c) => (JoinType::Inner, c),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (JoinType::Left, c),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (JoinType::Right, c),
            JoinOperator::FullOuter(c) => (JoinType::Full, c),
            JoinOperator::Semi(c) | JoinOperator::LeftSemi(c) => (JoinType::LeftSemi, c),
            JoinOperator::Anti(c) | JoinOperator::LeftAnti(c) => (JoinType::LeftAnti, c),
            JoinOperator::CrossJoin(JoinConstraint::None) => return cross(left, right),
            other => return Err(LocalError::unsupported_feature(format!("the join {other:?}"))),
        };
        match constraint {
            JoinConstraint::None if join_type == JoinType::Inner => cross(left, right),
            JoinConstraint::None => Err(LocalError::unsupported_feature("an outer join without a condition")),
            JoinConstraint::Natural => Err(LocalError::unsupported_feature("NATURAL JOIN")),
            JoinConstraint::On(condition) => {
                let columns: Vec<_> = left.columns.iter().chain(&right.columns).cloned().collect();
                let scope = Scope { columns, outer: outer.cloned() };
                let condition = self.predicate(condition, &scope, "join condition")?;
                subqueries::check_nulls(&condition)?;
                connect(left, right, join_type, vec![condition])
            }
            JoinConstraint::Using(names) => {
                let names: Vec<String> = names
                    .iter()
                    .map(|name| match prefetch::parts(name)?.as_slice() {
                        [one] => Ok(one.clone()),
                        _ => Err(LocalError::unsupported_feature(format!("USING ({name})"))),
                    })
                    .collect::<Result<_>>()?;
                self.join_using(left, right, join_type, &names)
            }
        }
    }

    /// Columns of the same name on both sides become one, first in the result.
    fn join_using(
        &mut self,
        left: Relation,
        right: Relation,
        join_type: JoinType,
        names: &[String],
    ) -> Result<Relation> {
        let mut conditions = Vec::new();
        let mut merged = Vec::new();
        for name in names {
            let (a, b) = (named(&left, name)?, named(&right, name)?);
            let equal = operators::compare(typed(&a), Operator::Eq, typed(&b))?;
            conditions.push(equal.expr);
            merged.push((a, b));
        }
        let mut joined = connect(left, right, join_type, conditions)?;
        if matches!(join_type, JoinType::LeftSemi | JoinType::LeftAnti) {
            return Ok(joined);
        }
        for column in &mut joined.columns {
            column.hidden |=
                merged.iter().any(|(a, b)| column.column == a.column || column.column == b.column);
        }
        self.with_merged(joined, join_type, &merged)
    }

    fn with_merged(
        &mut self,
        joined: Relation,
        join_type: JoinType,
        merged: &[(ScopeColumn, ScopeColumn)],
    ) -> Result<Relation> {
        let mut exprs: Vec<Expr> = joined.columns.iter().map(|c| Expr::Column(c.column.clone())).collect();
        let mut columns = Vec::new();
        for (a, b) in merged {
            let value = match join_type {
                JoinType::Right => typed(b),
                JoinType::Full => conditional::coalesce(vec![typed(a), typed(b)])?,
                _ => typed(a),
            };
            let name = self.fresh_name("u");
            exprs.push(value.expr.alias(&name));
            columns.push(ScopeColumn {
                qualifier: Vec::new(),
                name: a.name.clone(),
                column: Column::new_unqualified(name),
                ty: value.ty,
                nullable: true,
                hidden: false,
            });
        }
        columns.extend(joined.columns);
        let plan = LogicalPlanBuilder::from(joined.plan).project(exprs)?.build()?;
        Ok(Relation { plan, columns })
    }

    fn factor(&mut self, factor: &TableFactor, outer: Option<&Arc<Scope>>) -> Result<Relation> {
        match factor {
            TableFactor::Table { .. } => self.table(factor),
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                if *lateral {
                    return Err(LocalError::unsupported_feature("LATERAL subqueries"));
                }
                if sample.is_some() {
                    return Err(LocalError::unsupported_feature("TABLESAMPLE"));
                }
                // What surrounds the query is in reach of its FROM only as far as it was of the query itself.
                let relation = match outer {
                    Some(scope) => self.nested_in(subquery, Arc::clone(scope))?,
                    None => self.nested_alone(subquery)?,
                };
                let relation = self.renewed(relation)?;
                aliased(relation, alias.as_ref(), &[])
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins, outer),
            TableFactor::Pivot { .. } => Err(LocalError::unsupported_feature("PIVOT")),
            TableFactor::Unpivot { .. } => Err(LocalError::unsupported_feature("UNPIVOT")),
            other => Err(LocalError::unsupported_feature(format!("the relation {other}"))),
        }
    }

    fn table(&mut self, factor: &TableFactor) -> Result<Relation> {
        let TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } = factor
        else {
            return Err(LocalError::internal("not a table"));
        };
        if sample.is_some() {
            return Err(LocalError::unsupported_feature("TABLESAMPLE"));
        }
        let extras =
            *with_ordinality || !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty();
        if extras || json_path.is_some() {
            return Err(LocalError::unsupported_feature(format!("the relation {factor}")));
        }
        let parts = prefetch::parts(name)?;
        if let ([one], None, None) = (parts.as_slice(), args, version)
            && let Some((_, cte)) = self.ctes.iter().rev().find(|(known, _)| same(known, one))
        {
            let relation = self.renewed(cte.clone())?;
            return aliased(relation, alias.as_ref(), &parts);
        }
        let provider = self.tables.get(factor, self.parameters)?;
        let qualifier = if args.is_some() { Vec::new() } else { parts };
        let relation = scan(&self.fresh_name("t"), provider)?;
        aliased(relation, alias.as_ref(), &qualifier)
    }
}

/// A provider's rows and columns.
fn scan(name: &str, provider: Arc<dyn datafusion::catalog::TableProvider>) -> Result<Relation> {
    let schema = provider.schema();
    let plan: LogicalPlan = LogicalPlanBuilder::scan(name, provider_as_source(provider), None)?.build()?;
    let columns = schema.fields().iter().map(|field| ScopeColumn {
        qualifier: Vec::new(),
        name: field.name().clone(),
        column: Column::new(Some(name), field.name()),
        ty: field.data_type().clone(),
        nullable: field.is_nullable(),
        hidden: false,
    });
    Ok(Relation { plan, columns: columns.collect() })
}

/// The relation under its alias, or under its own name.
pub(super) fn aliased(
    mut relation: Relation,
    alias: Option<&TableAlias>,
    own: &[String],
) -> Result<Relation> {
    let qualifier = match alias {
        Some(alias) => vec![alias.name.value.clone()],
        None => own.to_vec(),
    };
    if let Some(TableAlias { columns, at, explicit: _, name: _ }) = alias {
        if at.is_some() || columns.iter().any(|c| c.data_type.is_some()) {
            return Err(LocalError::unsupported_feature("typed column aliases"));
        }
        rename(&mut relation, &columns.iter().map(|c| c.name.value.clone()).collect::<Vec<_>>())?;
    }
    for column in &mut relation.columns {
        column.qualifier.clone_from(&qualifier);
        column.hidden = false;
    }
    Ok(relation)
}

/// `AS t(a, b)`: as many names as columns.
fn rename(relation: &mut Relation, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    if names.len() != relation.columns.len() {
        let message = format!(
            "Number of column aliases does not match number of columns. Number of column aliases: {}; number of columns: {}.",
            names.len(),
            relation.columns.len()
        );
        return Err(LocalError::new("ASSIGNMENT_ARITY_MISMATCH", "42802", message));
    }
    for (column, name) in relation.columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    Ok(())
}

fn typed(column: &ScopeColumn) -> Typed {
    Typed::new(Expr::Column(column.column.clone()), column.ty.clone())
}

fn named(relation: &Relation, name: &str) -> Result<ScopeColumn> {
    let scope = Scope { columns: relation.columns.clone(), outer: None };
    let parts = [name.to_owned()];
    let found = scope.find(&parts)?.and_then(|found| match found.value.expr {
        Expr::Column(column) => relation.columns.iter().find(|c| c.column == column).cloned(),
        _ => None,
    });
    found.ok_or_else(|| scope.not_found(&parts))
}

fn cross(left: Relation, right: Relation) -> Result<Relation> {
    let plan = LogicalPlanBuilder::from(left.plan).cross_join(right.plan)?.build()?;
    Ok(Relation { plan, columns: left.columns.into_iter().chain(right.columns).collect() })
}

fn connect(left: Relation, right: Relation, join_type: JoinType, on: Vec<Expr>) -> Result<Relation> {
    let plan = LogicalPlanBuilder::from(left.plan).join_on(right.plan, join_type, on)?.build()?;
    let mut columns = left.columns;
    if !matches!(join_type, JoinType::LeftSemi | JoinType::LeftAnti) {
        columns.extend(right.columns);
    }
    if matches!(join_type, JoinType::Left | JoinType::Right | JoinType::Full) {
        columns.iter_mut().for_each(|c| c.nullable = true);
    }
    Ok(Relation { plan, columns })
}
