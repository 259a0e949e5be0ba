//! What makes two requests the same: a text without its ids, and the ids in the order they stand.

use std::fmt::Write;

use serde_json::Value;

use super::difference::number_key;
use crate::cassette::variables::ids::random_ids;

/// Stands for an id in a shape. Canonical texts hold no control characters, so it cannot be mistaken.
const MASK: char = '\0';

/// A canonical text with its ids taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Masked {
    pub(crate) shape: String,
    pub(crate) ids: Vec<String>,
}

impl Masked {
    pub(crate) fn of(text: &str) -> Self {
        let (mut shape, mut ids, mut end) = (String::with_capacity(text.len()), Vec::new(), 0);
        for range in random_ids(text) {
            shape.push_str(text.get(end..range.start).unwrap_or_default());
            shape.push(MASK);
            ids.push(text.get(range.clone()).unwrap_or_default().to_owned());
            end = range.end;
        }
        shape.push_str(text.get(end..).unwrap_or_default());
        Self { shape, ids }
    }
}

/// The text with some of its ids replaced. They are asked for from left to right.
pub(crate) fn replace_ids<'a>(text: &str, mut other: impl FnMut(&str) -> Option<&'a str>) -> String {
    let (mut replaced, mut end) = (String::with_capacity(text.len()), 0);
    for range in random_ids(text) {
        let Some(id) = text.get(range.clone()).and_then(&mut other) else { continue };
        replaced.push_str(text.get(end..range.start).unwrap_or_default());
        replaced.push_str(id);
        end = range.end;
    }
    replaced.push_str(text.get(end..).unwrap_or_default());
    replaced
}

/// JSON as one text: members sorted, numbers by value.
pub(crate) fn canonical_json(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number_key(number)),
        Value::String(string) => quoted(string, text),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical_json(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in sorted {
                quoted(name, text);
                text.push(':');
                canonical_json(value, text);
                text.push(',');
            }
            text.push('}');
        }
    }
}

/// A text in quotes, without control characters.
pub(crate) fn quoted(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            // Written as a brace, so that no escape runs into the hexadecimal digits of an id behind it.
            control if control.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{{{:x}}}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    const UUID: &str = "01ef9a2b-33c4-1d5e-8f60-718293a4b5c6";
    const HEX: &str = "0123456789abcdef0123456789ABCDEF";

    #[test]
    fn ids_are_taken_out_wherever_they_stand() {
        let masked = Masked::of(&format!("/files/part-{UUID}-0.parquet?dl_{HEX}"));
        assert_eq!(masked.shape, format!("/files/part-{MASK}-0.parquet?dl_{MASK}"));
        assert_eq!(masked.ids, [UUID, HEX]);
        assert_eq!(Masked::of(""), Masked { shape: String::new(), ids: Vec::new() });
    }

    #[test]
    fn one_value_has_one_text() {
        let text = |value: Value| {
            let mut text = String::new();
            canonical_json(&value, &mut text);
            text
        };
        assert_eq!(text(json!({"b": 1.0, "a": [null, true]})), text(json!({"a": [null, true], "b": 1})));
        assert_ne!(text(json!(["a", "b"])), text(json!(["a,b"])));
        assert_ne!(text(json!("1")), text(json!(1)));
        assert!(!text(json!("\u{0}\n\u{85}")).contains(char::is_control));
        assert_eq!(Masked::of(&text(json!(format!("\n{HEX}")))).ids, [HEX]);
    }

    #[test]
    fn only_known_ids_are_replaced() {
        let (a, b) = ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b");
        let text = replace_ids(&format!("x/{a}/{b}/é"), |id| (id == a).then_some("new"));
        assert_eq!(text, format!("x/new/{b}/é"));
    }
}
