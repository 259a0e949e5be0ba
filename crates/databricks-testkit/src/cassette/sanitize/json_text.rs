//! JSON that stays a text, because a value would say less or because it stands in a string: changed where it stands.

use std::ops::Range;

use serde_json::Value;

use super::keys::{Cleaner, Meaning, PEOPLE, normal, plain_link};
use super::known::USER;
use super::shapes::REDACTED;
use super::text::edited;

/// A value of the text, and where it stands.
struct Node {
    range: Range<usize>,
    kind: Kind,
}

enum Kind {
    Text,
    Number,
    Array(Vec<Node>),
    Object(Vec<(Range<usize>, Node)>),
    Other,
}

/// What happens to the values below a place.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Clean,
    Redact,
    /// As `Redact`, but the names of headers stay.
    Headers,
}

/// The text with what has to go replaced where it stands; `None` when it is no JSON, or nothing has to go.
pub(super) fn cleaned(text: &str, cleaner: Cleaner<'_>) -> Option<String> {
    if !text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    // Also bounds the depth of what is read below.
    serde_json::from_str::<Value>(text).ok()?;
    let root = Reader { text, at: 0 }.value()?;
    let mut editor = Editor { text, cleaner, edits: Vec::new() };
    editor.value(&root, Mode::Clean);
    edited(text, editor.edits.iter().map(|(range, new)| (range.clone(), new.as_str())))
}

/// Reads a text that is known to be JSON.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        self.at += rest.iter().take_while(|b| b.is_ascii_whitespace() || matches!(b, b',' | b':')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn value(&mut self) -> Option<Node> {
        let first = self.peek()?;
        let start = self.at;
        let kind = match first {
            b'"' => self.string().map(|_| Kind::Text)?,
            b'[' => Kind::Array(self.items(b']', Self::value)?),
            b'{' => Kind::Object(self.items(b'}', |reader| Some((reader.string()?, reader.value()?)))?),
            _ => {
                let rest = self.text.get(start..)?;
                let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}');
                self.at += rest.find(ends).unwrap_or(rest.len());
                if first == b'-' || first.is_ascii_digit() { Kind::Number } else { Kind::Other }
            }
        };
        Some(Node { range: start..self.at, kind })
    }

    fn items<T>(&mut self, end: u8, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.at += 1;
        let mut items = Vec::new();
        while self.peek()? != end {
            items.push(read(self)?);
        }
        self.at += 1;
        Some(items)
    }

    fn string(&mut self) -> Option<Range<usize>> {
        self.peek()?;
        let start = self.at;
        self.at += string_length(self.text.get(start..)?);
        Some(start..self.at)
    }
}

struct Editor<'a> {
    text: &'a str,
    cleaner: Cleaner<'a>,
    edits: Vec<(Range<usize>, String)>,
}

impl Editor<'_> {
    fn string(&self, range: &Range<usize>) -> String {
        self.text.get(range.clone()).and_then(|token| serde_json::from_str(token).ok()).unwrap_or_default()
    }

    fn replace(&mut self, range: &Range<usize>, old: &str, new: &str) {
        if old != new {
            self.edits.push((range.clone(), Value::from(new).to_string()));
        }
    }

    fn value(&mut self, node: &Node, mode: Mode) {
        match &node.kind {
            Kind::Text => {
                let old = self.string(&node.range);
                let new = match mode {
                    Mode::Clean => self.cleaner.text(&old).into_owned(),
                    _ if old.is_empty() => return,
                    _ => REDACTED.to_owned(),
                };
                self.replace(&node.range, &old, &new);
            }
            Kind::Number if mode != Mode::Clean => self.zero(node),
            Kind::Array(items) => items.iter().for_each(|item| self.value(item, mode)),
            Kind::Object(members) => self.members(members, mode),
            Kind::Number | Kind::Other => {}
        }
    }

    fn zero(&mut self, node: &Node) {
        if self.text.get(node.range.clone()) != Some("0") {
            self.edits.push((node.range.clone(), "0".to_owned()));
        }
    }

    fn members(&mut self, members: &[(Range<usize>, Node)], mode: Mode) {
        let named: Vec<(String, &Node)> =
            members.iter().map(|(name, node)| (self.string(name), node)).collect();
        let keys = self.cleaner.keys;
        let has = |wanted: &[&str]| named.iter().any(|(name, _)| wanted.contains(&name.as_str()));
        let people = keys.by_default() && (self.cleaner.people || has(&["user_name", "userName"]));
        let signed = keys.by_default() && has(&["url"]);
        let names_a_secret = named.iter().any(|(name, node)| {
            matches!(name.as_str(), "name" | "key")
                && keys.meaning(&self.string(&node.range)) == Meaning::Credential
        });
        for ((place, _), (name, node)) in members.iter().zip(&named) {
            let plain = matches!(name.as_str(), "value" | "string_value" | "bytes_value");
            let mode = match (mode, name.as_str()) {
                (Mode::Headers, "name") => Mode::Clean,
                (Mode::Redact | Mode::Headers, _) => mode,
                (_, "http_headers") if keys.by_default() => Mode::Headers,
                (_, "headers") if signed => Mode::Headers,
                (_, "value") if names_a_secret => Mode::Redact,
                _ if plain && self.cleaner.secret_values => Mode::Redact,
                _ if keys.meaning(name) == Meaning::Credential => Mode::Redact,
                _ => Mode::Clean,
            };
            let new = self.cleaner.text(name).into_owned();
            self.replace(place, name, &new);
            let of_person = people && PEOPLE.contains(&normal(name).as_str());
            self.member(name, node, mode, of_person);
        }
    }

    fn member(&mut self, name: &str, node: &Node, mode: Mode, of_person: bool) {
        let keys = self.cleaner.keys;
        let is_link = keys.by_default() && matches!(name, "external_link" | "external_links");
        match node.kind {
            Kind::Text if mode == Mode::Clean => {
                let old = self.string(&node.range);
                let new = match keys.replacement(name, &old) {
                    _ if of_person && !old.is_empty() => USER.to_owned(),
                    Some(new) => new.to_owned(),
                    None if is_link => self.cleaner.text(&plain_link(&old)).into_owned(),
                    None => self.cleaner.text(&old).into_owned(),
                };
                self.replace(&node.range, &old, &new);
            }
            Kind::Number if keys.meaning(name) == Meaning::Workspace => self.zero(node),
            _ => self.value(node, mode),
        }
    }
}

/// The length of the string that the text begins with, quotes included.
fn string_length(quoted: &str) -> usize {
    let mut escaped = false;
    for (index, b) in quoted.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    quoted.len()
}
