//! What is removed from requests and answers before they are kept, and before they are compared.
//!
//! [`Sanitizers`] applies the rules: [`shapes`] knows the forms of secrets, [`text`] what is removed from any text,
//! [`keys`] what is removed because of its name, [`known`] the values that the user names, [`learn`] those that a run
//! shows. [`secrets`] is the check that nothing is left.

mod assignments;
mod json_text;
mod keys;
mod known;
mod learn;
mod names;
mod secrets;
mod shapes;
mod text;

use std::fmt;
use std::sync::Arc;

use http::header::CONTENT_TYPE;

use super::body::CassetteBody;
use super::error::CassetteError;
use super::interaction::{CassetteRequest, CassetteResponse, Interaction, Outcome, canonical_path};
use crate::request_log::Origin;
use keys::{Cleaner, Keys};
use known::Known;
pub(crate) use known::stands_alone;
pub use secrets::SecretScan;
pub(crate) use shapes::REDACTED;

/// A rule of the user's own about what is kept of requests and answers.
///
/// It runs before something is saved and before a request is compared with what was recorded, so it must give the
/// same for the same, and applying it twice must be the same as applying it once.
///
/// ```
/// use databricks_testkit::{CassetteRequest, Sanitizer, Sanitizers};
///
/// struct WithoutTrace;
///
/// impl Sanitizer for WithoutTrace {
///     fn request(&self, request: &mut CassetteRequest) {
///         request.query.remove("trace");
///     }
/// }
///
/// let sanitizers = Sanitizers::default().with(WithoutTrace);
/// # let _ = sanitizers;
/// ```
pub trait Sanitizer: Send + Sync {
    /// Changes a request.
    fn request(&self, request: &mut CassetteRequest) {
        let _ = request;
    }

    /// Changes the answer to a request, which is sanitized by then.
    fn response(&self, request: &CassetteRequest, response: &mut CassetteResponse) {
        let _ = (request, response);
    }
}

/// The rules about what is kept of requests and answers.
///
/// By default these are removed: credentials (also from forms and JSON, by their names and by their shapes), signed
/// queries and the headers of links, hosts, ids of workspaces, names of users, e-mail addresses. Binary bodies are
/// kept as they are: what they hold is only [searched](SecretScan).
///
/// `Debug` prints how many rules there are, not what they remove.
///
/// ```
/// use databricks_testkit::Sanitizers;
///
/// let sanitizers = Sanitizers::default().with_secret("correct horse", "[PASSPHRASE]").with_json_key("ssn");
/// assert_eq!(sanitizers.text("correct horse of jane@corp.example"), "[PASSPHRASE] of user@example.invalid");
/// ```
#[derive(Clone, Default)]
pub struct Sanitizers {
    known: Known,
    keys: Keys,
    custom: Vec<Arc<dyn Sanitizer>>,
}

impl Sanitizers {
    /// The default rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// No rules but those that are added. Saving still refuses what looks like a secret.
    pub fn none() -> Self {
        Self {
            known: Known::default().without_defaults(),
            keys: Keys::default().without_defaults(),
            custom: Vec::new(),
        }
    }

    /// Puts `replacement` where `secret` stands, also percent-encoded, escaped in JSON, or in base64. What is saved
    /// is searched for it, binary bodies included.
    #[must_use]
    pub fn with_secret(mut self, secret: &str, replacement: &str) -> Self {
        self.known.add_secret(secret, replacement);
        self
    }

    /// Removes what stands under this name: in JSON, in forms, in queries. `client_secret` and `clientSecret` are
    /// one name.
    #[must_use]
    pub fn with_json_key(mut self, key: &str) -> Self {
        self.keys.add(key);
        self
    }

    /// A host (or its URL) to be replaced by `workspace.invalid`, besides those of the clouds. One without a dot and
    /// without a port may be any word, and is replaced in addresses only: behind `://`.
    #[must_use]
    pub fn with_workspace_host(mut self, host: &str) -> Self {
        self.known.add_workspace_host(host);
        self
    }

    /// A host (or its URL) to be replaced by `storage.invalid`, besides those of the clouds. One without a dot and
    /// without a port may be any word, and is replaced in addresses only: behind `://`.
    #[must_use]
    pub fn with_storage_host(mut self, host: &str) -> Self {
        self.known.add_storage_host(host);
        self
    }

    /// An id to be replaced wherever it stands alone.
    #[must_use]
    pub fn with_workspace_id(mut self, id: &str) -> Self {
        self.known.add_workspace_id(id);
        self
    }

    /// A name to be replaced wherever it stands alone.
    #[must_use]
    pub fn with_user_name(mut self, name: &str) -> Self {
        self.known.add_user_name(name);
        self
    }

