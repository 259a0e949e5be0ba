//! One SELECT: its clauses in the order they take effect, and its ORDER BY.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::utils::{find_aggregate_exprs, find_window_exprs};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use sqlparser::ast::{
    self, Distinct, GroupByExpr, NamedWindowDefinition, NamedWindowExpr, OrderBy, OrderByExpr, OrderByKind,
    OrderByOptions, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind,
};

use super::names;
use super::operators;
use super::planner::{Allowed, Planner, Relation};
use super::prefetch;
use super::scope::{Scope, ScopeColumn, same};
use super::setops::visible;
use super::star::star;
use super::types::{self, Typed};
use crate::error::{LocalError, Result};

/// One column of the result.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) value: Typed,
}

/// One key of ORDER BY.
#[derive(Clone, Debug)]
struct Key {
    value: Typed,
    ascending: bool,
    nulls_first: bool,
}

/// What a SELECT is made of, once read.
struct Parts {
    items: Vec<Item>,
    groups: Vec<Typed>,
    grouped: bool,
    having: Option<Expr>,
    qualify: Option<Expr>,
    keys: Vec<Key>,
}

impl Parts {
    /// Every expression that comes after grouping.
    fn exprs(&self) -> Vec<&Expr> {
        let items = self.items.iter().map(|i| &i.value.expr);
        items
            .chain(&self.having)
            .chain(&self.qualify)
            .chain(self.keys.iter().map(|k| &k.value.expr))
            .collect()
    }

    fn replace(&mut self, with: &HashMap<Expr, Expr>) -> Result<()> {
        for item in &mut self.items {
            item.value.expr = replaced(item.value.expr.clone(), with)?;
        }
        for key in &mut self.keys {
            key.value.expr = replaced(key.value.expr.clone(), with)?;
        }
        for condition in [&mut self.having, &mut self.qualify].into_iter().flatten() {
            *condition = replaced(condition.clone(), with)?;
        }
        Ok(())
    }
}

/// The expression with whole parts of it replaced.
pub(super) fn replaced(expr: Expr, with: &HashMap<Expr, Expr>) -> Result<Expr> {
    let out = expr.transform_down(|e| {
        Ok(match with.get(&e) {
            Some(column) => Transformed::new(column.clone(), true, TreeNodeRecursion::Jump),
            None => Transformed::no(e),
        })
    })?;
    Ok(out.data)
}

