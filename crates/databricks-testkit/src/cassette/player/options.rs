//! How a player records and compares.

use std::fmt;
use std::sync::Arc;

use databricks_transport::Error;
use serde_json::Value;

use super::mode::CassetteMode;
use crate::cassette::body::CassetteBody;
use crate::cassette::error::{CassetteError, CassetteErrorKind};
use crate::cassette::interaction::CassetteRequest;
use crate::cassette::sanitize::{REDACTED, Sanitizers};
use crate::cassette::variables::Variables;

/// Bytes of one body that are recorded, unless set.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

type Normalize = Arc<dyn Fn(&mut CassetteRequest) + Send + Sync>;

/// How a [`CassettePlayer`](crate::CassettePlayer) records, and when it takes two requests for the same.
///
/// Two requests are the same when method, origin, path, query and body are: JSON by value, text and bytes exactly,
/// ids that a client makes up (UUIDs, 32 hexadecimal digits) by standing in the same places.
///
/// ```
/// use databricks_testkit::{CassetteMode, CassetteOptions};
///
/// # fn main() -> Result<(), databricks_testkit::CassetteError> {
/// let options = CassetteOptions::new()
///     .with_mode(CassetteMode::None)
///     .with_variable("test_id", "a1b2c3d4")?
///     .with_ignored_query("o")
///     .with_ignored_pointer_at("/api/2.0/sql/statements", "/wait_timeout");
/// # let _ = options;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct CassetteOptions {
    /// As the environment says when `None`.
    pub(crate) mode: Option<CassetteMode>,
    pub(crate) sanitizers: Sanitizers,
    pub(crate) secrets: Vec<String>,
    pub(crate) variables: Variables,
    pub(crate) body_limit: usize,
    pub(crate) timing: bool,
    pub(crate) unused_allowed: bool,
    ignored_pointers: Vec<IgnoredPointer>,
    ignored_query: Vec<String>,
    normalize: Vec<Normalize>,
}

#[derive(Clone, Debug)]
struct IgnoredPointer {
    /// Of all paths when `None`.
    path: Option<String>,
    pointer: String,
}

impl Default for CassetteOptions {
    fn default() -> Self {
        Self {
            mode: None,
            sanitizers: Sanitizers::default(),
            secrets: Vec::new(),
            variables: Variables::new(),
            body_limit: BODY_LIMIT,
            timing: false,
            unused_allowed: false,
            ignored_pointers: Vec::new(),
            ignored_query: Vec::new(),
            normalize: Vec::new(),
        }
    }
}

