//! Text -> tokens, with Databricks' own literals and time travel put into forms that sqlparser reads right.
//!
//! sqlparser would take `1.5D` for a column, `r'a\b'` for a column `r` with an alias, and `'a' 'b'` for an alias.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use super::cast_types;
use super::cursor::{position, syntax_error};
use super::dialect::Databricks;
use crate::error::{LocalError, Position, Result};

/// The tokens of one statement, without blanks, comments and trailing semicolons.
pub(super) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>> {
    let raw = Tokenizer::new(&Databricks, sql)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|e| tokenizer_error(sql, &e.message, e.location.line, e.location.column))?;
    let mut tokens = Rewriter { raw: &raw, at: 0, out: Vec::with_capacity(raw.len()), markers: 0 }.run()?;
    while tokens.last().is_some_and(|t| matches!(t.token, Token::SemiColon | Token::EOF)) {
        tokens.pop();
    }
    Ok(cast_types::collapsed(tokens))
}

fn tokenizer_error(sql: &str, message: &str, line: u64, column: u64) -> LocalError {
    let at = Position { line, column: column.saturating_sub(1) };
    let near = usize::try_from(line.saturating_sub(1))
        .ok()
        .and_then(|n| sql.lines().nth(n))
        .and_then(|text| {
            let from = usize::try_from(at.column).ok()?;
            text.chars().skip(from).collect::<String>().split_whitespace().next().map(str::to_owned)
        })
        .unwrap_or_default();
    LocalError::new("PARSE_SYNTAX_ERROR", "42601", format!("Syntax error at or near '{near}': {message}."))
        .at(at)
}

struct Rewriter<'a> {
    raw: &'a [TokenWithSpan],
    at: usize,
    out: Vec<TokenWithSpan>,
    markers: usize,
}

impl Rewriter<'_> {
    fn run(mut self) -> Result<Vec<TokenWithSpan>> {
        while let Some(token) = self.raw.get(self.at) {
            self.at += 1;
            self.rewrite(token)?;
        }
        Ok(self.out)
    }

    fn push(&mut self, token: Token, like: &TokenWithSpan) {
        self.out.push(TokenWithSpan::new(token, like.span));
    }

    fn rewrite(&mut self, token: &TokenWithSpan) -> Result<()> {
        match &token.token {
            Token::Whitespace(_) => {}
            Token::SingleQuotedString(text) => self.string(unescape(text, '\''), token),
            Token::DoubleQuotedString(text) => self.string(unescape(text, '"'), token),
            Token::Word(word) if word.quote_style.is_some() => {
                let value = word.value.replace("``", "`");
                self.push(Token::Word(Word { value, ..word.clone() }), token);
            }
            Token::Word(word) => self.word(word, token),
            Token::Number(text, long) => self.number(text, *long, token),
            Token::Placeholder(marker) if marker == "?" => {
                self.markers += 1;
                self.push(Token::Placeholder(format!("?{}", self.markers)), token);
            }
            Token::AtSign => return self.version_sign(token),
            Token::Placeholder(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::DollarQuotedString(_) => return Err(syntax_error(token)),
            other => self.push(other.clone(), token),
        }
        Ok(())
    }

    /// The token that touches the one before it.
    fn adjacent(&self) -> Option<&TokenWithSpan> {
        self.raw.get(self.at)
    }

    /// Appends a string; strings side by side are one string.
    fn string(&mut self, text: String, token: &TokenWithSpan) {
        let mut whole = text;
        loop {
            let mut ahead = self.at;
            while self.raw.get(ahead).is_some_and(|t| matches!(t.token, Token::Whitespace(_))) {
                ahead += 1;
            }
            match self.raw.get(ahead).map(|t| &t.token) {
                Some(Token::SingleQuotedString(next)) => whole.push_str(&unescape(next, '\'')),
                Some(Token::DoubleQuotedString(next)) => whole.push_str(&unescape(next, '"')),
                _ => break,
            }
            self.at = ahead + 1;
        }
        self.push(Token::SingleQuotedString(whole), token);
    }

    fn word(&mut self, word: &Word, token: &TokenWithSpan) {
        if word.value.eq_ignore_ascii_case("r") {
            let raw = match self.adjacent().map(|t| &t.token) {
                Some(Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) => Some(text.clone()),
                _ => None,
            };
            if let Some(text) = raw {
                self.at += 1;
                return self.push(Token::SingleQuotedString(text), token);
            }
        }
        if is_suffixed_number(&word.value) && !self.after_period() {
            return self.push(Token::Number(word.value.clone(), false), token);
        }
        if word.keyword == Keyword::FOR && self.version_follows() {
            return;
        }
        if word.value.eq_ignore_ascii_case("SYSTEM_VERSION") && self.words_follow(&["AS", "OF"]) {
            return self.push(Token::make_keyword("VERSION"), token);
        }
        if word.value.eq_ignore_ascii_case("SYSTEM_TIME") && self.words_follow(&["AS", "OF"]) {
            return self.push(Token::make_keyword("TIMESTAMP"), token);
        }
        self.push(token.token.clone(), token);
    }

    fn after_period(&self) -> bool {
        self.out.last().is_some_and(|t| t.token == Token::Period)
    }

    fn number(&mut self, text: &str, long: bool, token: &TokenWithSpan) {
        let mut whole = text.to_owned();
        if long {
            whole.push('L');
        }
        if let Some(Token::Word(word)) = self.adjacent().map(|t| &t.token)
            && word.quote_style.is_none()
            && is_suffix(&word.value)
        {
            whole.push_str(&word.value);
            self.at += 1;
        }
        self.push(Token::Number(whole, false), token);
    }

    /// `FOR VERSION AS OF` and its kin: the dialect knows them without the FOR.
    fn version_follows(&self) -> bool {
        ["VERSION", "TIMESTAMP", "SYSTEM_VERSION", "SYSTEM_TIME"]
            .iter()
            .any(|word| self.words_follow(&[word, "AS", "OF"]))
    }

    fn words_follow(&self, words: &[&str]) -> bool {
        let rest = self.raw.get(self.at..).unwrap_or_default();
        let mut tokens = rest.iter().filter(|t| !matches!(t.token, Token::Whitespace(_)));
        words.iter().all(|expected| {
            tokens.next().is_some_and(|t| {
                matches!(&t.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(expected))
            })
        })
    }

    /// `t@v3` and `t@20240131235959000`.
    fn version_sign(&mut self, token: &TokenWithSpan) -> Result<()> {
        let (keyword, value) = match self.adjacent().map(|t| &t.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() && is_version(&word.value) => {
                ("VERSION", Token::Number(word.value.chars().skip(1).collect(), false))
            }
            Some(Token::Number(digits, false)) if digits.len() == 17 => {
                ("TIMESTAMP", Token::SingleQuotedString(timestamp_of_digits(digits)))
            }
            _ => return Err(syntax_error(token)),
        };
        self.at += 1;
        for word in [keyword, "AS", "OF"] {
            self.push(Token::make_keyword(word), token);
        }
        self.push(value, token);
        Ok(())
    }
}

