//! Credentials as they are configured. Secrets stay in `SecretString`, which prints nothing.

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, ErrorKind};

/// How requests are signed.
///
/// `Debug` never shows a secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuthConfig {
    /// A personal access token, sent as it is.
    PersonalAccessToken {
        /// The token, such as `dapi...`.
        token: SecretString,
    },
}

impl AuthConfig {
    /// The name that `DATABRICKS_AUTH_TYPE` and the `User-Agent` use.
    pub fn auth_type(&self) -> &'static str {
        match self {
            Self::PersonalAccessToken { .. } => "pat",
        }
    }
}

/// A credential and where it was configured, so that a refusal can say what to look at.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) auth: AuthConfig,
    pub(crate) origin: &'static str,
}

impl Credential {
    /// What was used and from where, in words.
    pub(crate) fn describe(&self) -> String {
        match &self.auth {
            AuthConfig::PersonalAccessToken { .. } => {
                format!("the personal access token from {}", self.origin)
            }
        }
    }

    /// Checks that the credential can be sent at all.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.header().map(drop)
    }

    /// The `Authorization` header, marked sensitive so that nothing downstream logs or indexes it.
    pub(crate) fn header(&self) -> Result<HeaderValue, Error> {
        let AuthConfig::PersonalAccessToken { token } = &self.auth;
        let token = token.expose_secret().trim();
        let unusable = |why: &str| Err(Error::new(ErrorKind::Config, format!("{} {why}", self.describe())));
        if token.is_empty() {
            return unusable("is empty");
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return unusable("has characters that cannot be sent in a header: copy it again");
        }
        match HeaderValue::try_from(format!("Bearer {token}")) {
            Ok(mut header) => {
                header.set_sensitive(true);
                Ok(header)
            }
            Err(_) => unusable("has characters that cannot be sent in a header: copy it again"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn credential(token: &str) -> Credential {
        let auth = AuthConfig::PersonalAccessToken { token: token.to_owned().into() };
        Credential { auth, origin: "DATABRICKS_TOKEN" }
    }

    #[test]
    fn the_header_is_sensitive_and_trimmed() {
        let header = credential(" dapi-secret\n").header().unwrap();
        assert!(header.is_sensitive());
        assert_eq!(header.as_bytes(), b"Bearer dapi-secret");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn an_unusable_token_is_refused_without_showing_it() {
        for token in ["", "  ", "sec ret", "sec\u{7}ret", "sécret"] {
            let error = credential(token).header().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("DATABRICKS_TOKEN"), "{error}");
            assert!(!error.to_string().contains("ret"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_token() {
        let shown = format!("{:?}", credential("dapi-secret"));
        assert!(!shown.contains("dapi-secret"), "{shown}");
    }
}
