//! Which names mean which columns: case-insensitive, qualified by alias or table name, reaching one query out.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::Expr;

use super::types::Typed;
use crate::error::{LocalError, Result};

/// A column that a name can reach.
#[derive(Clone, Debug)]
pub(super) struct ScopeColumn {
    /// The parts of its alias or table name; empty without.
    pub(super) qualifier: Vec<String>,
    /// Its name, as the table or query spells it.
    pub(super) name: String,
    /// What the engine calls it.
    pub(super) column: Column,
    pub(super) ty: DataType,
    pub(super) nullable: bool,
    /// Reached by its qualified name only: the other side of a USING column.
    pub(super) hidden: bool,
}

/// The columns of one FROM, and of the query around it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) columns: Vec<ScopeColumn>,
    pub(super) outer: Option<Arc<Scope>>,
}

/// A column, and the parts of the name left over for its fields.
pub(super) struct Resolved<'a> {
    pub(super) value: Typed,
    pub(super) fields: &'a [String],
}

impl Scope {
    /// The columns of an engine's schema, qualified as it qualifies them.
    pub(super) fn of_schema(schema: &DFSchema) -> Self {
        let columns = schema.iter().map(|(qualifier, field)| ScopeColumn {
            qualifier: qualifier.map(|q| q.to_vec()).unwrap_or_default(),
            name: field.name().clone(),
            column: Column::new(qualifier.cloned(), field.name()),
            ty: field.data_type().clone(),
            nullable: field.is_nullable(),
            hidden: false,
        });
        Self { columns: columns.collect(), outer: None }
    }

    /// The column a dotted name means, here or one query out; none when there is no such column.
    pub(super) fn find<'a>(&self, parts: &'a [String]) -> Result<Option<Resolved<'a>>> {
        if let Some((column, fields)) = self.find_here(parts)? {
            let value = Typed::new(Expr::Column(column.column.clone()), column.ty.clone());
            return Ok(Some(Resolved { value, fields }));
        }
        let Some(outer) = &self.outer else { return Ok(None) };
        if let Some((column, fields)) = outer.find_here(parts)? {
            let field = Field::new(&column.column.name, column.ty.clone(), column.nullable);
            let expr = Expr::OuterReferenceColumn(Arc::new(field), column.column.clone());
            return Ok(Some(Resolved { value: Typed::new(expr, column.ty.clone()), fields }));
        }
        match outer.outer.as_ref().map(|far| far.find_here(parts)).transpose()?.flatten() {
            Some(_) => Err(LocalError::unsupported_feature("a correlation that reaches two queries out")),
            None => Ok(None),
        }
    }

    /// Longest qualifier first: `a.b` is column `b` of `a` before it is field `b` of column `a`.
    fn find_here<'a>(&self, parts: &'a [String]) -> Result<Option<(&ScopeColumn, &'a [String])>> {
        for qualifiers in (0..parts.len()).rev() {
            let (Some(qualifier), Some(name), Some(fields)) =
                (parts.get(..qualifiers), parts.get(qualifiers), parts.get(qualifiers + 1..))
            else {
                continue;
            };
            let found: Vec<_> = self.columns.iter().filter(|c| c.answers_to(qualifier, name)).collect();
            match found.as_slice() {
                [] => {}
                [one] => return Ok(Some((one, fields))),
                many => {
                    let candidates: Vec<_> = many.iter().map(|c| c.display()).collect();
                    return Err(LocalError::ambiguous_column(parts.join("`.`"), &candidates));
                }
            }
        }
        Ok(None)
    }

    /// UNRESOLVED_COLUMN with the nearest names first.
    pub(super) fn not_found(&self, parts: &[String]) -> LocalError {
        let wanted = parts.last().map(|p| p.to_lowercase()).unwrap_or_default();
        let mut names: Vec<(usize, String)> = self
            .columns
            .iter()
            .filter(|c| !c.hidden)
            .map(|c| (distance(&wanted, &c.name.to_lowercase()), c.suggestion()))
            .collect();
        names.sort();
        names.dedup();
        LocalError::column_not_found(parts.join("`.`"), names.into_iter().map(|(_, name)| name))
    }

    /// Whether some column's qualifier ends in these parts.
    pub(super) fn has_qualifier(&self, qualifier: &[String]) -> bool {
        self.columns.iter().any(|c| ends_with(&c.qualifier, qualifier))
    }
}

impl ScopeColumn {
    fn answers_to(&self, qualifier: &[String], name: &str) -> bool {
        same(&self.name, name)
            && if qualifier.is_empty() { !self.hidden } else { ends_with(&self.qualifier, qualifier) }
    }

    pub(super) fn has_qualifier(&self, qualifier: &[String]) -> bool {
        ends_with(&self.qualifier, qualifier)
    }

    /// Quoted, with its qualifier.
    fn display(&self) -> String {
        let parts: Vec<_> = self.qualifier.iter().chain([&self.name]).map(|p| format!("`{p}`")).collect();
        parts.join(".")
    }

    fn suggestion(&self) -> String {
        let mut parts: Vec<&str> = self.qualifier.last().map(String::as_str).into_iter().collect();
        parts.push(&self.name);
        parts.join("`.`")
    }
}

/// Names match without regard to case.
pub(super) fn same(left: &str, right: &str) -> bool {
    left == right || left.to_lowercase() == right.to_lowercase()
}

fn ends_with(whole: &[String], end: &[String]) -> bool {
    let Some(from) = whole.len().checked_sub(end.len()) else { return false };
    whole.get(from..).is_some_and(|tail| tail.iter().zip(end).all(|(a, b)| same(a, b)))
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (b, above) in right.iter().zip(row.iter().skip(1)) {
            let cost = (diagonal + usize::from(a != *b)).min(above + 1).min(before + 1);
            diagonal = *above;
            before = cost;
            next.push(cost);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (left, right, expected) in
            [("temp", "temp", 0), ("tmep", "temp", 2), ("", "ab", 2), ("day", "date", 2)]
        {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }
}
