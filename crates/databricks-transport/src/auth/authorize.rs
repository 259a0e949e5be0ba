//! The seam for credentials: what signs a request, and the trait that programs implement to bring their own.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::config::bearer;
use crate::error::{Error, ErrorKind};

/// A source of credentials of a program's own.
///
/// The client asks when it has none that is good, and keeps the answer: for the lifetime that the answer states (it is
/// asked again ahead of the end, in the background), or until the workspace refuses it. However many calls wait, it is
/// asked once at a time. One question may take 60 s; it runs in a task of its own, so that no caller's cancellation ends
/// it.
///
/// ```
/// use std::time::Duration;
///
/// use databricks_transport::{Authorization, Authorize, DatabricksConfig, Error};
///
/// struct Vault;
///
/// impl Authorize for Vault {
///     async fn authorize(&self) -> Result<Authorization, Error> {
///         let token = "token-from-the-vault".to_owned();
///         Ok(Authorization::bearer(token)?.expires_in(Duration::from_secs(3600)))
///     }
///
///     fn auth_type(&self) -> &str {
///         "vault"
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let config = DatabricksConfig::new("h.example")?.with_authorize(Vault);
/// assert_eq!(config.describe().auth_type.as_deref(), Some("vault"));
/// # Ok(()) }
/// ```
pub trait Authorize: Send + Sync + 'static {
    /// The headers that sign requests from now on.
    ///
    /// # Errors
    /// Any; calls that wait for it fail with [`ErrorKind::Auth`] and its message, which must not show a secret.
    fn authorize(&self) -> impl Future<Output = Result<Authorization, Error>> + Send;

    /// A name for errors and the `User-Agent`, of letters, digits and hyphens.
    fn auth_type(&self) -> &str {
        "custom"
    }
}

/// [`Authorize`] behind a pointer.
pub(crate) trait DynAuthorize: Send + Sync + 'static {
    fn authorize(&self) -> BoxFuture<'_, Result<Authorization, Error>>;
    fn auth_type(&self) -> &str;
}

impl<A: Authorize> DynAuthorize for A {
    fn authorize(&self) -> BoxFuture<'_, Result<Authorization, Error>> {
        Box::pin(Authorize::authorize(self))
    }

    fn auth_type(&self) -> &str {
        Authorize::auth_type(self)
    }
}

/// The headers that sign requests, and how long they are good.
///
/// `Debug` shows the names of the headers, never their values.
#[derive(Clone)]
#[must_use]
pub struct Authorization {
    pub(super) headers: HeaderMap,
    pub(super) lifetime: Option<Duration>,
}

impl Authorization {
    /// A token in the `Authorization` header.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] when the token is empty or has characters that no header can carry.
    pub fn bearer(token: impl Into<SecretString>) -> Result<Self, Error> {
        let header =
            bearer(&token.into()).map_err(|why| Error::new(ErrorKind::Auth, format!("the token {why}")))?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header);
        Ok(Self { headers, lifetime: None })
    }

    /// Any headers. They are sent with every request, instead of headers of the same names, and marked sensitive.
    pub fn headers(mut headers: HeaderMap) -> Self {
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        Self { headers, lifetime: None }
    }

    /// One more header.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] when the value has characters that no header can carry.
    pub fn with_header(mut self, name: HeaderName, value: impl Into<SecretString>) -> Result<Self, Error> {
        let value = value.into();
        let mut value = HeaderValue::try_from(value.expose_secret()).map_err(|_| {
            Error::new(ErrorKind::Auth, format!("the header `{name}` has characters that cannot be sent"))
        })?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// How long the headers are good, counted from when they were asked for. They are used until 40 s before the end.
    /// Without it they are good until the workspace refuses them.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { headers, lifetime } = self;
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("Authorization").field("headers", &names).field("lifetime", lifetime).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn headers_are_sensitive_and_never_shown() {
        let mut own = HeaderMap::new();
        own.insert("x-key", HeaderValue::from_static("hunter2"));
        let name = HeaderName::from_static("x-more");
        for authorization in [
            Authorization::bearer("hunter2").unwrap(),
            Authorization::headers(own),
            Authorization::bearer("hunter2").unwrap().with_header(name.clone(), "hunter2").unwrap(),
        ] {
            assert!(authorization.headers.values().all(HeaderValue::is_sensitive));
            assert!(!format!("{authorization:?} {:?}", authorization.headers).contains("hunter2"));
        }
        let error = Authorization::bearer("hunter2").unwrap().with_header(name, "hunter2\n").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
