//! What the user says is not to be recorded: secrets, hosts, ids of workspaces, names.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::error::{CassetteError, CassetteErrorKind};
use super::super::interaction::SEGMENT;
use super::text::{WORKSPACE_ID, edited};

/// A shorter secret would be found by accident everywhere.
const SHORTEST: usize = 6;

/// Values to remove. Secrets are never printed.
#[derive(Clone)]
pub(crate) struct Known {
    /// Each form of each secret, the longest first, with what replaces it.
    secrets: Vec<(String, String)>,
    workspace_hosts: BTreeSet<String>,
    storage_hosts: BTreeSet<String>,
    workspace_ids: BTreeSet<String>,
    user_names: BTreeSet<String>,
    by_default: bool,
    /// Why a value cannot be used: the first is told.
    problem: Option<String>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            workspace_hosts: BTreeSet::new(),
            storage_hosts: BTreeSet::new(),
            workspace_ids: BTreeSet::new(),
            user_names: BTreeSet::new(),
            by_default: true,
            problem: None,
        }
    }
}

impl Known {
    /// Whether hosts are recognised that nobody named.
    pub(crate) fn by_default(&self) -> bool {
        self.by_default
    }

    pub(crate) fn without_defaults(mut self) -> Self {
        self.by_default = false;
        self
    }

    /// The error of the first value that cannot be used.
    pub(crate) fn validate(&self) -> Result<(), CassetteError> {
        let own = || {
            self.secrets.iter().find(|(secret, _)| self.secrets.iter().any(|(_, new)| new.contains(secret)))
        };
        match &self.problem {
            Some(problem) => Err(CassetteError::new(CassetteErrorKind::Sanitizer, problem.clone())),
            None if own().is_some() => Err(CassetteError::new(
                CassetteErrorKind::Sanitizer,
                "what stands for a secret contains a secret; choose another text",
            )),
            None => Ok(()),
        }
    }

    pub(crate) fn add_secret(&mut self, secret: &str, replacement: &str) {
        if secret.len() < SHORTEST {
            let length = secret.len();
            let problem = format!(
                "a secret of {length} bytes (for {replacement:?}) would be found by accident; it needs at least {SHORTEST}"
            );
            self.problem.get_or_insert(problem);
            return;
        }
        let forms = forms_of(secret).into_iter().map(|form| (form, replacement.to_owned()));
        self.secrets.extend(forms);
        self.secrets.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    }

    pub(crate) fn add_workspace_host(&mut self, host: &str) {
        self.workspace_hosts.insert(authority(host));
    }

    pub(crate) fn add_storage_host(&mut self, host: &str) {
        self.storage_hosts.insert(authority(host));
    }

    pub(crate) fn add_workspace_id(&mut self, id: &str) {
        if id.len() < SHORTEST {
            self.problem
                .get_or_insert(format!("workspace id {id:?} would be found by accident: it is too short"));
            return;
        }
        self.workspace_ids.insert(id.to_owned());
    }

    pub(crate) fn add_user_name(&mut self, name: &str) {
        if name.len() < 3 || USER.contains(name) {
            self.problem
                .get_or_insert(format!("user name {name:?} would be found by accident: it is too short"));
            return;
        }
        self.user_names.insert(name.to_owned());
    }

    pub(crate) fn names_hosts(&self) -> bool {
        !self.workspace_hosts.is_empty() || !self.storage_hosts.is_empty()
    }

    pub(crate) fn is_host(&self, host: &str) -> bool {
        self.is_workspace_host(host) || self.is_storage_host(host)
    }

    pub(crate) fn is_workspace_host(&self, host: &str) -> bool {
        self.workspace_hosts.contains(host)
    }

    pub(crate) fn is_storage_host(&self, host: &str) -> bool {
        self.storage_hosts.contains(host)
    }

    /// Every form of every secret.
    pub(crate) fn secret_forms(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|(form, _)| form.as_str())
    }

    pub(super) fn replace_secrets(&self, text: &str) -> Option<String> {
        let mut changed: Option<String> = None;
        for (form, replacement) in &self.secrets {
            let current = changed.as_deref().unwrap_or(text);
            if current.contains(form.as_str()) {
                changed = Some(current.replace(form.as_str(), replacement));
            }
        }
        changed
    }

    /// Ids and names where they stand alone.
    pub(super) fn replace_names(&self, text: &str) -> Option<String> {
        let ids = self.workspace_ids.iter().map(|id| (id, WORKSPACE_ID));
        let names = self.user_names.iter().map(|name| (name, USER));
        let mut changed: Option<String> = None;
        for (value, replacement) in ids.chain(names) {
            let current = changed.as_deref().unwrap_or(text);
            let places = current.match_indices(value.as_str());
            let alone = places.filter(|(at, _)| stands_alone(current, *at, value.len()));
            let edits: Vec<_> = alone.map(|(at, _)| (at..at + value.len(), replacement)).collect();
            if let Some(next) = edited(current, edits.into_iter()) {
                changed = Some(next);
            }
        }
        changed
    }
}

/// What stands for the name of a user.
pub(crate) const USER: &str = "user";

/// Whether no letter and no digit is beside it.
pub(crate) fn stands_alone(text: &str, at: usize, length: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let after = text.get(at + length..).and_then(|after| after.chars().next());
    !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
}

/// Host and port, in lower case, of a host or of a URL.
fn authority(host: &str) -> String {
    let host = host.split_once("://").map_or(host, |(_, rest)| rest);
    host.split(['/', '?']).next().unwrap_or_default().to_ascii_lowercase()
}

/// The ways a secret is written: as it is, percent-encoded, escaped in JSON, in base64.
fn forms_of(secret: &str) -> BTreeSet<String> {
    let json = serde_json::Value::from(secret).to_string();
    let quoted = json.trim_start_matches('"').strip_suffix('"').unwrap_or(&json).to_owned();
    let mut forms = BTreeSet::from([
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, SEGMENT).to_string(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        quoted,
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]);
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_would_be_found_by_accident_is_refused() {
        let problem = |f: fn(&mut Known)| {
            let mut known = Known::default();
            f(&mut known);
            known.validate().unwrap_err().to_string()
        };
        assert!(problem(|known| known.add_secret("abc", "[X]")).contains("\"[X]\""));
        assert!(problem(|known| known.add_secret("abcdef", "<abcdef>")).contains("contains a secret"));
        assert!(problem(|known| known.add_workspace_id("1")).contains("\"1\""));
        assert!(problem(|known| known.add_user_name("")).contains("\"\""));
    }

    #[test]
    fn hosts_may_be_given_as_urls() {
        let mut known = Known::default();
        known.add_workspace_host("https://My.Host:443/?o=1");
        assert!(known.is_workspace_host("my.host:443"));
    }
}
