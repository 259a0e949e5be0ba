//! MERGE: every clause kind, through delta-rs' merge builder.
//!
//! Conditions and values are planned against the columns a clause may see: both sides when matched, the source when
//! there is no target row, the target when there is no source row. The builder knows the two sides by names of its
//! own, so the statement's qualifiers are replaced in the planned expressions.

use arrow::datatypes::SchemaRef;
use databricks_testkit::EngineResult;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Column, DFSchema};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, ExprSchemable};
use deltalake::DeltaTable;
use deltalake::operations::merge::{InsertBuilder, MergeBuilder, MergeMetrics, UpdateBuilder};
use sqlparser::ast;

use super::commit;
use super::definition::Definition;
use super::evolving_merge;
use super::rows::{count, counts};
use super::sides::Sides;
use super::statement::Statement;
use super::write::{Target, writer_properties};
use crate::error::{LocalError, Result};
use crate::parse::{AssignedValue, Assignment, Merge, MergeAction, MergeClause, MergeKind};
use crate::query;

/// What the builder calls the two sides.
pub(super) const TARGET: &str = "__target";
pub(super) const SOURCE: &str = "__source";

impl Statement {
    pub(super) async fn merge(&self, merge: Merge) -> Result<EngineResult> {
        let path = self.object(&merge.target)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let source = DataFrame::new(self.context.state(), self.plan(&merge.source).await?);
        let after = match merge.schema_evolution {
            true => evolving_merge::evolved(&Definition::of(&table)?, &merge, source.schema())?,
            false => None,
        };
        let metrics = match after {
            None => self.merge_into(&merge, table, source, guard).await?,
            Some(after) => self.merge_evolved(&merge, &path, table, after, source, guard).await?,
        };
        let (updated, deleted, inserted) = (
            count(metrics.num_target_rows_updated),
            count(metrics.num_target_rows_deleted),
            count(metrics.num_target_rows_inserted),
        );
        counts(
            self,
            [
                ("num_affected_rows", updated + deleted + inserted),
                ("num_updated_rows", updated),
                ("num_deleted_rows", deleted),
                ("num_inserted_rows", inserted),
            ],
        )
        .await
    }

    /// Merges into a table that has all the columns.
    pub(super) async fn merge_into(
        &self,
        merge: &Merge,
        table: DeltaTable,
        source: DataFrame,
        held: impl Send + 'static,
    ) -> Result<MergeMetrics> {
        let sides = Sides::new(self, merge, Target::of(&table)?, source.schema())?;
        let builder = self.merge_builder(merge, &sides, table, source).await?;
        commit::run(builder, held).await
    }

    async fn merge_builder(
        &self,
        merge: &Merge,
        sides: &Sides,
        table: DeltaTable,
        source: DataFrame,
    ) -> Result<MergeBuilder> {
        let on = self.merge_condition(sides, &sides.both, &merge.on).await?;
        let properties = writer_properties(&table)?;
        let mut builder = table
            .merge(source, on)
            .with_target_alias(TARGET)
            .with_source_alias(SOURCE)
            .with_session_state(self.state())
            .with_writer_properties(properties)
            .with_commit_properties(commit::properties_of(&self.user));
        for clause in &merge.clauses {
            builder = self.merge_clause(builder, sides, clause).await?;
        }
        Ok(builder)
    }

    async fn merge_clause(
        &self,
        builder: MergeBuilder,
        sides: &Sides,
        clause: &MergeClause,
    ) -> Result<MergeBuilder> {
        let scope = sides.scope(clause.kind);
        let condition = match &clause.condition {
            Some(condition) => Some(self.merge_condition(sides, scope, condition).await?),
            None => None,
        };
        let values = self.merge_values(sides, scope, clause).await?;
        let built = match (clause.kind, &clause.action) {
            (MergeKind::Matched, MergeAction::Delete) => {
                builder.when_matched_delete(|delete| match condition {
                    Some(condition) => delete.predicate(condition),
                    None => delete,
                })
            }
            (MergeKind::NotMatchedBySource, MergeAction::Delete) => builder
                .when_not_matched_by_source_delete(|delete| match condition {
                    Some(condition) => delete.predicate(condition),
                    None => delete,
                }),
            (MergeKind::Matched, MergeAction::Update(_) | MergeAction::UpdateAll) => {
                builder.when_matched_update(|update| fill_update(update, condition, values))
            }
            (MergeKind::NotMatchedBySource, MergeAction::Update(_)) => {
                builder.when_not_matched_by_source_update(|update| fill_update(update, condition, values))
            }
            (MergeKind::NotMatched, MergeAction::Insert { .. } | MergeAction::InsertAll) => {
                builder.when_not_matched_insert(|insert| fill_insert(insert, condition, values))
            }
            (kind, action) => {
                let message = format!("The action {action:?} cannot follow WHEN {kind:?}.");
                return Err(LocalError::new("PARSE_SYNTAX_ERROR", "42601", message));
            }
        };
        Ok(built?)
    }

