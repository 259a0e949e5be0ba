//! Column lists of `CREATE TABLE` and `ADD COLUMNS`.

use super::lexer::{Lexer, Token};
use super::types::{name, read_comment, read_not_null, read_type};
use crate::{ColumnMask, ColumnSchema, Generated, Identity, Result};

/// Words that begin the next part of a column, and so end an expression.
const PARTS: [&str; 6] = ["COMMENT", "CONSTRAINT", "DEFAULT", "GENERATED", "MASK", "PRIMARY"];

/// Reads `name type [NOT NULL] [DEFAULT ..] [COMMENT '..'] .., ..`, with or without parentheses around it.
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

/// A column: its parts may come in any order after the type, each once.
fn column(lexer: &mut Lexer<'_>) -> Result<ColumnSchema> {
    let name = name(lexer)?;
    // `name: type` is what a printed struct looks like, and Databricks takes it too.
    lexer.take_mark(':')?;
    let mut column = ColumnSchema::new(name, read_type(lexer, 0)?);
    loop {
        if column.nullable && read_not_null(lexer)? {
            column.nullable = false;
        } else if column.comment.is_none() && lexer.peek().is_word("COMMENT") {
            column.comment = read_comment(lexer)?;
        } else if column.default.is_none() && lexer.take_word("DEFAULT")? {
            column.default = Some(expression(lexer)?);
        } else if column.generated.is_none() && lexer.take_word("GENERATED")? {
            column.generated = Some(generated(lexer)?);
        } else if column.mask.is_none() && lexer.take_word("MASK")? {
            column.mask = Some(mask(lexer)?);
        } else {
            return Ok(column);
        }
    }
}

/// The text of an expression, up to the next part of the column, the next column or the end.
fn expression(lexer: &mut Lexer<'_>) -> Result<String> {
    let start = lexer.start();
    let (mut end, mut depth, mut after_is) = (start, 0_usize, false);
    loop {
        let token = lexer.peek();
        match token {
            Token::End => break,
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}' | ',') if depth == 0 => break,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            Token::Word(_) if depth == 0 && end > start && ends_expression(lexer, after_is)? => break,
            _ => {}
        }
        after_is = token.is_word("IS");
        end = lexer.end();
        lexer.next()?;
    }
    if end == start || depth > 0 {
        return Err(lexer.unexpected(if depth > 0 { "a closing parenthesis" } else { "an expression" }));
    }
    Ok(lexer.text(start, end).to_owned())
}

/// `NOT` begins `NOT NULL` of the column, unless it is that of `IS NOT NULL` or stands before something else.
fn ends_expression(lexer: &Lexer<'_>, after_is: bool) -> Result<bool> {
    let token = lexer.peek();
    if token.is_word("NOT") {
        return Ok(!after_is && lexer.is_followed_by("NULL")?);
    }
    Ok(PARTS.iter().any(|part| token.is_word(part)))
}

/// What follows `GENERATED`.
fn generated(lexer: &mut Lexer<'_>) -> Result<Generated> {
    let always = lexer.take_word("ALWAYS")?;
    if !always {
        lexer.expect_word("BY")?;
        lexer.expect_word("DEFAULT")?;
    }
    lexer.expect_word("AS")?;
    if always && lexer.take_mark('(')? {
        let expression = expression(lexer)?;
        lexer.expect_mark(')')?;
        return Ok(Generated::Expression(expression));
    }
    lexer.expect_word("IDENTITY")?;
    let mut identity = Identity { always, start: 1, step: 1 };
    if lexer.take_mark('(')? {
        while !lexer.take_mark(')')? {
            if lexer.take_word("START")? {
                lexer.expect_word("WITH")?;
                identity.start = integer(lexer)?;
            } else {
                lexer.expect_word("INCREMENT")?;
                lexer.expect_word("BY")?;
                identity.step = integer(lexer)?;
            }
        }
    }
    Ok(Generated::Identity(identity))
}

fn integer(lexer: &mut Lexer<'_>) -> Result<i64> {
    let sign = if lexer.take_mark('-')? { "-" } else { "" };
    let number = match lexer.peek() {
        Token::Word(digits) => format!("{sign}{digits}").parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| lexer.unexpected("a whole number"))?;
    lexer.next()?;
    Ok(number)
}

/// `function [USING COLUMNS (a, b)]`.
fn mask(lexer: &mut Lexer<'_>) -> Result<ColumnMask> {
    let start = lexer.start();
    let mut end = lexer.end();
    name(lexer)?;
    while lexer.take_mark('.')? {
        end = lexer.end();
        name(lexer)?;
    }
    let function = lexer.text(start, end).to_owned();
    let mut using_columns = Vec::new();
    if lexer.take_word("USING")? {
        lexer.expect_word("COLUMNS")?;
        lexer.expect_mark('(')?;
        using_columns.push(name(lexer)?);
        while lexer.take_mark(',')? {
            using_columns.push(name(lexer)?);
        }
        lexer.expect_mark(')')?;
    }
    Ok(ColumnMask { function, using_columns })
}
