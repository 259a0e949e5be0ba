//! COPY INTO.

use sqlparser::tokenizer::Token;

use super::command::{Command, CopyInto};
use super::cursor::Cursor;
use super::merge::select_from_path;
use super::refused;
use crate::error::{LocalError, Result};

pub(super) fn copy_into(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["COPY", "INTO"])?;
    let table = cursor.table()?;
    let by_position = cursor.words(&["BY", "POSITION"]);
    let columns =
        if cursor.next_is(&Token::LParen) { cursor.parenthesized(Cursor::identifier)? } else { Vec::new() };
    cursor.expect_words(&["FROM"])?;
    let mut copy = CopyInto {
        table,
        columns,
        by_position,
        path: String::new(),
        select: None,
        file_format: String::new(),
        files: Vec::new(),
        pattern: None,
        format_options: Vec::new(),
        copy_options: Vec::new(),
    };
    source(cursor, &mut copy)?;
    cursor.expect_words(&["FILEFORMAT"])?;
    cursor.expect(&Token::Eq)?;
    copy.file_format = cursor.identifier()?.to_ascii_uppercase();
    while option(cursor, &mut copy)? {}
    if !cursor.at_end() {
        return Err(refused::clause("COPY INTO", &["VALIDATE"], cursor));
    }
    Ok(Command::CopyInto(Box::new(copy)))
}

/// `'path'` or `(SELECT .. FROM 'path')`.
fn source(cursor: &mut Cursor, copy: &mut CopyInto) -> Result<()> {
    if cursor.token(&Token::LParen) {
        cursor.expect_words(&["SELECT"])?;
        let projection = cursor.projection()?;
        cursor.expect_words(&["FROM"])?;
        copy.path = cursor.string()?;
        if !cursor.next_is(&Token::RParen) {
            return Err(LocalError::unsupported_feature(
                "COPY INTO from a query with more than a select list",
            ));
        }
        cursor.expect(&Token::RParen)?;
        copy.select = Some(Box::new(select_from_path(projection, &copy.path)));
    } else {
        copy.path = cursor.string()?;
    }
    if cursor.peek_word().as_deref() == Some("WITH") {
        return Err(LocalError::unsupported_feature("COPY INTO .. WITH (CREDENTIAL ..)"));
    }
    Ok(())
}

/// One option after the format; false when none comes next.
fn option(cursor: &mut Cursor, copy: &mut CopyInto) -> Result<bool> {
    if cursor.word("FILES") {
        cursor.expect(&Token::Eq)?;
        copy.files = cursor.parenthesized(Cursor::string)?;
    } else if cursor.word("PATTERN") {
        cursor.expect(&Token::Eq)?;
        copy.pattern = Some(cursor.string()?);
    } else if cursor.word("FORMAT_OPTIONS") {
        copy.format_options = cursor.options()?;
    } else if cursor.word("COPY_OPTIONS") {
        copy.copy_options = cursor.options()?;
    } else {
        return Ok(false);
    }
    Ok(true)
}
