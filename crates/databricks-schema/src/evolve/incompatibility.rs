//! Why a table cannot become what is wanted.

use std::fmt;

use super::{ColumnPath, Widening};
use crate::{DataType, SchemaError};

/// One reason. Its text names the column and what can be done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incompatibility {
    /// The type cannot become the wanted one.
    TypeChange {
        /// The column.
        column: ColumnPath,
        /// The type it has.
        from: DataType,
        /// The type that is wanted.
        to: DataType,
        /// Why not, and what can be done.
        reason: String,
    },
    /// The wanted schema lacks a column of the table.
    MissingColumn {
        /// The column.
        column: ColumnPath,
    },
    /// A new column is NOT NULL, but the rows that are there have no value for it.
    NotNullAdded {
        /// The column.
        column: ColumnPath,
    },
    /// A column that may be NULL is wanted NOT NULL.
    NotNullWanted {
        /// The column.
        column: ColumnPath,
        /// What can be done.
        reason: String,
    },
    /// Something that cannot be changed by an evolution is wanted otherwise: how the column is generated, its mask.
    Fixed {
        /// The column.
        column: ColumnPath,
        /// What is wanted and what can be done.
        reason: String,
    },
    /// The column cannot be in a Delta table: its name, its type.
    InvalidColumn {
        /// The column.
        column: ColumnPath,
        /// What is wrong with it.
        error: Box<SchemaError>,
    },
    /// The change needs column mapping, which the table does not have.
    NeedsColumnMapping {
        /// The column.
        column: ColumnPath,
        /// `rename` or `drop`.
        action: &'static str,
    },
    /// Something else of the table depends on the column.
    Dependent {
        /// The column.
        column: ColumnPath,
        /// `drop`, `rename`, ...
        action: &'static str,
        /// What depends on it.
        on: String,
    },
    /// A rename that the options ask for has nothing to rename, or its new name is taken.
    Rename {
        /// The column.
        column: ColumnPath,
        /// The new name.
        to: String,
        /// What is in the way.
        reason: &'static str,
    },
}

impl Incompatibility {
    /// The column.
    pub fn column(&self) -> &ColumnPath {
        match self {
            Self::TypeChange { column, .. }
            | Self::MissingColumn { column }
            | Self::NotNullAdded { column }
            | Self::NotNullWanted { column, .. }
            | Self::Fixed { column, .. }
            | Self::InvalidColumn { column, .. }
            | Self::NeedsColumnMapping { column, .. }
            | Self::Dependent { column, .. }
            | Self::Rename { column, .. } => column,
        }
    }

    /// A type change that Delta cannot make, or not with these options.
    pub(super) fn type_change(
        column: &ColumnPath,
        from: &DataType,
        to: &DataType,
        allowed: Option<Widening>,
    ) -> Self {
        let reason = match (Widening::between(from, to), Widening::between(to, from)) {
            (Some(Widening::ByHand), _) if allowed.is_some() => {
                "Delta widens it only by hand; allow it with `with_widening(Widening::ByHand)`"
            }
            (Some(_), _) => "the options allow no widening",
            (_, Some(_)) => {
                "the table is wider already, and a type is never narrowed; want the table's type, or allow it to be ahead with `with_accept_newer(true)`"
            }
            _ => "Delta has no such widening; add a column of the new type, fill it, and drop the old one",
        };
        let reason = reason.to_owned();
        Self::TypeChange { column: column.clone(), from: from.clone(), to: to.clone(), reason }
    }
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TypeChange { column, from, to, reason } => {
                write!(f, "{column}: {from} cannot become {to}: {reason}")
            }
            Self::MissingColumn { column } => write!(
                f,
                "{column}: the table has it, the wanted schema does not: want it too, leave it with `with_accept_newer(true)`, or drop it with `with_drop_missing(true)`"
            ),
            Self::NotNullAdded { column } => write!(
                f,
                "{column}: it would be added NOT NULL, but the rows that are there have no value for it: add it without NOT NULL, fill it, then want it NOT NULL"
            ),
            Self::NotNullWanted { column, reason } => write!(f, "{column}: it may be NULL: {reason}"),
            Self::Fixed { column, reason } => write!(f, "{column}: {reason}"),
            Self::InvalidColumn { column, error } => write!(f, "{column}: {error}"),
            Self::NeedsColumnMapping { column, action } => write!(
                f,
                "{column}: to {action} it needs 'delta.columnMapping.mode' = 'name' on the table; allow that with `with_enable_column_mapping(true)`"
            ),
            Self::Dependent { column, action, on } => {
                write!(f, "{column}: cannot {action} it while {on} depends on it")
            }
            Self::Rename { column, to, reason } => write!(f, "{column}: cannot be renamed to {to}: {reason}"),
        }
    }
}
