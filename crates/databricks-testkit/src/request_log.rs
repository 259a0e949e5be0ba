//! What was asked and how it was answered, for tests to look at.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Method, StatusCode, Uri};

/// How many requests are remembered.
const CAPACITY: usize = 10_000;

/// Which of a workspace's two origins a request went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The REST API.
    Api,
    /// The object store behind external links.
    Storage,
}

/// One request as the workspace saw it. Headers and bodies are not kept: they hold secrets and may be large.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRecord {
    /// The method.
    pub method: Method,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// The query, without its `?`; empty when there is none.
    pub query: String,
    /// The status answered; `None` while the request is open, and for good when it was reset or given up.
    pub status: Option<StatusCode>,
    /// Where it went.
    pub origin: Origin,
}

/// The last requests, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    records: VecDeque<RequestRecord>,
    /// The number of the oldest record kept.
    first: u64,
}

impl RequestLog {
    /// Notes an arrival and gives the number to answer it with.
    pub(crate) fn arrived(&self, method: &Method, uri: &Uri, origin: Origin) -> u64 {
        let mut inner = self.lock();
        if inner.records.len() == CAPACITY {
            inner.records.pop_front();
            inner.first += 1;
        }
        inner.records.push_back(RequestRecord {
            method: method.clone(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            status: None,
            origin,
        });
        inner.first + inner.records.len() as u64 - 1
    }

    /// Notes the answer to an arrival that is still remembered.
    pub(crate) fn answered(&self, number: u64, status: StatusCode) {
        let mut inner = self.lock();
        let index = number.checked_sub(inner.first).and_then(|i| usize::try_from(i).ok());
        if let Some(record) = index.and_then(|i| inner.records.get_mut(i)) {
            record.status = Some(status);
        }
    }

    pub(crate) fn snapshot(&self) -> Vec<RequestRecord> {
        self.lock().records.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        inner.first += inner.records.len() as u64;
        inner.records.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_oldest_requests_make_room_and_late_answers_find_their_own() {
        let log = RequestLog::default();
        let uri = |n: usize| format!("/r/{n}?a=b").parse::<Uri>().unwrap();
        let numbers: Vec<u64> =
            (0..CAPACITY + 2).map(|n| log.arrived(&Method::GET, &uri(n), Origin::Api)).collect();
        log.answered(numbers[0], StatusCode::OK);
        log.answered(numbers[2], StatusCode::NOT_FOUND);
        let records = log.snapshot();
        assert_eq!(records.len(), CAPACITY);
        assert_eq!((records[0].path.as_str(), records[0].status), ("/r/2", Some(StatusCode::NOT_FOUND)));
        assert_eq!((records[1].query.as_str(), records[1].status), ("a=b", None));
        log.clear();
        log.answered(numbers[5], StatusCode::OK);
        assert!(log.snapshot().is_empty());
    }
}