impl Planner<'_> {
    /// A SELECT and the ORDER BY after it.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order_by: Option<&OrderBy>,
        outer: Option<&Arc<Scope>>,
    ) -> Result<Relation> {
        refuse_clauses(select)?;
        let input = self.from(&select.from, outer)?;
        let scope = Scope { columns: input.columns.clone(), outer: outer.cloned() };
        let mut plan = input.plan;
        if let Some(condition) = &select.selection {
            let condition = self.predicate(condition, &scope, "WHERE condition")?;
            plan = self.filtered(plan, condition)?;
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return Err(LocalError::unsupported_feature("DISTINCT ON")),
        };
        let aliases = std::mem::take(&mut self.aliases);
        let windows = std::mem::replace(&mut self.windows, named_windows(select)?);
        let parts = self.parts(select, order_by, &scope, distinct);
        self.aliases = aliases;
        self.windows = windows;
        self.assemble(plan, &scope, parts?, distinct)
    }

    fn parts(
        &mut self,
        select: &Select,
        order_by: Option<&OrderBy>,
        scope: &Scope,
        distinct: bool,
    ) -> Result<Parts> {
        let everything = Allowed { aggregates: true, windows: true };
        let items = self.allowing(everything, |p| p.items(&select.projection, scope))?;
        let groups = self.groups(&select.group_by, &items, scope)?;
        let having = match &select.having {
            Some(condition) => {
                self.unambiguous(condition, &items, scope, "HAVING")?;
                let aggregates = Allowed { aggregates: true, windows: false };
                Some(self.allowing(aggregates, |p| p.predicate(condition, scope, "HAVING condition"))?)
            }
            None => None,
        };
        let qualify = match &select.qualify {
            Some(condition) => {
                Some(self.allowing(everything, |p| p.predicate(condition, scope, "QUALIFY condition"))?)
            }
            None => None,
        };
        let keys = match order_by {
            Some(order_by) => self.allowing(everything, |p| p.keys(order_by, &items, scope, distinct))?,
            None => Vec::new(),
        };
        let grouped = groups.is_some() || having.is_some();
        let mut parts = Parts { items, groups: groups.unwrap_or_default(), grouped, having, qualify, keys };
        parts.grouped |= !find_aggregate_exprs(parts.exprs()).is_empty();
        Ok(parts)
    }

    fn items(&mut self, projection: &[SelectItem], scope: &Scope) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let value = self.scalar(expr, scope)?;
                    items.push(Item { name: names::of(expr, self.parameters), value });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let value = self.scalar(expr, scope)?;
                    self.aliases.push((alias.value.clone(), value.clone()));
                    items.push(Item { name: alias.value.clone(), value });
                }
                SelectItem::Wildcard(options) => items.extend(star(scope, &[], options)?),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    items.extend(star(scope, &prefetch::parts(name)?, options)?);
                }
                other => return Err(LocalError::unsupported_feature(format!("the select item {other}"))),
            }
        }
        if items.is_empty() {
            return Err(LocalError::unsupported_feature("SELECT of no column"));
        }
        Ok(items)
    }

    /// GROUP BY, or none without the clause.
    fn groups(
        &mut self,
        group_by: &GroupByExpr,
        items: &[Item],
        scope: &Scope,
    ) -> Result<Option<Vec<Typed>>> {
        let (exprs, modifiers) = match group_by {
            GroupByExpr::All(modifiers) => (None, modifiers),
            GroupByExpr::Expressions(exprs, modifiers) => (Some(exprs), modifiers),
        };
        if let Some(modifier) = modifiers.first() {
            return Err(LocalError::unsupported_feature(format!("GROUP BY .. {modifier}")));
        }
        let Some(exprs) = exprs else {
            let plain = |item: &&Item| find_aggregate_exprs([&item.value.expr]).is_empty();
            let groups: Vec<_> = items.iter().filter(plain).map(|i| i.value.clone()).collect();
            return Ok(Some(groups));
        };
        if exprs.is_empty() {
            return Ok(None);
        }
        exprs.iter().map(|expr| self.group(expr, items, scope)).collect::<Result<_>>().map(Some)
    }

    /// A position in the select list, a column, an alias, or an expression.
    fn group(&mut self, expr: &ast::Expr, items: &[Item], scope: &Scope) -> Result<Typed> {
        if let Some(position) = ordinal(expr) {
            let item = item_at(items, position, "GROUP BY", "GROUP_BY_POS_OUT_OF_RANGE", "42805")?;
            if !find_aggregate_exprs([&item.value.expr]).is_empty() {
                let message = format!(
                    "GROUP BY {position} refers to an expression that contains an aggregate function."
                );
                return Err(LocalError::new("GROUP_BY_POS_AGGREGATE", "42903", message));
            }
            return Ok(item.value.clone());
        }
        let value = self.allowing(Allowed::default(), |p| p.scalar(expr, scope))?;
        if !find_aggregate_exprs([&value.expr]).is_empty() {
            let message = format!("Aggregate functions are not allowed in GROUP BY, but found {expr}.");
            return Err(LocalError::new("GROUP_BY_AGGREGATE", "42903", message));
        }
        Ok(value)
    }

    fn keys(
        &mut self,
        order_by: &OrderBy,
        items: &[Item],
        scope: &Scope,
        distinct: bool,
    ) -> Result<Vec<Key>> {
        let OrderBy { kind, interpolate } = order_by;
        if interpolate.is_some() {
            return Err(LocalError::unsupported_feature("INTERPOLATE"));
        }
        let exprs = match kind {
            OrderByKind::All(options) => {
                return Ok(items.iter().map(|item| key(item.value.clone(), options)).collect());
            }
            OrderByKind::Expressions(exprs) => exprs,
        };
        let mut keys = Vec::new();
        for OrderByExpr { expr, options, with_fill } in exprs {
            if with_fill.is_some() {
                return Err(LocalError::unsupported_feature("WITH FILL"));
            }
            let value = self.sort_value(expr, items, scope)?;
            let shown = items.iter().any(|item| item.value.expr == value.expr);
            if distinct && !shown {
                return Err(LocalError::unsupported_feature(format!(
                    "ORDER BY {expr} of a SELECT DISTINCT that does not select it"
                )));
            }
            keys.push(key(value, options));
        }
        Ok(keys)
    }

    /// A position, a name of the select list, or an expression over the FROM.
    fn sort_value(&mut self, expr: &ast::Expr, items: &[Item], scope: &Scope) -> Result<Typed> {
        if let Some(position) = ordinal(expr) {
            return Ok(item_at(items, position, "ORDER BY", "ORDER_BY_POS_OUT_OF_RANGE", "42805")?
                .value
                .clone());
        }
        if let ast::Expr::Identifier(name) = expr {
            let found: Vec<_> = items.iter().filter(|item| same(&item.name, &name.value)).collect();
            match found.as_slice() {
                [one] => return Ok(one.value.clone()),
                [first, rest @ ..] if rest.iter().all(|r| r.value.expr == first.value.expr) => {
                    return Ok(first.value.clone());
                }
                [] => {}
                _ => {
                    let candidates: Vec<_> = found.iter().map(|i| format!("`{}`", i.name)).collect();
                    return Err(LocalError::ambiguous_column(&name.value, &candidates));
                }
            }
        }
        self.unambiguous(expr, items, scope, "ORDER BY")?;
        self.scalar(expr, scope)
    }

    /// Within an expression of HAVING or ORDER BY a name that is both an alias of something else and a column
    /// would depend on rules of precedence: it is refused.
    fn unambiguous(&self, expr: &ast::Expr, items: &[Item], scope: &Scope, clause: &str) -> Result<()> {
        let mut trouble = None;
        let _ = ast::visit_expressions(expr, |e| {
            if let ast::Expr::Identifier(name) = e {
                let parts = [name.value.clone()];
                if let (Some(item), Ok(Some(column))) =
                    (items.iter().find(|i| same(&i.name, &name.value)), scope.find(&parts))
                    && item.value.expr != column.value.expr
                {
                    trouble = Some(name.value.clone());
                }
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
        match trouble {
            Some(name) => Err(LocalError::unsupported_feature(format!(
                "`{name}` in {clause}, which is both a column and an alias of something else"
            ))),
            None => Ok(()),
        }
    }

    fn assemble(
        &mut self,
        plan: LogicalPlan,
        scope: &Scope,
        mut parts: Parts,
        distinct: bool,
    ) -> Result<Relation> {
        let mut plan = plan;
        if parts.grouped {
            plan = self.aggregate(plan, scope, &mut parts)?;
        }
        if let Some(having) = parts.having.take() {
            plan = self.filtered(plan, having)?;
        }
        let windows = find_window_exprs(parts.exprs());
        if !windows.is_empty() {
            plan = LogicalPlanBuilder::window_plan(plan, windows.clone())?;
            let columns = windows.into_iter().map(|window| {
                let column = Column::new_unqualified(window.schema_name().to_string());
                (window, Expr::Column(column))
            });
            parts.replace(&columns.collect())?;
        }
        if let Some(qualify) = parts.qualify.take() {
            plan = self.filtered(plan, qualify)?;
        }
        self.project(plan, parts, distinct)
    }

    fn aggregate(&mut self, plan: LogicalPlan, scope: &Scope, parts: &mut Parts) -> Result<LogicalPlan> {
        let mut with = HashMap::new();
        let mut allowed = Vec::new();
        let mut groups = Vec::new();
        for group in &parts.groups {
            if !types::is_comparable(&group.ty) {
                return Err(LocalError::unsupported_feature(format!(
                    "GROUP BY a {}",
                    types::name(&group.ty)
                )));
            }
            if !with.contains_key(&group.expr) {
                let name = self.fresh_name("g");
                groups.push(operators::unsigned_zero(group.clone()).expr.alias(&name));
                allowed.push(Column::new_unqualified(&name));
                with.insert(group.expr.clone(), Expr::Column(Column::new_unqualified(name)));
            }
        }
        let mut totals = Vec::new();
        for total in find_aggregate_exprs(parts.exprs()) {
            let name = self.fresh_name("a");
            totals.push(total.clone().alias(&name));
            allowed.push(Column::new_unqualified(&name));
            with.insert(total, Expr::Column(Column::new_unqualified(name)));
        }
        if groups.is_empty() && totals.is_empty() {
            // HAVING without GROUP BY and without aggregates: one group of everything.
            totals.push(
                datafusion::functions_aggregate::expr_fn::count(datafusion::prelude::lit(1)).alias("__all"),
            );
        }
        parts.replace(&with)?;
        for expr in parts.exprs() {
            if let Some(stray) = expr.column_refs().into_iter().find(|c| !allowed.contains(c)) {
                return Err(ungrouped(stray, scope, parts.groups.is_empty()));
            }
        }
        Ok(LogicalPlanBuilder::from(plan).aggregate(groups, totals)?.build()?)
    }

    /// The select list, with what ORDER BY needs besides; then DISTINCT and ORDER BY.
    fn project(&mut self, plan: LogicalPlan, parts: Parts, distinct: bool) -> Result<Relation> {
        let mut exprs = Vec::new();
        let mut columns = Vec::new();
        let mut known: HashMap<Expr, Expr> = HashMap::new();
        for Item { name, value } in parts.items {
            if distinct && !types::is_comparable(&value.ty) {
                return Err(LocalError::unsupported_feature(format!(
                    "DISTINCT of a {}",
                    types::name(&value.ty)
                )));
            }
            let column = Column::new_unqualified(self.fresh_name("c"));
            known.entry(value.expr.clone()).or_insert_with(|| Expr::Column(column.clone()));
            let shown = if distinct { operators::unsigned_zero(value.clone()) } else { value.clone() };
            exprs.push(shown.expr.alias(&column.name));
            columns.push(ScopeColumn {
                qualifier: Vec::new(),
                name,
                column,
                ty: value.ty,
                nullable: true,
                hidden: false,
            });
        }
        let shown = exprs.len();
        let mut sorts = Vec::new();
        for key in parts.keys {
            if !types::is_comparable(&key.value.ty) {
                return Err(LocalError::unsupported_feature(format!(
                    "ORDER BY a {}",
                    types::name(&key.value.ty)
                )));
            }
            let by = match known.get(&key.value.expr) {
                Some(column) => column.clone(),
                None => {
                    let name = self.fresh_name("o");
                    exprs.push(key.value.expr.clone().alias(&name));
                    let column = Expr::Column(Column::new_unqualified(name));
                    known.insert(key.value.expr, column.clone());
                    column
                }
            };
            sorts.push(Sort::new(by, key.ascending, key.nulls_first));
        }
        let extra = exprs.len() > shown;
        let mut builder = LogicalPlanBuilder::from(plan).project(exprs)?;
        if distinct {
            builder = builder.distinct()?;
        }
        if !sorts.is_empty() {
            builder = builder.sort(sorts)?;
        }
        if extra {
            builder = builder
                .project(columns.iter().map(|c| Expr::Column(c.column.clone())).collect::<Vec<_>>())?;
        }
        Ok(Relation { plan: builder.build()?, columns })
    }

    /// ORDER BY of a set operation or VALUES: its columns by name or position.
    pub(super) fn sort_output(&mut self, relation: Relation, order_by: &OrderBy) -> Result<Relation> {
        let items: Vec<Item> = visible(&relation)
            .into_iter()
            .map(|c| Item { name: c.name, value: Typed::new(Expr::Column(c.column), c.ty) })
            .collect();
        let scope = Scope { columns: relation.columns.clone(), outer: None };
        let keys = self.keys(order_by, &items, &scope, false)?;
        let sorts: Vec<_> =
            keys.into_iter().map(|k| Sort::new(k.value.expr, k.ascending, k.nulls_first)).collect();
        Ok(Relation {
            plan: LogicalPlanBuilder::from(relation.plan).sort(sorts)?.build()?,
            columns: relation.columns,
        })
    }
}

/// NULLs come first when ascending and last when descending, unless said otherwise.
pub(super) fn direction(options: &OrderByOptions) -> (bool, bool) {
    let ascending = options.asc.unwrap_or(true);
    (ascending, options.nulls_first.unwrap_or(ascending))
}

fn key(value: Typed, options: &OrderByOptions) -> Key {
    let (ascending, nulls_first) = direction(options);
    Key { value, ascending, nulls_first }
}

/// `GROUP BY 1`, `ORDER BY 2`.
fn ordinal(expr: &ast::Expr) -> Option<i64> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn item_at<'a>(items: &'a [Item], position: i64, clause: &str, class: &str, state: &str) -> Result<&'a Item> {
    let at = usize::try_from(position).ok().and_then(|p| p.checked_sub(1));
    at.and_then(|at| items.get(at)).ok_or_else(|| {
        let message = format!(
            "{clause} position {position} is not in select list (valid range is [1, {}]).",
            items.len()
        );
        LocalError::new(class, state, message)
    })
}

