//! The tokens of Databricks DDL: words, quoted names, strings, numbers and punctuation.

use super::fault;
use crate::{Result, SchemaError};

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word or number, as written.
    Word(String),
    /// A name between backticks, without them.
    Quoted(String),
    /// A string literal, unescaped.
    Text(String),
    /// A single other character.
    Mark(char),
    /// The end of the text.
    End,
}

impl Token {
    /// What an error calls it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Quoted(name) => format!("the name `{name}`"),
            Self::Text(_) => "a string literal".into(),
            Self::Mark(mark) => format!("`{mark}`"),
            Self::End => "the end".into(),
        }
    }

    /// Whether it is this keyword, in any case.
    pub(super) fn is_word(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }
}

/// Gives one token after the other, with one token of look-ahead.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Where the look-ahead token starts, in bytes.
    start: usize,
    /// Where the text after the look-ahead token starts.
    end: usize,
    token: Token,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let mut lexer = Self { text, start: 0, end: 0, token: Token::End };
        lexer.advance()?;
        Ok(lexer)
    }

    /// The next token, left in place.
    pub(super) fn peek(&self) -> &Token {
        &self.token
    }

    /// Where the next token starts, in bytes.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Where the next token ends, in bytes.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// The text between two places, as written.
    pub(super) fn text(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Result<Token> {
        let token = std::mem::replace(&mut self.token, Token::End);
        self.advance()?;
        Ok(token)
    }

    /// Takes the next token if it is this mark.
    pub(super) fn take_mark(&mut self, mark: char) -> Result<bool> {
        let found = self.token == Token::Mark(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Takes the next token if it is this keyword.
    pub(super) fn take_word(&mut self, keyword: &str) -> Result<bool> {
        let found = self.token.is_word(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Whether the token behind the next is this keyword.
    pub(super) fn is_followed_by(&self, keyword: &str) -> Result<bool> {
        let mut ahead = self.clone();
        ahead.advance()?;
        Ok(ahead.token.is_word(keyword))
    }

    /// Takes this mark.
    pub(super) fn expect_mark(&mut self, mark: char) -> Result<()> {
        if self.take_mark(mark)? {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{mark}`")))
    }

    /// Takes this keyword.
    pub(super) fn expect_word(&mut self, keyword: &str) -> Result<()> {
        if self.take_word(keyword)? {
            return Ok(());
        }
        Err(self.unexpected(keyword))
    }

    /// The error for a next token that is not what the grammar wants.
    pub(super) fn unexpected(&self, wanted: &str) -> SchemaError {
        self.fault(format!("expected {wanted}, found {}", self.token.describe()))
    }

    /// The error for a fault at the next token.
    pub(super) fn fault(&self, reason: impl Into<String>) -> SchemaError {
        fault(self.text, self.start, reason)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.end..).unwrap_or_default()
    }

    fn advance(&mut self) -> Result<()> {
        self.skip_blanks()?;
        self.start = self.end;
        let Some(first) = self.rest().chars().next() else {
            self.token = Token::End;
            return Ok(());
        };
        self.token = match first {
            '`' => Token::Quoted(self.delimited('`')?),
            '\'' | '"' => Token::Text(self.string(first)?),
            c if is_word_character(c) => Token::Word(self.word()),
            c => {
                self.end += c.len_utf8();
                Token::Mark(c)
            }
        };
        Ok(())
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let length = rest.find(|c| !is_word_character(c)).unwrap_or(rest.len());
        self.end += length;
        rest.get(..length).unwrap_or_default().to_owned()
    }

    /// A name between delimiters; a doubled delimiter stands for itself.
    fn delimited(&mut self, delimiter: char) -> Result<String> {
        let mut name = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c != delimiter {
                name.push(c);
            } else if chars.peek().is_some_and(|&(_, next)| next == delimiter) {
                name.push(c);
                chars.next();
            } else if name.is_empty() {
                return Err(self.fault("a name is empty"));
            } else {
                self.end += at + c.len_utf8();
                return Ok(name);
            }
        }
        Err(self.fault("a closing backtick is missing"))
    }

    /// A string literal. Two side by side are refused: versions of Databricks disagree on what they mean.
    fn string(&mut self, quote: char) -> Result<String> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                if chars.peek().is_some_and(|&(_, next)| next == quote) {
                    return Err(
                        self.fault(format!("a string holds {quote}{quote}; write \\{quote} for a quote"))
                    );
                }
                self.end += at + c.len_utf8();
                return Ok(out);
            }
            match (c, chars.peek()) {
                ('\\', Some(&(_, escaped))) => {
                    chars.next();
                    push_escaped(&mut out, escaped);
                }
                _ => out.push(c),
            }
        }
        Err(self.fault("the closing quote of a string is missing"))
    }

    /// Skips white space and comments (`-- ..` to the end of the line, `/* .. */`).
    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            let rest = rest.trim_start();
            let skipped = if rest.starts_with("--") {
                rest.find('\n').map_or(rest.len(), |at| at + 1)
            } else if rest.starts_with("/*") {
                // The star that opens it does not close it: `/*/` is still open.
                let Some(length) = rest.get(2..).and_then(|inside| inside.find("*/")) else {
                    return Err(fault(self.text, self.end + blank, "a comment is not closed; add `*/`"));
                };
                length + 4
            } else {
                0
            };
            self.end += blank + skipped;
            if skipped == 0 {
                return Ok(());
            }
        }
    }
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The documented escapes; before any other character the backslash is dropped.
fn push_escaped(out: &mut String, escaped: char) {
    match escaped {
        '0' => out.push('\0'),
        'b' => out.push('\u{8}'),
        'n' => out.push('\n'),
        'r' => out.push('\r'),
        't' => out.push('\t'),
        'Z' => out.push('\u{1a}'),
        '%' => out.push_str("\\%"),
        '_' => out.push_str("\\_"),
        other => out.push(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token>> {
        let mut lexer = Lexer::new(text)?;
        let mut tokens = Vec::new();
        while *lexer.peek() != Token::End {
            tokens.push(lexer.next()?);
        }
        Ok(tokens)
    }

    #[test]
    fn every_kind_of_token_is_told_apart() {
        let found = tokens(r"a1 `b``c` 'd\'\\\n\q\%' /* x */ < -- y").unwrap();
        let wanted = [
            Token::Word("a1".into()),
            Token::Quoted("b`c".into()),
            Token::Text("d'\\\nq\\%".into()),
            Token::Mark('<'),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_left_open_is_an_error() {
        for (text, reason) in [
            ("`a", "closing backtick"),
            ("'a", "closing quote"),
            (r"'a\'", "closing quote"),
            ("/* a", "not closed"),
            ("/*/ a", "not closed"),
            ("``", "empty"),
            ("'a''b'", r"write \'"),
        ] {
            let error = tokens(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
