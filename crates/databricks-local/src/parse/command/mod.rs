//! One parsed statement: what was asked for, with names, types and options already in shape.
//!
//! Queries and expressions stay sqlparser syntax trees: `query` gives them their meaning. Parameters stay in
//! them as placeholders, `:name` or `?1`, `?2`, .. in the order of the text.

mod objects;
mod rows;
mod table;
mod upkeep;

use sqlparser::ast::{Expr, Query};

pub(crate) use objects::*;
pub(crate) use rows::*;
pub(crate) use table::*;
pub(crate) use upkeep::*;

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
    /// `CREATE TABLE .. CLONE ..`.
    CloneTable(Box<CloneTable>),
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
    /// `ALTER TABLE`.
    AlterTable {
        /// The table.
        table: Name,
        /// What changes.
        change: AlterTable,
    },
    /// `COMMENT ON .. IS ..`.
    CommentOn(CommentOn),
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
