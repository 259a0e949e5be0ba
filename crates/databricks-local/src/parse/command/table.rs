//! Tables: made and altered.

use databricks_schema::DataType;
use sqlparser::ast::{Expr, Query};

use super::{Name, Options, TimeTravel};

/// `CREATE [OR REPLACE] TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateTable {
    /// Its name.
    pub(crate) name: Name,
    /// `IF NOT EXISTS`: an existing one is no error, and stays.
    pub(crate) if_not_exists: bool,
    /// `OR REPLACE`.
    pub(crate) or_replace: bool,
    /// The columns; empty when the query gives them.
    pub(crate) columns: Vec<ColumnDefinition>,
    /// `PRIMARY KEY`, declared inline or as a constraint. Informational: never enforced.
    pub(crate) primary_key: PrimaryKey,
    /// `COMMENT`.
    pub(crate) comment: Option<String>,
    /// `TBLPROPERTIES`.
    pub(crate) properties: Options,
    /// `PARTITIONED BY` columns.
    pub(crate) partitioned_by: Vec<String>,
    /// `CLUSTER BY` columns.
    pub(crate) cluster_by: Vec<Name>,
    /// `AS query`.
    pub(crate) as_query: Option<Box<Query>>,
}

/// `[CONSTRAINT name] PRIMARY KEY (a, b TIMESERIES)`. Without columns there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PrimaryKey {
    /// The name, where one is given.
    pub(crate) name: Option<String>,
    /// The columns.
    pub(crate) columns: Vec<String>,
    /// Those of them that are followed by `TIMESERIES`.
    pub(crate) timeseries: Vec<String>,
}

/// `CREATE [OR REPLACE] TABLE .. [SHALLOW | DEEP] CLONE ..`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CloneTable {
    /// The table that is made.
    pub(crate) name: Name,
    /// `IF NOT EXISTS`: an existing one is no error, and stays.
    pub(crate) if_not_exists: bool,
    /// `OR REPLACE`.
    pub(crate) or_replace: bool,
    /// `SHALLOW`: the files stay the source's.
    pub(crate) shallow: bool,
    /// The table that is copied.
    pub(crate) source: Name,
    /// `VERSION AS OF` or `TIMESTAMP AS OF`.
    pub(crate) at: Option<TimeTravel>,
    /// `TBLPROPERTIES`: over the source's.
    pub(crate) properties: Options,
}

/// A column of `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnDefinition {
    /// Its name, as written.
    pub(crate) name: String,
    /// Its type.
    pub(crate) data_type: DataType,
    /// False for `NOT NULL`.
    pub(crate) nullable: bool,
    /// `COMMENT`.
    pub(crate) comment: Option<String>,
    /// `DEFAULT`.
    pub(crate) default: Option<DefaultValue>,
}

/// The value of `DEFAULT ..`: the expression, and its text as the table keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DefaultValue {
    /// The text between `DEFAULT` and what follows.
    pub(crate) text: String,
    /// The text as an expression.
    pub(crate) expr: Box<Expr>,
}

/// What `ALTER TABLE` changes. Paths are outermost first; `element`, `key` and `value` step into arrays and maps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AlterTable {
    /// `ADD COLUMNS (..)`, in order.
    AddColumns(Vec<AddColumn>),
    /// `ALTER COLUMN ..`: each column and what happens to it.
    ChangeColumns(Vec<(Name, ColumnChange)>),
    /// `RENAME COLUMN a TO b`.
    RenameColumn {
        /// Its path.
        column: Name,
        /// Its new last part.
        to: String,
    },
    /// `DROP COLUMNS (..)`.
    DropColumns {
        /// Their paths.
        columns: Vec<Name>,
        /// `IF EXISTS`: a missing column is no error.
        if_exists: bool,
    },
    /// `SET TBLPROPERTIES`: keys and values.
    SetProperties(Options),
    /// `UNSET TBLPROPERTIES`.
    UnsetProperties {
        /// The keys.
        keys: Vec<String>,
        /// `IF EXISTS`: a missing key is no error.
        if_exists: bool,
    },
    /// `CLUSTER BY (..)`; no column for `NONE`.
    ClusterBy(Vec<Name>),
}

/// One change of `ALTER COLUMN`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ColumnChange {
    /// `TYPE t`.
    Type(DataType),
    /// `SET NOT NULL` (false) or `DROP NOT NULL` (true).
    Nullable(bool),
    /// `SET DEFAULT` or, without a value, `DROP DEFAULT`.
    Default(Option<DefaultValue>),
    /// `COMMENT`; none where it is taken away.
    Comment(Option<String>),
    /// `FIRST` or `AFTER x`.
    Position(ColumnPosition),
}

/// A column of `ALTER TABLE .. ADD COLUMNS`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AddColumn {
    /// Its path, outermost first: one part, or more for a nested field.
    pub(crate) path: Name,
    /// Its type.
    pub(crate) data_type: DataType,
    /// False for `NOT NULL`, which Databricks refuses here.
    pub(crate) nullable: bool,
    /// `DEFAULT`, which Databricks refuses here.
    pub(crate) default: Option<DefaultValue>,
    /// `COMMENT`.
    pub(crate) comment: Option<String>,
    /// `FIRST` or `AFTER x`.
    pub(crate) position: Option<ColumnPosition>,
}

/// Where an added column goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ColumnPosition {
    /// `FIRST`.
    First,
    /// `AFTER column`.
    After(String),
}
