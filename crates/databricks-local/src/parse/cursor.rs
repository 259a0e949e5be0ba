//! Reading along the tokens: words, names, strings, options, types; and the syntax error when they do not fit.

use databricks_schema::DataType;
use sqlparser::ast::{Expr, Query, SelectItem, TableFactor};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use super::command::{DefaultValue, Name, Options};
use super::dialect::Databricks;
use super::lexer::place;
use crate::error::{LocalError, Position, Result};

/// Nesting that no written statement reaches, small enough for a thread's stack.
const MAX_DEPTH: usize = 60;

/// A place in the tokens of one statement.
pub(super) struct Cursor {
    parser: Parser<'static>,
    last: Position,
    /// The statement's lines, for texts that are kept as they were written.
    lines: Vec<String>,
}

pub(super) fn position(location: Location) -> Position {
    Position { line: location.line, column: location.column.saturating_sub(1) }
}

pub(super) fn syntax_error(token: &TokenWithSpan) -> LocalError {
    LocalError::parse_syntax(&token.token, place(token))
}

impl Cursor {
    /// At the first of the tokens that `sql` became.
    pub(super) fn new(sql: &str, tokens: Vec<TokenWithSpan>) -> Self {
        let lines = sql.split('\n').map(str::to_owned).collect();
        let last = tokens.last().map_or(Position { line: 1, column: 0 }, |t| position(t.span.end));
        let parser =
            Parser::new(&Databricks).with_recursion_limit(MAX_DEPTH).with_tokens_with_locations(tokens);
        Self { parser, last, lines }
    }

    /// The syntax error of the token that comes next.
    pub(super) fn error(&self) -> LocalError {
        let token = self.parser.peek_token();
        if token.token == Token::EOF { self.end_of_input() } else { syntax_error(&token) }
    }

