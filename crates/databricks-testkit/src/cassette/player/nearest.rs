//! The recorded request nearest to one that is not recorded, and the difference between the two.

use std::collections::{BTreeSet, HashSet};
use std::fmt::{self, Write};

use serde_json::Value;

use super::difference::{Change, json_changes, shortened, text_change};
use super::identity::{Masked, canonical_json, replace_ids};
use super::matching::origin_name;
use crate::cassette::body::CassetteBody;
use crate::cassette::interaction::CassetteRequest;

/// Bytes of a body that count when the nearest one is sought.
const COMPARED: usize = 64 * 1024;
/// Differences that are shown.
const SHOWN: usize = 5;

/// A recorded request as it would have to be asked in this run.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Its number in the cassette, from 1.
    pub(crate) number: usize,
    pub(crate) request: CassetteRequest,
    pub(crate) used_up: bool,
}

/// A request that is not recorded, and what comes closest.
#[derive(Clone, Debug)]
pub(crate) struct Unmatched {
    asked: String,
    nearest: Option<Nearest>,
}

#[derive(Clone, Debug)]
struct Nearest {
    number: usize,
    request: String,
    used_up: bool,
    changes: Vec<Change>,
}

impl Unmatched {
    /// Compares a request with all that are recorded. `free` says of two ids that the one may stand for the other.
    pub(crate) fn of(
        asked: &CassetteRequest,
        recorded: &[Candidate],
        free: &dyn Fn(&str, &str) -> bool,
    ) -> Self {
        let words = Words::of(asked);
        let distance = |candidate: &&Candidate| {
            let head = head_distance(&candidate.request, asked);
            (head, words.distance(&Words::of(&candidate.request)), candidate.used_up, candidate.number)
        };
        let nearest = recorded.iter().min_by_key(distance).map(|candidate| Nearest {
            number: candidate.number,
            request: head(&candidate.request),
            used_up: candidate.used_up,
            changes: changes(&candidate.request, asked, free),
        });
        Self { asked: summary(asked), nearest }
    }

    /// The request alone, on one line.
    pub(crate) fn asked(&self) -> &str {
        self.asked.lines().next().unwrap_or_default()
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cassette has no answer for this request:\n  {}", self.asked.replace('\n', "\n  "))?;
        let Some(Nearest { number, request, used_up, changes }) = &self.nearest else {
            return f.write_str("\nnothing is recorded in it");
        };
        if changes.is_empty() {
            let why = if *used_up {
                "is the same, and every answer recorded for it has been given"
            } else {
                "is the same but for ids, which stand for others in this run"
            };
            return write!(f, "\ninteraction {number} {why}");
        }
        write!(f, "\nthe nearest one recorded is interaction {number}:\n  {request}\nthe difference:")?;
        for Change { place, left, right } in changes.iter().take(SHOWN) {
            let shown = |side: &Option<String>| side.clone().unwrap_or_else(|| "(nothing)".to_owned());
            write!(f, "\n  {place}\n    recorded: {}\n    asked:    {}", shown(left), shown(right))?;
        }
        match changes.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Method, origin and path.
fn head(request: &CassetteRequest) -> String {
    let origin = match request.origin {
        crate::request_log::Origin::Api => "",
        crate::request_log::Origin::Storage => "storage:",
    };
    format!("{} {origin}{}", request.method, shortened(&request.path_and_query()))
}

/// A request as a message shows it.
pub(crate) fn summary(request: &CassetteRequest) -> String {
    let mut text = head(request);
    let body = match &request.body {
        CassetteBody::Empty => return text,
        CassetteBody::Json(value) => shortened(&value.to_string()),
        CassetteBody::Text(string) => shortened(string),
        CassetteBody::Binary(bytes) => format!("{} bytes", bytes.len()),
    };
    // Writing to a String cannot fail.
    let _ = write!(text, "\n{body}");
    text
}

/// How far method, origin and path are apart.
fn head_distance(a: &CassetteRequest, b: &CassetteRequest) -> usize {
    let same_method = usize::from(a.method != b.method);
    let same_origin = usize::from(a.origin != b.origin);
    (same_method + same_origin) * 4 + 2 * path_distance(&a.path, &b.path)
}

/// Segments that differ; ids count as alike.
fn path_distance(a: &str, b: &str) -> usize {
    let (a, b) = (Masked::of(a).shape, Masked::of(b).shape);
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('/').collect(), b.split('/').collect());
    let same = a.iter().zip(&b).filter(|(x, y)| x == y).count();
    a.len().max(b.len()) - same
}

/// The words of query and body.
struct Words(HashSet<String>);

impl Words {
    fn of(request: &CassetteRequest) -> Self {
        let mut text = String::new();
        for (name, values) in &request.query {
            text.extend([name.as_str(), " ", &values.join(" "), " "]);
        }
        match &request.body {
            CassetteBody::Empty => {}
            CassetteBody::Json(value) => canonical_json(value, &mut text),
            CassetteBody::Text(string) => text.push_str(string),
            CassetteBody::Binary(bytes) => _ = write!(text, "binary {}", bytes.len()),
        }
        let end = (0..=COMPARED.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let text = Masked::of(text.get(..end.unwrap_or(0)).unwrap_or_default()).shape;
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        Self(words.map(str::to_owned).collect())
    }

    /// The share of words that only one of the two has, in thousandths.
    fn distance(&self, other: &Self) -> usize {
        let common = self.0.intersection(&other.0).count();
        let all = self.0.len() + other.0.len() - common;
        ((all - common) * 1000).checked_div(all).unwrap_or(0)
    }
}

/// What differs. Ids that may stand for each other are no difference.
fn changes(
    recorded: &CassetteRequest,
    asked: &CassetteRequest,
    free: &dyn Fn(&str, &str) -> bool,
) -> Vec<Change> {
    let mut recorded = recorded.clone();
    align_request(&mut recorded, asked, free);
    let mut changes = Vec::new();
    for (place, a, b) in [
        ("method", recorded.method.as_str(), asked.method.as_str()),
        ("origin", origin_name(recorded.origin), origin_name(asked.origin)),
        ("path", &*recorded.path, &*asked.path),
    ] {
        if a != b {
            changes.push(sides(place.to_owned(), Some(a), Some(b)));
        }
    }
    let values = |request: &CassetteRequest, name: &str| Some(request.query.get(name)?.join(", "));
    for name in names(recorded.query.keys(), asked.query.keys()) {
        let (a, b) = (values(&recorded, name), values(asked, name));
        if a != b {
            changes.push(sides(format!("query {name}"), a.as_deref(), b.as_deref()));
        }
    }
    let headers = names(recorded.headers.keys(), asked.headers.keys());
    for name in headers.into_iter().filter(|name| *name != "content-type") {
        let (a, b) = (recorded.headers.get(name), asked.headers.get(name));
        if a != b {
            changes.push(sides(format!("header {name}"), a.map(String::as_str), b.map(String::as_str)));
        }
    }
    changes.extend(body_changes(&recorded.body, &asked.body));
    changes
}

fn names<'a>(
    a: impl Iterator<Item = &'a String>,
    b: impl Iterator<Item = &'a String>,
) -> BTreeSet<&'a String> {
    a.chain(b).collect()
}

