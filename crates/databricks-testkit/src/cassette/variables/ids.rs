//! What an id looks like: UUIDs and long numbers in hexadecimal, and the names under which answers hold ids.

use std::ops::Range;

/// Names of members that hold what the server hands out and a later request gives back.
const TOKENS: [&str; 5] = ["next_page_token", "prev_page_token", "page_token", "upload_id", "upload_token"];

/// Whether a member (or a query parameter) of this name holds an id.
pub(crate) fn names_an_id(key: &str) -> bool {
    key == "id" || key.ends_with("_id") || TOKENS.contains(&key)
}

/// Whether a text is an id that a machine made: it will not stand somewhere by accident.
pub(crate) fn is_machine_made(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_=+/.:".contains(&b);
    (8..=4096).contains(&text.len()) && text.bytes().all(plain) && text.bytes().any(|b| b.is_ascii_digit())
}

/// Where a text holds UUIDs (36 characters) and 32 hexadecimal digits in a row, from left to right.
pub(crate) fn random_ids(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let run = hex_run(bytes, at);
        match id_length(bytes, at, run) {
            Some(length) => {
                found.push(at..at + length);
                at += length;
            }
            None => at += run.max(1),
        }
    }
    found
}

/// The length of the id that begins at `at`, where `run` hexadecimal digits stand.
fn id_length(bytes: &[u8], at: usize, run: usize) -> Option<usize> {
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    if before.is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let length = match run {
        32 => 32,
        8 if is_uuid(bytes.get(at..at + 36)?) => 36,
        _ => return None,
    };
    let after = bytes.get(at + length);
    (!after.is_some_and(u8::is_ascii_alphanumeric)).then_some(length)
}

fn hex_run(bytes: &[u8], at: usize) -> usize {
    bytes.iter().skip(at).take_while(|b| b.is_ascii_hexdigit()).count()
}

/// Whether these are the 36 characters of a UUID.
pub(crate) fn is_uuid(bytes: &[u8]) -> bool {
    let fits = |(index, b): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *b == b'-',
        _ => b.is_ascii_hexdigit(),
    };
    bytes.len() == 36 && bytes.iter().enumerate().all(fits)
}

/// Whether the text is written like the other: both UUIDs, or both 32 hexadecimal digits.
pub(crate) fn is_like(text: &str, model: &str) -> bool {
    let simple = |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    (is_uuid(text.as_bytes()) && is_uuid(model.as_bytes())) || (simple(text) && simple(model))
}

/// The text with `*` in the place of random ids and long numbers: what is the same from run to run.
pub(crate) fn masked(text: &str) -> String {
    const LONG: usize = 5;
    let (mut masked, mut copied) = (String::new(), 0);
    for range in random_ids(text) {
        masked.push_str(text.get(copied..range.start).unwrap_or_default());
        masked.push('*');
        copied = range.end;
    }
    masked.push_str(text.get(copied..).unwrap_or_default());
    let mut shape = String::new();
    let mut rest = masked.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let (digits, after) =
            digits.split_at(digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len());
        shape.push_str(before);
        shape.push_str(if digits.len() < LONG { digits } else { "*" });
        rest = after;
    }
    shape + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn random_ids_are_found_where_they_stand_alone() {
        let uuid = "01ef9de2-db21-16af-b4cb-9ccf302d746b";
        let hex = "01ef9de2db2116afb4cb9ccf302d746b";
        let found =
            |text: &str| random_ids(text).into_iter().map(|range| text[range].to_owned()).collect::<Vec<_>>();
        assert_eq!(found(&format!("/a/{uuid}/results_{hex}.arrow'{uuid}'")), [uuid, hex, uuid]);
        assert_eq!(found(&format!("é{hex}é{uuid}")), [hex, uuid]);
        for text in [
            format!("x{uuid}"),
            format!("{hex}0"),
            format!("{uuid}0"),
            hex[1..].to_owned(),
            uuid[1..].to_owned(),
        ] {
            assert_eq!(found(&text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(found(&"a".repeat(1000)), Vec::<String>::new());
    }

    #[test]
    fn what_differs_from_run_to_run_is_masked() {
        let text = "é/01ef9de2-db21-16af-b4cb-9ccf302d746b/12345é/v1.20/123456";
        assert_eq!(masked(text), "é/*/*é/v1.20/*");
    }

    #[test]
    fn a_word_is_no_machine_made_id() {
        for text in ["standard", "abc12", "not an id 1", ""] {
            assert!(!is_machine_made(text), "{text}");
        }
        assert!(is_machine_made("dd43ee29fedd958d"));
    }
}
