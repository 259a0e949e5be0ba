//! From the columns a query gives to the columns a table has: matching, casts, and NULL for what is missing.

use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};

use crate::error::{LocalError, Result};
use crate::query;

/// For each column of the table, the query's column that fills it.
pub(super) type Matching = Vec<Option<usize>>;

/// The query's columns fill these columns of the table, in this order; others are left out.
///
/// # Errors
/// `arity` when the numbers differ, `[UNRESOLVED_COLUMN]` for a column the table does not have, and
/// `[COLUMN_ALREADY_EXISTS]`-like refusals for one that is named twice.
pub(super) fn by_position(
    table: &SchemaRef,
    columns: &[String],
    given: usize,
    arity: impl FnOnce(usize, usize) -> LocalError,
) -> Result<Matching> {
    if columns.is_empty() {
        let wanted = table.fields().len();
        return if wanted == given { Ok((0..given).map(Some).collect()) } else { Err(arity(wanted, given)) };
    }
    if columns.len() != given {
        return Err(arity(columns.len(), given));
    }
    let mut matching: Matching = vec![None; table.fields().len()];
    for (source, name) in columns.iter().enumerate() {
        let index = position(table, name)?;
        match matching.get_mut(index) {
            Some(slot @ None) => *slot = Some(source),
            _ => return Err(named_twice(name)),
        }
    }
    Ok(matching)
}

/// The query's columns fill the table's columns of the same name, whatever the case; others are left out.
pub(super) fn by_name(
    table: &SchemaRef,
    given: &[String],
    unknown: impl Fn(&str) -> LocalError,
) -> Result<Matching> {
    let mut matching: Matching = vec![None; table.fields().len()];
    for (source, name) in given.iter().enumerate() {
        let index = position(table, name).map_err(|_| unknown(name))?;
        match matching.get_mut(index) {
            Some(slot @ None) => *slot = Some(source),
            _ => return Err(named_twice(name)),
        }
    }
    Ok(matching)
}

/// Where the table has a column of this name, whatever the case.
pub(super) fn position(table: &SchemaRef, name: &str) -> Result<usize> {
    let same = |field: &arrow::datatypes::FieldRef| field.name().to_lowercase() == name.to_lowercase();
    let names = || table.fields().iter().map(|field| field.name());
    table.fields().iter().position(same).ok_or_else(|| LocalError::column_not_found(name, names()))
}

/// The plan with exactly the table's columns, each stored as ANSI assignment says. What the query does not give is the
/// column's default, or NULL past the end of `defaults`.
pub(super) fn project(
    plan: LogicalPlan,
    table: &SchemaRef,
    matching: &Matching,
    defaults: &[Expr],
) -> Result<LogicalPlan> {
    let mut expressions = Vec::with_capacity(matching.len());
    for (column, (field, source)) in table.fields().iter().zip(matching).enumerate() {
        let expression =
            match source.and_then(|index| plan.schema().columns().get(index).cloned().zip(Some(index))) {
                Some((column, index)) => {
                    let from = plan.schema().field(index).data_type();
                    query::assign(Expr::Column(column), from, field.data_type(), field.name())?
                }
                None => match defaults.get(column) {
                    Some(default) => default.clone(),
                    None => lit(ScalarValue::try_from(field.data_type())?),
                },
            };
        expressions.push(expression.alias(field.name()));
    }
    Ok(LogicalPlanBuilder::from(plan).project(expressions)?.build()?)
}

/// A column of a plan without a qualifier.
pub(super) fn bare(name: &str) -> Column {
    Column::new_unqualified(name)
}

pub(super) fn named_twice(name: &str) -> LocalError {
    let message = format!("The column `{name}` is assigned more than once. Name each column once.");
    LocalError::new("DUPLICATE_ASSIGNMENTS", "42701", message)
}