fn is_version(text: &str) -> bool {
    let digits = text.strip_prefix(['v', 'V']);
    digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
}

fn is_suffix(text: &str) -> bool {
    ["L", "S", "Y", "D", "F", "BD"].iter().any(|suffix| text.eq_ignore_ascii_case(suffix))
}

fn is_suffixed_number(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = text.get(digits.len()..).unwrap_or_default();
    is_suffix(suffix)
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// `yyyyMMddHHmmssSSS` -> `yyyy-MM-dd HH:mm:ss.SSS`.
fn timestamp_of_digits(digits: &str) -> String {
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        match index {
            4 | 6 => out.push('-'),
            8 => out.push(' '),
            10 | 12 => out.push(':'),
            14 => out.push('.'),
            _ => {}
        }
        out.push(digit);
    }
    out
}

/// The value of a string literal's inner text: backslash escapes, and the doubled quote.
fn unescape(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(&mut chars, &mut out),
            c if c == quote && chars.peek() == Some(&quote) => {
                chars.next();
                out.push(quote);
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters of `U0001F980`.
const LONGEST_ESCAPE: usize = 9;

/// One escape after its backslash. `\%` and `\_` stay as they are: LIKE gives them their meaning.
fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let rest: String = chars.clone().take(LONGEST_ESCAPE).collect();
    if let Some((code, used)) = unicode_escape(&rest).or_else(|| octal_escape(&rest)) {
        out.push(code);
        chars.by_ref().take(used).for_each(drop);
        return;
    }
    match chars.next() {
        Some('0') => out.push('\0'),
        Some('b') => out.push('\u{8}'),
        Some('n') => out.push('\n'),
        Some('r') => out.push('\r'),
        Some('t') => out.push('\t'),
        Some('Z') => out.push('\u{1a}'),
        Some(wildcard @ ('%' | '_')) => out.extend(['\\', wildcard]),
        Some(other) => out.push(other),
        None => out.push('\\'),
    }
}

/// `uXXXX` or `UXXXXXXXX`.
fn unicode_escape(rest: &str) -> Option<(char, usize)> {
    let digits = match rest.chars().next()? {
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let hex = rest.get(1..=digits)?;
    let code = u32::from_str_radix(hex, 16).ok()?;
    Some((char::from_u32(code)?, digits + 1))
}

/// Three octal digits from `000` to `177`.
fn octal_escape(rest: &str) -> Option<(char, usize)> {
    let digits = rest.get(..3)?;
    if !digits.starts_with(['0', '1']) || !digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return None;
    }
    let code = u32::from_str_radix(digits, 8).ok()?;
    Some((char::from_u32(code)?, 3))
}

/// Where a token stands.
pub(super) fn place(token: &TokenWithSpan) -> Position {
    position(token.span.start)
}
