//! Taking what looks like a credential out of a text that somebody else wrote.

use std::borrow::Cow;

use super::{MASK, is_credential_name};

/// How Databricks' secrets start: personal access tokens, OAuth secrets, account keys.
const PREFIXES: &[&str] = &["dapi", "dose", "dkea"];
/// A word with such a start is a secret when at least so many letters and digits follow.
const SHORTEST_REST: usize = 12;
/// The shortest JWT, or beginning of one.
const SHORTEST_JWT: usize = 20;
/// The shortest credential after `Bearer` or `Basic`; shorter words are prose.
const SHORTEST_CREDENTIAL: usize = 16;

/// The text with tokens, JWTs, credentials after their scheme, and values under secret names as `***`.
pub(crate) fn scrubbed(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut kept, mut last_end, mut last_word) = (0, 0, "");
    let mut in_value = false;
    for (start, word) in tokens(text) {
        let gap = text.get(last_end..start).unwrap_or_default();
        // A quoted value may be several words: it ends with its quote.
        in_value &= !gap.contains('"');
        let is_value = in_value || is_value(text, start);
        if is_value || is_credential(word) || follows_scheme(last_word, word) {
            out.push_str(text.get(kept..start).unwrap_or_default());
            out.push_str(MASK);
            kept = start + word.len();
            in_value |= is_value && gap.ends_with('"');
        }
        (last_end, last_word) = (start + word.len(), word);
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

/// A text of a server or a library, to be repeated in a message: what looks like a credential in it is `***`.
///
/// ```
/// let text = databricks_transport::without_secrets("https://s.example/o?sig=abc is gone");
/// assert_eq!(text, "https://s.example/o?sig=*** is gone");
/// ```
pub fn without_secrets(text: &str) -> String {
    scrubbed(text).into_owned()
}

/// The runs of characters that credentials are made of, and where they start.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/' | '%' | '*');
    text.split(move |c| !belongs(c))
        .filter(|word| !word.is_empty())
        // `split` keeps the places: a part of a text starts where its pointer says.
        .map(move |word| (word.as_ptr().addr() - text.as_ptr().addr(), word))
}

/// Tokens of Databricks and JWTs.
pub(crate) fn is_credential(word: &str) -> bool {
    let databricks = PREFIXES.iter().any(|prefix| {
        word.match_indices(prefix).any(|(at, _)| {
            let rest = word.get(at + prefix.len()..).unwrap_or_default();
            let length = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            length >= SHORTEST_REST && rest.bytes().take(length).any(|byte| byte.is_ascii_digit())
        })
    });
    let jwt = word.starts_with("eyJ") || word.contains("eyJ") && word.contains('.');
    databricks || jwt && word.len() >= SHORTEST_JWT
}

fn follows_scheme(scheme: &str, word: &str) -> bool {
    let is_scheme = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("basic");
    is_scheme && word.len() >= SHORTEST_CREDENTIAL
}

/// Whether a word is what a secret name stands before: `sig=..`, `"access_token": ".."`. Prose such as `token: expected
/// X` is not.
fn is_value(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default();
    let name = match before.strip_suffix('=') {
        Some(rest) => rest,
        None => {
            let opened = before.strip_suffix('"').unwrap_or(before).trim_end();
            let Some(rest) = opened.strip_suffix(':').or_else(|| opened.strip_suffix('=')) else {
                return false;
            };
            match rest.trim_end().strip_suffix('"') {
                Some(quoted) => quoted,
                // `name="value"`, as attributes have it.
                None if opened.ends_with('=') => rest,
                None => return false,
            }
        }
    };
    let name_start = name
        .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .map_or(0, |at| at + name.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    let name = name.get(name_start..).unwrap_or_default();
    !name.is_empty() && is_credential_name(name)
}

/// A message of a parser without the texts that it quotes from its input: they are between double quotes, or are words
/// between backticks that look like credentials.
pub(crate) fn without_quotes(message: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    let mut escaped = false;
    for character in message.chars() {
        match character {
            '"' if !inside => {
                inside = true;
                out.push('"');
                out.push_str(MASK);
            }
            '"' if !escaped => {
                inside = false;
                out.push('"');
            }
            _ if !inside => out.push(character),
            _ => {}
        }
        escaped = inside && character == '\\' && !escaped;
    }
    scrubbed(&out).into_owned()
}

/// A path and query as they may be shown: the names of the query's parameters stay, its values do not.
pub(crate) fn shown_path(path: &str, query: Option<&str>) -> String {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return scrubbed(path).into_owned() };
    let names = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_plain(name) => name,
        _ => MASK,
    });
    format!("{}?{}", scrubbed(path), names.collect::<Vec<_>>().join("&"))
}

