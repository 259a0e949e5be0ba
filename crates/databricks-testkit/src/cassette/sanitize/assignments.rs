//! Credentials in running text, told by the name before them: `password '..'` in SQL, `"token":".."` in the text of
//! JSON, `?access_token=..` in an address, `client_secret: ..` in YAML, the fields of forms.

use std::collections::BTreeSet;
use std::ops::Range;

use super::keys::{Keys, Meaning};
use super::secrets::is_harmless;

/// Texts in quotes inside of texts in quotes that are looked into.
const DEPTH: u32 = 4;
/// Addresses whose rest is the credential.
const WEBHOOKS: [&str; 3] =
    ["hooks.slack.com/services/", "discord.com/api/webhooks/", ".webhook.office.com/"];

/// Where credentials stand in the text, from left to right.
pub(super) fn find(text: &str, keys: &Keys) -> Vec<Range<usize>> {
    let mut finder = Finder { text, keys, found: Vec::new() };
    finder.quoted(0..text.len(), DEPTH);
    finder.pairs();
    finder.lines();
    finder.parts();
    finder.webhooks();
    apart(finder.found)
}

/// The ranges in order, without those that begin inside of another.
fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut end = 0;
    ranges.retain(|range| {
        let free = range.start >= end;
        end = if free { range.end } else { end };
        free
    });
    ranges
}

struct Finder<'t> {
    text: &'t str,
    keys: &'t Keys,
    found: Vec<Range<usize>>,
}

