//! Eventual consistency: what reads were answered before a write, and which writes concern which reads.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use indexmap::IndexMap;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::time::Instant;

use super::fault::Staleness;
use super::missing;

/// Reads and writes remembered; past it the oldest are forgotten.
const CAPACITY: usize = 1_000;
/// Words of RPC-style paths that say what is done, not to what.
const VERBS: &[&str] = &[
    "cancel",
    "cancel-all",
    "create",
    "delete",
    "export",
    "get",
    "get-output",
    "import",
    "list",
    "repair",
    "reset",
    "submit",
    "update",
];

/// An answer that was given.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Who read what.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Read {
    method: Method,
    /// Decoded, as the resource is.
    path: String,
    resource: String,
    verb: Option<String>,
    query: String,
    /// Answers differ by caller. This is a credential: no format shows it.
    caller: Option<Vec<u8>>,
}

/// What an answer is needed for.
#[derive(Clone)]
pub(super) enum Watch {
    Nothing,
    /// A read, and the number of writes before it.
    Read(Read, u64),
    /// A write.
    Write {
        method: Method,
        resource: String,
        replaces: bool,
    },
}

/// What has been read and written through a set of faults.
#[derive(Default)]
pub(super) struct History {
    /// Answers, each with the number of writes before it.
    answers: IndexMap<Read, (Kept, u64)>,
    /// Stale answers given, each for the write of that number.
    served: IndexMap<Read, (u64, u64)>,
    writes: VecDeque<Write>,
    last: u64,
}

struct Write {
    number: u64,
    method: Method,
    resource: String,
    replaces: bool,
    /// Ids and names in the answer.
    values: HashSet<String>,
    at: Instant,
}

impl Read {
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let is_read = parts.method == Method::GET || parts.method == Method::HEAD;
        let path = decoded(parts.uri.path());
        let (resource, verb) = resource(&path);
        is_read.then(|| Self {
            method: parts.method.clone(),
            path,
            resource,
            verb,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            caller: parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes().to_vec()),
        })
    }
}

impl Write {
    /// Whether it may change what a read is answered.
    fn concerns(&self, read: &Read) -> bool {
        if read.resource == self.resource || below(&self.resource, &read.resource).is_some() {
            return true;
        }
        match below(&read.resource, &self.resource) {
            Some(_) if self.method == Method::DELETE => true,
            Some(id) => self.method == Method::POST && self.values.contains(id),
            None => false,
        }
    }

    /// Whether what is read came to be by this write.
    fn created(&self, read: &Read) -> bool {
        if read.resource != self.resource {
            return self.method == Method::POST && below(&read.resource, &self.resource).is_some();
        }
        match self.method {
            Method::PUT => !self.replaces,
            Method::POST => read.verb.as_deref() == Some("get") && self.names_one_of(&read.query),
            _ => false,
        }
    }

    fn names_one_of(&self, query: &str) -> bool {
        url::form_urlencoded::parse(query.as_bytes()).any(|(_, value)| self.values.contains(value.as_ref()))
    }
}

impl History {
    /// What a read was answered before the last write that concerns it, while reads lag behind that write.
    pub(super) fn before_last_write(&self, read: &Read, staleness: Staleness, now: Instant) -> Option<Kept> {
        let write = self.writes.iter().rev().find(|write| write.concerns(read))?;
        let lags = match staleness {
            Staleness::Reads(reads) => self.served_since(read, write.number) < reads,
            Staleness::Lasting(time) => now.saturating_duration_since(write.at) < time,
        };
        if !lags {
            return None;
        }
        match self.answers.get(read) {
            Some((kept, writes)) if *writes < write.number => Some(kept.clone()),
            Some(_) => None,
            None => write.created(read).then(|| missing::answer(&read.method, &read.path, &read.query)),
        }
    }

    fn served_since(&self, read: &Read, write: u64) -> u64 {
        self.served.get(read).filter(|(number, _)| *number == write).map_or(0, |(_, count)| *count)
    }

    /// Counts a stale answer.
    pub(super) fn served(&mut self, read: &Read) {
        let Some(write) = self.writes.iter().rev().find(|write| write.concerns(read)).map(|w| w.number)
        else {
            return;
        };
        let count = self.served_since(read, write).saturating_add(1);
        insert_bounded(&mut self.served, read.clone(), (write, count));
    }