/// Whether a text is a word that somebody chose as a name.
pub(crate) fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !is_credential(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_a_credential_goes() {
        for (text, expected) in [
            ("token dapi0123456789abcdef is bad", "token *** is bad"),
            ("(doseabcdef0123456789abc)", "(***)"),
            ("jwt eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln end", "jwt *** end"),
            ("Authorization: Bearer abcdefghij0123456789", "Authorization: Bearer ***"),
            ("https://s.example/o?sig=abc%2Fdef&v=1", "https://s.example/o?sig=***&v=1"),
            (r#"{"access_token":"hunter2","n":1"#, r#"{"access_token":"***","n":1"#),
            (r#"{"password" : "hunter2"#, r#"{"password" : "***"#),
            (r#"Basic realm="x", token="hunter2""#, r#"Basic realm="x", token="***""#),
            (r#"{"password":"hun ter2","n":1}"#, r#"{"password":"*** ***","n":1}"#),
            ("grant_type=x&client_secret=hunter2", "grant_type=x&client_secret=***"),
            ("é token=ü7 é", "é token=*** é"),
        ] {
            assert_eq!(scrubbed(text), expected);
        }
    }

    #[test]
    fn prose_and_ids_stay() {
        for text in [
            "",
            "Invalid access token.",
            "Bearer authentication required",
            "Basic token missing",
            "Syntax error at or near token: 'FROM'",
            "statement 01ef2b3c-1111-2222-3333-444455556666 not found",
            "dapi and dose are prefixes",
            "[PARSE_SYNTAX_ERROR] a = 'x'",
            "no USE CATALOG on `c`",
        ] {
            assert_eq!(scrubbed(text), text);
        }
    }

    #[test]
    fn a_parsers_message_quotes_nothing() {
        for (message, expected) in [
            (
                r#"invalid type: string "hunter2", expected u64 at line 1"#,
                r#"invalid type: string "***", expected u64 at line 1"#,
            ),
            (
                r#"invalid type: string "hun\"ter2", expected u64"#,
                r#"invalid type: string "***", expected u64"#,
            ),
            (r#"string "ends in \\", expected "x""#, r#"string "***", expected "***""#),
            ("missing field `run_id` at line 1", "missing field `run_id` at line 1"),
            ("unknown variant `dapi0123456789abcdef`, expected `A`", "unknown variant `***`, expected `A`"),
            (r#"never "closed hunter2"#, r#"never "***"#),
            (r#"{"authorization":"Bearer hunter2","n":1}"#, r#"{"***":"***","***":1}"#),
        ] {
            assert_eq!(without_quotes(message), expected);
        }
    }

    #[test]
    fn a_path_is_shown_with_the_names_of_its_query_only() {
        for (path, query, expected) in [
            ("/x", None, "/x"),
            ("/x", Some(""), "/x"),
            ("/x", Some("name=hunter2&limit=5"), "/x?name&limit"),
            ("/x", Some("hunter2"), "/x?***"),
            ("/x", Some("=&a b=1"), "/x?***&***"),
            ("/dapi0123456789abcdef/x", None, "***"),
        ] {
            assert_eq!(shown_path(path, query), expected);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,60}|[\"=:&a-z ]{0,60}") {
            let once = scrubbed(&text).into_owned();
            prop_assert_eq!(scrubbed(&once).into_owned(), once.clone());
            without_quotes(&text);
            shown_path(&text, Some(&text));
        }
    }
}
