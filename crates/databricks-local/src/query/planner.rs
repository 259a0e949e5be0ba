//! The planner: what it carries from clause to clause, and how a whole query comes out.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use sqlparser::ast;

use super::cast;
use super::parameters::Parameters;
use super::prefetch::Prefetched;
use super::scope::{Scope, ScopeColumn};
use super::types::{self, Typed};
use crate::error::{LocalError, Result};

/// Rows, and the names that reach their columns.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) plan: LogicalPlan,
    pub(super) columns: Vec<ScopeColumn>,
}

/// What may stand in the expression being read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowed {
    pub(super) aggregates: bool,
    pub(super) windows: bool,
}

/// Turns syntax into plans.
pub(super) struct Planner<'a> {
    pub(super) tables: &'a Prefetched,
    pub(super) parameters: &'a Parameters,
    pub(super) allowed: Allowed,
    /// Aliases of the select list read so far: `SELECT a + 1 AS b, b * 2`.
    pub(super) aliases: Vec<(String, Typed)>,
    /// `WITH` tables in reach, innermost last.
    pub(super) ctes: Vec<(String, Relation)>,
    /// `WINDOW w AS (..)` of the SELECT being read.
    pub(super) windows: HashMap<String, ast::WindowSpec>,
    /// One instant for the whole statement.
    pub(super) now: DateTime<Utc>,
    names: usize,
}

impl<'a> Planner<'a> {
    pub(super) fn new(tables: &'a Prefetched, parameters: &'a Parameters) -> Self {
        Self {
            tables,
            parameters,
            allowed: Allowed::default(),
            aliases: Vec::new(),
            ctes: Vec::new(),
            windows: HashMap::new(),
            now: Utc::now(),
            names: 0,
        }
    }

    /// A name the engine has not seen in this statement.
    pub(super) fn fresh_name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("__{prefix}{}", self.names)
    }

    /// The whole query, its columns under the names Databricks gives them.
    pub(super) fn plan_output(&mut self, query: &ast::Query) -> Result<LogicalPlan> {
        let relation = self.query(query, None)?;
        let mut seen = std::collections::HashSet::new();
        let repeated: Vec<bool> = relation.columns.iter().map(|c| !seen.insert(c.name.clone())).collect();
        let any = repeated.contains(&true);
        let exprs: Vec<Expr> = relation
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let value = Expr::Column(column.column.clone());
                // The engine tells columns of one name apart by their qualifier.
                let qualifier = any.then(|| TableReference::bare(format!("__{at}")));
                value.alias_qualified(qualifier, column.name.clone())
            })
            .collect();
        Ok(LogicalPlanBuilder::from(relation.plan).project(exprs)?.build()?)
    }

    /// The same rows under names used nowhere else, so that the relation can be read twice.
    pub(super) fn renewed(&mut self, relation: Relation) -> Result<Relation> {
        let mut columns = relation.columns;
        let mut exprs = Vec::with_capacity(columns.len());
        for column in &mut columns {
            let name = self.fresh_name("c");
            exprs.push(Expr::Column(column.column.clone()).alias(&name));
            column.column = Column::new_unqualified(name);
        }
        let plan = LogicalPlanBuilder::from(relation.plan).project(exprs)?.build()?;
        Ok(Relation { plan, columns })
    }

    /// A constant expression's value.
    pub(super) fn constant(&mut self, expr: &ast::Expr, to: &DataType, what: &str) -> Result<ScalarValue> {
        let value = self.scalar(expr, &Scope::default())?;
        match cast::cast(value.clone(), to)?.expr {
            Expr::Literal(value, _) => Ok(value),
            // A literal whose cast fails: say how.
            _ if value.is_literal() => cast::constant(value, to),
            _ => Err(LocalError::unsupported_feature(format!("{what} that is no constant"))),
        }
    }

    /// Whether a constant is a whole number.
    pub(super) fn is_number(&mut self, expr: &ast::Expr) -> Result<bool> {
        Ok(types::is_integer(&self.scalar(expr, &Scope::default())?.ty))
    }

    /// `VERSION AS OF expr`.
    pub(super) fn version(&mut self, expr: &ast::Expr) -> Result<i64> {
        match self.constant(expr, &DataType::Int64, "a version")? {
            ScalarValue::Int64(Some(version)) => Ok(version),
            _ => Err(LocalError::new(
                "INVALID_TIME_TRAVEL_SPEC",
                "42K0E",
                "Cannot time travel to the version NULL.",
            )),
        }
    }

    /// `TIMESTAMP AS OF expr`.
    pub(super) fn instant(&mut self, expr: &ast::Expr) -> Result<DateTime<Utc>> {
        let value = self.constant(expr, &types::timestamp(), "a timestamp to travel to")?;
        let ScalarValue::TimestampMicrosecond(Some(micros), _) = value else {
            let message =
                format!("The time travel timestamp expression {expr} cannot be used as a timestamp.");
            return Err(LocalError::new("INVALID_TIME_TRAVEL_TIMESTAMP_EXPR.INPUT", "42K0E", message));
        };
        DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| LocalError::new("DATETIME_OVERFLOW", "22008", "Datetime operation overflow."))
    }

    /// Runs `read` with these kinds of functions allowed.
    pub(super) fn allowing<T>(
        &mut self,
        allowed: Allowed,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = std::mem::replace(&mut self.allowed, allowed);
        let out = read(self);
        self.allowed = before;
        out
    }

    /// A subquery's relation: what surrounds it is in reach, but not its aliases or functions.
    pub(super) fn nested(&mut self, query: &ast::Query, scope: &Scope) -> Result<Relation> {
        self.inside(query, Some(Arc::new(scope.clone())))
    }

    /// A subquery in FROM, within a query that is itself correlated.
    pub(super) fn nested_in(&mut self, query: &ast::Query, outer: Arc<Scope>) -> Result<Relation> {
        self.inside(query, Some(outer))
    }

    /// A subquery in FROM.
    pub(super) fn nested_alone(&mut self, query: &ast::Query) -> Result<Relation> {
        self.inside(query, None)
    }

    fn inside(&mut self, query: &ast::Query, outer: Option<Arc<Scope>>) -> Result<Relation> {
        let aliases = std::mem::take(&mut self.aliases);
        let windows = std::mem::take(&mut self.windows);
        let relation = self.allowing(Allowed::default(), |p| p.query(query, outer));
        self.aliases = aliases;
        self.windows = windows;
        relation
    }
}