    /// Adds a rule of the user's own. It runs after the others.
    #[must_use]
    pub fn with(mut self, sanitizer: impl Sanitizer + 'static) -> Self {
        self.custom.push(Arc::new(sanitizer));
        self
    }

    /// Whether every rule can work.
    ///
    /// # Errors
    /// When a secret, an id or a name is so short that it would be found by accident, or when what stands for a
    /// secret contains one.
    pub fn validate(&self) -> Result<(), CassetteError> {
        self.known.validate()
    }

    /// The check that knows the secrets named here.
    pub fn secret_scan(&self) -> SecretScan {
        SecretScan::of(self.known.clone(), self.keys.clone())
    }

    /// What is kept of a text.
    pub fn text(&self, text: &str) -> String {
        self.cleaner(None).text(text).into_owned()
    }

    /// Changes a request into what is kept of it.
    pub fn sanitize_request(&self, request: &mut CassetteRequest) {
        let cleaner = self.cleaner(Some(request));
        request.path = canonical_path(&cleaner.text(&request.path));
        if request.origin == Origin::Storage && self.known.by_default() {
            request.query.clear();
        }
        for (name, values) in &mut request.query {
            for value in values {
                let replacement = if name == "o" && self.known.by_default() && !value.is_empty() {
                    Some(text::WORKSPACE_ID)
                } else {
                    self.keys.replacement(name, value)
                };
                *value = replacement.map_or_else(|| cleaner.text(value).into_owned(), str::to_owned);
            }
        }
        request.headers.values_mut().for_each(|value| *value = cleaner.text(value).into_owned());
        let content_type = request.headers.get(CONTENT_TYPE.as_str()).cloned();
        request.body = cleaned_body(cleaner, std::mem::take(&mut request.body), content_type.as_deref());
        self.custom.iter().for_each(|custom| custom.request(request));
    }

    /// Changes the answer to a request, which is sanitized by then, into what is kept of it.
    pub fn sanitize_response(&self, request: &CassetteRequest, response: &mut CassetteResponse) {
        let cleaner = self.cleaner(Some(request));
        response.headers.values_mut().for_each(|value| *value = cleaner.text(value).into_owned());
        let content_type = response.headers.get(CONTENT_TYPE.as_str()).cloned();
        response.body = cleaned_body(cleaner, std::mem::take(&mut response.body), content_type.as_deref());
        self.custom.iter().for_each(|custom| custom.response(request, response));
    }

    /// Changes a request and its outcome into what is kept of them.
    pub fn sanitize(&self, interaction: &mut Interaction) {
        self.sanitize_parts(&mut interaction.request, &mut interaction.outcome);
    }

    pub(crate) fn sanitize_parts(&self, request: &mut CassetteRequest, outcome: &mut Outcome) {
        self.sanitize_request(request);
        match outcome {
            Outcome::Response(response) => self.sanitize_response(request, response),
            Outcome::Failure(failure) => failure.message = self.text(&failure.message),
        }
    }

    fn cleaner(&self, request: Option<&CassetteRequest>) -> Cleaner<'_> {
        let request = request.filter(|_| self.known.by_default());
        let secret_values = request.is_some_and(is_about_secrets);
        let people = request.is_some_and(is_about_people);
        Cleaner { keys: &self.keys, known: &self.known, secret_values, people }
    }
}

impl fmt::Debug for Sanitizers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { known, keys: _, custom } = self;
        f.debug_struct("Sanitizers")
            .field("defaults", &known.by_default())
            .field("custom", &custom.len())
            .finish_non_exhaustive()
    }
}

/// The endpoints that store and give secrets.
fn is_about_secrets(request: &CassetteRequest) -> bool {
    request.path.contains("/secrets/")
}

/// The endpoints of users, groups and service principals.
fn is_about_people(request: &CassetteRequest) -> bool {
    request.path.contains("/scim/")
}

fn cleaned_body(cleaner: Cleaner<'_>, body: CassetteBody, content_type: Option<&str>) -> CassetteBody {
    let kind = content_type.unwrap_or_default().to_ascii_lowercase();
    match body {
        CassetteBody::Json(value) => CassetteBody::Json(cleaner.value(value)),
        CassetteBody::Text(text) if is_labelled_form(&kind, &text) => CassetteBody::Text(cleaner.form(&text)),
        CassetteBody::Text(text) => CassetteBody::Text(cleaner.any_text(&text)),
        other => other,
    }
}

/// Whether a body is a form as its type says: some clients give everything that type, JSON too.
fn is_labelled_form(kind: &str, text: &str) -> bool {
    kind.trim_start().starts_with("application/x-www-form-urlencoded")
        && !text.trim_start().starts_with(['{', '['])
}
