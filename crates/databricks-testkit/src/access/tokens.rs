//! Bearer tokens: personal ones and those OAuth handed out, each with its user, its end and its scopes.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use indexmap::IndexMap;

use super::Shown;
use crate::api_error::ApiFailure;
use crate::workspace::SimulatedWorkspace;

/// The user of tokens that were given none.
pub(super) const DEFAULT_USER: &str = "user@simulated.invalid";
/// OAuth tokens remembered; past it the oldest are forgotten and count as never issued.
const ISSUED: usize = 10_000;

/// The tokens a workspace takes.
#[derive(Default)]
pub(crate) struct Tokens {
    known: Mutex<IndexMap<String, Entry>>,
    /// Whether an expired OAuth token is answered with 401 instead of 403.
    expired_is_unauthorized: bool,
}

#[derive(Clone)]
struct Entry {
    user: String,
    /// The time since the workspace's start at which it ends.
    expires: Option<Duration>,
    /// The scopes of an OAuth token; a personal token has none and may do everything.
    scopes: Option<Vec<String>>,
}

/// Who a good token belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: String,
    scopes: Option<Vec<String>>,
}

impl Tokens {
    /// Takes a personal token. One that is known changes its user and keeps its end.
    pub(crate) fn insert(&self, token: String, user: String) {
        let mut known = self.lock();
        let expires = known.get(&token).and_then(|entry| entry.expires);
        known.insert(token, Entry { user, expires, scopes: None });
    }

    /// Takes a personal token unless it is known already.
    pub(crate) fn insert_missing(&self, token: &str) {
        let entry = || Entry { user: DEFAULT_USER.to_owned(), expires: None, scopes: None };
        self.lock().entry(token.to_owned()).or_insert_with(entry);
    }

    /// Ends a personal token so long after the workspace's start; an unknown one is taken in.
    pub(crate) fn expire_at(&self, token: &str, end: Duration) {
        self.insert_missing(token);
        if let Some(entry) = self.lock().get_mut(token) {
            entry.expires = Some(end);
        }
    }

    /// Remembers an OAuth token.
    pub(super) fn issue(&self, token: String, user: String, scopes: Vec<String>, expires: Duration) {
        let mut known = self.lock();
        if known.values().filter(|entry| entry.scopes.is_some()).count() >= ISSUED {
            let oldest = known.values().position(|entry| entry.scopes.is_some());
            oldest.and_then(|index| known.shift_remove_index(index));
        }
        known.insert(token, Entry { user, expires: Some(expires), scopes: Some(scopes) });
    }

    /// Forgets a token; says whether it was known.
    pub(crate) fn revoke(&self, token: &str) -> bool {
        self.lock().shift_remove(token).is_some()
    }

    /// Forgets all tokens of a user; says how many there were.
    pub(crate) fn revoke_all_of(&self, user: &str) -> usize {
        let mut known = self.lock();
        let before = known.len();
        known.retain(|_, entry| entry.user != user);
        before - known.len()
    }

