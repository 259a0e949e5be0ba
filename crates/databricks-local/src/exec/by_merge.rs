//! Statements that are merges underneath: DELETE and UPDATE whose conditions ask a query, INSERT .. REPLACE USING.
//!
//! delta-rs' builders take no query in a condition. The rows that one selects are found first, by the planner that
//! knows queries, and then matched to the table on every column that the statement mentions: rows that agree on those
//! agree on the condition. So only files with such rows are rewritten, and the change data feed is right.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, UNNAMED_TABLE, binary_expr, lit,
};
use deltalake::DeltaTable;
use deltalake::operations::merge::{MergeBuilder, MergeMetrics};
use sqlparser::ast::{self, SelectItem, SetExpr};
use tokio::sync::OwnedMutexGuard;

use super::commit;
use super::merge::{SOURCE, TARGET};
use super::projection::position;
use super::sides::{assigned_column, table_reference};
use super::statement::Statement;
use super::stored::stored;
use super::write::{Target, writer_properties};
use crate::error::{LocalError, Result};
use crate::parse::{self, AssignedValue, Assignment, Name};
use crate::query;

/// Whether an expression asks a query.
pub(super) fn asks(expr: &ast::Expr) -> bool {
    use ast::Expr::{Exists, InSubquery, Subquery};
    let found = ast::visit_expressions(expr, |expr| match expr {
        Exists { .. } | InSubquery { .. } | Subquery(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

/// A statement over one table's rows, by the condition and the values that it gives.
pub(super) struct OverRows<'a> {
    /// `DELETE` or `UPDATE`.
    pub(super) statement: &'static str,
    pub(super) name: &'a Name,
    pub(super) alias: Option<&'a str>,
    pub(super) condition: Option<&'a ast::Expr>,
    /// Without any the rows are deleted.
    pub(super) assignments: &'a [Assignment],
}

impl Statement {
    /// Deletes or updates the rows for which a condition is true, whatever queries it and the values ask: how many.
    pub(super) async fn change_by_merge(
        &self,
        over: &OverRows<'_>,
        table: DeltaTable,
        guard: OwnedMutexGuard<()>,
    ) -> Result<usize> {
        let target = Target::of(&table)?;
        let keys = mentioned(&target.schema, over);
        let (selected, values) = self.selected(over, &target, &keys).await?;
        let source = DataFrame::new(self.context.state(), selected);
        let on = if keys.is_empty() { lit(true) } else { same(&keys, Operator::IsNotDistinctFrom) };
        let predicate = over.condition.map(|condition| vec![condition.to_string()]).unwrap_or_default();
        let parameters = [("predicate", serde_json::json!(predicate).to_string())];
        let builder = self.merging(table, source, on, over.statement, &parameters)?;
        let builder = if over.assignments.is_empty() {
            builder.when_matched_delete(|delete| delete)?
        } else {
            builder.when_matched_update(|update| {
                values.into_iter().fold(update, |update, (column, value)| update.update(column, value))
            })?
        };
        let metrics: MergeMetrics = commit::run(builder, guard).await?;
        Ok(metrics.num_target_rows_deleted + metrics.num_target_rows_updated)
    }

    /// The rows that a condition selects, each kind once: what is mentioned of them, and the values to assign.
    async fn selected(
        &self,
        over: &OverRows<'_>,
        target: &Target,
        keys: &[String],
    ) -> Result<(LogicalPlan, Vec<(Column, Expr)>)> {
        let from: Vec<String> =
            over.name.iter().map(|part| databricks_schema::quote::identifier(part)).collect();
        let alias = over.alias.map(|alias| format!(" AS {}", databricks_schema::quote::identifier(alias)));
        let mut query =
            parse::query(&format!("SELECT 1 FROM {}{}", from.join("."), alias.unwrap_or_default()))?;
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(LocalError::internal("a SELECT is no select"));
        };
        select.selection = over.condition.cloned();
        select.distinct = Some(ast::Distinct::Distinct);
        let named = |expr: ast::Expr, name: String| SelectItem::ExprWithAlias {
            expr,
            alias: ast::Ident::with_quote('`', name),
        };
        let columns = keys
            .iter()
            .map(|key| named(ast::Expr::Identifier(ast::Ident::with_quote('`', key)), key.clone()));
        select.projection = columns.collect();
        let mut assigned: Vec<(usize, String)> = Vec::with_capacity(over.assignments.len());
        let reference = match over.alias {
            Some(alias) => TableReference::bare(alias),
            None => table_reference(self, over.name)?,
        };
        for (number, assignment) in over.assignments.iter().enumerate() {
            let index = assigned_column(&target.schema, &reference, &assignment.column)?;
            if assigned.iter().any(|(other, _)| *other == index) {
                return Err(super::projection::named_twice(target.schema.field(index).name()));
            }
            let name = unused(&format!("__value{number}"), &target.schema);
            let value = match &assignment.value {
                AssignedValue::Expr(value) => value.as_ref().clone(),
                AssignedValue::Default => super::alter::written_default(target.schema.field(index))?,
            };
            select.projection.push(named(value, name.clone()));
            assigned.push((index, name));
        }
        if select.projection.is_empty() {
            select.projection.push(named(ast::Expr::value(ast::Value::Boolean(true)), "__any".to_owned()));
        }
        let plan = self.plan(&query).await?;
        let mut values = Vec::with_capacity(assigned.len());
        for (index, name) in assigned {
            let field = target.schema.field(index);
            let value = Expr::Column(Column::new_unqualified(&name));
            let from = value.get_type(plan.schema().as_ref())?;
            let source = Expr::Column(Column::new(Some(TableReference::bare(SOURCE)), &name));
            let value = query::assign(source, &from, field.data_type(), field.name())?;
            let column = Column::new(Some(TableReference::bare(TARGET)), field.name());
            values.push((column, stored(value, field, &target.partitions)));
        }
        Ok((plan, values))
    }

    /// Puts the rows in the place of those that agree with one of them on the columns: how many went in.
    pub(super) async fn replace_using(
        &self,
        table: DeltaTable,
        target: &Target,
        rows: LogicalPlan,
        using: &[String],
        guard: OwnedMutexGuard<()>,
    ) -> Result<u64> {
        let mut keys = Vec::with_capacity(using.len());
        // The source's column that says whether a row is one to be replaced.
        let replaced = &unused("__replaced", &target.schema);
        for name in using {
            keys.push(target.schema.field(position(&target.schema, name)?).name().clone());
        }
        // Both halves of the source are of the same rows, whatever the query would give a second time.
        let batches = self.context.execute_logical_plan(rows).await?.collect().await?;
        let schema = batches.first().map_or_else(|| Arc::clone(&target.schema), |batch| batch.schema());
        let held: Arc<MemTable> = Arc::new(MemTable::try_new(schema, vec![batches])?);
        let scan =
            || LogicalPlanBuilder::scan(UNNAMED_TABLE, provider_as_source(Arc::clone(&held) as _), None);
        let bare = |name: &str| Expr::Column(Column::new_unqualified(name));
        let columns = || target.schema.fields().iter();
        let added: Vec<Expr> =
            columns().map(|field| bare(field.name())).chain([lit(false).alias(replaced)]).collect();
        let added = scan()?.project(added)?.build()?;
        let mut removed = Vec::with_capacity(target.schema.fields().len() + 1);
        for field in columns() {
            removed.push(match keys.contains(field.name()) {
                true => bare(field.name()),
                false => lit(ScalarValue::try_from(field.data_type())?).alias(field.name()),
            });
        }
        removed.push(lit(true).alias(replaced));
        let removed = scan()?.project(removed)?.distinct()?;
        let source = DataFrame::new(self.context.state(), removed.union(added)?.build()?);
        let flag = Expr::Column(Column::new(Some(TableReference::bare(SOURCE)), replaced));
        let on = same(&keys, Operator::Eq).and(flag.clone());
        let values: Vec<(Column, Expr)> = columns()
            .map(|field| {
                let source = Expr::Column(Column::new(Some(TableReference::bare(SOURCE)), field.name()));
                let column = Column::new(Some(TableReference::bare(TARGET)), field.name());
                (column, stored(source, field, &target.partitions))
            })
            .collect();
        let parameters = [
            ("mode", "Overwrite".to_owned()),
            ("partitionBy", serde_json::json!(target.partitions).to_string()),
        ];
        let builder = self.merging(table, source, on, "WRITE", &parameters)?;
        let builder = builder.when_matched_delete(|delete| delete)?.when_not_matched_insert(|insert| {
            let insert = insert.predicate(flag.is_false());
            values.into_iter().fold(insert, |insert, (column, value)| insert.set(column, value))
        })?;
        let metrics: MergeMetrics = commit::run(builder, guard).await?;
        Ok(super::rows::count(metrics.num_target_rows_inserted))
    }

    fn merging(
        &self,
        table: DeltaTable,
        source: DataFrame,
        on: Expr,
        operation: &'static str,
        parameters: &[(&'static str, String)],
    ) -> Result<MergeBuilder> {
        let properties = writer_properties(&table)?;
        Ok(table
            .merge(source, on)
            .with_target_alias(TARGET)
            .with_source_alias(SOURCE)
            .with_session_state(self.state())
            .with_writer_properties(properties)
            .with_commit_properties(commit::properties_as(&self.user, operation, parameters)))
    }
}

/// The columns of the table that the statement mentions by name, or might.
fn mentioned(table: &SchemaRef, over: &OverRows<'_>) -> Vec<String> {
    let mut words = std::collections::HashSet::new();
    let mut look = |expr: &ast::Expr| {
        let _ = ast::visit_expressions(expr, |expr| {
            match expr {
                ast::Expr::Identifier(word) => _ = words.insert(word.value.to_lowercase()),
                ast::Expr::CompoundIdentifier(parts) => {
                    words.extend(parts.iter().map(|part| part.value.to_lowercase()))
                }
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
    };
    over.condition.into_iter().for_each(&mut look);
    for assignment in over.assignments {
        if let AssignedValue::Expr(value) = &assignment.value {
            look(value);
        }
    }
    let fields = table.fields().iter().map(|field| field.name());
    fields.filter(|name| words.contains(&name.to_lowercase())).cloned().collect()
}

/// A name that no column of the table has.
fn unused(name: &str, table: &SchemaRef) -> String {
    let mut name = name.to_owned();
    while table.fields().iter().any(|field| field.name().to_lowercase() == name) {
        name.push('_');
    }
    name
}

/// The two sides agree on the columns.
fn same(keys: &[String], operator: Operator) -> Expr {
    let side = |side: &str, key: &String| Expr::Column(Column::new(Some(TableReference::bare(side)), key));
    let equal = keys.iter().map(|key| binary_expr(side(TARGET, key), operator, side(SOURCE, key)));
    conjunction(equal).unwrap_or_else(|| lit(true))
}