    /// What the answer to a request is needed for; `read` is set for reads that may be stale one day.
    pub(super) fn watch(&self, parts: &Parts, read: Option<Read>) -> Watch {
        if let Some(read) = read {
            return Watch::Read(read, self.last);
        }
        if parts.method.is_safe() {
            return Watch::Nothing;
        }
        let query = parts.uri.query().unwrap_or_default();
        let replaces = url::form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "overwrite" && value.eq_ignore_ascii_case("true"));
        Watch::Write {
            method: parts.method.clone(),
            resource: resource(&decoded(parts.uri.path())).0,
            replaces,
        }
    }

    /// Remembers what a read was answered.
    pub(super) fn read(&mut self, read: Read, writes_before: u64, kept: Kept) {
        insert_bounded(&mut self.answers, read, (kept, writes_before));
    }

    /// Remembers a write that succeeded, with the answer to it as far as it was read.
    pub(super) fn wrote(&mut self, method: Method, resource: String, replaces: bool, answer: &[u8]) {
        let mut values = HashSet::new();
        if let Ok(answer) = serde_json::from_slice(answer) {
            collect_values(&answer, &mut values);
        }
        if self.writes.len() == CAPACITY {
            self.writes.pop_front();
        }
        self.last += 1;
        let (number, at) = (self.last, Instant::now());
        self.writes.push_back(Write { number, method, resource, replaces, values, at });
    }
}

fn insert_bounded<V>(map: &mut IndexMap<Read, V>, key: Read, value: V) {
    // What was used last goes to the end, so that the front is the oldest.
    map.shift_remove(&key);
    if map.len() == CAPACITY {
        map.shift_remove_index(0);
    }
    map.insert(key, value);
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().trim_end_matches('/').to_owned()
}

/// What a decoded path is about, and the verb at its end where it has one: files and directories of volumes by their own path,
/// objects of RPC-style endpoints by the path above the verb.
fn resource(path: &str) -> (String, Option<String>) {
    for files in ["/api/2.0/fs/files/", "/api/2.0/fs/directories/"] {
        if let Some(rest) = path.strip_prefix(files) {
            return (format!("/{}", rest.trim_start_matches('/')), None);
        }
    }
    match path.rsplit_once('/') {
        // A run is started beside the runs it joins.
        Some((above, "run-now")) => (format!("{above}/runs"), None),
        Some((above, verb)) if VERBS.contains(&verb) => (above.to_owned(), Some(verb.to_owned())),
        _ => (path.to_owned(), None),
    }
}

/// The first segment of `path` below `above`.
fn below<'a>(path: &'a str, above: &str) -> Option<&'a str> {
    path.strip_prefix(above)?.strip_prefix('/')?.split('/').next()
}

