//! Values as Python literals. No text can break out of one: what is not plain ASCII is escaped.

use std::fmt::Write as _;

/// A text as a Python string literal, on one line, in ASCII.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            ' '..='~' => literal.push(c),
            // Writing to a String cannot fail.
            c if u32::from(c) > 0xFFFF => drop(write!(literal, "\\U{:08x}", u32::from(c))),
            c => drop(write!(literal, "\\u{:04x}", u32::from(c))),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;

    /// Reads a literal as Python does: gives the text and what stands behind the closing quote.
    fn read(literal: &str) -> (String, &str) {
        let mut text = String::new();
        let mut chars = literal.strip_prefix('"').unwrap().char_indices();
        let rest = &literal[1..];
        loop {
            let (at, c) = chars.next().unwrap();
            match c {
                '"' => return (text, &rest[at + 1..]),
                '\n' => panic!("a line ends inside of a literal"),
                '\\' => match chars.next().unwrap().1 {
                    'u' => text.push(escaped(&mut chars, 4)),
                    'U' => text.push(escaped(&mut chars, 8)),
                    c @ ('"' | '\\') => text.push(c),
                    c => panic!("unknown escape {c}"),
                },
                c => text.push(c),
            }
        }
    }

    fn escaped(chars: &mut impl Iterator<Item = (usize, char)>, digits: usize) -> char {
        let hex: String = chars.take(digits).map(|(_, c)| c).collect();
        char::from_u32(u32::from_str_radix(&hex, 16).unwrap()).unwrap()
    }

    #[test]
    fn literals_are_as_python_writes_them() {
        assert_eq!(literal("plain 'text'"), "\"plain 'text'\"");
        assert_eq!(literal("a\"b\\c\nd\te\0é😀"), r#""a\"b\\c\u000ad\u0009e\u0000\u00e9\U0001f600""#);
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_and_nothing_stands_behind_it(text in "(?s).{0,60}") {
            let literal = literal(&text);
            prop_assert!(literal.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let (read, rest) = read(&literal);
            prop_assert_eq!(read, text);
            prop_assert_eq!(rest, "");
        }
    }
}