fn sides(place: String, a: Option<&str>, b: Option<&str>) -> Change {
    Change { place, left: a.map(shortened), right: b.map(shortened) }
}

/// Gives the recorded request the ids of the one that is asked, where they may stand for each other.
fn align_request(recorded: &mut CassetteRequest, asked: &CassetteRequest, free: &dyn Fn(&str, &str) -> bool) {
    align(&mut recorded.path, &asked.path, free);
    for (name, values) in &mut recorded.query {
        let asked = asked.query.get(name).into_iter().flatten();
        values.iter_mut().zip(asked).for_each(|(a, b)| align(a, b, free));
    }
    match (&mut recorded.body, &asked.body) {
        (CassetteBody::Json(a), CassetteBody::Json(b)) => align_value(a, b, free),
        (CassetteBody::Text(a), CassetteBody::Text(b)) => align(a, b, free),
        _ => {}
    }
}

fn align_value(recorded: &mut Value, asked: &Value, free: &dyn Fn(&str, &str) -> bool) {
    match (recorded, asked) {
        (Value::String(a), Value::String(b)) => align(a, b, free),
        (Value::Array(a), Value::Array(b)) => a.iter_mut().zip(b).for_each(|(a, b)| align_value(a, b, free)),
        (Value::Object(a), Value::Object(b)) => {
            for (name, a) in a {
                b.get(name).into_iter().for_each(|b| align_value(a, b, free));
            }
        }
        _ => {}
    }
}

fn align(recorded: &mut String, asked: &str, free: &dyn Fn(&str, &str) -> bool) {
    let asked = Masked::of(asked).ids;
    if asked.is_empty() || Masked::of(recorded).ids.len() != asked.len() {
        return;
    }
    let mut others = asked.iter();
    *recorded = replace_ids(recorded, |id| {
        let other = others.next()?;
        free(id, other).then_some(other.as_str())
    });
}

fn body_changes(recorded: &CassetteBody, asked: &CassetteBody) -> Vec<Change> {
    match (recorded, asked) {
        (CassetteBody::Json(a), CassetteBody::Json(b)) => {
            let changes = json_changes(a, b, &mut |_, _, _| false).into_iter();
            changes.map(|change| Change { place: format!("body {}", change.place), ..change }).collect()
        }
        (a, b) if a == b => Vec::new(),
        (CassetteBody::Text(a), CassetteBody::Text(b)) => vec![text_change("body", a, b)],
        (CassetteBody::Binary(a), CassetteBody::Binary(b)) => vec![binary_change(a, b)],
        (a, b) => vec![sides("body".to_owned(), Some(&kind(a)), Some(&kind(b)))],
    }
}

