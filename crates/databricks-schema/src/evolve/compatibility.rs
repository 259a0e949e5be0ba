//! How a table and a wanted schema stand to each other.

use super::change::{NewColumn, SchemaChange, WidenedColumn};
use super::{EvolutionOptions, Incompatibility, diff};
use crate::{TableDescription, TableSchema};

/// How a table and a wanted schema stand to each other.
#[derive(Debug)]
#[non_exhaustive]
pub enum SchemaCompatibility {
    /// Nothing is to be done.
    Identical,
    /// Columns are to be added, and nothing else.
    Evolution {
        /// The new columns.
        new_columns: Vec<NewColumn>,
    },
    /// Types are to be widened, and nothing else (but the table property that allows it).
    TypeWidening {
        /// The columns, with both types.
        columns: Vec<WidenedColumn>,
    },
    /// Several kinds of changes, or other ones: comments, defaults, NOT NULL, renames, drops, moves.
    Combined {
        /// The new columns.
        new_columns: Vec<NewColumn>,
        /// The columns whose types are widened.
        columns: Vec<WidenedColumn>,
        /// All other changes.
        others: Vec<SchemaChange>,
    },
    /// The table cannot become what is wanted.
    Incompatible {
        /// Every reason.
        reasons: Vec<Incompatibility>,
    },
}

impl SchemaCompatibility {
    /// How a table stands to a wanted schema: facts of the table, such as its constraints, count.
    pub fn of_table(table: &TableDescription, wanted: &TableSchema, options: &EvolutionOptions) -> Self {
        match diff::changes(table, wanted, options) {
            Ok(changes) => Self::of_changes(changes),
            Err(reasons) => Self::Incompatible { reasons },
        }
    }

    fn of_changes(changes: Vec<SchemaChange>) -> Self {
        let (new_columns, columns, others) = sorted(changes);
        match (new_columns.is_empty(), columns.is_empty(), others.is_empty()) {
            (true, true, true) => Self::Identical,
            (false, true, true) => Self::Evolution { new_columns },
            (true, false, true) => Self::TypeWidening { columns },
            _ => Self::Combined { new_columns, columns, others },
        }
    }

    /// Whether nothing is to be done.
    pub fn is_identical(&self) -> bool {
        matches!(self, Self::Identical)
    }

    /// Whether the table is, or can become, what is wanted.
    pub fn is_compatible(&self) -> bool {
        !matches!(self, Self::Incompatible { .. })
    }
}

/// Additions, widenings and the rest. Properties are means, not changes of the schema: they are left out.
pub(super) fn sorted(changes: Vec<SchemaChange>) -> (Vec<NewColumn>, Vec<WidenedColumn>, Vec<SchemaChange>) {
    let (mut new, mut widened, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change {
            SchemaChange::AddColumn(column) => new.push(column),
            SchemaChange::WidenType(column) => widened.push(column),
            SchemaChange::SetProperty { .. } => {}
            other => others.push(other),
        }
    }
    (new, widened, others)
}
