//! A small JSON reader for the text of ARRAY, MAP and STRUCT cells.
//!
//! It keeps numbers as their text, so that decimals and large integers lose nothing, and the order of map entries.

use std::borrow::Cow;

/// Nesting that a cell may have: far above any table's, far below any stack's.
const MAX_DEPTH: u32 = 128;

/// A JSON value, borrowed from its text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    /// `true`, `false` or a number, as written.
    Bare(&'a str),
    Text(Cow<'a, str>),
    /// With its own text, for columns that keep JSON as text.
    Array(Vec<Json<'a>>, &'a str),
    Object(Vec<(Cow<'a, str>, Json<'a>)>, &'a str),
}

impl<'a> Json<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0);
        reader.skip_blanks();
        match value {
            Some(value) if reader.at == text.len() => Ok(value),
            _ => Err(format!("it is not JSON from byte {} on: `{text}`", reader.at)),
        }
    }

    /// The text of a value, `None` for null.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Bare(text) | Self::Array(_, text) | Self::Object(_, text) => Some(text),
            Self::Text(text) => Some(text),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: u32) -> Option<Json<'a>> {
        self.skip_blanks();
        match self.peek()? {
            _ if depth > MAX_DEPTH => None,
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Json::Text),
            _ => self.bare(),
        }
    }

    fn array(&mut self, depth: u32) -> Option<Json<'a>> {
        let start = self.at;
        let mut items = Vec::new();
        self.list(b'[', b']', |reader| {
            items.push(reader.value(depth + 1)?);
            Some(())
        })?;
        Some(Json::Array(items, self.text.get(start..self.at)?))
    }

    fn object(&mut self, depth: u32) -> Option<Json<'a>> {
        let start = self.at;
        let mut entries = Vec::new();
        self.list(b'{', b'}', |reader| {
            reader.skip_blanks();
            let key = reader.string()?;
            reader.skip_blanks();
            reader.expect(b':')?;
            entries.push((key, reader.value(depth + 1)?));
            Some(())
        })?;
        Some(Json::Object(entries, self.text.get(start..self.at)?))
    }

    /// Items between brackets, separated by commas.
    fn list(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(open)?;
        self.skip_blanks();
        if self.expect(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            self.skip_blanks();
            if self.expect(close).is_some() {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at)?;
        if escaped {
            return serde_json::from_str::<String>(quoted).ok().map(Cow::Owned);
        }
        quoted.get(1..quoted.len() - 1).map(Cow::Borrowed)
    }

    fn bare(&mut self) -> Option<Json<'a>> {
        let rest = self.text.get(self.at..)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let word = rest.get(..rest.find(|c: char| !is_part(c)).unwrap_or(rest.len()))?;
        let is_number = word.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let value = match word {
            "null" => Json::Null,
            "true" | "false" => Json::Bare(word),
            _ if is_number => Json::Bare(word),
            _ => return None,
        };
        self.at += word.len();
        Some(value)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_their_text() {
        let json = Json::parse(" [12345678901234567890.123, -1e9 ,null,true] ").unwrap();
        let Json::Array(items, raw) = json else { panic!("{json:?}") };
        let texts: Vec<_> = items.iter().map(Json::text).collect();
        assert_eq!(texts, [Some("12345678901234567890.123"), Some("-1e9"), None, Some("true")]);
        assert_eq!(raw, "[12345678901234567890.123, -1e9 ,null,true]");
    }

    #[test]
    fn keys_keep_their_order_and_escapes_are_read() {
        let json = Json::parse(r#"{"b":"x\n\u00e9\"","a":{}}"#).unwrap();
        let Json::Object(entries, _) = json else { panic!("{json:?}") };
        assert_eq!(entries[0], ("b".into(), Json::Text("x\né\"".into())));
        assert_eq!(entries[1].0, "a");
    }

    #[test]
    fn broken_text_is_an_error() {
        for text in ["", "[1", "[1,]", "{\"a\"}", "{a:1}", "\"x", "nul", "1 2", "\"\\", "[\"\\u12\"]"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(values in proptest::collection::vec(("\\PC{0,8}", any::<i64>()), 0..5)) {
            let text = serde_json::to_string(&values).unwrap();
            let Json::Array(items, _) = Json::parse(&text).unwrap() else { panic!("{text}") };
            for (item, (word, number)) in items.iter().zip(&values) {
                let Json::Array(pair, _) = item else { panic!("{item:?}") };
                prop_assert_eq!(pair[0].text(), Some(word.as_str()));
                let number = number.to_string();
                prop_assert_eq!(pair[1].text(), Some(number.as_str()));
            }
        }

        #[test]
        fn no_text_panics(text in "[\\[\\]{}\",:\\\\a1 é-]{0,20}") {
            let _ = Json::parse(&text);
        }
    }
}
