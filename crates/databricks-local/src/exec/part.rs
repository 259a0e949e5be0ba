//! The part of a table that OPTIMIZE is about: all of it, or the partitions for which a condition holds.

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Expr, lit};
use deltalake::DeltaTable;
use deltalake::kernel::Remove;
use sqlparser::ast;

use super::condition::{self, Matching};
use super::definition::{Definition, mapping};
use super::projection::bare;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::parse::Name;

/// Files of a table that are to be put together.
#[derive(Debug)]
pub(super) struct Part {
    /// Which rows are theirs; none when all are.
    pub(super) rows: Option<Expr>,
    /// The condition as it was written.
    pub(super) predicate: Option<String>,
    pub(super) files: Vec<Remove>,
    /// In how many partitions they lie.
    pub(super) partitions: usize,
    /// Files that were looked at.
    pub(super) considered: usize,
}

/// The values of a partition, in the order of the partition columns. As text: so the log has them.
type Values = Vec<Option<String>>;

impl Part {
    /// The whole table.
    pub(super) fn whole(table: &DeltaTable, definition: &Definition) -> Result<Self> {
        let by_values = partitions(table, definition)?;
        let partitions = by_values.len();
        let files: Vec<Remove> = by_values.into_values().flatten().collect();
        Ok(Self { rows: None, predicate: None, considered: files.len(), files, partitions })
    }
}

impl Statement {
    /// The partitions for which the condition holds and that have files to put together.
    ///
    /// # Errors
    /// `[DELTA_NON_PARTITION_COLUMN_REFERENCE]` for a condition on any other column.
    pub(super) async fn part(
        &self,
        name: &Name,
        predicate: &ast::Expr,
        table: &DeltaTable,
        definition: &Definition,
    ) -> Result<Part> {
        let (_, scope) = self.scope(name, None, table)?;
        let condition = self.row_condition(&scope, predicate, "OPTIMIZE").await?;
        let columns = &definition.partition_columns;
        let used = condition.column_refs();
        let is_other =
            |name: &&String| !columns.contains(name) && used.iter().any(|column| column.name == **name);
        if let Some(other) = definition.fields.iter().map(|field| &field.name).find(is_other) {
            let message = format!(
                "Predicate references non-partition column '{other}'. Only the partition columns may be referenced: [{}]",
                columns.join(", ")
            );
            return Err(LocalError::new("DELTA_NON_PARTITION_COLUMN_REFERENCE", "42P10", message));
        }
        let (mut rows, mut files, mut considered) = (Vec::new(), Vec::new(), 0);
        for (values, of_partition) in partitions(table, definition)? {
            let values = typed(table, columns, values)?;
            if !holds(&condition, columns, &values, table)? {
                continue;
            }
            considered += of_partition.len();
            if of_partition.len() > 1 {
                rows.push(is_partition(columns, &values));
                files.extend(of_partition);
            }
        }
        let partitions = rows.len();
        let rows = Some(any(rows));
        Ok(Part { rows, predicate: Some(predicate.to_string()), files, partitions, considered })
    }
}

/// The files of each partition.
fn partitions(table: &DeltaTable, definition: &Definition) -> Result<BTreeMap<Values, Vec<Remove>>> {
    let named = |column: &String| {
        let field = definition.fields.iter().find(|field| field.name == *column);
        field.map_or(column.as_str(), mapping::physical_name).to_owned()
    };
    let names: Vec<String> = definition.partition_columns.iter().map(named).collect();
    let mut partitions: BTreeMap<Values, Vec<Remove>> = BTreeMap::new();
    for file in table.snapshot()?.log_data().iter() {
        let file = file.remove_action(false);
        let value = |name: &String| file.partition_values.as_ref()?.get(name)?.clone();
        partitions.entry(names.iter().map(value).collect()).or_default().push(file);
    }
    Ok(partitions)
}

/// The values in the columns' types. An empty text stands for NULL.
fn typed(table: &DeltaTable, columns: &[String], values: Values) -> Result<Vec<ScalarValue>> {
    let schema = table.snapshot()?.snapshot().arrow_schema();
    let typed = columns.iter().zip(values).map(|(column, value)| {
        let data_type = schema.field_with_name(column)?.data_type();
        let text = ScalarValue::Utf8(value.filter(|value| !value.is_empty()));
        Ok(text.cast_to(data_type)?)
    });
    typed.collect()
}

/// Whether the condition is true of all rows of a partition.
fn holds(condition: &Expr, columns: &[String], values: &[ScalarValue], table: &DeltaTable) -> Result<bool> {
    let of_partition = condition.clone().transform(|expr| {
        let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
        let value = columns.iter().zip(values).find(|(name, _)| **name == column.name);
        Ok(match value {
            Some((_, value)) => Transformed::yes(lit(value.clone())),
            None => Transformed::no(expr),
        })
    })?;
    match condition::settle(of_partition.data, table)? {
        Matching::All => Ok(true),
        Matching::None => Ok(false),
        Matching::Where(left) => Err(LocalError::unsupported_feature(format_args!(
            "OPTIMIZE .. WHERE with a condition that the values of a partition do not decide: {left}"
        ))),
    }
}

fn is_partition(columns: &[String], values: &[ScalarValue]) -> Expr {
    let equal = columns.iter().zip(values).map(|(column, value)| {
        let column = Expr::Column(bare(column));
        if value.is_null() { column.is_null() } else { column.eq(lit(value.clone())) }
    });
    equal.reduce(Expr::and).unwrap_or_else(|| lit(true))
}

/// Any of the conditions, in halves, so that thousands of them are not thousands deep.
fn any(mut conditions: Vec<Expr>) -> Expr {
    match conditions.len() {
        0 => lit(false),
        1 => conditions.remove(0),
        count => {
            let rest = conditions.split_off(count / 2);
            any(conditions).or(any(rest))
        }
    }
}
