//! The nested types of casts: `CAST(x AS MAP<STRING, STRUCT<a: INT>>)`.
//!
//! sqlparser does not know all of them, and changes the names of fields on the way. So the tokens of such a type become
//! one name, between double quotes, which no other name of Databricks stands in, and the planner reads its text.

use sqlparser::ast::{DataType, ObjectNamePart};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::cursor::append_type_token;

/// What marks a name that is the text of a type.
const TYPE_QUOTE: char = '"';

/// The text of a cast's type, as the statement has it.
pub(crate) fn type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::Custom(name, _) => match name.0.as_slice() {
            [ObjectNamePart::Identifier(text)] if text.quote_style == Some(TYPE_QUOTE) => text.value.clone(),
            _ => data_type.to_string(),
        },
        plain => plain.to_string(),
    }
}

pub(super) fn collapsed(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    // Of each parenthesis that is open, whether it is a cast's.
    let mut casts: Vec<bool> = Vec::new();
    let mut rest = tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        match &token.token {
            Token::LParen => {
                casts.push(out.last().is_some_and(|before| is_word(before, &["CAST", "TRY_CAST"])))
            }
            Token::RParen => _ = casts.pop(),
            _ if casts.last() == Some(&true) && is_word(token, &["AS"]) => {
                let (data_type, after) = after.split_at(length(after));
                if data_type.iter().any(|token| matches!(token.token, Token::Lt | Token::Neq)) {
                    out.push(token.clone());
                    out.extend(
                        data_type.first().map(|first| TokenWithSpan::new(word(data_type), first.span)),
                    );
                    rest = after;
                    continue;
                }
            }
            _ => {}
        }
        out.push(token.clone());
    }
    out
}

/// The tokens up to the parenthesis that closes the cast.
fn length(tokens: &[TokenWithSpan]) -> usize {
    let mut depth = 0_usize;
    let end = tokens.iter().position(|token| match token.token {
        Token::LParen => {
            depth += 1;
            false
        }
        Token::RParen if depth == 0 => true,
        Token::RParen => {
            depth -= 1;
            false
        }
        _ => false,
    });
    end.unwrap_or(tokens.len())
}

fn word(tokens: &[TokenWithSpan]) -> Token {
    let mut value = String::new();
    tokens.iter().for_each(|token| append_type_token(&mut value, &token.token));
    let value = value.trim().to_owned();
    Token::Word(Word { value, quote_style: Some(TYPE_QUOTE), keyword: Keyword::NoKeyword })
}

fn is_word(token: &TokenWithSpan, words: &[&str]) -> bool {
    let Token::Word(word) = &token.token else { return false };
    word.quote_style.is_none() && words.iter().any(|wanted| word.value.eq_ignore_ascii_case(wanted))
}