    pub(super) fn answer_expired_with_401(&mut self) {
        self.expired_is_unauthorized = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes the default token.
    pub(super) fn or_default(&mut self) {
        self.insert(SimulatedWorkspace::DEFAULT_TOKEN.to_owned(), DEFAULT_USER.to_owned());
    }

    /// The user of the request's bearer token.
    ///
    /// # Errors
    /// 401 without a bearer token, 403 for one that is not known or has ended.
    pub(super) fn authenticate(&self, headers: &HeaderMap, now: Duration) -> Result<Identity, ApiFailure> {
        let token = bearer(headers).ok_or_else(missing_credential)?;
        let entry = self.lock().get(token).cloned().ok_or_else(invalid_token)?;
        if entry.expires.is_some_and(|end| now >= end) {
            return Err(self.expired(entry.scopes.is_some()));
        }
        Ok(Identity { user: entry.user, scopes: entry.scopes })
    }

    /// The user of a personal token that is still good.
    pub(super) fn user_of_personal(&self, token: &str, now: Duration) -> Option<String> {
        let entry = self.lock().get(token).cloned()?;
        let good = entry.scopes.is_none() && entry.expires.is_none_or(|end| now < end);
        good.then_some(entry.user)
    }

    /// The gateway does not tell an ended personal token from an unknown one; of an OAuth token it names the end.
    fn expired(&self, oauth: bool) -> ApiFailure {
        match (oauth, self.expired_is_unauthorized) {
            (false, _) => invalid_token(),
            (true, false) => ApiFailure::numbered(StatusCode::FORBIDDEN, "JWT has expired"),
            (true, true) => ApiFailure::numbered(StatusCode::UNAUTHORIZED, "JWT has expired"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, IndexMap<String, Entry>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identity {
    /// Refuses an OAuth token whose scopes do not cover a path: `all-apis` covers all, `sql` the SQL APIs.
    pub(super) fn check_scope(&self, path: &str) -> Result<(), ApiFailure> {
        let Some(scopes) = &self.scopes else { return Ok(()) };
        let has = |wanted: &str| scopes.iter().any(|scope| scope == wanted);
        let sql = path.starts_with("/api/2.0/sql/");
        if has("all-apis") || (sql && has("sql")) {
            return Ok(());
        }
        let missing = if sql { "sql" } else { "all-apis" };
        let message = format!("Provided OAuth token does not have required scopes: {missing}");
        Err(ApiFailure::numbered(StatusCode::FORBIDDEN, &message))
    }
}

/// Tokens are secrets: only their users are shown.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.lock();
        f.debug_list().entries(known.values().map(|entry| Shown(&entry.user))).finish()
    }
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// As recorded: the code is a number.
pub(crate) fn missing_credential() -> ApiFailure {
    ApiFailure::numbered(
        StatusCode::UNAUTHORIZED,
        "Credential was not sent or was of an unsupported type for this API.",
    )
}

fn invalid_token() -> ApiFailure {
    ApiFailure::numbered(StatusCode::FORBIDDEN, "Invalid access token.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn with(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        headers
    }

    fn at(tokens: &Tokens, value: &str, seconds: u64) -> Result<String, (u16, String)> {
        let found = tokens.authenticate(&with(value), Duration::from_secs(seconds));
        found.map(|identity| identity.user).map_err(|failure| {
            (failure.status().as_u16(), failure.body()["message"].as_str().unwrap().to_owned())
        })
    }

    #[test]
    fn a_token_names_its_user_and_others_are_refused() {
        let tokens = Tokens::default();
        tokens.insert("secret-token".to_owned(), "ada@example.com".to_owned());
        assert_eq!(at(&tokens, "Bearer secret-token", 0).unwrap(), "ada@example.com");
        assert_eq!(at(&tokens, "bearer  secret-token ", 0).unwrap(), "ada@example.com");
        assert_eq!(tokens.authenticate(&HeaderMap::new(), Duration::ZERO).unwrap_err().status(), 401);
        assert_eq!(at(&tokens, "Basic secret-token", 0).unwrap_err().0, 401);
        assert_eq!(at(&tokens, "Bearer ", 0).unwrap_err().0, 401);
        assert_eq!(at(&tokens, "Bearer other", 0).unwrap_err().0, 403);
        assert!(!format!("{tokens:?}").contains("secret-token"));
    }

    #[test]
    fn a_personal_token_ends_and_is_then_as_unknown_as_any() {
        let tokens = Tokens::default();
        tokens.expire_at("t", Duration::from_secs(10));
        tokens.insert("t".to_owned(), "ada".to_owned());
        assert_eq!(at(&tokens, "Bearer t", 9).unwrap(), "ada");
        assert_eq!(at(&tokens, "Bearer t", 10), Err((403, "Invalid access token.".to_owned())));
        assert_eq!(tokens.user_of_personal("t", Duration::from_secs(10)), None);
    }

    #[test]
    fn an_oauth_token_says_that_it_has_expired_with_the_status_asked_for() {
        let mut tokens = Tokens::default();
        tokens.issue("jwt".to_owned(), "sp".to_owned(), vec!["all-apis".to_owned()], Duration::from_secs(10));
        assert_eq!(at(&tokens, "Bearer jwt", 10), Err((403, "JWT has expired".to_owned())));
        tokens.answer_expired_with_401();
        assert_eq!(at(&tokens, "Bearer jwt", 10).unwrap_err().0, 401);
        assert_eq!(tokens.user_of_personal("jwt", Duration::ZERO), None);
    }

    #[test]
    fn revoking_takes_effect_at_once_and_says_what_it_did() {
        let tokens = Tokens::default();
        for (token, user) in [("a", "ada"), ("b", "ada"), ("c", "eve")] {
            tokens.insert(token.to_owned(), user.to_owned());
        }
        assert!(tokens.revoke("c") && !tokens.revoke("c"));
        assert_eq!(at(&tokens, "Bearer c", 0).unwrap_err().0, 403);
        assert_eq!((tokens.revoke_all_of("ada"), tokens.is_empty()), (2, true));
    }

    #[test]
    fn issued_tokens_are_bounded_and_personal_ones_stay() {
        let tokens = Tokens::default();
        tokens.insert("mine".to_owned(), "ada".to_owned());
        for n in 0..=ISSUED {
            tokens.issue(format!("jwt-{n}"), "sp".to_owned(), Vec::new(), Duration::MAX);
        }
        assert_eq!(tokens.lock().len(), ISSUED + 1);
        assert_eq!(at(&tokens, "Bearer mine", 0).unwrap(), "ada");
        assert_eq!(at(&tokens, "Bearer jwt-0", 0).unwrap_err().0, 403);
    }

    #[test]
    fn scopes_cover_what_they_name() {
        let of = |scopes: Option<&[&str]>| Identity {
            user: "sp".to_owned(),
            scopes: scopes.map(|scopes| scopes.iter().map(|&scope| scope.to_owned()).collect()),
        };
        let (sql, jobs) = ("/api/2.0/sql/statements", "/api/2.2/jobs/list");
        assert!(of(None).check_scope(jobs).is_ok());
        assert!(of(Some(&["all-apis"])).check_scope(jobs).is_ok());
        assert!(of(Some(&["sql"])).check_scope(sql).is_ok());
        let refused = of(Some(&["sql", "openid"])).check_scope(jobs).unwrap_err().body();
        assert_eq!(refused["message"], "Provided OAuth token does not have required scopes: all-apis");
        assert_eq!(of(Some(&[])).check_scope(sql).unwrap_err().status(), 403);
    }
}
