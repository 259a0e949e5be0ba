//! MERGE: every clause kind, through delta-rs' merge builder.
//!
//! Conditions and values are planned against the columns a clause may see: both sides when matched, the source when
//! there is no target row, the target when there is no source row. The builder knows the two sides by names of its
//! own, so the statement's qualifiers are replaced in the planned expressions.

use arrow::datatypes::SchemaRef;
use databricks_testkit::EngineResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, ExprSchemable};
use deltalake::DeltaTable;
use deltalake::operations::merge::{InsertBuilder, MergeBuilder, UpdateBuilder};
use sqlparser::ast;

use super::commit;
use super::projection;
use super::rows::{count, counts};
use super::statement::Statement;
use super::stored::stored;
use super::write::{Target, writer_properties};
use crate::error::{LocalError, Result};
use crate::parse::{AssignedValue, Assignment, Merge, MergeAction, MergeClause, MergeKind, Name};
use crate::query;

/// What the builder calls the two sides.
const TARGET: &str = "__target";
const SOURCE: &str = "__source";

impl Statement {
    pub(super) async fn merge(&self, merge: Merge) -> Result<EngineResult> {
        if merge.schema_evolution {
            return Err(LocalError::unsupported_feature(
                "MERGE WITH SCHEMA EVOLUTION: add the columns with ALTER TABLE",
            ));
        }
        check_clauses(&merge.clauses)?;
        let path = self.object(&merge.target)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let target = Target::of(&table)?;
        let source = DataFrame::new(self.context.state(), self.plan(&merge.source).await?);
        let sides = Sides::new(self, &merge, target, source.schema())?;
        let builder = self.merge_builder(&merge, &sides, table, source).await?;
        let metrics = commit::run(builder, guard).await?;
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

    async fn merge_builder(
        &self,
        merge: &Merge,
        sides: &Sides,
        table: DeltaTable,
        source: DataFrame,
    ) -> Result<MergeBuilder> {
        let on = self.merge_condition(sides, &sides.both, &merge.on).await?;
        let mut builder = table
            .merge(source, on)
            .with_target_alias(TARGET)
            .with_source_alias(SOURCE)
            .with_session_state(self.state())
            .with_writer_properties(writer_properties())
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
            MergeAction::UpdateAll | MergeAction::InsertAll => sides.all_columns(scope),
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

/// The two sides of a merge: how the statement may name their columns, and how the builder does.
struct Sides {
    columns: SchemaRef,
    partitions: Vec<String>,
    target_name: TableReference,
    source_name: TableReference,
    target: DFSchema,
    source: DFSchema,
    both: DFSchema,
}

impl Sides {
    fn new(statement: &Statement, merge: &Merge, target: Target, source: &DFSchema) -> Result<Self> {
        let Target { schema: columns, partitions, .. } = target;
        let target_name = side_name(statement, merge.target_alias.as_deref(), Some(&merge.target), TARGET)?;
        let source_name =
            side_name(statement, merge.source_alias.as_deref(), merge.source_name.as_ref(), SOURCE)?;
        let target = DFSchema::try_from_qualified_schema(target_name.clone(), columns.as_ref())?;
        let source = DFSchema::try_from_qualified_schema(source_name.clone(), source.as_arrow())?;
        let both = target.join(&source).map_err(LocalError::from)?;
        Ok(Self { columns, partitions, target_name, source_name, target, source, both })
    }

    /// What a clause of this kind may name.
    fn scope(&self, kind: MergeKind) -> &DFSchema {
        match kind {
            MergeKind::Matched => &self.both,
            MergeKind::NotMatched => &self.source,
            MergeKind::NotMatchedBySource => &self.target,
        }
    }

    /// The index of the target column that is assigned to: `column` or `target.column`.
    fn assigned(&self, name: &Name) -> Result<usize> {
        assigned_column(&self.columns, &self.target_name, name)
    }

    fn target_column(&self, index: usize) -> Column {
        Column::new(Some(TableReference::bare(TARGET)), self.columns.field(index).name())
    }

    /// `SET *` and `INSERT *`: every column of the target from the source's column of the same name.
    fn all_columns(&self, scope: &DFSchema) -> Result<Vec<(Column, Expr)>> {
        let mut set = Vec::with_capacity(self.columns.fields().len());
        for (index, field) in self.columns.fields().iter().enumerate() {
            let names = || self.source.fields().iter().map(|field| field.name());
            let same = |name: &String| name.to_lowercase() == field.name().to_lowercase();
            let Some(name) = names().find(|name| same(name)) else {
                let known: Vec<&str> = names().map(String::as_str).collect();
                let message = format!(
                    "Cannot resolve `{}` in the source of the merge, given columns {}.",
                    field.name(),
                    known.join(", ")
                );
                return Err(LocalError::new("DELTA_MERGE_UNRESOLVED_EXPRESSION", "42601", message));
            };
            let value = Expr::Column(Column::new(Some(self.source_name.clone()), name));
            let from = value.get_type(scope)?;
            let value = query::assign(value, &from, field.data_type(), field.name())?;
            set.push((self.target_column(index), self.stored(index, value)?));
        }
        Ok(set)
    }

    /// Columns that an INSERT does not name get their default.
    fn fill_missing(&self, set: &mut Vec<(Column, Expr)>, defaults: &[Expr]) -> Result<()> {
        for (index, default) in defaults.iter().enumerate() {
            let column = self.target_column(index);
            if !set.iter().any(|(other, _)| *other == column) {
                set.push((column, self.stored(index, default.clone())?));
            }
        }
        Ok(())
    }

    /// The value as the target column takes it, with the builder's names of the two sides.
    fn stored(&self, index: usize, value: Expr) -> Result<Expr> {
        Ok(stored(self.rename(value)?, self.columns.field(index), &self.partitions))
    }

    /// The expression with the builder's names of the two sides.
    fn rename(&self, expr: Expr) -> Result<Expr> {
        let renamed = expr.transform(|expr| {
            let Expr::Column(mut column) = expr else { return Ok(Transformed::no(expr)) };
            let side = match &column.relation {
                Some(name) if *name == self.target_name => TARGET,
                Some(name) if *name == self.source_name => SOURCE,
                _ => return Ok(Transformed::no(Expr::Column(column))),
            };
            column.relation = Some(TableReference::bare(side));
            Ok(Transformed::yes(Expr::Column(column)))
        })?;
        Ok(renamed.data)
    }
}

/// How the statement names one side: by its alias, else by its table, else not at all.
fn side_name(
    statement: &Statement,
    alias: Option<&str>,
    name: Option<&Name>,
    fallback: &str,
) -> Result<TableReference> {
    match (alias, name) {
        (Some(alias), _) => Ok(TableReference::bare(alias)),
        (None, Some(name)) => Ok(table_reference(statement, name)?),
        (None, None) => Ok(TableReference::bare(fallback)),
    }
}

/// A table's full name as a qualifier of its columns.
pub(super) fn table_reference(statement: &Statement, name: &Name) -> Result<TableReference> {
    let path = statement.object(name)?;
    Ok(TableReference::full(path.parent.catalog.as_str(), path.parent.schema.as_str(), path.name.as_str()))
}

/// The index of the column that an assignment names: `column`, `alias.column` or `table.column`.
pub(super) fn assigned_column(columns: &SchemaRef, table: &TableReference, name: &Name) -> Result<usize> {
    let same = |part: &str, of: &str| part.to_lowercase() == of.to_lowercase();
    match name.as_slice() {
        [column] => projection::position(columns, column),
        [qualifiers @ .., column] => {
            let parts: Vec<&str> =
                [table.catalog(), table.schema(), Some(table.table())].into_iter().flatten().collect();
            let suffix = parts.len().checked_sub(qualifiers.len()).and_then(|from| parts.get(from..));
            let named =
                suffix.is_some_and(|suffix| suffix.iter().zip(qualifiers).all(|(of, part)| same(part, of)));
            if named {
                return projection::position(columns, column);
            }
            match qualifiers.first().map(|first| projection::position(columns, first)) {
                Some(Ok(_)) => Err(LocalError::unsupported_feature(format_args!(
                    "assigning to the nested field {}: assign the whole column",
                    name.join(".")
                ))),
                _ => Err(LocalError::column_not_found(
                    name.join("."),
                    columns.fields().iter().map(|field| field.name()),
                )),
            }
        }
        [] => Err(LocalError::internal("an assignment names no column")),
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

/// Only the last clause of a kind may lack a condition: those after it could never apply.
fn check_clauses(clauses: &[MergeClause]) -> Result<()> {
    for (index, clause) in clauses.iter().enumerate() {
        let followed = clauses.iter().skip(index + 1).any(|later| later.kind == clause.kind);
        if followed && clause.condition.is_none() {
            let kind = match clause.kind {
                MergeKind::Matched => "MATCHED",
                MergeKind::NotMatched => "NOT_MATCHED_BY_TARGET",
                MergeKind::NotMatchedBySource => "NOT_MATCHED_BY_SOURCE",
            };
            let words = kind.replace('_', " ");
            return Err(LocalError::new(
                &format!("NON_LAST_{kind}_CLAUSE_OMIT_CONDITION"),
                "42613",
                format!(
                    "When there are more than one {words} clauses in a MERGE statement, only the last {words} clause can omit the condition."
                ),
            ));
        }
    }
    Ok(())
}
