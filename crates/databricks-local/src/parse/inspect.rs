//! DESCRIBE, SHOW, USE and EXPLAIN.

use sqlparser::tokenizer::Token;

use super::command::{Browse, Command, ShowIn};
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
    if cursor.is_name(1) && cursor.peek_word().as_deref() != Some("TABLE") {
        let extended = matches!(cursor.peek_word().as_deref(), Some("EXTENDED" | "FORMATTED"));
        if !extended {
            return Err(refused::object("DESCRIBE", cursor));
        }
    }
    cursor.word("TABLE");
    let extended = cursor.is_name(1) && (cursor.word("EXTENDED") || cursor.word("FORMATTED"));
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
        if in_all_catalogs(cursor) {
            return Ok(Command::BrowseSchemas(Browse { names: like(cursor)?, ..Browse::default() }));
        }
        return Ok(Command::ShowSchemas(show_in(cursor, 1)?));
    }
    if cursor.word("TABLES") {
        if let Some(catalog) = catalogs(cursor)? {
            let (schemas, names) = (named_like(cursor, "SCHEMA")?, like(cursor)?);
            return Ok(Command::BrowseTables(Browse { catalog, schemas, tables: None, names }));
        }
        return Ok(Command::ShowTables(show_in(cursor, 2)?));
    }
    if cursor.word("VOLUMES") {
        return Ok(Command::ShowVolumes(show_in(cursor, 2)?));
    }
    if cursor.word("COLUMNS") {
        if let Some(catalog) = catalogs(cursor)? {
            let (schemas, tables) = (named_like(cursor, "SCHEMA")?, named_like(cursor, "TABLE")?);
            return Ok(Command::BrowseColumns(Browse { catalog, schemas, tables, names: like(cursor)? }));
        }
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

/// `IN CATALOG c` or `IN ALL CATALOGS`, where that comes next: the catalog, none for all.
fn catalogs(cursor: &mut Cursor) -> Result<Option<Option<String>>> {
    if in_all_catalogs(cursor) {
        return Ok(Some(None));
    }
    // A schema or table may be called `catalog`: only a name after the word makes it the clause.
    let inside = matches!(cursor.peek_word().as_deref(), Some("IN" | "FROM"));
    let named =
        cursor.is_name(2) && !matches!(cursor.peek_nth_word(2).as_deref(), Some("LIKE" | "IN" | "FROM"));
    if !inside || cursor.peek_nth_word(1).as_deref() != Some("CATALOG") || !named {
        return Ok(None);
    }
    let _ = cursor.words(&["IN", "CATALOG"]) || cursor.words(&["FROM", "CATALOG"]);
    cursor.identifier().map(Some).map(Some)
}

fn in_all_catalogs(cursor: &mut Cursor) -> bool {
    cursor.words(&["IN", "ALL", "CATALOGS"]) || cursor.words(&["FROM", "ALL", "CATALOGS"])
}

/// `SCHEMA LIKE 'pattern'` or `TABLE LIKE 'pattern'`.
fn named_like(cursor: &mut Cursor, kind: &str) -> Result<Option<String>> {
    if cursor.words(&[kind, "LIKE"]) { cursor.string().map(Some) } else { Ok(None) }
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