/// Where two runs of bytes part.
fn binary_change(a: &[u8], b: &[u8]) -> Change {
    let first = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let side = |bytes: &[u8]| {
        let next: Vec<String> = bytes.iter().skip(first).take(8).map(|byte| format!("{byte:02x}")).collect();
        Some(format!("{} bytes; from byte {first}: {}", bytes.len(), next.join(" ")))
    };
    Change { place: "body".to_owned(), left: side(a), right: side(b) }
}

fn kind(body: &CassetteBody) -> String {
    match body {
        CassetteBody::Empty => "no body".to_owned(),
        CassetteBody::Json(value) => format!("JSON {}", shortened(&value.to_string())),
        CassetteBody::Text(text) => format!("text {}", shortened(text)),
        CassetteBody::Binary(bytes) => format!("{} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::request_log::Origin;
    use http::Method;
    use serde_json::json;

    fn request(method: Method, path: &str, body: Value) -> CassetteRequest {
        let mut request = CassetteRequest::new(method, Origin::Api, path);
        request.body = CassetteBody::Json(body);
        request
    }

    fn statement(text: &str) -> CassetteRequest {
        request(Method::POST, "/api/2.0/sql/statements", json!({"statement": text, "warehouse_id": "w"}))
    }

    fn unmatched(asked: &CassetteRequest, recorded: Vec<CassetteRequest>) -> String {
        let candidates: Vec<Candidate> = recorded
            .into_iter()
            .enumerate()
            .map(|(index, request)| Candidate { number: index + 1, request, used_up: index == 0 })
            .collect();
        Unmatched::of(asked, &candidates, &|_, _| false).to_string()
    }

    #[test]
    fn the_nearest_statement_is_the_one_with_most_words_in_common() {
        let recorded = vec![
            statement("SELECT 1"),
            statement("SELECT day, max(t) FROM main.weather.days WHERE day >= '2024-01-01' GROUP BY day"),
            request(Method::GET, "/api/2.0/sql/statements", Value::Null),
        ];
        let asked =
            statement("SELECT day, min(t) FROM main.weather.days WHERE day >= '2024-01-01' GROUP BY day");
        insta::assert_snapshot!(unmatched(&asked, recorded), @r#"
        the cassette has no answer for this request:
          POST /api/2.0/sql/statements
          {"statement":"SELECT day, min(t) FROM main.weather.days WHERE day >= '2024-01-01' GROUP BY day","warehouse_id":"w"}
        the nearest one recorded is interaction 2:
          POST /api/2.0/sql/statements
        the difference:
          body /statement
            recorded: SELECT day , [max] ( t ) FROM …
            asked:    SELECT day , [min] ( t ) FROM …
        "#);
    }

    #[test]
    fn a_request_whose_answers_are_used_up_says_so() {
        insta::assert_snapshot!(unmatched(&statement("SELECT 1"), vec![statement("SELECT 1")]), @r#"
        the cassette has no answer for this request:
          POST /api/2.0/sql/statements
          {"statement":"SELECT 1","warehouse_id":"w"}
        interaction 1 is the same, and every answer recorded for it has been given
        "#);
    }

    #[test]
    fn method_path_query_and_bytes_are_compared_too() {
        let mut recorded = request(Method::GET, "/api/2.1/jobs/runs/get", Value::Null);
        recorded.query.insert("run_id".to_owned(), vec!["1".to_owned()]);
        recorded.body = CassetteBody::Binary(vec![1, 2, 3].into());
        let mut asked = recorded.clone();
        asked.method = Method::POST;
        asked.path = "/api/2.1/jobs/runs/cancel".to_owned();
        asked.query.insert("run_id".to_owned(), vec!["2".to_owned()]);
        asked.query.insert("all".to_owned(), vec![String::new()]);
        asked.body = CassetteBody::Binary(vec![1, 2, 4, 5].into());
        insta::assert_snapshot!(unmatched(&asked, vec![recorded]));
    }

    #[test]
    fn an_empty_cassette_says_so() {
        assert!(unmatched(&statement("SELECT 1"), Vec::new()).ends_with("nothing is recorded in it"));
    }

    #[test]
    fn the_nearest_of_ten_thousand_is_found_quickly() {
        let recorded: Vec<CassetteRequest> =
            (0..10_000).map(|n| statement(&format!("SELECT a FROM t{n}"))).collect();
        let start = std::time::Instant::now();
        let text = unmatched(&statement("SELECT b FROM t7777"), recorded);
        assert!(text.contains("interaction 7778"), "{text}");
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }
}
