//! DESCRIBE, SHOW, USE and EXPLAIN.

use sqlparser::tokenizer::Token;

use super::command::{Command, ShowIn};
use super::cursor::Cursor;
use super::refused;
use crate::error::{LocalError, Result};

pub(super) fn explain(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["EXPLAIN"])?;
    match cursor.peek_word().as_deref() {
        Some(kind @ ("EXTENDED" | "CODEGEN" | "COST" | "FORMATTED")) => {
            Err(LocalError::unsupported_feature(format!("EXPLAIN {kind}")))
        }
        Some("SELECT" | "VALUES" | "WITH" | "TABLE") | None => Ok(Command::Explain(cursor.query()?)),
        Some(_) => Err(LocalError::unsupported_feature("EXPLAIN of a statement that is no query")),
    }
}

pub(super) fn describe(cursor: &mut Cursor) -> Result<Command> {
    if !cursor.word("DESC") {
        cursor.expect_words(&["DESCRIBE"])?;
    }
    if cursor.word("HISTORY") {
        let table = cursor.table()?;
        let limit = if cursor.word("LIMIT") { Some(cursor.parsed_number()?) } else { None };
        return Ok(Command::DescribeHistory { table, limit });
    }
    if cursor.word("DETAIL") {
        return Ok(Command::DescribeDetail { table: cursor.table()? });
    }
    if cursor.word("QUERY") || matches!(cursor.peek_word().as_deref(), Some("SELECT" | "WITH" | "VALUES")) {
        return Ok(Command::DescribeQuery(cursor.query()?));
    }
    describe_table(cursor)
}

fn describe_table(cursor: &mut Cursor) -> Result<Command> {
    // A table may be called `catalog` or `schema`: only a further word makes it a statement of that name.
    if cursor.peek_nth_word(1).is_some() && cursor.peek_word().as_deref() != Some("TABLE") {
        let extended = matches!(cursor.peek_word().as_deref(), Some("EXTENDED" | "FORMATTED"));
        if !extended {
            return Err(refused::object("DESCRIBE", cursor));
        }
    }
    cursor.word("TABLE");
    let extended = cursor.peek_nth_word(1).is_some() && (cursor.word("EXTENDED") || cursor.word("FORMATTED"));
    let table = cursor.table()?;
    if cursor.words(&["AS", "JSON"]) {
        return Err(LocalError::unsupported_feature("DESCRIBE TABLE .. AS JSON"));
    }
    Ok(Command::DescribeTable { table, extended })
}

pub(super) fn show(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["SHOW"])?;
    if cursor.word("CATALOGS") {
        return Ok(Command::ShowCatalogs { like: like(cursor)? });
    }
    if cursor.word("SCHEMAS") || cursor.word("DATABASES") {
        return Ok(Command::ShowSchemas(show_in(cursor, 1)?));
    }
    if cursor.word("TABLES") {
        return Ok(Command::ShowTables(show_in(cursor, 2)?));
    }
    if cursor.word("VOLUMES") {
        return Ok(Command::ShowVolumes(show_in(cursor, 2)?));
    }
    if cursor.word("COLUMNS") {
        if !cursor.word("IN") {
            cursor.expect_words(&["FROM"])?;
        }
        return Ok(Command::ShowColumns { table: cursor.table()? });
    }
    if cursor.word("TBLPROPERTIES") {
        let table = cursor.table()?;
        let key = if cursor.token(&Token::LParen) {
            let key = cursor.option_key()?;
            cursor.expect(&Token::RParen)?;
            Some(key)
        } else {
            None
        };
        return Ok(Command::ShowProperties { table, key });
    }
    Err(refused::object("SHOW", cursor))
}

fn show_in(cursor: &mut Cursor, parts: usize) -> Result<ShowIn> {
    let inside = cursor.word("IN") || cursor.word("FROM");
    let listed = inside && cursor.peek_word().as_deref() == Some("CATALOG") && cursor.is_name(1);
    if listed && cursor.peek_nth_word(1).as_deref() != Some("LIKE") {
        return Err(LocalError::unsupported_feature("SHOW .. IN CATALOG"));
    }
    let within = if inside { Some(cursor.name(parts)?) } else { None };
    Ok(ShowIn { within, like: like(cursor)? })
}

/// `[LIKE] 'pattern'`.
fn like(cursor: &mut Cursor) -> Result<Option<String>> {
    if cursor.word("LIKE") || !cursor.at_end() {
        return cursor.string().map(Some);
    }
    Ok(None)
}

pub(super) fn use_name(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["USE"])?;
    if cursor.word("CATALOG") {
        return Ok(Command::UseCatalog(cursor.identifier()?));
    }
    if cursor.peek_nth_word(1).is_some() {
        let _ = cursor.word("SCHEMA") || cursor.word("DATABASE");
    }
    Ok(Command::UseSchema(cursor.name(2)?))
}
