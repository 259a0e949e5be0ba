//! What an evolution did.

use super::change::{NewColumn, SchemaChange, WidenedColumn};
use super::compatibility::sorted;

/// What an evolution did to a table. What another program did in the meantime is not among it, but for a change that can
/// be made twice and was: a type widened to what it is by then, a comment that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaEvolutionResult {
    /// The table was as it is wanted.
    NoChange,
    /// Columns were added.
    Evolved {
        /// The columns.
        added_columns: Vec<NewColumn>,
    },
    /// Types were widened.
    TypesWidened {
        /// The columns.
        columns: Vec<WidenedColumn>,
    },
    /// Several kinds of changes were made, or other ones.
    Combined {
        /// The columns that were added.
        added_columns: Vec<NewColumn>,
        /// The columns whose types were widened.
        columns: Vec<WidenedColumn>,
        /// All other changes.
        others: Vec<SchemaChange>,
    },
}

impl SchemaEvolutionResult {
    /// What these changes amount to.
    pub(crate) fn of(changes: Vec<SchemaChange>) -> Self {
        let (added_columns, columns, others) = sorted(changes);
        match (added_columns.is_empty(), columns.is_empty(), others.is_empty()) {
            (true, true, true) => Self::NoChange,
            (false, true, true) => Self::Evolved { added_columns },
            (true, false, true) => Self::TypesWidened { columns },
            _ => Self::Combined { added_columns, columns, others },
        }
    }

    /// Whether anything was changed.
    pub fn changed(&self) -> bool {
        *self != Self::NoChange
    }
}
