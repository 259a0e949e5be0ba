//! One parsed statement: what was asked for, with names, types and options already in shape.
//!
//! Queries and expressions stay sqlparser syntax trees: `query` gives them their meaning. Parameters stay in
//! them as placeholders, `:name` or `?1`, `?2`, .. in the order of the text.

use databricks_schema::DataType;
use sqlparser::ast::{Expr, Query};

/// A name of one to three parts, outermost first, as written and without its quotes.
pub(crate) type Name = Vec<String>;

/// Pairs of an option list, keys as written.
pub(crate) type Options = Vec<(String, String)>;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// `SELECT`, `VALUES`, `WITH`, `TABLE t`, a set operation.
    Query(Box<Query>),
    /// `EXPLAIN query`.
    Explain(Box<Query>),
    /// `DESCRIBE QUERY query`: the columns of its result.
    DescribeQuery(Box<Query>),
    /// `CREATE CATALOG`.
    CreateCatalog(CreateObject),
    /// `DROP CATALOG`.
    DropCatalog(DropObject),
    /// `CREATE SCHEMA` or `CREATE DATABASE`.
    CreateSchema(CreateObject),
    /// `DROP SCHEMA` or `DROP DATABASE`.
    DropSchema(DropObject),
    /// `CREATE VOLUME`.
    CreateVolume(CreateObject),
    /// `DROP VOLUME`.
    DropVolume(DropObject),
    /// `CREATE TABLE`, with or without a query.
    CreateTable(Box<CreateTable>),
    /// `DROP TABLE`.
    DropTable {
        /// The table.
        name: Name,
        /// `IF EXISTS`: a missing table is no error.
        if_exists: bool,
    },
    /// `INSERT INTO`, `INSERT OVERWRITE`, `INSERT INTO .. REPLACE`.
    Insert(Box<Insert>),
    /// `MERGE INTO`.
    Merge(Box<Merge>),
    /// `UPDATE`.
    Update(Box<Update>),
    /// `DELETE FROM`.
    Delete(Box<Delete>),
    /// `TRUNCATE TABLE`.
    Truncate {
        /// The table.
        table: Name,
    },
    /// `COPY INTO`.
    CopyInto(Box<CopyInto>),
    /// `ALTER TABLE .. ADD COLUMNS`.
    AlterTableAddColumns {
        /// The table.
        table: Name,
        /// The columns, in order.
        columns: Vec<AddColumn>,
    },
    /// `ALTER TABLE .. SET TBLPROPERTIES`.
    AlterTableSetProperties {
        /// The table.
        table: Name,
        /// Keys and values.
        properties: Options,
    },
    /// `ALTER TABLE .. UNSET TBLPROPERTIES`.
    AlterTableUnsetProperties {
        /// The table.
        table: Name,
        /// The keys.
        keys: Vec<String>,
        /// `IF EXISTS`: a missing key is no error.
        if_exists: bool,
    },
    /// `OPTIMIZE`.
    Optimize {
        /// The table.
        table: Name,
        /// `FULL`.
        full: bool,
        /// `WHERE`: a condition on partition columns.
        predicate: Option<Expr>,
        /// `ZORDER BY` columns (each a path, outermost first).
        zorder_by: Vec<Name>,
    },
    /// `VACUUM`.
    Vacuum {
        /// The table.
        table: Name,
        /// `LITE` or `FULL`, when said.
        mode: Option<VacuumMode>,
        /// `RETAIN n HOURS`.
        retain_hours: Option<f64>,
        /// `DRY RUN`: list, do not delete.
        dry_run: bool,
    },
    /// `RESTORE TABLE .. TO ..`.
    Restore {
        /// The table.
        table: Name,
        /// The version or instant to go back to.
        to: TimeTravel,
    },
    /// `DESCRIBE TABLE`.
    DescribeTable {
        /// The table.
        table: Name,
        /// `EXTENDED` or `FORMATTED`.
        extended: bool,
    },
    /// `DESCRIBE HISTORY`.
    DescribeHistory {
        /// The table.
        table: Name,
        /// `LIMIT n`, newest first.
        limit: Option<u64>,
    },
    /// `DESCRIBE DETAIL`.
    DescribeDetail {
        /// The table.
        table: Name,
    },
    /// `SHOW CATALOGS`.
    ShowCatalogs {
        /// `LIKE 'pattern'` (`*` any text, `|` alternatives).
        like: Option<String>,
    },
    /// `SHOW SCHEMAS`.
    ShowSchemas(ShowIn),
    /// `SHOW TABLES`.
    ShowTables(ShowIn),
    /// `SHOW VOLUMES`.
    ShowVolumes(ShowIn),
    /// `SHOW COLUMNS IN t`.
    ShowColumns {
        /// The table.
        table: Name,
    },
    /// `SHOW SCHEMAS IN ALL CATALOGS`.
    BrowseSchemas(Browse),
    /// `SHOW TABLES IN { CATALOG c | ALL CATALOGS }`.
    BrowseTables(Browse),
    /// `SHOW COLUMNS IN { CATALOG c | ALL CATALOGS }`.
    BrowseColumns(Browse),
    /// `SHOW TBLPROPERTIES t [('key')]`.
    ShowProperties {
        /// The table.
        table: Name,
        /// The one key asked for.
        key: Option<String>,
    },
    /// `USE CATALOG c`.
    UseCatalog(String),
    /// `USE [SCHEMA] s`: one or two parts.
    UseSchema(Name),
}

/// `CREATE { CATALOG | SCHEMA | VOLUME } [IF NOT EXISTS] name [COMMENT 'text']`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateObject {
    /// Its name.
    pub(crate) name: Name,
    /// `IF NOT EXISTS`: an existing one is no error.
    pub(crate) if_not_exists: bool,
    /// `COMMENT`.
    pub(crate) comment: Option<String>,
}

/// `DROP { CATALOG | SCHEMA | VOLUME } [IF EXISTS] name [RESTRICT | CASCADE]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DropObject {
    /// Its name.
    pub(crate) name: Name,
    /// `IF EXISTS`: a missing one is no error.
    pub(crate) if_exists: bool,
    /// `CASCADE`: drop what is in it as well.
    pub(crate) cascade: bool,
}

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
    /// Columns of a `PRIMARY KEY`, declared inline or as a constraint. Informational: never enforced.
    pub(crate) primary_key: Vec<String>,
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

/// `VACUUM .. LITE | FULL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VacuumMode {
    /// Only files the log names.
    Lite,
    /// Every file of the folder.
    Full,
}

/// A version or an instant of a table, as written: the value may be a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TimeTravel {
    /// `VERSION AS OF n`.
    Version(Expr),
    /// `TIMESTAMP AS OF expr`.
    Timestamp(Expr),
}

/// `SHOW .. [IN name] [LIKE 'pattern']`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShowIn {
    /// `IN` or `FROM`: the parts of the catalog or schema.
    pub(crate) within: Option<Name>,
    /// `LIKE 'pattern'` (`*` any text, `|` alternatives).
    pub(crate) like: Option<String>,
}

/// `IN { CATALOG c | ALL CATALOGS } [SCHEMA LIKE 'pattern'] [TABLE LIKE 'pattern'] [LIKE 'pattern']`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Browse {
    /// The one catalog; none for all.
    pub(crate) catalog: Option<String>,
    /// `SCHEMA LIKE`.
    pub(crate) schemas: Option<String>,
    /// `TABLE LIKE`, for columns.
    pub(crate) tables: Option<String>,
    /// `LIKE`: the names of what is listed.
    pub(crate) names: Option<String>,
}
