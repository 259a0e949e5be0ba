//! SQL text -> [`Command`]: a parser of our own for statements, with queries and expressions left to sqlparser.
//!
//! `lexer` turns Databricks' spelling of literals and time travel into tokens that sqlparser reads the same way,
//! `depth` bounds how deep a statement may nest, `dialect` adds its operators, `cursor` reads names, options and types, and one file per group of statements
//! does the rest. What Databricks has and this build does not is refused by name in `refused`.

mod alter;
mod cast_types;
mod change;
mod command;
mod copy;
mod create;
mod cursor;
mod depth;
mod dialect;
mod inspect;
mod lexer;
mod maintain;
mod merge;
mod refused;

#[cfg(test)]
mod tests;

pub(crate) use cast_types::type_text;
pub(crate) use command::*;

use crate::error::{LocalError, Result};
use cursor::Cursor;
use sqlparser::ast::{Expr, Query};

/// Parses exactly one statement; comments and trailing semicolons are fine.
///
/// # Errors
/// PARSE_EMPTY_STATEMENT, PARSE_SYNTAX_ERROR with the token and its place, or FAILED_TO_PARSE_TOO_COMPLEX, or
/// UNSUPPORTED_FEATURE naming the statement.
pub(crate) fn parse(sql: &str) -> Result<Command> {
    whole(sql, statement)
}

/// Whether the local workspace reads this text as one statement. Nothing is looked up and nothing runs, so names and
/// types may still be wrong.
///
/// ```
/// use databricks_local::check_syntax;
///
/// assert!(check_syntax("INSERT INTO t REPLACE USING (id) SELECT * FROM u").is_ok());
/// let error = check_syntax("INSERT INTO t REPLACE").unwrap_err();
/// assert_eq!(error.sql_state(), "42601");
/// ```
///
/// # Errors
/// `[PARSE_SYNTAX_ERROR]` with the place, `[PARSE_EMPTY_STATEMENT]`, `[FAILED_TO_PARSE_TOO_COMPLEX]`, and
/// `[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE]` naming a statement or clause that Databricks has and this build does not.
pub fn check_syntax(sql: &str) -> Result<()> {
    parse(sql).map(drop)
}

/// Parses an expression on its own: a default that a table keeps as text.
///
/// # Errors
/// As [`parse`].
pub(crate) fn expression(sql: &str) -> Result<Expr> {
    whole(sql, Cursor::expr)
}

/// Parses a query on its own.
///
/// # Errors
/// As [`parse`].
pub(crate) fn query(sql: &str) -> Result<Box<Query>> {
    whole(sql, Cursor::query)
}

/// Parses the name of a table on its own.
///
/// # Errors
/// As [`parse`].
pub(crate) fn name(sql: &str) -> Result<Name> {
    whole(sql, Cursor::table)
}

fn whole<T>(sql: &str, read: impl FnOnce(&mut Cursor) -> Result<T>) -> Result<T> {
    let tokens = lexer::tokens(sql)?;
    if tokens.is_empty() {
        return Err(LocalError::parse_empty());
    }
    depth::check(&tokens)?;
    let mut cursor = Cursor::new(sql, tokens);
    let parsed = read(&mut cursor)?;
    cursor.end()?;
    Ok(parsed)
}

fn statement(cursor: &mut Cursor) -> Result<Command> {
    let Some(first) = cursor.peek_word() else {
        // A parenthesised query; anything else is reported where it goes wrong.
        return Ok(Command::Query(cursor.query()?));
    };
    match first.as_str() {
        "SELECT" | "VALUES" | "WITH" | "TABLE" => Ok(Command::Query(cursor.query()?)),
        "EXPLAIN" => inspect::explain(cursor),
        "CREATE" => create::create(cursor),
        "REPLACE" => create::create(cursor),
        "DROP" => create::drop(cursor),
        "INSERT" => change::insert(cursor),
        "MERGE" => merge::merge(cursor),
        "UPDATE" => change::update(cursor),
        "DELETE" => change::delete(cursor),
        "TRUNCATE" => change::truncate(cursor),
        "COPY" => copy::copy_into(cursor),
        "ALTER" => alter::alter(cursor),
        "COMMENT" => alter::comment_on(cursor),
        "OPTIMIZE" => maintain::optimize(cursor),
        "VACUUM" => maintain::vacuum(cursor),
        "RESTORE" => maintain::restore(cursor),
        "DESCRIBE" | "DESC" => inspect::describe(cursor),
        "SHOW" => inspect::show(cursor),
        "USE" => inspect::use_name(cursor),
        _ => Err(refused::statement(cursor)),
    }
}
