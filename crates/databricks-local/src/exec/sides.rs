//! The two sides of a MERGE: which columns a clause may name, and what the builder calls them.

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::merge::{SOURCE, TARGET};
use super::projection;
use super::statement::Statement;
use super::stored::stored;
use super::write::Target;
use crate::error::{LocalError, Result};
use crate::parse::{Merge, MergeKind, Name};
use crate::query;

/// The two sides of a merge: how the statement may name their columns, and how the builder does.
pub(super) struct Sides {
    pub(super) columns: SchemaRef,
    partitions: Vec<String>,
    target_name: TableReference,
    source_name: TableReference,
    target: DFSchema,
    source: DFSchema,
    pub(super) both: DFSchema,
    /// Whether the source may lack columns of the target: `WITH SCHEMA EVOLUTION`.
    lenient: bool,
}

impl Sides {
    pub(super) fn new(
        statement: &Statement,
        merge: &Merge,
        target: Target,
        source: &DFSchema,
    ) -> Result<Self> {
        let Target { schema: columns, partitions, .. } = target;
        let target_name = side_name(statement, merge.target_alias.as_deref(), Some(&merge.target), TARGET)?;
        let source_name =
            side_name(statement, merge.source_alias.as_deref(), merge.source_name.as_ref(), SOURCE)?;
        let target = DFSchema::try_from_qualified_schema(target_name.clone(), columns.as_ref())?;
        let source = DFSchema::try_from_qualified_schema(source_name.clone(), source.as_arrow())?;
        let both = target.join(&source).map_err(LocalError::from)?;
        let lenient = merge.schema_evolution;
        Ok(Self { columns, partitions, target_name, source_name, target, source, both, lenient })
    }

    /// What a clause of this kind may name.
    pub(super) fn scope(&self, kind: MergeKind) -> &DFSchema {
        match kind {
            MergeKind::Matched => &self.both,
            MergeKind::NotMatched => &self.source,
            MergeKind::NotMatchedBySource => &self.target,
        }
    }

    /// The index of the target column that is assigned to: `column` or `target.column`.
    pub(super) fn assigned(&self, name: &Name) -> Result<usize> {
        assigned_column(&self.columns, &self.target_name, name)
    }

    pub(super) fn target_column(&self, index: usize) -> Column {
        Column::new(Some(TableReference::bare(TARGET)), self.columns.field(index).name())
    }

    /// `SET *` and `INSERT *`: every column of the target from the source's column of the same name.
    pub(super) fn all_columns(&self, scope: &DFSchema) -> Result<Vec<(Column, Expr)>> {
        let mut set = Vec::with_capacity(self.columns.fields().len());
        for (index, field) in self.columns.fields().iter().enumerate() {
            let names = || self.source.fields().iter().map(|field| field.name());
            let same = |name: &String| name.to_lowercase() == field.name().to_lowercase();
            let Some(name) = names().find(|name| same(name)) else {
                if self.lenient {
                    continue;
                }
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
    pub(super) fn fill_missing(&self, set: &mut Vec<(Column, Expr)>, defaults: &[Expr]) -> Result<()> {
        for (index, default) in defaults.iter().enumerate() {
            let column = self.target_column(index);
            if !set.iter().any(|(other, _)| *other == column) {
                set.push((column, self.stored(index, default.clone())?));
            }
        }
        Ok(())
    }

    /// The value as the target column takes it, with the builder's names of the two sides.
    pub(super) fn stored(&self, index: usize, value: Expr) -> Result<Expr> {
        Ok(stored(self.rename(value)?, self.columns.field(index), &self.partitions))
    }

    /// The expression with the builder's names of the two sides.
    pub(super) fn rename(&self, expr: Expr) -> Result<Expr> {
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
