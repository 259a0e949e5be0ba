//! What can change about a table's schema, one thing at a time.

use std::fmt;

use super::ColumnPath;
use crate::{ColumnSchema, DataType, quote};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaChange {
    /// A table property is set.
    SetProperty {
        /// Its key.
        key: String,
        /// What it was.
        from: Option<String>,
        /// What it becomes.
        to: String,
    },
    /// A column gets another name. Its data stays.
    RenameColumn {
        /// The column.
        column: ColumnPath,
        /// Its new name, the last part of its path only.
        to: String,
    },
    /// A column is dropped.
    DropColumn {
        /// The column.
        column: ColumnPath,
    },
    /// A column is added.
    AddColumn(NewColumn),
    /// A type is widened.
    WidenType(WidenedColumn),
    /// A column goes to another place.
    MoveColumn {
        /// The column.
        column: ColumnPath,
        /// Where it goes.
        position: Position,
    },
    /// A column may be NULL from now on.
    DropNotNull {
        /// The column.
        column: ColumnPath,
    },
    /// A column may not be NULL any more. The server looks at every row first.
    SetNotNull {
        /// The column.
        column: ColumnPath,
    },
    /// A column gets a default, for rows written later.
    SetDefault {
        /// The column.
        column: ColumnPath,
        /// The SQL expression.
        default: String,
    },
    /// A column has no default any more.
    DropDefault {
        /// The column.
        column: ColumnPath,
    },
    /// A column gets a comment.
    SetComment {
        /// The column.
        column: ColumnPath,
        /// The comment it had.
        from: Option<String>,
        /// The comment it gets.
        to: String,
    },
}

/// A column to add.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewColumn {
    /// The struct it goes into; empty for a top-level column.
    pub parent: ColumnPath,
    /// The column.
    pub column: ColumnSchema,
    /// Where it goes; at the end when nothing is said.
    pub position: Option<Position>,
}

/// A column whose type is widened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WidenedColumn {
    /// The column.
    pub column: ColumnPath,
    /// The type it has.
    pub from: DataType,
    /// The type it gets.
    pub to: DataType,
}

/// A place among the columns of a table or the fields of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before all others.
    First,
    /// Behind this one.
    After(String),
}

impl NewColumn {
    /// The path it will have.
    pub fn path(&self) -> ColumnPath {
        self.parent.child(&self.column.name)
    }

    /// As the list of `ADD COLUMNS` writes it.
    pub(super) fn definition(&self) -> String {
        let ColumnSchema { data_type, comment, .. } = &self.column;
        let mut sql = format!("{} {data_type}", self.path().to_sql());
        if let Some(comment) = comment {
            sql.push_str(" COMMENT ");
            sql.push_str(&quote::string(comment));
        }
        if let Some(position) = &self.position {
            sql.push(' ');
            sql.push_str(&position.to_string());
        }
        sql
    }
}

impl SchemaChange {
    /// The column it is about; `None` for a property of the table.
    pub fn column(&self) -> Option<ColumnPath> {
        Some(match self {
            Self::SetProperty { .. } => return None,
            Self::AddColumn(new) => new.path(),
            Self::WidenType(widened) => widened.column.clone(),
            Self::RenameColumn { column, .. }
            | Self::DropColumn { column }
            | Self::MoveColumn { column, .. }
            | Self::DropNotNull { column }
            | Self::SetNotNull { column }
            | Self::SetDefault { column, .. }
            | Self::DropDefault { column }
            | Self::SetComment { column, .. } => column.clone(),
        })
    }

    /// Why it cannot be taken back by another statement; `None` where it can.
    pub fn permanent(&self) -> Option<&'static str> {
        match self {
            Self::SetProperty { key, .. } => feature_remark(key),
            Self::DropColumn { .. } => {
                Some("the column's data is out of reach but by time travel, RESTORE to an earlier version")
            }
            Self::AddColumn(_) => Some(
                "the column can only be dropped again on a table with column mapping (a feature of its own)",
            ),
            Self::WidenType(_) => {
                Some("no type is ever narrowed again; readers must understand the feature typeWidening")
            }
            _ => None,
        }
    }
}

/// What setting a property does to the table's protocol, for good.
fn feature_remark(key: &str) -> Option<&'static str> {
    match key {
        super::property::TYPE_WIDENING => Some(
            "the table's protocol gains the feature typeWidening: older readers and writers are shut out",
        ),
        super::property::COLUMN_MAPPING => Some(
            "the table's protocol gains the feature columnMapping: older readers and writers are shut out",
        ),
        super::property::COLUMN_DEFAULTS => {
            Some("the table's protocol gains the feature allowColumnDefaults: older writers are shut out")
        }
        super::property::TIMESTAMP_NTZ => Some(
            "the table's protocol gains the feature timestampNtz: older readers and writers are shut out",
        ),
        super::property::VARIANT => {
            Some("the table's protocol gains the feature variantType: older readers and writers are shut out")
        }
        _ => None,
    }
}

/// SQL: `FIRST`, `` AFTER `name` ``.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("FIRST"),
            Self::After(name) => write!(f, "AFTER {}", quote::identifier(name)),
        }
    }
}

/// One line for people: `+ rain DOUBLE`, `~ n: INT -> BIGINT`.
impl fmt::Display for SchemaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetProperty { key, from, to } => {
                write!(f, "~ property {key}: {} -> {to}", from.as_deref().unwrap_or("not set"))
            }
            Self::RenameColumn { column, to } => {
                write!(f, "~ {column}: renamed to {}", quote::identifier_if_needed(to))
            }
            Self::DropColumn { column } => write!(f, "- {column}"),
            Self::AddColumn(new) => {
                write!(f, "+ {} {}", new.path(), new.column.data_type)?;
                if let Some(comment) = &new.column.comment {
                    write!(f, " COMMENT {}", quote::string(comment))?;
                }
                new.position.as_ref().map_or(Ok(()), |position| write!(f, " {position}"))
            }
            Self::WidenType(WidenedColumn { column, from, to }) => write!(f, "~ {column}: {from} -> {to}"),
            Self::MoveColumn { column, position } => write!(f, "~ {column}: moved {position}"),
            Self::DropNotNull { column } => write!(f, "~ {column}: may be NULL"),
            Self::SetNotNull { column } => write!(f, "~ {column}: NOT NULL"),
            Self::SetDefault { column, default } => write!(f, "~ {column}: DEFAULT {default}"),
            Self::DropDefault { column } => write!(f, "~ {column}: no default"),
            Self::SetComment { column, to, .. } => write!(f, "~ {column}: COMMENT {}", quote::string(to)),
        }
    }
}