fn collect_values(value: &Value, values: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            values.insert(text.clone());
        }
        Value::Number(number) => {
            values.insert(number.to_string());
        }
        Value::Array(items) => items.iter().for_each(|item| collect_values(item, values)),
        Value::Object(fields) => fields.values().for_each(|field| collect_values(field, values)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::Request;
    use serde_json::json;
    use std::time::Duration;

    fn read(uri: &str) -> Read {
        Read::of(&Request::get(uri).body(()).unwrap().into_parts().0).unwrap()
    }

    fn after(method: Method, uri: &str, answer: Value) -> History {
        let parts = Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
        let mut history = History::default();
        write(&mut history, &parts, answer);
        history
    }

    fn write(history: &mut History, parts: &Parts, answer: Value) {
        let Watch::Write { method, resource, replaces } = history.watch(parts, None) else { panic!() };
        history.wrote(method, resource, replaces, answer.to_string().as_bytes());
    }

    /// What an unread thing is answered at once after a write: nothing special, or not found.
    #[test]
    fn what_a_write_created_is_not_there_yet_and_other_things_are_as_they_are() {
        let table = [
            (Method::POST, "/s/", json!({"statement_id": "a"}), "/s/a", true),
            (Method::POST, "/s", json!({"statement_id": "a"}), "/s/a/result/chunks/0", true),
            (Method::POST, "/s", json!({"statement_id": "a"}), "/s/b", false),
            (Method::POST, "/s/a/cancel", json!({}), "/s/a", false),
            (
                Method::PUT,
                "/api/2.0/fs/files/Volumes/v/f",
                json!({}),
                "/api/2.0/fs/files/Volumes%2Fv%2Ff",
                true,
            ),
            (Method::PUT, "/api/2.0/fs/files/Volumes/v/f", json!({}), "/api/2.0/fs/files/Volumes/v/f", true),
            (
                Method::PUT,
                "/api/2.0/fs/files/Volumes/v/f?overwrite=true",
                json!({}),
                "/api/2.0/fs/files/Volumes/v/f",
                false,
            ),
            (
                Method::PUT,
                "/api/2.0/fs/files/Volumes/v/f",
                json!({}),
                "/api/2.0/fs/directories/Volumes/v",
                false,
            ),
            (Method::POST, "/api/2.2/jobs/create", json!({"job_id": 5}), "/api/2.2/jobs/get?job_id=5", true),
            (Method::POST, "/api/2.2/jobs/create", json!({"job_id": 5}), "/api/2.2/jobs/get?job_id=6", false),
            (Method::POST, "/api/2.2/jobs/create", json!({"job_id": 5}), "/api/2.2/jobs/list?limit=5", false),
            (
                Method::POST,
                "/api/2.2/jobs/run-now",
                json!({"run_id": 9}),
                "/api/2.2/jobs/runs/get?run_id=9",
                true,
            ),
            (Method::DELETE, "/u/schemas/m.s", json!({}), "/u/schemas/m.s", false),
            (Method::PATCH, "/u/schemas/m.s", json!({}), "/u/schemas/m.s", false),
        ];
        for (method, written, answer, uri, missing) in table {
            let history = after(method.clone(), written, answer);
            let kept = history.before_last_write(&read(uri), Staleness::Reads(1), Instant::now());
            let status = if uri.contains("/jobs/") { 400 } else { 404 };
            assert_eq!(
                kept.map(|kept| kept.status.as_u16()),
                missing.then_some(status),
                "{method} {written}, {uri}"
            );
        }
    }

    #[test]
    fn a_read_is_answered_as_before_until_it_has_lagged_enough() {
        let kept = |text: &'static str| Kept {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(text.as_bytes()),
        };
        let parts = Request::delete("/u/tables/t").body(()).unwrap().into_parts().0;
        let (item, list) = (read("/u/tables/t"), read("/u/tables?schema=s"));
        let mut history = History::default();
        history.read(item.clone(), 0, kept("old"));
        history.read(list.clone(), 0, kept("old list"));
        write(&mut history, &parts, json!({}));
        let stale = |history: &History, read: &Read| {
            history.before_last_write(read, Staleness::Reads(2), Instant::now()).map(|kept| kept.body)
        };
        for _ in 0..2 {
            assert_eq!(stale(&history, &item).unwrap(), "old");
            history.served(&item);
        }
        assert!(stale(&history, &item).is_none());
        assert_eq!(stale(&history, &list).unwrap(), "old list");
        // A fresh answer is what the next write makes stale.
        history.read(item.clone(), 1, kept("new"));
        assert!(
            history.before_last_write(&item, Staleness::Lasting(Duration::MAX), Instant::now()).is_none()
        );
        write(&mut history, &parts, json!({}));
        assert_eq!(stale(&history, &item).unwrap(), "new");
    }

    #[test]
    fn memory_is_bounded() {
        let mut history = after(Method::POST, "/s", json!({"id": "a"}));
        let parts = Request::post("/s").body(()).unwrap().into_parts().0;
        for n in 0..CAPACITY + 10 {
            write(&mut history, &parts, json!({ "id": n }));
            let read = read(&format!("/s/{n}"));
            history.served(&read);
            history.read(read, 0, missing::answer(&Method::GET, "/s", ""));
        }
        assert!(history.writes.len() == CAPACITY && history.served.len() == CAPACITY);
        assert_eq!(history.answers.len(), CAPACITY);
    }
}