    fn end_of_input(&self) -> LocalError {
        LocalError::new("PARSE_SYNTAX_ERROR", "42601", "Syntax error at or near end of input.").at(self.last)
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.error()) }
    }

    pub(super) fn at_end(&self) -> bool {
        self.parser.peek_token_ref().token == Token::EOF
    }

    /// The next token's place.
    pub(super) fn here(&self) -> Position {
        place(self.parser.peek_token_ref())
    }

    /// The next word in upper case, when the next token is an unquoted word.
    pub(super) fn peek_word(&self) -> Option<String> {
        self.peek_nth_word(0)
    }

    pub(super) fn peek_nth_word(&self, n: usize) -> Option<String> {
        match &self.parser.peek_nth_token_ref(n).token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Whether the n-th token from here is a word, quoted or not.
    pub(super) fn is_name(&self, n: usize) -> bool {
        matches!(self.parser.peek_nth_token_ref(n).token, Token::Word(_))
    }

    /// Takes the words if all of them come next.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let all = words.iter().enumerate().all(|(n, word)| self.peek_nth_word(n).as_deref() == Some(*word));
        if all {
            words.iter().for_each(|_| self.parser.advance_token());
        }
        all
    }

    pub(super) fn word(&mut self, word: &str) -> bool {
        self.words(&[word])
    }

    pub(super) fn expect_words(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.word(word) {
                return Err(self.error());
            }
        }
        Ok(())
    }

    pub(super) fn token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(super) fn next_is(&self, token: &Token) -> bool {
        self.parser.peek_token_ref().token == *token
    }

    pub(super) fn expect(&mut self, token: &Token) -> Result<()> {
        if self.token(token) { Ok(()) } else { Err(self.error()) }
    }

    /// One part of a name.
    pub(super) fn identifier(&mut self) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) => {
                let value = word.value.clone();
                self.parser.advance_token();
                Ok(value)
            }
            _ => Err(self.error()),
        }
    }

    /// A dotted name of any number of parts.
    pub(super) fn path(&mut self) -> Result<Name> {
        let mut parts = vec![self.identifier()?];
        while self.token(&Token::Period) {
            parts.push(self.identifier()?);
        }
        Ok(parts)
    }

    /// A name of one to `most` parts.
    pub(super) fn name(&mut self, most: usize) -> Result<Name> {
        let at = self.here();
        let parts = self.path()?;
        if parts.len() > most {
            let message = format!(
                "`{}` is not a valid identifier as it has more than {most} name parts.",
                parts.join("`.`")
            );
            return Err(LocalError::new("IDENTIFIER_TOO_MANY_NAME_PARTS", "42601", message).at(at));
        }
        Ok(parts)
    }

    pub(super) fn table(&mut self) -> Result<Name> {
        self.name(3)
    }

    /// An alias after a table, with or without AS; never one of the words that may follow it.
    pub(super) fn alias(&mut self, following: &[&str]) -> Result<Option<String>> {
        if self.word("AS") {
            return self.identifier().map(Some);
        }
        match &self.parser.peek_token_ref().token {
            Token::Word(word)
                if word.quote_style.is_none()
                    && following.iter().any(|f| word.value.eq_ignore_ascii_case(f)) =>
            {
                Ok(None)
            }
            Token::Word(_) => self.identifier().map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn string(&mut self) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(text) => {
                let text = text.clone();
                self.parser.advance_token();
                Ok(text)
            }
            _ => Err(self.error()),
        }
    }

    /// A number as written.
    pub(super) fn number(&mut self) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            Token::Number(text, _) => {
                let text = text.clone();
                self.parser.advance_token();
                Ok(text)
            }
            _ => Err(self.error()),
        }
    }

    pub(super) fn parsed_number<T: std::str::FromStr>(&mut self) -> Result<T> {
        let error = self.error();
        self.number()?.parse().map_err(|_| error)
    }

    /// `item, item, ..`
    pub(super) fn comma_separated<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, item, ..)`
    pub(super) fn parenthesized<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(&Token::LParen)?;
        let items = self.comma_separated(item)?;
        self.expect(&Token::RParen)?;
        Ok(items)
    }

    /// `(key = value, ..)`: keys dotted words or strings, values literals; the `=` may be left out.
    pub(super) fn options(&mut self) -> Result<Options> {
        self.parenthesized(|c| {
            let key = c.option_key()?;
            c.token(&Token::Eq);
            Ok((key, c.option_value()?))
        })
    }

    pub(super) fn option_key(&mut self) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(_) => self.string(),
            _ => Ok(self.path()?.join(".")),
        }
    }

    fn option_value(&mut self) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(_) => self.string(),
            Token::Number(..) => self.number(),
            Token::Minus => {
                self.parser.advance_token();
                Ok(format!("-{}", self.number()?))
            }
            Token::Word(word) if word.quote_style.is_none() => {
                let value = word.value.to_ascii_lowercase();
                if value != "true" && value != "false" {
                    return Err(self.error());
                }
                self.parser.advance_token();
                Ok(value)
            }
            _ => Err(self.error()),
        }
    }

    pub(super) fn query(&mut self) -> Result<Box<Query>> {
        let parsed = self.parser.parse_query();
        parsed.map_err(|e| self.sqlparser_error(&e))
    }

    pub(super) fn expr(&mut self) -> Result<Expr> {
        let parsed = self.parser.parse_expr();
        parsed.map_err(|e| self.sqlparser_error(&e))
    }

    /// An expression that is kept: with its text, as written.
    pub(super) fn default_value(&mut self) -> Result<DefaultValue> {
        let from = self.here();
        let expr = Box::new(self.expr()?);
        let to = if self.at_end() { None } else { Some(self.here()) };
        Ok(DefaultValue { text: self.text(from, to).trim().to_owned(), expr })
    }

    /// The statement's text between two places; to its end without the second.
    fn text(&self, from: Position, to: Option<Position>) -> String {
        let mut out = String::new();
        for (number, line) in (1u64..).zip(&self.lines).filter(|(number, _)| *number >= from.line) {
            if to.is_some_and(|to| number > to.line) {
                break;
            }
            let column = |place: Position| usize::try_from(place.column).unwrap_or(usize::MAX);
            let skip = if number == from.line { column(from) } else { 0 };
            let end = to.filter(|to| to.line == number).map_or(usize::MAX, column);
            if number > from.line {
                out.push('\n');
            }
            out.extend(line.chars().take(end).skip(skip));
        }
        out.trim_end_matches([';', ' ', '\n', '\r', '\t']).to_owned()
    }

    /// One relation, its time travel included, up to its alias (which stays in the relation).
    pub(super) fn table_factor(&mut self) -> Result<TableFactor> {
        let parsed = self.parser.parse_table_factor();
        parsed.map_err(|e| self.sqlparser_error(&e))
    }

    /// A select list.
    pub(super) fn projection(&mut self) -> Result<Vec<SelectItem>> {
        let parsed = self.parser.parse_projection();
        parsed.map_err(|e| self.sqlparser_error(&e))
    }

    /// A data type: the tokens up to the end of the type, in the schema crate's hands.
    pub(super) fn data_type(&mut self) -> Result<DataType> {
        let error = self.error();
        let at = self.here();
        let mut text = String::new();
        let mut depth = 0usize;
        loop {
            let token = self.parser.peek_token();
            match &token.token {
                Token::EOF => break,
                Token::Comma | Token::RParen if depth == 0 => break,
                Token::Word(word) if depth == 0 && word.quote_style.is_none() && ends_type(&word.value) => {
                    break;
                }
                Token::LParen | Token::Lt => depth += 1,
                Token::RParen | Token::Gt => depth = depth.saturating_sub(1),
                Token::ShiftRight => depth = depth.saturating_sub(2),
                _ => {}
            }
            self.parser.advance_token();
            append_type_token(&mut text, &token.token);
        }
        if text.is_empty() {
            return Err(error);
        }
        DataType::parse(text.trim()).map_err(|e| {
            let message = format!("Unsupported data type \"{}\": {e}.", text.trim().to_ascii_uppercase());
            LocalError::new("UNSUPPORTED_DATATYPE", "0A000", message).at(at)
        })
    }

    fn sqlparser_error(&self, error: &ParserError) -> LocalError {
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
            ParserError::RecursionLimitExceeded => {
                let message = format!("The statement nests deeper than {MAX_DEPTH} levels.");
                return LocalError::new("FAILED_TO_PARSE_TOO_COMPLEX", "54001", message);
            }
        };
        let Some((what, at)) = split_location(text) else { return self.error() };
        match what.rsplit_once("found: ") {
            Some((_, "EOF")) => self.end_of_input(),
            Some((_, near)) => LocalError::parse_syntax(near, at),
            None => LocalError::new("PARSE_SYNTAX_ERROR", "42601", format!("Syntax error: {what}.")).at(at),
        }
    }
}

/// A type's text from its tokens. Strings (field comments) are quoted again; words stay apart.
pub(super) fn append_type_token(text: &mut String, token: &Token) {
    match token {
        Token::SingleQuotedString(value) => {
            text.push(' ');
            text.push_str(&databricks_schema::quote::string(value));
        }
        Token::Word(word) => {
            text.push(' ');
            match word.quote_style {
                Some(_) => text.push_str(&databricks_schema::quote::identifier(&word.value)),
                None => text.push_str(&word.value),
            }
        }
        other => text.push_str(&other.to_string()),
    }
}

fn ends_type(word: &str) -> bool {
    const ENDS: [&str; 15] = [
        "COMMENT",
        "NOT",
        "NULL",
        "DEFAULT",
        "FIRST",
        "AFTER",
        "PRIMARY",
        "FOREIGN",
        "GENERATED",
        "REFERENCES",
        "CONSTRAINT",
        "CHECK",
        "MASK",
        "COLLATE",
        "UNIQUE",
    ];
    ENDS.iter().any(|end| word.eq_ignore_ascii_case(end))
}

/// `.. at Line: 1, Column: 5` -> the text before, and the place.
fn split_location(text: &str) -> Option<(&str, Position)> {
    let (what, place) = text.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let column: u64 = column.trim().parse().ok()?;
    Some((what, Position { line: line.parse().ok()?, column: column.saturating_sub(1) }))
}
