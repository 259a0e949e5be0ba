//! SQL text for logs: what it does is shown, the values and comments in it are not.

use std::fmt::{self, Write};

use crate::lex::{Kind, Pieces};

/// How much of a statement is shown, in bytes.
const SHOWN: usize = 4096;

/// A statement with every literal and comment replaced by `?`, on one line, cut after some length.
///
/// Names stay, those between backticks too. Nothing is done before it is printed.
pub(crate) struct WithoutLiterals<'a>(pub(crate) &'a str);

impl fmt::Display for WithoutLiterals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut shown, mut after_hidden) = (0, false);
        for piece in Pieces::of(self.0) {
            if shown >= SHOWN {
                return write!(f, ".. ({} bytes)", self.0.len());
            }
            let hidden = matches!(piece.kind, Kind::Literal | Kind::Comment);
            match piece.text {
                // `'it''s'` is one literal, although it is read as two.
                _ if hidden && after_hidden => {}
                _ if hidden => f.write_char('?')?,
                space if space.trim().is_empty() => f.write_char(' ')?,
                text => cut(text, SHOWN - shown).chars().try_for_each(|c| f.write_char(c))?,
            }
            shown += if hidden { 1 } else { piece.text.len() };
            after_hidden = hidden;
        }
        Ok(())
    }
}

/// At most `length` bytes of a text, and at least its first character.
fn cut(text: &str, length: usize) -> &str {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= length).last();
    end.and_then(|end| text.get(..end)).unwrap_or(text.get(..1).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn shown(sql: &str) -> String {
        WithoutLiterals(sql).to_string()
    }

    #[test]
    fn literals_and_comments_are_hidden_and_the_rest_is_shown() {
        for (sql, expected) in [
            ("SELECT 'a', \"b\", 1.5, r'c' FROM t1", "SELECT ?, ?, ?, ? FROM t1"),
            ("SELECT\n\t1", "SELECT ?"),
            ("WHERE n = 'it''s' AND m = 'it\\'s'", "WHERE n = ? AND m = ?"),
            ("SELECT `my col` -- jane\nFROM `t`", "SELECT `my col` ? FROM `t`"),
            ("SELECT /* jane /* doe */ */ 1", "SELECT ? ?"),
            (
                "WHERE a = :limit AND b = ? AND d = DATE'2024-01-01'",
                "WHERE a = :limit AND b = ? AND d = DATE?",
            ),
            ("SELECT X'1F', -5, a-5", "SELECT X?, -?, a-?"),
            ("AS $$ return 'secret' $$", "AS ?"),
            ("SELECT 'unclosed", "SELECT ?"),
            ("", ""),
        ] {
            assert_eq!(shown(sql), expected, "{sql}");
        }
    }

    #[test]
    fn long_statement_is_cut() {
        let text = shown(&format!("SELECT {}", "é, ".repeat(1 << 20)));
        assert!(text.len() < SHOWN + 100 && text.ends_with(".. (4194311 bytes)"), "{}", text.len());
        let name = shown(&format!("SELECT {} FROM t", "é".repeat(1 << 20)));
        assert!(name.len() < SHOWN + 100, "{}", name.len());
    }

    /// A literal or comment around `secret`, as somebody who knows the rules writes it.
    fn hidden() -> impl Strategy<Value = String> {
        let content = "[ a-z'\"`\\\\$*/-]{0,8}SECRET[ a-z'\"`\\\\$*/-]{0,8}";
        (0..6_u8, content).prop_map(|(form, text)| match form {
            0 => format!("'{}'", text.replace('\\', r"\\").replace('\'', "''")),
            1 => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
            2 => format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")),
            3 => format!("r'{}'", text.replace('\'', "")),
            4 => format!("/*{}*/", text.replace(['*', '/'], "")),
            _ => format!("--{}\n", text.replace('\\', "")),
        })
    }

    proptest! {
        #[test]
        fn content_of_no_literal_survives(
            parts in prop::collection::vec((hidden(), "[ ,()=+:a-z]{1,6}|`[a-z' -]{1,6}`"), 1..8),
        ) {
            let sql: String = parts.iter().map(|(literal, code)| format!(" {code} {literal}")).collect();
            prop_assert!(!shown(&sql).contains("SECRET"), "{} -> {}", sql, shown(&sql));
        }

        #[test]
        fn digits_are_hidden_unless_they_belong_to_a_name(number in "[1-9][0-9]{3,8}(\\.[0-9]{3})?(e[+-]?[0-9]{1,2})?(L|BD)?") {
            prop_assert_eq!(shown(&format!("SELECT a+{number} FROM t")), "SELECT a+? FROM t");
        }

        #[test]
        fn any_text_can_be_shown(sql in "\\PC{0,200}") {
            shown(&sql);
        }
    }
}
