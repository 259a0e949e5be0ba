//! The command line: `--name value` pairs and bare `--name`s.

use std::error::Error;
use std::str::FromStr;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

pub(crate) struct Flags(Vec<String>);

impl Flags {
    pub(crate) fn new(words: &[String]) -> Self {
        Self(words.to_vec())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }

    pub(crate) fn value<T: FromStr>(&self, name: &str) -> Outcome<Option<T>> {
        let at = self.0.iter().position(|word| word == name);
        let Some(text) = at.and_then(|at| self.0.get(at + 1)) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{name} does not take `{text}`").into())
    }

    pub(crate) fn required<T: FromStr>(&self, name: &str) -> Outcome<T> {
        self.value(name)?.ok_or_else(|| format!("{name} is missing").into())
    }
}
