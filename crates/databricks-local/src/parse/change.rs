//! INSERT, UPDATE, DELETE and TRUNCATE.

use sqlparser::tokenizer::Token;

use super::command::{AssignedValue, Assignment, Command, Delete, Insert, InsertMode, Update};
use super::cursor::Cursor;
use super::refused;
use crate::error::{LocalError, Result};

/// Words that may follow the table of UPDATE or DELETE and so are no alias without AS.
const AFTER_TARGET: [&str; 2] = ["SET", "WHERE"];

pub(super) fn insert(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["INSERT"])?;
    let schema_evolution = cursor.words(&["WITH", "SCHEMA", "EVOLUTION"]);
    let overwrite = cursor.word("OVERWRITE");
    if !overwrite {
        cursor.expect_words(&["INTO"])?;
    } else {
        cursor.word("INTO");
    }
    if overwrite && matches!(cursor.peek_word().as_deref(), Some("DIRECTORY" | "LOCAL")) {
        return Err(LocalError::unsupported_feature("INSERT OVERWRITE DIRECTORY"));
    }
    cursor.word("TABLE");
    let table = cursor.table()?;
    if cursor.peek_word().as_deref() == Some("PARTITION") {
        return Err(LocalError::unsupported_feature("INSERT .. PARTITION"));
    }
    let columns = column_list(cursor)?;
    let mode = mode(cursor, overwrite)?;
    // Names come from a list of columns or from the query.
    let by_name = columns.is_empty() && cursor.words(&["BY", "NAME"]);
    let source = cursor.query()?;
    Ok(Command::Insert(Box::new(Insert { table, mode, columns, by_name, schema_evolution, source })))
}

/// A column list, unless the parenthesis opens the query itself.
fn column_list(cursor: &mut Cursor) -> Result<Vec<String>> {
    let query =
        matches!(cursor.peek_nth_word(1).as_deref(), Some("SELECT" | "WITH" | "VALUES" | "TABLE" | "FROM"));
    if !cursor.next_is(&Token::LParen) || query {
        return Ok(Vec::new());
    }
    cursor.parenthesized(Cursor::identifier)
}

fn mode(cursor: &mut Cursor, overwrite: bool) -> Result<InsertMode> {
    if overwrite {
        return Ok(InsertMode::Overwrite);
    }
    if cursor.words(&["REPLACE", "WHERE"]) {
        return Ok(InsertMode::ReplaceWhere(Box::new(cursor.expr()?)));
    }
    if cursor.words(&["REPLACE", "USING"]) {
        return Ok(InsertMode::ReplaceUsing(cursor.parenthesized(Cursor::identifier)?));
    }
    if cursor.words(&["REPLACE", "ON"]) {
        return Err(LocalError::unsupported_feature("INSERT INTO .. REPLACE ON"));
    }
    if cursor.peek_word().as_deref() == Some("REPLACE") {
        return Err(cursor.error());
    }
    Ok(InsertMode::Append)
}

pub(super) fn update(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["UPDATE"])?;
    let table = cursor.table()?;
    let alias = cursor.alias(&AFTER_TARGET)?;
    cursor.expect_words(&["SET"])?;
    let assignments = assignments(cursor)?;
    let predicate = if cursor.word("WHERE") { Some(cursor.expr()?) } else { None };
    if !cursor.at_end() {
        return Err(refused::clause("UPDATE", &["FROM"], cursor));
    }
    Ok(Command::Update(Box::new(Update { table, alias, assignments, predicate })))
}

/// `a = 1, b.c = DEFAULT, ..`
pub(super) fn assignments(cursor: &mut Cursor) -> Result<Vec<Assignment>> {
    cursor.comma_separated(|c| {
        let column = c.path()?;
        c.expect(&Token::Eq)?;
        Ok(Assignment { column, value: assigned_value(c)? })
    })
}

pub(super) fn assigned_value(cursor: &mut Cursor) -> Result<AssignedValue> {
    if cursor.word("DEFAULT") {
        Ok(AssignedValue::Default)
    } else {
        Ok(AssignedValue::Expr(Box::new(cursor.expr()?)))
    }
}

pub(super) fn delete(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["DELETE", "FROM"])?;
    let table = cursor.table()?;
    let alias = cursor.alias(&AFTER_TARGET)?;
    let predicate = if cursor.word("WHERE") { Some(cursor.expr()?) } else { None };
    Ok(Command::Delete(Box::new(Delete { table, alias, predicate })))
}

pub(super) fn truncate(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["TRUNCATE", "TABLE"])?;
    let table = cursor.table()?;
    if !cursor.at_end() {
        return Err(refused::clause("TRUNCATE TABLE", &["PARTITION"], cursor));
    }
    Ok(Command::Truncate { table })
}
