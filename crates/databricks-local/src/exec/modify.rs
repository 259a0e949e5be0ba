//! UPDATE, DELETE and TRUNCATE TABLE.

use std::sync::Arc;

use databricks_testkit::EngineResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, UNNAMED_TABLE};
use deltalake::DeltaTable;
use sqlparser::ast;
use tokio::sync::OwnedMutexGuard;

use super::by_merge::{OverRows, asks};
use super::commit;
use super::condition::{self, Matching};
use super::merge::refuse_subqueries;
use super::projection::bare;
use super::rows::{count, counts};
use super::sides::{assigned_column, table_reference};
use super::statement::Statement;
use super::stored::stored;
use super::write::{Target, writer_properties};
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::parse::{AssignedValue, Assignment, Delete, Name, Update};
use crate::query;

impl Statement {
    pub(super) async fn update(&self, update: Update) -> Result<EngineResult> {
        let path = self.object(&update.table)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let value_asks = |assignment: &Assignment| match &assignment.value {
            AssignedValue::Expr(value) => asks(value),
            AssignedValue::Default => false,
        };
        if update.predicate.as_ref().is_some_and(asks) || update.assignments.iter().any(value_asks) {
            let over = OverRows {
                statement: "UPDATE",
                name: &update.table,
                alias: update.alias.as_deref(),
                condition: update.predicate.as_ref(),
                assignments: &update.assignments,
            };
            let updated = self.change_by_merge(&over, table, guard).await?;
            return counts(self, [("num_affected_rows", count(updated))]).await;
        }
        let Target { schema: columns, partitions, .. } = Target::of(&table)?;
        let (name, scope) = self.scope(&update.table, update.alias.as_deref(), &table)?;
        let mut builder = table
            .clone()
            .update()
            .with_session_state(self.state())
            .with_writer_properties(writer_properties(&table)?)
            .with_commit_properties(commit::properties_of(&self.user));
        let mut assigned = Vec::with_capacity(update.assignments.len());
        for assignment in &update.assignments {
            let index = assigned_column(&columns, &name, &assignment.column)?;
            let column = columns.field(index).name().clone();
            if assigned.contains(&column) {
                let message =
                    format!("The column `{column}` is assigned more than once. Name each column once.");
                return Err(LocalError::new("DUPLICATE_ASSIGNMENTS", "42701", message));
            }
            let value = self.assigned_value(&scope, &columns, index, &assignment.value).await?;
            let value = stored(unqualified(value)?, columns.field(index), &partitions);
            builder = builder.with_update(bare(&column), value);
            assigned.push(column);
        }
        if let Some(predicate) = &update.predicate {
            let predicate = self.row_condition(&scope, predicate, "UPDATE").await?;
            builder = match condition::settle(predicate, &table)? {
                Matching::None => return counts(self, [("num_affected_rows", 0)]).await,
                Matching::Where(predicate) => builder.with_predicate(predicate),
                Matching::All => builder,
            };
        }
        let updated = commit::run(builder, guard).await?.num_updated_rows;
        counts(self, [("num_affected_rows", count(updated))]).await
    }

    pub(super) async fn delete(&self, delete: &Delete) -> Result<EngineResult> {
        let path = self.object(&delete.table)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let predicate = match &delete.predicate {
            Some(predicate) if asks(predicate) => {
                let over = OverRows {
                    statement: "DELETE",
                    name: &delete.table,
                    alias: delete.alias.as_deref(),
                    condition: Some(predicate),
                    assignments: &[],
                };
                let deleted = self.change_by_merge(&over, table, guard).await?;
                return counts(self, [("num_affected_rows", count(deleted))]).await;
            }
            Some(predicate) => {
                let (_, scope) = self.scope(&delete.table, delete.alias.as_deref(), &table)?;
                Some(self.row_condition(&scope, predicate, "DELETE").await?)
            }
            None => None,
        };
        let deleted = self.delete_rows(table, predicate, guard).await?;
        counts(self, [("num_affected_rows", deleted)]).await
    }

    /// As DELETE without a condition, but it answers nothing.
    pub(super) async fn truncate(&self, name: &Name) -> Result<EngineResult> {
        let path: ObjectPath = self.object(name)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        self.delete_rows(table, None, guard).await?;
        Ok(EngineResult::default())
    }

    async fn delete_rows(
        &self,
        table: DeltaTable,
        predicate: Option<Expr>,
        guard: OwnedMutexGuard<()>,
    ) -> Result<u64> {
        let predicate = match predicate.map(|predicate| condition::settle(predicate, &table)).transpose()? {
            Some(Matching::None) => return Ok(0),
            Some(Matching::Where(predicate)) => Some(predicate),
            Some(Matching::All) | None => None,
        };
        let before = table.clone();
        let mut builder = table
            .delete()
            .with_session_state(self.state())
            .with_writer_properties(writer_properties(&before)?)
            .with_commit_properties(commit::properties_of(&self.user));
        if let Some(predicate) = predicate.clone() {
            builder = builder.with_predicate(predicate);
        }
        let deleted = commit::run(builder, guard).await?.num_deleted_rows;
        match deleted {
            Some(rows) => Ok(count(rows)),
            None => self.count_rows(&before, predicate).await,
        }
    }

    /// The rows of a version that fulfil a condition: for files whose writers left no statistics.
    async fn count_rows(&self, table: &DeltaTable, predicate: Option<Expr>) -> Result<u64> {
        let source = provider_as_source(self.provider(table).await?);
        let mut plan = LogicalPlanBuilder::scan(UNNAMED_TABLE, source, None)?;
        if let Some(predicate) = predicate {
            plan = plan.filter(predicate)?;
        }
        let rows = self.context.execute_logical_plan(plan.build()?).await?.count().await?;
        Ok(count(rows))
    }

    /// How the statement may name the table's columns.
    pub(super) fn scope(
        &self,
        table: &Name,
        alias: Option<&str>,
        opened: &DeltaTable,
    ) -> Result<(TableReference, DFSchema)> {
        let name = match alias {
            Some(alias) => TableReference::bare(alias),
            None => table_reference(self, table)?,
        };
        let columns = opened.snapshot()?.snapshot().arrow_schema();
        let scope = DFSchema::try_from_qualified_schema(name.clone(), Arc::as_ref(&columns))?;
        Ok((name, scope))
    }

    /// A WHERE condition over the table's rows.
    pub(super) async fn row_condition(
        &self,
        scope: &DFSchema,
        condition: &ast::Expr,
        statement: &str,
    ) -> Result<Expr> {
        let condition = query::plan_predicate(self, scope, condition, &self.parameters).await?;
        refuse_subqueries(&condition, &format!("a subquery in the condition of {statement}: use MERGE"))?;
        unqualified(condition)
    }
}

/// The expression over the columns' bare names, as delta-rs scans them.
fn unqualified(expr: Expr) -> Result<Expr> {
    let bare = expr.transform(|expr| match expr {
        Expr::Column(column) if column.relation.is_some() => {
            Ok(Transformed::yes(Expr::Column(bare(&column.name))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(bare.data)
}
