//! What SQL expressions say, as far as types and columns need it.

use super::lexer::{Lexer, Token};
use crate::Result;

/// All words and quoted names of an expression: its columns are among them. Strings are left out.
pub(crate) fn names_in(expression: &str) -> Result<Vec<String>> {
    let mut lexer = Lexer::new(expression)?;
    let mut names = Vec::new();
    loop {
        match lexer.next()? {
            Token::Word(name) | Token::Quoted(name) => names.push(name),
            Token::End => return Ok(names),
            Token::Text(_) | Token::Mark(_) => {}
        }
    }
}
