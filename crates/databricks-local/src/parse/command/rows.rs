//! Rows: inserted, merged, updated, deleted, loaded.

use sqlparser::ast::{Expr, Query};

use super::{Name, Options};

/// How `INSERT` puts its rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InsertMode {
    /// `INTO`: added.
    Append,
    /// `OVERWRITE`: instead of everything.
    Overwrite,
    /// `INTO .. REPLACE WHERE p`: instead of the rows that match.
    ReplaceWhere(Box<Expr>),
    /// `INTO .. REPLACE USING (columns)`: instead of the rows that agree on them.
    ReplaceUsing(Vec<String>),
}

/// `INSERT`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Insert {
    /// The table.
    pub(crate) table: Name,
    /// How.
    pub(crate) mode: InsertMode,
    /// The column list, when given; otherwise by position (or by name).
    pub(crate) columns: Vec<String>,
    /// `BY NAME`: columns are matched by name.
    pub(crate) by_name: bool,
    /// `WITH SCHEMA EVOLUTION`.
    pub(crate) schema_evolution: bool,
    /// The rows.
    pub(crate) source: Box<Query>,
}

/// `MERGE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Merge {
    /// The table that changes.
    pub(crate) target: Name,
    /// Its alias.
    pub(crate) target_alias: Option<String>,
    /// The rows it is compared with: as `SELECT * FROM source`.
    pub(crate) source: Box<Query>,
    /// The source's table name, when it is a plain table (its columns can then be qualified by it).
    pub(crate) source_name: Option<Name>,
    /// Its alias.
    pub(crate) source_alias: Option<String>,
    /// `ON`.
    pub(crate) on: Expr,
    /// The clauses, in order; never empty.
    pub(crate) clauses: Vec<MergeClause>,
    /// `WITH SCHEMA EVOLUTION`.
    pub(crate) schema_evolution: bool,
}

/// Which rows a merge clause is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MergeKind {
    /// `WHEN MATCHED`.
    Matched,
    /// `WHEN NOT MATCHED [BY TARGET]`.
    NotMatched,
    /// `WHEN NOT MATCHED BY SOURCE`.
    NotMatchedBySource,
}

/// One `WHEN .. THEN ..`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MergeClause {
    /// Which rows.
    pub(crate) kind: MergeKind,
    /// `AND condition`.
    pub(crate) condition: Option<Expr>,
    /// What happens to them.
    pub(crate) action: MergeAction,
}

/// What a merge clause does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MergeAction {
    /// `DELETE`.
    Delete,
    /// `UPDATE SET *`.
    UpdateAll,
    /// `UPDATE SET a = 1, ..`.
    Update(Vec<Assignment>),
    /// `INSERT *`.
    InsertAll,
    /// `INSERT (a, ..) VALUES (1, ..)`: as many values as columns.
    Insert {
        /// The columns.
        columns: Vec<Name>,
        /// Their values.
        values: Vec<AssignedValue>,
    },
}

/// `column = value`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    /// The column, possibly qualified or nested; outermost first.
    pub(crate) column: Name,
    /// Its new value.
    pub(crate) value: AssignedValue,
}

/// A value given to a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AssignedValue {
    /// An expression.
    Expr(Box<Expr>),
    /// `DEFAULT`.
    Default,
}

/// `UPDATE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Update {
    /// The table.
    pub(crate) table: Name,
    /// Its alias.
    pub(crate) alias: Option<String>,
    /// What changes.
    pub(crate) assignments: Vec<Assignment>,
    /// `WHERE`.
    pub(crate) predicate: Option<Expr>,
}

/// `DELETE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delete {
    /// The table.
    pub(crate) table: Name,
    /// Its alias.
    pub(crate) alias: Option<String>,
    /// `WHERE`; all rows without.
    pub(crate) predicate: Option<Expr>,
}

/// `COPY INTO`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CopyInto {
    /// The table.
    pub(crate) table: Name,
    /// The column list, when given.
    pub(crate) columns: Vec<String>,
    /// `BY POSITION`.
    pub(crate) by_position: bool,
    /// The folder or file read, as written.
    pub(crate) path: String,
    /// The select list of `FROM (SELECT .. FROM 'path')`, as a query whose only FROM item is `path` as a table
    /// name of one part; none for a plain path.
    pub(crate) select: Option<Box<Query>>,
    /// `FILEFORMAT`, upper case.
    pub(crate) file_format: String,
    /// `FILES = (..)`, relative to `path`.
    pub(crate) files: Vec<String>,
    /// `PATTERN = 'glob'`.
    pub(crate) pattern: Option<String>,
    /// `FORMAT_OPTIONS`.
    pub(crate) format_options: Options,
    /// `COPY_OPTIONS`.
    pub(crate) copy_options: Options,
}
