//! Column lists of `CREATE TABLE` and `ADD COLUMNS`.

use super::lexer::{Lexer, Token};
use super::types::{name, read_type, suffix};
use crate::{ColumnSchema, Result};

/// Reads `name type [NOT NULL] [COMMENT '..'], ..`, with or without parentheses around it.
pub(crate) fn columns(text: &str) -> Result<Vec<ColumnSchema>> {
    let mut lexer = Lexer::new(text)?;
    let in_parentheses = lexer.take_mark('(')?;
    let mut columns = Vec::new();
    let closed = |lexer: &Lexer<'_>| match lexer.peek() {
        Token::End => !in_parentheses,
        token => in_parentheses && *token == Token::Mark(')'),
    };
    while !(columns.is_empty() && closed(&lexer)) {
        columns.push(column(&mut lexer)?);
        if !lexer.take_mark(',')? {
            break;
        }
    }
    if in_parentheses {
        lexer.expect_mark(')')?;
    }
    match lexer.peek() {
        Token::End => Ok(columns),
        _ => Err(lexer.unexpected("`,` or the end (a column is `name type [NOT NULL] [COMMENT '..']`)")),
    }
}

fn column(lexer: &mut Lexer<'_>) -> Result<ColumnSchema> {
    let name = name(lexer)?;
    // `name: type` is what a printed struct looks like, and Databricks takes it too.
    lexer.take_mark(':')?;
    let data_type = read_type(lexer, 0)?;
    let (nullable, comment) = suffix(lexer)?;
    let column = ColumnSchema::new(name, data_type).with_nullable(nullable);
    Ok(match comment {
        Some(comment) => column.with_comment(comment),
        None => column,
    })
}