    /// Which target column gets which value.
    async fn merge_values(
        &self,
        sides: &Sides,
        scope: &DFSchema,
        clause: &MergeClause,
    ) -> Result<Vec<(Column, Expr)>> {
        match &clause.action {
            MergeAction::Delete => Ok(Vec::new()),
            MergeAction::UpdateAll => sides.all_columns(scope),
            MergeAction::InsertAll => {
                let mut set = sides.all_columns(scope)?;
                sides.fill_missing(&mut set, &self.default_values(&sides.columns).await?)?;
                Ok(set)
            }
            MergeAction::Update(assignments) => self.merge_assignments(sides, scope, assignments).await,
            MergeAction::Insert { columns, values } => {
                let pairs = columns.iter().zip(values);
                let assignments: Vec<Assignment> = pairs
                    .map(|(column, value)| Assignment { column: column.clone(), value: value.clone() })
                    .collect();
                let mut set = self.merge_assignments(sides, scope, &assignments).await?;
                sides.fill_missing(&mut set, &self.default_values(&sides.columns).await?)?;
                Ok(set)
            }
        }
    }

    async fn merge_assignments(
        &self,
        sides: &Sides,
        scope: &DFSchema,
        assignments: &[Assignment],
    ) -> Result<Vec<(Column, Expr)>> {
        let mut set: Vec<(Column, Expr)> = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let index = sides.assigned(&assignment.column)?;
            let value = self.assigned_value(scope, &sides.columns, index, &assignment.value).await?;
            let column = sides.target_column(index);
            if set.iter().any(|(other, _)| *other == column) {
                let message = format!(
                    "The column `{}` is assigned more than once. Name each column once.",
                    column.name
                );
                return Err(LocalError::new("DUPLICATE_ASSIGNMENTS", "42701", message));
            }
            set.push((column, sides.stored(index, value)?));
        }
        Ok(set)
    }

    async fn merge_condition(&self, sides: &Sides, scope: &DFSchema, condition: &ast::Expr) -> Result<Expr> {
        let condition = query::plan_predicate(self, scope, condition, &self.parameters).await?;
        refuse_subqueries(&condition, "a subquery in a MERGE condition: join it into the source")?;
        sides.rename(condition)
    }

    /// A value as the table's column `index` stores it.
    pub(super) async fn assigned_value(
        &self,
        scope: &DFSchema,
        table: &SchemaRef,
        index: usize,
        value: &AssignedValue,
    ) -> Result<Expr> {
        let field = table.field(index);
        match value {
            AssignedValue::Default => self.default_of(field).await,
            AssignedValue::Expr(expr) => {
                let expr = query::plan_expr(self, scope, expr, &self.parameters).await?;
                refuse_subqueries(&expr, "a subquery in an assigned value")?;
                let from = expr.get_type(scope)?;
                query::assign(expr, &from, field.data_type(), field.name())
            }
        }
    }
}

/// delta-rs' builders take expressions over rows only.
pub(super) fn refuse_subqueries(expr: &Expr, what: &str) -> Result<()> {
    let found = expr.exists(|expr| {
        Ok(matches!(
            expr,
            Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_) | Expr::SetComparison(_)
        ))
    })?;
    if found { Err(LocalError::unsupported_feature(what)) } else { Ok(()) }
}

fn fill_update(update: UpdateBuilder, condition: Option<Expr>, values: Vec<(Column, Expr)>) -> UpdateBuilder {
    let update = match condition {
        Some(condition) => update.predicate(condition),
        None => update,
    };
    values.into_iter().fold(update, |update, (column, value)| update.update(column, value))
}

fn fill_insert(insert: InsertBuilder, condition: Option<Expr>, values: Vec<(Column, Expr)>) -> InsertBuilder {
    let insert = match condition {
        Some(condition) => insert.predicate(condition),
        None => insert,
    };
    values.into_iter().fold(insert, |insert, (column, value)| insert.set(column, value))
}
