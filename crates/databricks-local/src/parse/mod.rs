//! SQL text -> [`Command`]: a parser of our own for statements, with queries and expressions left to sqlparser.
//!
//! `lexer` turns Databricks' spelling of literals and time travel into tokens that sqlparser reads the same way,
//! `depth` bounds how deep a statement may nest, `dialect` adds its operators, `cursor` reads names, options and types, and one file per group of statements
//! does the rest. What Databricks has and this build does not is refused by name in `refused`.

mod alter;
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

pub(crate) use command::*;

use crate::error::{LocalError, Result};
use cursor::Cursor;

/// Parses exactly one statement; comments and trailing semicolons are fine.
///
/// # Errors
/// PARSE_EMPTY_STATEMENT, PARSE_SYNTAX_ERROR with the token and its place, or FAILED_TO_PARSE_TOO_COMPLEX, or
/// UNSUPPORTED_FEATURE naming the statement.
pub(crate) fn parse(sql: &str) -> Result<Command> {
    let tokens = lexer::tokens(sql)?;
    if tokens.is_empty() {
        return Err(LocalError::parse_empty());
    }
    depth::check(&tokens)?;
    let mut cursor = Cursor::new(tokens);
    let command = statement(&mut cursor)?;
    cursor.end()?;
    Ok(command)
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
        "OPTIMIZE" => maintain::optimize(cursor),
        "VACUUM" => maintain::vacuum(cursor),
        "RESTORE" => maintain::restore(cursor),
        "DESCRIBE" | "DESC" => inspect::describe(cursor),
        "SHOW" => inspect::show(cursor),
        "USE" => inspect::use_name(cursor),
        _ => Err(refused::statement(cursor)),
    }
}