impl Finder<'_> {
    fn part(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn is_credential(&self, name: &str) -> bool {
        self.keys.meaning(name) == Meaning::Credential
    }

    fn add(&mut self, range: Range<usize>) {
        if !is_harmless(self.part(range.clone())) {
            self.found.push(range);
        }
    }

    /// Values in quotes. What is in quotes is a text of its own, so that a quote that closes is never one that opens.
    fn quoted(&mut self, within: Range<usize>, depth: u32) {
        let mut unclosed = BTreeSet::new();
        let mut at = within.start;
        while let Some(offset) = self.part(at..within.end).find(['\'', '"']) {
            let open = at + offset;
            at = open + 1;
            let quote = self.text.as_bytes().get(open).copied().unwrap_or_default();
            let before = self.part(within.start..open);
            let escapes = backslashes(before.as_bytes());
            let is_apostrophe = quote == b'\'' && before.ends_with(char::is_alphanumeric);
            if is_apostrophe || unclosed.contains(&(quote, escapes)) {
                continue;
            }
            let Some(length) = closing(self.part(at..within.end).as_bytes(), quote, escapes) else {
                unclosed.insert((quote, escapes));
                continue;
            };
            let name = name_before(before.trim_end_matches('\\'));
            let value = at..at + length - escapes.min(length);
            if name.is_some_and(|name| self.is_credential(name)) {
                self.add(value);
            } else if depth > 0 {
                self.quoted(value, depth - 1);
            }
            at += length + 1;
        }
    }

    /// `name=value` in an address, a connection string, or a text that is nothing but a form.
    fn pairs(&mut self) {
        let is_form = !self.text.contains(char::is_whitespace);
        let places: Vec<usize> = self.text.match_indices('=').map(|(at, _)| at).collect();
        let mut done = 0;
        for equals in places {
            let before = self.part(done..equals);
            let name = before.get(before.trim_end_matches(is_name).len()..).unwrap_or_default();
            let ahead = self.part(0..equals - name.len());
            let opens = ahead.ends_with(['?', '&', ';', '#']) || ahead.ends_with("\\u0026");
            // `u0026` ends in what a name may begin with.
            let name = name.strip_prefix("u0026").filter(|_| ahead.ends_with('\\')).unwrap_or(name);
            let opens = opens || ahead.ends_with('\\') || (is_form && ahead.is_empty());
            if opens && self.is_credential(name) {
                let ends = |c: char| c.is_whitespace() || "&;#\"'<>\\`)]}".contains(c);
                let value = self.part(equals + 1..self.text.len());
                let end = equals + 1 + value.find(ends).unwrap_or(value.len());
                self.add(equals + 1..end);
                done = end;
            }
        }
    }

    /// `name: value` and `name=value`, alone in a line.
    fn lines(&mut self) {
        let mut start = 0;
        for line in self.text.split_inclusive('\n').collect::<Vec<_>>() {
            let content = line.trim();
            let pair = content.trim_start_matches("- ").split_once(": ");
            if let Some((name, value)) = pair
                && let value = value.trim()
                && name.chars().all(is_name)
                && !value.contains(|c: char| c.is_whitespace() || "\"',{[".contains(c))
                && self.is_credential(name)
            {
                let end = start + line.trim_end().len();
                self.add(end - value.len()..end);
            }
            start += line.len();
        }
    }

    /// Fields of a multipart form.
    fn parts(&mut self) {
        let heads: Vec<usize> =
            self.text.match_indices("form-data; name=\"").map(|(at, sign)| at + sign.len()).collect();
        for head in heads {
            let rest = self.part(head..self.text.len());
            let Some((name, _)) = rest.split_once('"') else { continue };
            let Some(start) = rest.find("\r\n\r\n").map(|blank| blank + 4) else { continue };
            let value = rest.get(start..).unwrap_or_default();
            let length = value.find("\r\n--").unwrap_or(value.len());
            if self.is_credential(name) {
                self.add(head + start..head + start + length);
            }
        }
    }

    fn webhooks(&mut self) {
        for webhook in WEBHOOKS.into_iter().filter(|_| self.keys.by_default()) {
            let starts: Vec<usize> =
                self.text.match_indices(webhook).map(|(at, sign)| at + sign.len()).collect();
            for start in starts {
                let rest = self.part(start..self.text.len());
                let ends = |c: char| c.is_whitespace() || "\"'<>\\`)]}".contains(c);
                self.add(start..start + rest.find(ends).unwrap_or(rest.len()));
            }
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn backslashes(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|b| **b == b'\\').count()
}

/// How far the text goes on until the quote that closes it. One that is escaped more deeply belongs to the text.
fn closing(rest: &[u8], quote: u8, escapes: usize) -> Option<usize> {
    let (mut at, mut run) = (0, 0);
    while let Some(b) = rest.get(at) {
        match *b {
            b if b == quote => {
                let doubled = quote == b'\'' && escapes == 0 && rest.get(at + 1) == Some(&quote);
                let closes = if escapes == 0 { run % 2 == 0 } else { run <= escapes };
                if closes && !doubled {
                    return Some(at);
                }
                at += usize::from(doubled);
                run = 0;
            }
            b'\\' => run += 1,
            _ => run = 0,
        }
        at += 1;
    }
    None
}

/// The name that a value in quotes stands under: `password '`, `"password": '`, `password = '`.
fn name_before(before: &str) -> Option<&str> {
    let bare = before.trim_end();
    let cut = bare.strip_suffix("=>").or_else(|| bare.strip_suffix(['=', ':']));
    let owner = cut.unwrap_or(bare).trim_end();
    let unquoted = owner.trim_end_matches(['"', '\'', '`', '\\']);
    let name = unquoted.get(unquoted.trim_end_matches(is_name).len()..)?;
    let separated = match cut {
        Some(_) => true,
        // Nothing but space: what parsers say of a token is no credential.
        None => bare.len() < before.len() && unquoted == owner && !name.eq_ignore_ascii_case("token"),
    };
    separated.then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text, &Keys::default()).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn credentials_are_told_by_the_name_before_them() {
        let table = [
            ("CREDENTIAL (AWS_SECRET_KEY = 'a''b', AWS_SESSION_TOKEN='c')", vec!["a''b", "c"]),
            ("CREATE CONNECTION c OPTIONS (host 'h', user 'u', password 'p w')", vec!["p w"]),
            (r#"{"password":"a\"b","n":1}"#, vec![r#"a\"b"#]),
            (r#"{"conf": "{\"password\":\"abc\"}"}"#, vec!["abc"]),
            ("LoginModule required username=\"u\" password=\"s\";", vec!["s"]),
            ("see https://a.example/cb?access_token=abc&x=1 now", vec!["abc"]),
            ("https://cdn.example/k?token=abc", vec!["abc"]),
            ("https://cdn.example/k?a=b\\u0026token=abc\"", vec!["abc"]),
            ("grant_type=x&client_secret=abc", vec!["abc"]),
            ("client_secret=abc", vec!["abc"]),
            ("a: 1\nclient_secret: abc\n- token: def", vec!["abc", "def"]),
            (
                "--b\r\nContent-Disposition: form-data; name=\"client_secret\"\r\n\r\nabc\r\n--b--",
                vec!["abc"],
            ),
            ("https://hooks.slack.com/services/T/B/abc", vec!["T/B/abc"]),
        ];
        for (text, secrets) in table {
            assert_eq!(found(text), secrets, "{text}");
        }
    }

    #[test]
    fn what_is_no_credential_is_left_alone() {
        let texts = [
            "SELECT token, password FROM t WHERE name = 'password' AND x = 'y'",
            "COMMENT 'the password: ' || 'x'",
            "SELECT ' password ', 'x', token=other FROM t",
            "unexpected token 'FROM'",
            "don't take the password 't",
            r#"["password", "x", "the token: ", "y"]"#,
            r#"{"task_key": "a", "page_token": "b", "key": "c", "password": ""}"#,
            "?page_token=abc&next_page_token=def",
            "password: must not be empty",
            "password 'REDACTED' ?token=REDACTED",
        ];
        for text in texts {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }
}
