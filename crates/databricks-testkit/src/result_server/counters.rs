//! What a result server has done so far.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;

/// Requests and bytes of a [`ResultServer`](super::ResultServer) since its start, or since they were last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultServerStats {
    /// `POST` of a statement.
    pub submissions: u64,
    /// `GET` of a statement.
    pub polls: u64,
    /// `GET` of a chunk, which answers a link.
    pub chunk_calls: u64,
    /// `POST` of a cancel.
    pub cancels: u64,
    /// Every other request to the API, such as of sessions.
    pub other_calls: u64,
    /// `GET` of a link.
    pub link_gets: u64,
    /// Requests that were failed on purpose.
    pub failures: u64,
    /// Bytes of files that were handed to connections.
    pub link_bytes: u64,
    /// The most requests to storage that were open at once, from their arrival to the last byte of their answer.
    pub most_links_at_once: u64,
    /// Such requests that are open now.
    pub open_links: u64,
}

impl ResultServerStats {
    /// Requests to the API, of any kind.
    pub fn api_calls(&self) -> u64 {
        self.submissions + self.polls + self.chunk_calls + self.cancels + self.other_calls
    }
}

/// The same while it is counted. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    stats: Mutex<ResultServerStats>,
    open_links: AtomicU64,
}

impl Counters {
    fn change(&self, change: impl FnOnce(&mut ResultServerStats)) {
        change(&mut self.inner.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn api_call(&self, method: &Method, path: &str) {
        let count = counter(method, path);
        self.change(|stats| *count(stats) += 1);
    }

    /// Counts a link as open until the guard is dropped.
    pub(super) fn open_link(&self) -> OpenLink {
        let open = self.inner.open_links.fetch_add(1, Ordering::SeqCst) + 1;
        self.change(|stats| {
            stats.link_gets += 1;
            stats.most_links_at_once = stats.most_links_at_once.max(open);
        });
        OpenLink { counters: self.clone() }
    }

    /// What was counted; counting begins anew if asked for.
    pub(super) fn read(&self, anew: bool) -> ResultServerStats {
        let mut read = ResultServerStats::default();
        self.change(|stats| {
            read = *stats;
            if anew {
                *stats = ResultServerStats::default();
            }
        });
        ResultServerStats { open_links: self.inner.open_links.load(Ordering::SeqCst), ..read }
    }
}

fn counter(method: &Method, path: &str) -> fn(&mut ResultServerStats) -> &mut u64 {
    let rest = path.strip_prefix("/api/2.0/sql/statements").map(|rest| rest.trim_matches('/'));
    let segments: Vec<&str> = rest.unwrap_or("?").split('/').collect();
    match (method.as_str(), segments.as_slice()) {
        ("POST", [""]) => |stats| &mut stats.submissions,
        ("POST", [_, "cancel"]) => |stats| &mut stats.cancels,
        ("GET", [_, "result", "chunks", _]) => |stats| &mut stats.chunk_calls,
        ("GET", [id]) if *id != "?" => |stats| &mut stats.polls,
        _ => |stats| &mut stats.other_calls,
    }
}

/// A request to storage that is still answered.
#[derive(Debug)]
pub(super) struct OpenLink {
    counters: Counters,
}

impl OpenLink {
    pub(super) fn sent(&self, bytes: usize) {
        self.counters.change(|stats| stats.link_bytes += bytes as u64);
    }
}

impl Drop for OpenLink {
    fn drop(&mut self) {
        self.counters.inner.open_links.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_what_they_are() {
        let counters = Counters::default();
        for (method, path) in [
            (Method::POST, "/api/2.0/sql/statements"),
            (Method::POST, "/api/2.0/sql/statements/"),
            (Method::GET, "/api/2.0/sql/statements/a"),
            (Method::GET, "/api/2.0/sql/statements/a/result/chunks/3"),
            (Method::POST, "/api/2.0/sql/statements/a/cancel"),
            (Method::DELETE, "/api/2.0/sql/statements/a"),
            (Method::POST, "/api/2.0/sql/sessions"),
        ] {
            counters.api_call(&method, path);
        }
        let stats = counters.read(true);
        assert_eq!((stats.submissions, stats.polls, stats.chunk_calls, stats.cancels), (2, 1, 1, 1));
        assert_eq!((stats.other_calls, stats.api_calls()), (2, 7));
        assert_eq!(counters.read(false), ResultServerStats::default());
    }

    #[test]
    fn the_most_links_at_once_are_those_open_together() {
        let counters = Counters::default();
        let first = counters.open_link();
        drop(counters.open_link());
        drop(first);
        drop(counters.open_link());
        let stats = counters.read(false);
        assert_eq!((stats.link_gets, stats.most_links_at_once, stats.open_links), (3, 2, 0));
    }
}
