//! Bodies as a cassette keeps them: JSON where nothing is lost by it, text, or exact bytes.

use std::fmt;

use bytes::Bytes;
use serde_json::Value;

/// Types of content that are kept byte for byte, whether or not they happen to be text.
const BINARY_TYPES: [&str; 5] = ["arrow", "octet-stream", "parquet", "zip", "image/"];

/// The body of a recorded request or answer.
///
/// `Debug` prints what it is and how long, never the content.
///
/// ```
/// use databricks_testkit::CassetteBody;
///
/// let body = CassetteBody::from_bytes(r#"{ "a": 1 }"#.into(), Some("application/json"));
/// assert_eq!(body.to_bytes(), r#"{"a":1}"#);
/// let exact = CassetteBody::from_bytes("a,b\r\n".into(), Some("text/csv"));
/// assert_eq!(exact.to_bytes(), "a,b\r\n");
/// ```
#[derive(Clone, Default, PartialEq)]
pub enum CassetteBody {
    /// No body.
    #[default]
    Empty,
    /// JSON: only its value counts, not its whitespace or the order of its members.
    Json(Value),
    /// Text, kept to the letter.
    Text(String),
    /// Bytes, kept exactly.
    Binary(Bytes),
}

impl CassetteBody {
    /// The body that `bytes` of this `Content-Type` are.
    ///
    /// It is [`Json`](Self::Json) when the type says JSON and the value says everything that the text says: a number
    /// of more digits than a float has, or a name that occurs twice, makes it [`Text`](Self::Text). Types that are
    /// known to be binary, and bytes that are not UTF-8, are [`Binary`](Self::Binary).
    pub fn from_bytes(bytes: Bytes, content_type: Option<&str>) -> Self {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        if bytes.is_empty() {
            return Self::Empty;
        }
        if BINARY_TYPES.iter().any(|binary| content_type.contains(binary)) {
            return Self::Binary(bytes);
        }
        let Ok(text) = std::str::from_utf8(&bytes) else { return Self::Binary(bytes) };
        match is_json(&content_type).then(|| lossless_json(text)).flatten() {
            Some(value) => Self::Json(value),
            None => Self::Text(text.to_owned()),
        }
    }

    /// The bytes to send. JSON is written without whitespace.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Json(value) => value.to_string().into(),
            Self::Text(text) => text.clone().into(),
            Self::Binary(bytes) => bytes.clone(),
        }
    }

    /// The JSON value, when it is one.
    pub fn as_json(&self) -> Option<&Value> {
        match self {
            Self::Json(value) => Some(value),
            _ => None,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl fmt::Debug for CassetteBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Json(value) => write!(f, "Json({} bytes)", value.to_string().len()),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence == "application/json" || essence.ends_with("+json")
}

/// The value of a JSON text, unless the value says less than the text.
fn lossless_json(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (Census::of(text) == Census::of(&value.to_string())).then_some(value)
}

/// What gets lost when JSON is read and written again: digits of numbers, and members whose name occurs twice.
#[derive(PartialEq)]
struct Census {
    numbers: Vec<String>,
    members: usize,
}

impl Census {
    /// Counts in a text that is known to be JSON.
    fn of(text: &str) -> Self {
        let mut census = Self { numbers: Vec::new(), members: 0 };
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' => skip_string(&mut chars),
                ':' => census.members += 1,
                '-' | '0'..='9' => {
                    let mut number = String::from(c);
                    while let Some(next) =
                        chars.next_if(|c| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
                    {
                        number.push(next);
                    }
                    census.numbers.push(number);
                }
                _ => {}
            }
        }
        census.numbers.sort_unstable();
        census
    }
}

fn skip_string(chars: &mut impl Iterator<Item = char>) {
    while let Some(c) = chars.next() {
        match c {
            '"' => return,
            '\\' => _ = chars.next(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn json(text: &str) -> CassetteBody {
        CassetteBody::from_bytes(
            Bytes::copy_from_slice(text.as_bytes()),
            Some("application/json; charset=utf-8"),
        )
    }

    #[test]
    fn json_that_says_more_than_its_value_stays_text() {
        let kept =
            [r#"{"a": [1, -2, 3.5, 1e400x]}"#, "0.1000000000000000055511", r#"{"a":1,"a":2}"#, "-0", "1e2"];
        for text in kept.into_iter().chain(["[1]]", "{", "\"\\ud800\"", "18446744073709551616"]) {
            let body = json(text);
            assert!(matches!(&body, CassetteBody::Text(kept) if kept == text), "{text}: {body:?}");
            assert_eq!(body.to_bytes(), text);
        }
    }

    #[test]
    fn json_is_json_whatever_stands_in_its_strings() {
        let texts = [
            r#"{"a:1e2": "-0 \" : 1.50", "b": 9007199254740993}"#,
            "null",
            r#"[true, "\\", 1.5, "18446744073709551616"]"#,
        ];
        for text in texts {
            let body = json(text);
            assert_eq!(body.as_json(), Some(&serde_json::from_str(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn the_type_and_the_bytes_decide() {
        let of = |bytes: &'static [u8], kind| CassetteBody::from_bytes(Bytes::from_static(bytes), kind);
        assert_eq!(of(b"", Some("application/json")), CassetteBody::Empty);
        assert_eq!(of(b"{}", None), CassetteBody::Text("{}".to_owned()));
        assert_eq!(of(b"{}", Some("text/plain")), CassetteBody::Text("{}".to_owned()));
        for (bytes, kind) in [
            (&b"{}"[..], Some("binary/octet-stream")),
            (b"\xff\x00", Some("application/json")),
            (b"x", Some("application/vnd.apache.arrow.stream")),
        ] {
            assert_eq!(of(bytes, kind), CassetteBody::Binary(Bytes::from_static(bytes)));
            assert_eq!(of(bytes, kind).to_bytes(), bytes);
        }
    }

    #[test]
    fn debug_shows_no_content() {
        for body in [json(r#"{"a":"secret"}"#), CassetteBody::Text("secret".to_owned())] {
            assert!(!format!("{body:?}").contains("secret"));
        }
    }
}
