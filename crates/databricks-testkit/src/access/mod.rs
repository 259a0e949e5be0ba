//! The doors of a workspace: who is calling, how often, and what they may do.

mod builder;
mod grants;
mod oidc;
mod rate_limits;
mod tokens;

use std::fmt;
use std::time::Duration;

use databricks_transport::Body;
use http::request::Parts;

pub(crate) use grants::guard;
pub(crate) use grants::permissions;
pub use grants::{Grants, PermissionDenied, Privilege, Securable, SecurableType};
use oidc::OAuth;
pub(crate) use oidc::caller_origin;
use rate_limits::RateLimits;
use tokens::Tokens;
pub(crate) use tokens::{bearer, missing_credential};

use crate::api_error::{Answer, ApiFailure};
use crate::files::drain;
use crate::workspace::Shared;
use crate::workspace_info::telemetry;

/// Tokens, OAuth clients, limits and grants of one workspace.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) tokens: Tokens,
    pub(crate) oauth: OAuth,
    pub(crate) limits: RateLimits,
    pub(crate) grants: Grants,
}

impl Access {
    /// Itself; with the default token when nobody could come in otherwise.
    pub(crate) fn or_default(mut self) -> Self {
        if self.tokens.is_empty() && !self.oauth.is_configured() {
            self.tokens.or_default();
        }
        self
    }

    /// The caller of a request, after the limits have let it pass.
    ///
    /// # Errors
    /// 401 without a credential, 403 for one that is not good, 429 past a limit.
    pub(crate) fn admit(&self, parts: &Parts, now: Duration) -> Result<String, ApiFailure> {
        let identity = self.tokens.authenticate(&parts.headers, now)?;
        identity.check_scope(parts.uri.path())?;
        self.limits.check(&parts.method, parts.uri.path(), now)?;
        Ok(identity.user)
    }
}

/// Answers what is asked without a token: discovery, the token endpoint, unauthenticated telemetry.
///
/// Gives the body back when the request is none of these.
pub(crate) async fn open_endpoint(shared: &Shared, parts: &Parts, body: Body) -> Result<Answer, Body> {
    let (method, path) = (parts.method.as_str(), parts.uri.path().trim_end_matches('/'));
    let open = path.starts_with("/oidc/") || path.starts_with("/.well-known/");
    if !open && (method, path) != ("POST", "/telemetry-unauth") {
        return Err(body);
    }
    if let Err(refusal) = shared.access.limits.check(&parts.method, parts.uri.path(), shared.clock.elapsed())
    {
        drain(body).await;
        return Ok(Err(refusal));
    }
    match (method, path) {
        ("POST", "/oidc/v1/token") => Ok(Ok(oidc::token(shared, parts, body).await)),
        ("POST", "/telemetry-unauth") => Ok(telemetry(body).await),
        (_, path) => {
            drain(body).await;
            Ok(oidc::discovery(shared, parts, path))
        }
    }
}

/// A name that may be shown although a secret stands beside it.
struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[credential of {}]", self.0)
    }
}
