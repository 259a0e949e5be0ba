//! Who is calling: personal access tokens and their users.

use std::collections::HashMap;
use std::fmt;

use http::HeaderMap;
use http::StatusCode;
use http::header::AUTHORIZATION;

use crate::api_error::ApiFailure;
use crate::workspace::SimulatedWorkspace;

/// The tokens a workspace takes, each with its user.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    users: HashMap<String, String>,
}

impl Tokens {
    pub(crate) fn insert(&mut self, token: String, user: String) {
        self.users.insert(token, user);
    }

    /// Itself, or the default token when there is none.
    pub(crate) fn or_default(mut self) -> Self {
        if self.users.is_empty() {
            self.insert(SimulatedWorkspace::DEFAULT_TOKEN.to_owned(), "user@simulated.invalid".to_owned());
        }
        self
    }

    /// The user of the request's bearer token.
    ///
    /// # Errors
    /// 401 without a bearer token, 403 for one that is not known.
    pub(crate) fn user(&self, headers: &HeaderMap) -> Result<&str, ApiFailure> {
        let token = bearer(headers).ok_or_else(missing_credential)?;
        self.users.get(token).map(String::as_str).ok_or_else(invalid_token)
    }
}

/// Tokens are secrets: only their users are shown.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users } = self;
        f.debug_list().entries(users.values().map(|user| format!("[token of {user}]"))).finish()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// As recorded: the code is a number.
fn missing_credential() -> ApiFailure {
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

    #[test]
    fn a_token_names_its_user_and_others_are_refused() {
        let mut tokens = Tokens::default();
        tokens.insert("secret-token".to_owned(), "ada@example.com".to_owned());
        assert_eq!(tokens.user(&with("Bearer secret-token")).unwrap(), "ada@example.com");
        assert_eq!(tokens.user(&with("bearer secret-token")).unwrap(), "ada@example.com");
        assert_eq!(tokens.user(&HeaderMap::new()).unwrap_err().status(), 401);
        assert_eq!(tokens.user(&with("Basic secret-token")).unwrap_err().status(), 401);
        assert_eq!(tokens.user(&with("Bearer other")).unwrap_err().status(), 403);
        assert!(!format!("{tokens:?}").contains("secret-token"));
    }
}
