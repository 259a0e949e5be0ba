//! A cassette as a text for a person, the same in every run: for snapshots.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::body::CassetteBody;
use super::cassette::Cassette;
use super::interaction::{CassetteRequest, CassetteResponse, Interaction, Outcome};
use super::player::journal::is_pending;
use crate::request_log::Origin;

/// Members of answers that are times or depend on them.
const TIMES: [&str; 12] = [
    "expiration",
    "start_time",
    "end_time",
    "created_at",
    "updated_at",
    "last_modified",
    "setup_duration",
    "execution_duration",
    "cleanup_duration",
    "run_duration",
    "queue_duration",
    "timestamp",
];
/// Characters of one text, and items of one list, that are shown.
const TEXT: usize = 2000;
const ITEMS: usize = 20;
/// The longest JSON that stands on one line.
const LINE: usize = 100;

/// One block a request, with an empty line between them.
pub(crate) fn render(cassette: &Cassette) -> String {
    let blocks: Vec<String> = cassette.interactions().iter().map(block).collect();
    blocks.join("\n")
}

fn block(interaction: &Interaction) -> String {
    let mut text = request(&interaction.request);
    text.push_str(&outcome(&interaction.outcome));
    // How often something under way is polled differs from run to run.
    if interaction.repeats > 1 && !is_pending(interaction) {
        let end = text.trim_end().len();
        text.truncate(end);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n   ({} times)", interaction.repeats);
    }
    text
}

fn request(request: &CassetteRequest) -> String {
    let origin = match request.origin {
        Origin::Api => "",
        Origin::Storage => "storage:",
    };
    let mut text = format!("{} {origin}{}\n", request.method, path_and_query(request));
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "content-type") {
        let _ = writeln!(text, "  {name}: {value}");
    }
    text.push_str(&body(&request.body, "  "));
    text
}

/// The query decoded, so that the names in it read as they do elsewhere.
fn path_and_query(request: &CassetteRequest) -> String {
    let pairs =
        request.query.iter().flat_map(|(name, values)| values.iter().map(move |v| format!("{name}={v}")));
    let query = pairs.collect::<Vec<_>>().join("&");
    if query.is_empty() { request.path.clone() } else { format!("{}?{query}", request.path) }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response(response) => answer(response),
        Outcome::Failure(failure) => {
            format!("-> no answer: {}: {}\n", failure.kind.as_str(), failure.message)
        }
    }
}

fn answer(response: &CassetteResponse) -> String {
    let mut text = format!("-> {}\n", response.status);
    if let Some(after) = response.headers.get("retry-after") {
        let _ = writeln!(text, "   retry-after: {after}");
    }
    text.push_str(&body(&response.body, "   "));
    text
}

fn body(body: &CassetteBody, indent: &str) -> String {
    match body {
        CassetteBody::Empty => String::new(),
        CassetteBody::Binary(bytes) => format!("{indent}{} bytes\n", bytes.len()),
        CassetteBody::Text(text) => lines(text, indent),
        CassetteBody::Json(Value::Object(members)) => object(members, indent),
        CassetteBody::Json(value) => lines(&pretty(&without_times(value)), indent),
    }
}

/// The members of a body, a statement first and as the lines it has.
fn object(members: &Map<String, Value>, indent: &str) -> String {
    let mut text = String::new();
    if let Some(Value::String(statement)) = members.get("statement") {
        text.push_str(&lines(statement, &format!("{indent}| ")));
    }
    let rest: Map<String, Value> =
        members.iter().filter(|(name, value)| *name != "statement" || !value.is_string()).map(own).collect();
    if rest.is_empty() && !text.is_empty() {
        return text;
    }
    text.push_str(&lines(&pretty(&without_times(&Value::Object(rest))), indent));
    text
}

fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// The value without what differs from run to run, and without more than a person reads.
fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, value)| !is_time(name, value));
            let mut sorted: Vec<(String, Value)> =
                kept.map(|(name, value)| (name.clone(), without_times(value))).collect();
            sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
            sorted.into_iter().collect::<Map<_, _>>().into()
        }
        Value::Array(values) => {
            let mut shown: Vec<Value> = values.iter().take(ITEMS).map(without_times).collect();
            if values.len() > ITEMS {
                shown.push(format!("… {} in all", values.len()).into());
            }
            shown.into()
        }
        Value::String(text) => cut(text).into(),
        other => other.clone(),
    }
}

fn is_time(name: &str, value: &Value) -> bool {
    TIMES.contains(&name) && (value.is_number() || value.is_string())
}

/// JSON in which everything short is on one line.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_pretty(value, 0, &mut text);
    text
}

fn write_pretty(value: &Value, depth: usize, text: &mut String) {
    let short = value.to_string();
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(members) if short.len() > LINE => {
            members.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value)).collect()
        }
        Value::Array(values) if short.len() > LINE => {
            values.iter().map(|value| (String::new(), value)).collect()
        }
        _ => {
            text.push_str(&short);
            return;
        }
    };
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    text.push(open);
    for (index, (name, value)) in parts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}\n{:1$}{name}", "", (depth + 1) * 2);
        write_pretty(value, depth + 1, text);
    }
    let _ = write!(text, "\n{:1$}{close}", "", depth * 2);
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}

fn lines(text: &str, indent: &str) -> String {
    let mut shown = String::new();
    for line in cut(text).lines() {
        shown.push_str(indent);
        // A terminal must not obey what a body says.
        shown.extend(
            line.trim_end().chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }),
        );
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::cassette::interaction::CassetteFailure;
    use crate::cassette::variables::Variables;
    use databricks_transport::ErrorKind;
    use http::{Method, StatusCode};
    use serde_json::json;

    fn interaction(method: Method, path: &str, sent: CassetteBody, outcome: Outcome) -> Interaction {
        let mut request = CassetteRequest::new(method, Origin::Api, path);
        request.body = sent;
        Interaction::new(request, outcome)
    }

    fn ok(body: CassetteBody) -> Outcome {
        Outcome::Response(CassetteResponse::new(StatusCode::OK, body))
    }

    #[test]
    fn a_story_reads_as_blocks_without_ids_times_and_bytes() {
        let id = "01ef9de2-db21-16af-b4cb-9ccf302d746b";
        let statement = json!({"statement": "SELECT a,\n  b\nFROM t", "warehouse_id": "w"});
        let pending = json!({"statement_id": id, "status": {"state": "RUNNING"}});
        let rows: Vec<Vec<String>> = (0..30).map(|n| vec![n.to_string()]).collect();
        let done =
            json!({"statement_id": id, "status": {"state": "SUCCEEDED"}, "start_time": 17, "rows": rows});
        let mut poll = interaction(
            Method::GET,
            &format!("/api/2.0/sql/statements/{id}"),
            CassetteBody::Empty,
            ok(CassetteBody::Json(pending.clone())),
        );
        poll.repeats = 40;
        let mut gone = interaction(
            Method::GET,
            "/gone",
            CassetteBody::Empty,
            Outcome::Response(CassetteResponse::new(
                StatusCode::NOT_FOUND,
                CassetteBody::Text("no\u{1b}[1m".into()),
            )),
        );
        gone.repeats = 3;
        let failure = CassetteFailure::new(ErrorKind::Unavailable, "the connection broke");
        let story = vec![
            interaction(
                Method::POST,
                "/api/2.0/sql/statements",
                CassetteBody::Json(statement),
                ok(CassetteBody::Json(pending)),
            ),
            poll,
            interaction(Method::GET, "/done", CassetteBody::Empty, ok(CassetteBody::Json(done))),
            interaction(
                Method::PUT,
                "/file",
                CassetteBody::Binary(vec![0; 1234].into()),
                Outcome::Failure(failure),
            ),
            gone,
        ];
        let cassette = Cassette::assemble(story, &Variables::new()).unwrap();
        insta::assert_snapshot!(render(&cassette));
    }
}
