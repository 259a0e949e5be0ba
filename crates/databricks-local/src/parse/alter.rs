//! ALTER TABLE and COMMENT ON.

use sqlparser::tokenizer::Token;

use super::command::{
    AddColumn, AlterTable, ColumnChange, ColumnPosition, Command, CommentOn, CommentedKind, Name,
};
use super::cursor::Cursor;
use super::refused;
use crate::error::{LocalError, Result};

pub(super) fn alter(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["ALTER"])?;
    if !cursor.word("TABLE") {
        return Err(refused::object("ALTER", cursor));
    }
    let table = cursor.table()?;
    let change = change(cursor)?;
    Ok(Command::AlterTable { table, change })
}

fn change(cursor: &mut Cursor) -> Result<AlterTable> {
    if cursor.words(&["ADD", "COLUMNS"]) || cursor.words(&["ADD", "COLUMN"]) {
        return added_columns(cursor).map(AlterTable::AddColumns);
    }
    if cursor.words(&["SET", "TBLPROPERTIES"]) {
        return cursor.options().map(AlterTable::SetProperties);
    }
    if cursor.words(&["UNSET", "TBLPROPERTIES"]) {
        let if_exists = cursor.words(&["IF", "EXISTS"]);
        let keys = cursor.parenthesized(Cursor::option_key)?;
        return Ok(AlterTable::UnsetProperties { keys, if_exists });
    }
    if cursor.words(&["RENAME", "COLUMN"]) {
        let column = cursor.path()?;
        cursor.expect_words(&["TO"])?;
        return Ok(AlterTable::RenameColumn { column, to: cursor.identifier()? });
    }
    if cursor.words(&["DROP", "COLUMN"]) || cursor.words(&["DROP", "COLUMNS"]) {
        return dropped_columns(cursor);
    }
    if cursor.words(&["CLUSTER", "BY"]) {
        return clustering(cursor).map(AlterTable::ClusterBy);
    }
    if cursor.words(&["ALTER", "COLUMN"]) || cursor.words(&["CHANGE", "COLUMN"]) {
        return cursor.comma_separated(changed_column).map(AlterTable::ChangeColumns);
    }
    // COLUMN may be left out; a column may be called so too.
    if matches!(cursor.peek_word().as_deref(), Some("ALTER" | "CHANGE")) && cursor.is_name(1) {
        let _ = cursor.word("ALTER") || cursor.word("CHANGE");
        return cursor.comma_separated(changed_column).map(AlterTable::ChangeColumns);
    }
    Err(not_run_here(cursor))
}

fn not_run_here(cursor: &Cursor) -> LocalError {
    let first = cursor.peek_word().unwrap_or_default();
    let second = cursor.peek_nth_word(1).unwrap_or_default();
    let known = [
        "ADD",
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
    let mut column =
        AddColumn { path, data_type, nullable: true, default: None, comment: None, position: None };
    loop {
        if cursor.words(&["NOT", "NULL"]) {
            column.nullable = false;
        } else if cursor.word("DEFAULT") {
            column.default = Some(cursor.default_value()?);
        } else if cursor.word("COMMENT") {
            column.comment = Some(cursor.string()?);
        } else if let Some(position) = position(cursor)? {
            column.position = Some(position);
        } else if cursor.next_is(&Token::Comma) || cursor.next_is(&Token::RParen) || cursor.at_end() {
            return Ok(column);
        } else {
            return Err(refused::clause("ADD COLUMNS", &["MASK", "GENERATED", "COLLATE"], cursor));
        }
    }
}

fn position(cursor: &mut Cursor) -> Result<Option<ColumnPosition>> {
    if cursor.word("FIRST") {
        return Ok(Some(ColumnPosition::First));
    }
    if cursor.word("AFTER") {
        return cursor.identifier().map(ColumnPosition::After).map(Some);
    }
    Ok(None)
}

fn changed_column(cursor: &mut Cursor) -> Result<(Name, ColumnChange)> {
    let column = cursor.path()?;
    let change = if cursor.word("TYPE") {
        ColumnChange::Type(cursor.data_type()?)
    } else if cursor.word("COMMENT") {
        ColumnChange::Comment(Some(cursor.string()?))
    } else if cursor.words(&["SET", "NOT", "NULL"]) {
        ColumnChange::Nullable(false)
    } else if cursor.words(&["DROP", "NOT", "NULL"]) {
        ColumnChange::Nullable(true)
    } else if cursor.words(&["SET", "DEFAULT"]) {
        ColumnChange::Default(Some(cursor.default_value()?))
    } else if cursor.words(&["DROP", "DEFAULT"]) {
        ColumnChange::Default(None)
    } else if let Some(position) = position(cursor)? {
        ColumnChange::Position(position)
    } else {
        return Err(refused::clause("ALTER COLUMN", &["SET", "UNSET", "DROP", "SYNC"], cursor));
    };
    Ok((column, change))
}

/// `[IF EXISTS] (a, b.c)` or one column without parentheses.
fn dropped_columns(cursor: &mut Cursor) -> Result<AlterTable> {
    let if_exists = cursor.words(&["IF", "EXISTS"]);
    let columns = if cursor.next_is(&Token::LParen) {
        cursor.parenthesized(Cursor::path)?
    } else {
        cursor.comma_separated(Cursor::path)?
    };
    Ok(AlterTable::DropColumns { columns, if_exists })
}

/// `(a, b)` or `NONE`.
pub(super) fn clustering(cursor: &mut Cursor) -> Result<Vec<Name>> {
    if cursor.word("NONE") {
        return Ok(Vec::new());
    }
    if !cursor.next_is(&Token::LParen) {
        return Err(refused::clause("CLUSTER BY", &["AUTO"], cursor));
    }
    cursor.parenthesized(Cursor::path)
}

pub(super) fn comment_on(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["COMMENT", "ON"])?;
    let kinds = [
        ("CATALOG", CommentedKind::Catalog),
        ("SCHEMA", CommentedKind::Schema),
        ("DATABASE", CommentedKind::Schema),
        ("TABLE", CommentedKind::Table),
        ("COLUMN", CommentedKind::Column),
        ("VOLUME", CommentedKind::Volume),
    ];
    let Some((_, kind)) = kinds.into_iter().find(|(word, _)| cursor.word(word)) else {
        return Err(refused::object("COMMENT ON", cursor));
    };
    let name = match kind {
        CommentedKind::Catalog => cursor.name(1)?,
        CommentedKind::Schema => cursor.name(2)?,
        CommentedKind::Table | CommentedKind::Volume => cursor.table()?,
        CommentedKind::Column => cursor.path()?,
    };
    cursor.expect_words(&["IS"])?;
    let comment = if cursor.word("NULL") { None } else { Some(cursor.string()?) };
    Ok(Command::CommentOn(CommentOn { kind, name, comment }))
}
