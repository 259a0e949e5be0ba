//! Splits the text of Databricks SQL into code, names, literals and comments, without knowing its grammar.
//!
//! The pieces joined are the text. Where a piece is not closed it reaches to the end of the text, as the server would
//! read it.

/// What a piece of SQL text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word, a run of white space or a single other character.
    Code,
    /// A name between backticks.
    Name,
    /// A string between quotes or `$$`, or a number.
    Literal,
    /// `-- ..` up to the end of its line, or `/* .. */`.
    Comment,
}

/// A piece of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Whether it has the end that it needs.
    pub(crate) closed: bool,
}

/// The pieces of a text, from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(sql: &'a str) -> Self {
        Self { rest: sql }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let first = self.rest.chars().next()?;
        let (kind, length, closed) = measure(self.rest, first);
        // A piece ends behind a whole character, so this always splits.
        let (text, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(Piece { kind, text, closed })
    }
}

/// Kind and length of the piece that `text` begins with, and whether it is closed.
fn measure(text: &str, first: char) -> (Kind, usize, bool) {
    let second = text.as_bytes().get(1).copied().unwrap_or_default();
    let of = |kind, (length, closed)| (kind, length, closed);
    match (first, second) {
        ('\'', _) => of(Kind::Literal, quoted(text, 1, b'\'', true)),
        ('"', _) => of(Kind::Literal, quoted(text, 1, b'"', true)),
        ('r' | 'R', quote @ (b'\'' | b'"')) => of(Kind::Literal, quoted(text, 2, quote, false)),
        ('`', _) => of(Kind::Name, quoted(text, 1, b'`', false)),
        ('$', b'$') => of(Kind::Literal, until(text, 2, "$$")),
        ('-', b'-') => (Kind::Comment, line_comment(text), true),
        ('/', b'*') => of(Kind::Comment, block_comment(text)),
        ('0'..='9', _) | ('.', b'0'..=b'9') => (Kind::Literal, number(text), true),
        (c, _) if is_word(c) => (Kind::Code, run(text, is_word), true),
        (c, _) if c.is_whitespace() => (Kind::Code, run(text, char::is_whitespace), true),
        (c, _) => (Kind::Code, c.len_utf8(), true),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Up to the next `quote`. A doubled quote ends one piece and begins the next, which covers the same text.
fn quoted(text: &str, start: usize, quote: u8, escapes: bool) -> (usize, bool) {
    let mut bytes = text.bytes().enumerate().skip(start);
    while let Some((at, byte)) = bytes.next() {
        if byte == quote {
            return (at + 1, true);
        }
        if escapes && byte == b'\\' {
            bytes.next();
        }
    }
    (text.len(), false)
}

fn until(text: &str, start: usize, end: &str) -> (usize, bool) {
    let found = text.get(start..).and_then(|rest| rest.find(end));
    found.map_or((text.len(), false), |at| (start + at + end.len(), true))
}

/// Up to the end of the line, which does not belong to it. A backslash right before the end continues the comment.
fn line_comment(text: &str) -> usize {
    let mut before = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'\r' || (byte == b'\n' && before != b'\\') {
            return at;
        }
        before = byte;
    }
    text.len()
}

/// Block comments nest.
fn block_comment(text: &str) -> (usize, bool) {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        let step = if rest.starts_with(b"/*") {
            depth += 1;
            2
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            2
        } else {
            1
        };
        at += step;
        if depth == 0 {
            return (at, true);
        }
    }
    (text.len(), false)
}

/// A number with its suffix, such as `1.5E-3BD`. A word that begins with a digit is taken for one.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = run(text, |c| is_word(c) || c == '.');
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let is_exponent = matches!(byte(end.wrapping_sub(1)), b'e' | b'E') && matches!(byte(end), b'+' | b'-');
    if is_exponent && byte(end + 1).is_ascii_digit() {
        end += 1 + run(text.get(end + 1..).unwrap_or_default(), is_word);
    }
    end
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn pieces(sql: &str) -> Vec<(Kind, &str)> {
        Pieces::of(sql)
            .filter(|piece| !piece.text.trim().is_empty())
            .map(|piece| (piece.kind, piece.text))
            .collect()
    }

    #[test]
    fn literals_names_and_comments_end_where_the_server_ends_them() {
        use Kind::{Code, Comment, Literal, Name};
        for (sql, expected) in [
            (r"'it\'s'", vec![(Literal, r"'it\'s'")]),
            ("'it''s'", vec![(Literal, "'it'"), (Literal, "'s'")]),
            (r#""a\"b" c"#, vec![(Literal, r#""a\"b""#), (Code, "c")]),
            (r"r'\' 'x'", vec![(Literal, r"r'\'"), (Literal, "'x'")]),
            (r"tr'\' x'", vec![(Code, "tr"), (Literal, r"'\' x'")]),
            ("`a``b`", vec![(Name, "`a`"), (Name, "`b`")]),
            (r"`\`", vec![(Name, r"`\`")]),
            ("a--b'\n'c'", vec![(Code, "a"), (Comment, "--b'"), (Literal, "'c'")]),
            ("--a\\\nb\rc", vec![(Comment, "--a\\\nb"), (Code, "c")]),
            ("/*a/*b*/'*/c", vec![(Comment, "/*a/*b*/'*/"), (Code, "c")]),
            ("/*/ a */b", vec![(Comment, "/*/ a */"), (Code, "b")]),
            ("$$ '`-- $$a", vec![(Literal, "$$ '`-- $$"), (Code, "a")]),
            ("1.5E-3BD+2", vec![(Literal, "1.5E-3BD"), (Code, "+"), (Literal, "2")]),
            (
                "t1.c2>=.5",
                vec![(Code, "t1"), (Code, "."), (Code, "c2"), (Code, ">"), (Code, "="), (Literal, ".5")],
            ),
            ("1e-x", vec![(Literal, "1e"), (Code, "-"), (Code, "x")]),
            (":a ? é", vec![(Code, ":"), (Code, "a"), (Code, "?"), (Code, "é")]),
        ] {
            assert_eq!(pieces(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_is_not_closed_reaches_to_the_end() {
        for sql in ["'a\\'", "\"a", "r'a", "`a", "/* a /* */", "$$ a $", "'a\\"] {
            let all: Vec<_> = Pieces::of(sql).collect();
            assert!(matches!(&all[..], [Piece { closed: false, text, .. }] if *text == sql), "{all:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_joined_are_the_text(sql in "[a-e0-9'\"`\\\\$*/ .+é\n\r-]{0,60}|\\PC{0,60}") {
            let joined: String = Pieces::of(&sql).map(|piece| piece.text).collect();
            prop_assert_eq!(joined, sql);
        }
    }
}
