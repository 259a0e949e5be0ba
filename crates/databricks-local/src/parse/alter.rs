//! ALTER TABLE: columns added, properties set and removed.

use super::command::{AddColumn, ColumnPosition, Command, Name};
use super::cursor::Cursor;
use super::refused;
use crate::error::{LocalError, Result};
use sqlparser::tokenizer::Token;

pub(super) fn alter(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["ALTER"])?;
    if !cursor.word("TABLE") {
        return Err(refused::object("ALTER", cursor));
    }
    let table = cursor.table()?;
    if cursor.words(&["ADD", "COLUMNS"]) || cursor.words(&["ADD", "COLUMN"]) {
        return Ok(Command::AlterTableAddColumns { table, columns: added_columns(cursor)? });
    }
    if cursor.words(&["SET", "TBLPROPERTIES"]) {
        return Ok(Command::AlterTableSetProperties { table, properties: cursor.options()? });
    }
    if cursor.words(&["UNSET", "TBLPROPERTIES"]) {
        let if_exists = cursor.words(&["IF", "EXISTS"]);
        let keys = cursor.parenthesized(Cursor::option_key)?;
        return Ok(Command::AlterTableUnsetProperties { table, keys, if_exists });
    }
    Err(not_run_here(cursor))
}

fn not_run_here(cursor: &Cursor) -> LocalError {
    let first = cursor.peek_word().unwrap_or_default();
    let second = cursor.peek_nth_word(1).unwrap_or_default();
    let known = [
        "ADD",
        "ALTER",
        "CHANGE",
        "CLUSTER",
        "DROP",
        "RECOVER",
        "RENAME",
        "REPLACE",
        "SET",
        "UNSET",
        "ENABLE",
        "DISABLE",
        "OWNER",
        "PARTITION",
    ];
    if known.contains(&first.as_str()) {
        LocalError::unsupported_feature(format!("ALTER TABLE .. {first} {second}").trim_end())
    } else {
        cursor.error()
    }
}

/// `(a INT, b STRING)` or one column without parentheses.
fn added_columns(cursor: &mut Cursor) -> Result<Vec<AddColumn>> {
    if cursor.words(&["IF", "NOT", "EXISTS"]) {
        return Err(LocalError::unsupported_feature("ADD COLUMNS IF NOT EXISTS"));
    }
    if cursor.next_is(&Token::LParen) {
        return cursor.parenthesized(added_column);
    }
    cursor.comma_separated(added_column)
}

fn added_column(cursor: &mut Cursor) -> Result<AddColumn> {
    let path: Name = cursor.path()?;
    let data_type = cursor.data_type()?;
    let mut column = AddColumn { path, data_type, nullable: true, comment: None, position: None };
    loop {
        if cursor.words(&["NOT", "NULL"]) {
            column.nullable = false;
        } else if cursor.word("COMMENT") {
            column.comment = Some(cursor.string()?);
        } else if cursor.word("FIRST") {
            column.position = Some(ColumnPosition::First);
        } else if cursor.word("AFTER") {
            column.position = Some(ColumnPosition::After(cursor.identifier()?));
        } else if cursor.next_is(&Token::Comma) || cursor.next_is(&Token::RParen) || cursor.at_end() {
            return Ok(column);
        } else {
            return Err(refused::clause("ADD COLUMNS", &["DEFAULT", "MASK", "GENERATED", "COLLATE"], cursor));
        }
    }
}