fn ungrouped(column: &Column, scope: &Scope, no_groups: bool) -> LocalError {
    let name = scope.columns.iter().find(|c| &c.column == column).map_or(&column.name, |c| &c.name);
    if no_groups {
        return LocalError::new(
            "MISSING_GROUP_BY",
            "42803",
            format!(
                "The query does not include a GROUP BY clause, but selects `{name}` beside an aggregate. Add GROUP BY or turn it into the window functions using OVER clauses."
            ),
        );
    }
    LocalError::new(
        "MISSING_AGGREGATION",
        "42803",
        format!(
            "The non-aggregating expression \"{name}\" is based on columns which are not participating in the GROUP BY clause. Add the columns or the expression to the GROUP BY, aggregate the expression, or use \"any_value({name})\" if you do not care which of the values within a group is returned."
        ),
    )
}

fn named_windows(select: &Select) -> Result<HashMap<String, ast::WindowSpec>> {
    let define = |NamedWindowDefinition(name, window): &NamedWindowDefinition| match window {
        NamedWindowExpr::WindowSpec(spec) => Ok((name.value.to_lowercase(), spec.clone())),
        NamedWindowExpr::NamedWindow(_) => {
            Err(LocalError::unsupported_feature("a window defined by another"))
        }
    };
    select.named_window.iter().map(define).collect()
}

/// Clauses that are read nowhere here.
fn refuse_clauses(select: &Select) -> Result<()> {
    let Select {
        select_token: _,
        optimizer_hints: _,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into,
        from: _,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by: _,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window: _,
        qualify: _,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    for (present, what) in [
        (select_modifiers.is_some(), "SELECT modifiers"),
        (top.is_some(), "TOP"),
        (exclude.is_some(), "EXCLUDE"),
        (into.is_some(), "SELECT INTO"),
        (!lateral_views.is_empty(), "LATERAL VIEW"),
        (prewhere.is_some(), "PREWHERE"),
        (!connect_by.is_empty(), "CONNECT BY"),
        (!cluster_by.is_empty(), "CLUSTER BY"),
        (!distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!sort_by.is_empty(), "SORT BY"),
        (value_table_mode.is_some(), "SELECT AS"),
        (!matches!(flavor, SelectFlavor::Standard), "FROM before SELECT"),
    ] {
        if present {
            return Err(LocalError::unsupported_feature(what));
        }
    }
    Ok(())
}
