//! What requests are counted under: a class of endpoints, or the kind of traffic.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use metrics::{Key, Label, SharedString};

use super::metrics::{CALL_SECONDS, REQUEST_SECONDS, REQUESTS, RETRIES, add_one, record, status_text};

/// An `endpoint` label and the keys of its metrics, which are made once: a call makes none when all goes well.
#[derive(Debug)]
pub(crate) struct Endpoint {
    name: Arc<str>,
    call_seconds: Key,
    request_seconds: Key,
    retries: Key,
    successes: Key,
}

impl Endpoint {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        let name: Arc<str> = name.into();
        let label = || Label::new("endpoint", Arc::clone(&name));
        let key = |metric: &'static str| Key::from_parts(metric, vec![label()]);
        Arc::new(Self {
            call_seconds: key(CALL_SECONDS),
            request_seconds: key(REQUEST_SECONDS),
            retries: key(RETRIES),
            successes: Key::from_parts(REQUESTS, vec![label(), Label::new("status", "200")]),
            name,
        })
    }

    /// The label.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A call has ended.
    pub(super) fn call_ended(&self, took: Duration) {
        record(&self.call_seconds, took);
    }

    /// A request was answered.
    pub(super) fn answered(&self, status: StatusCode, took: Duration, is_retry: bool) {
        self.took(took, is_retry);
        if status == StatusCode::OK {
            add_one(&self.successes);
        } else {
            self.count(status_text(status));
        }
    }

    /// A request has ended without an answer, or was given up.
    pub(super) fn unanswered(&self, why: &'static str, took: Duration, is_retry: bool) {
        self.took(took, is_retry);
        self.count(why.into());
    }

    fn took(&self, took: Duration, is_retry: bool) {
        record(&self.request_seconds, took);
        if is_retry {
            add_one(&self.retries);
        }
    }

    fn count(&self, status: SharedString) {
        let labels = vec![Label::new("endpoint", Arc::clone(&self.name)), Label::new("status", status)];
        add_one(&Key::from_parts(REQUESTS, labels));
    }
}