impl CassetteOptions {
    /// The defaults: records and replays as the environment says ([`CassetteMode::from_env`]), once when it says nothing;
    /// removes what is secret, compares everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// When to record and when to replay, whatever the environment says.
    pub fn with_mode(mut self, mode: CassetteMode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// What is removed before anything is kept or compared. The recording and its replays need the same ones.
    pub fn with_sanitizers(mut self, sanitizers: Sanitizers) -> Self {
        self.sanitizers = sanitizers;
        self
    }

    /// A text that must not get out: it is removed from what is recorded, compared and shown, and a cassette that
    /// still has it, in any encoding, is not saved. The credentials that pass through the player are known to it
    /// anyway. One so short that it would be found by accident is refused when the player is made.
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// A value that differs from run to run, such as an id in the names of a test's tables. It is recorded under its
    /// name; the value of the replay stands for it in answers and is understood in requests.
    ///
    /// # Errors
    /// When the name or the value cannot be used, such as a value too short to be told from other text. One that the
    /// sanitizers would remove is refused when the player is made.
    pub fn with_variable(mut self, name: &str, value: impl Into<Value>) -> Result<Self, CassetteError> {
        self.variables.declare(name, value)?;
        Ok(self)
    }

    /// A place in JSON bodies that does not count when requests are compared: a JSON pointer, in which `*` stands for
    /// every member or index.
    pub fn with_ignored_pointer(mut self, pointer: impl Into<String>) -> Self {
        self.ignored_pointers.push(IgnoredPointer { path: None, pointer: pointer.into() });
        self
    }

    /// The same for requests to one path, in which a segment in braces (`/api/2.0/sql/statements/{id}`) stands for any.
    pub fn with_ignored_pointer_at(mut self, path: impl Into<String>, pointer: impl Into<String>) -> Self {
        self.ignored_pointers.push(IgnoredPointer { path: Some(path.into()), pointer: pointer.into() });
        self
    }

    /// A query parameter that does not count when requests are compared.
    pub fn with_ignored_query(mut self, name: impl Into<String>) -> Self {
        self.ignored_query.push(name.into());
        self
    }

    /// Brings requests into a form in which those that should match are equal. It is applied to a copy of the
    /// recorded request and of the one that is asked; what is recorded stays as it is.
    pub fn with_match_on(mut self, normalize: impl Fn(&mut CassetteRequest) + Send + Sync + 'static) -> Self {
        self.normalize.push(Arc::new(normalize));
        self
    }

    /// The largest body, in bytes, that is recorded or compared; 64 MiB unless set. A larger one fails its request.
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Makes answers take as long as they took when recorded, and keeps `Retry-After` as it was. Without it a replay
    /// answers at once and asks nobody to wait.
    pub fn with_timing(mut self, timing: bool) -> Self {
        self.timing = timing;
        self
    }

    /// Lets recorded interactions stay unused: for recordings of another client that did more.
    pub fn with_unused_allowed(mut self, allowed: bool) -> Self {
        self.unused_allowed = allowed;
        self
    }

    /// The mode that was set, else that of the environment.
    pub(crate) fn mode_or(
        &self,
        environment: impl FnOnce() -> Result<CassetteMode, Error>,
    ) -> Result<CassetteMode, CassetteError> {
        self.mode.map_or_else(environment, Ok).map_err(|error| {
            CassetteError::new(CassetteErrorKind::Config, error.to_string()).with_source(error)
        })
    }

    /// Refuses what could never work.
    pub(crate) fn validate(&self) -> Result<(), CassetteError> {
        let sanitizers = self.all_sanitizers();
        sanitizers.validate()?;
        self.check_variables(&sanitizers)?;
        for ignored in &self.ignored_pointers {
            if !ignored.pointer.starts_with('/') {
                return Err(CassetteError::new(
                    CassetteErrorKind::Config,
                    format!(
                        "`{}` is no JSON pointer: one begins with `/`, such as `/parameters/*/value`",
                        ignored.pointer
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Refuses a declared value that is removed from what is recorded: its name would stand nowhere, and the value
    /// itself in the list of variables.
    pub(crate) fn check_variables(&self, sanitizers: &Sanitizers) -> Result<(), CassetteError> {
        let removed = |value: &Value| value.as_str().is_some_and(|text| sanitizers.text(text) != text);
        match self.variables.iter().find(|(_, value)| removed(value)) {
            None => Ok(()),
            Some((name, _)) => Err(CassetteError::variable(format!(
                "variable `{name}`: its value holds what the sanitizers remove (a secret, a host, the name or the \
                 address of a user), so it is never recorded; declare a part of it that they leave alone"
            ))),
        }
    }

    /// The sanitizers with the secrets that they do not know yet.
    pub(crate) fn all_sanitizers(&self) -> Sanitizers {
        let told = self.sanitizers.clone();
        self.secrets.iter().fold(told, |sanitizers, secret| sanitizers.with_secret(secret, REDACTED))
    }

    /// What counts of a request when it is compared.
    pub(crate) fn comparable(&self, request: &CassetteRequest) -> CassetteRequest {
        let mut request = request.clone();
        for name in &self.ignored_query {
            request.query.remove(name);
        }
        for normalize in &self.normalize {
            normalize(&mut request);
        }
        request.body = json_at_heart(request.body);
        if let CassetteBody::Json(body) = &mut request.body {
            for ignored in &self.ignored_pointers {
                if ignored.path.as_deref().is_none_or(|template| fits_template(template, &request.path)) {
                    remove(body, &ignored.pointer);
                }
            }
        }
        request
    }
}

/// JSON that a client sent without calling it so.
fn json_at_heart(body: CassetteBody) -> CassetteBody {
    match &body {
        CassetteBody::Text(text) if text.trim_start().starts_with(['{', '[']) => {
            match CassetteBody::from_bytes(text.clone().into(), Some("application/json")) {
                json @ CassetteBody::Json(_) => json,
                _ => body,
            }
        }
        _ => body,
    }
}

fn fits_template(template: &str, path: &str) -> bool {
    let any = |segment: &str| segment == "*" || (segment.starts_with('{') && segment.ends_with('}'));
    let (mut a, mut b) = (template.split('/'), path.split('/'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y || any(x) => {}
            _ => return false,
        }
    }
}

/// Takes what stands at a pointer out of a value; items of an array become null, so that the others keep their places.
fn remove(value: &mut Value, pointer: &str) {
    let Some(rest) = pointer.strip_prefix('/') else { return };
    let (step, rest) =
        rest.split_once('/').map_or((rest, None), |(step, rest)| (step, Some(format!("/{rest}"))));
    let step = step.replace("~1", "/").replace("~0", "~");
    match (value, rest) {
        (Value::Object(members), None) if step == "*" => members.clear(),
        (Value::Object(members), None) => _ = members.remove(&step),
        (Value::Object(members), Some(rest)) if step == "*" => {
            members.values_mut().for_each(|value| remove(value, &rest));
        }
        (Value::Object(members), Some(rest)) => {
            members.get_mut(&step).into_iter().for_each(|value| remove(value, &rest));
        }
        (Value::Array(items), rest) => {
            let chosen = |index: usize| step == "*" || step == index.to_string();
            for (_, item) in items.iter_mut().enumerate().filter(|(index, _)| chosen(*index)) {
                match &rest {
                    Some(rest) => remove(item, rest),
                    None => *item = Value::Null,
                }
            }
        }
        _ => {}
    }
}

impl fmt::Debug for CassetteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mode,
            sanitizers: _,
            secrets,
            variables,
            body_limit,
            timing,
            unused_allowed,
            ignored_pointers,
            ignored_query,
            normalize,
        } = self;
        f.debug_struct("CassetteOptions")
            .field("mode", mode)
            .field("secrets", &secrets.len())
            .field("variables", variables)
            .field("body_limit", body_limit)
            .field("timing", timing)
            .field("unused_allowed", unused_allowed)
            .field("ignored_pointers", ignored_pointers)
            .field("ignored_query", ignored_query)
            .field("normalize", &normalize.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::request_log::Origin;
    use http::Method;
    use serde_json::json;

    fn comparable(options: &CassetteOptions, path: &str, body: CassetteBody) -> CassetteRequest {
        let mut request = CassetteRequest::new(Method::POST, Origin::Api, path);
        request.body = body;
        request.query.insert("o".to_owned(), vec!["1".to_owned()]);
        options.comparable(&request)
    }

    #[test]
    fn ignored_places_do_not_count_where_they_are_ignored() {
        let options = CassetteOptions::new()
            .with_ignored_query("o")
            .with_ignored_pointer("/everywhere")
            .with_ignored_pointer_at("/a/{id}/c", "/list/*/x~1y")
            .with_ignored_pointer_at("/a/{id}/c", "/list/1/z");
        let body = || json!({"everywhere": 1, "list": [{"x/y": 1, "z": 1}, {"x/y": 2, "z": 2}], "kept": 1});
        let here = comparable(&options, "/a/b/c", CassetteBody::Json(body()));
        assert_eq!(here.body, CassetteBody::Json(json!({"list": [{"z": 1}, {}], "kept": 1})));
        assert!(here.query.is_empty());
        let there = comparable(&options, "/a/b/c/d", CassetteBody::Json(body()));
        assert_eq!(there.body.as_json().unwrap()["list"], body()["list"]);
        assert!(there.body.as_json().unwrap().get("everywhere").is_none());
    }

    #[test]
    fn json_counts_as_json_even_when_a_client_does_not_say_so() {
        let options = CassetteOptions::new();
        let json = comparable(&options, "/", CassetteBody::Text("{ \"a\": 1 }".to_owned()));
        assert_eq!(json.body, CassetteBody::Json(json!({"a": 1})));
        for text in ["{broken", "[1.00000000000000000001]", "plain"] {
            let kept = comparable(&options, "/", CassetteBody::Text(text.to_owned()));
            assert_eq!(kept.body, CassetteBody::Text(text.to_owned()));
        }
    }

    #[test]
    fn a_declared_value_that_would_be_removed_is_refused_by_its_name() {
        for value in ["jane@corp.example", "https://my-corp.cloud.databricks.com", "x-hunter-22-x"] {
            let options =
                CassetteOptions::new().with_secret("hunter-22").with_variable("mine", value).unwrap();
            let error = options.validate().unwrap_err();
            assert_eq!(error.kind(), CassetteErrorKind::Variable);
            let text = error.to_string();
            assert!(text.starts_with("variable `mine`: ") && !text.contains(value), "{text}");
        }
        CassetteOptions::new().with_variable("mine", "main.t_1").unwrap().validate().unwrap();
    }

    #[test]
    fn the_environment_decides_unless_a_mode_is_set() {
        let options = CassetteOptions::new();
        assert_eq!(options.mode_or(|| Ok(CassetteMode::None)).unwrap(), CassetteMode::None);
        let error = options.mode_or(|| "replay".parse()).unwrap_err();
        assert_eq!(error.kind(), CassetteErrorKind::Config);
        assert!(error.to_string().contains("\"replay\", which is no mode"), "{error}");
        let options = options.with_mode(CassetteMode::All);
        assert_eq!(options.mode_or(|| "replay".parse()).unwrap(), CassetteMode::All);
    }

    #[test]
    fn a_pointer_that_is_none_is_refused_by_name() {
        let error = CassetteOptions::new().with_ignored_pointer("statement").validate().unwrap_err();
        assert_eq!(error.kind(), CassetteErrorKind::Config);
        assert!(error.to_string().starts_with("`statement` is no JSON pointer"), "{error}");
    }
}
