//! What can be seen from outside, collected.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt::{Debug, Display};
use std::sync::{Arc, Mutex};

use super::plants::starts;
use databricks_transport::{ApiError, Error};

/// Everything that can be seen, and which calls have been made.
#[derive(Clone, Default)]
pub(super) struct Spy {
    pub(super) seen: Arc<Mutex<BTreeSet<String>>>,
    pub(super) called: Arc<Mutex<BTreeSet<&'static str>>>,
    pub(super) failures: Arc<Mutex<usize>>,
}

impl Spy {
    pub(super) fn debug(&self, value: &dyn Debug) {
        self.note(format!("{value:?}"));
        self.note(format!("{value:#?}"));
    }

    pub(super) fn text(&self, value: &dyn Display) {
        self.note(value.to_string());
    }

    pub(super) fn note(&self, text: String) {
        self.seen.lock().unwrap().insert(text);
    }

    pub(super) fn call<T: Debug>(&self, name: &'static str, result: Result<T, Error>) -> Option<T> {
        self.called.lock().unwrap().insert(name);
        match result {
            Ok(value) => {
                self.debug(&value);
                Some(value)
            }
            Err(error) => {
                *self.failures.lock().unwrap() += 1;
                self.error(&error);
                None
            }
        }
    }

    pub(super) fn error(&self, error: &Error) {
        self.debug(error);
        self.note(format!("{error} | {} | {:?}", error.message(), error.hint()));
        if let Some(api) = error.api_error() {
            self.api_error(api);
        }
        let mut source = error.source();
        while let Some(cause) = source {
            self.note(format!("{cause} {cause:?}"));
            source = cause.source();
        }
    }

    fn api_error(&self, api: &ApiError) {
        self.debug(api);
        self.note(format!("{api} {:?} {:?}", api.reason(), api.error_info()));
        self.note(format!("{:?} {:?}", api.quota_violations(), api.field_violations()));
        self.debug(&api.resource_info());
    }

    pub(super) fn shows_nothing(&self) {
        let starts = starts();
        let seen = self.seen.lock().unwrap();
        let shows = |text: &&String| starts.iter().find(|(_, start)| text.contains(start.as_str()));
        let leaks: Vec<_> = seen.iter().filter_map(|text| Some((shows(&text)?, text))).collect();
        let some: Vec<_> = leaks
            .iter()
            .take(10)
            .map(|((secret, form), text)| format!("`{secret}`, as `{form}`, is in:\n{text}\n"))
            .collect();
        assert!(leaks.is_empty(), "{} leaks\n{}", leaks.len(), some.join("\n"));
    }
}
