//! What builder and workspace offer of doors: credentials, limits, grants.

use std::time::Duration;

use super::grants::Grants;
use super::tokens::DEFAULT_USER;
use crate::workspace::{SimulatedWorkspace, SimulatedWorkspaceBuilder};

impl SimulatedWorkspaceBuilder {
    /// Takes a personal access token, of the user `user@simulated.invalid`. May be called many times.
    pub fn token(self, token: impl Into<String>) -> Self {
        self.token_of(DEFAULT_USER, token)
    }

    /// Takes a personal access token of a named user.
    pub fn token_of(self, user: impl Into<String>, token: impl Into<String>) -> Self {
        self.access.tokens.insert(token.into(), user.into());
        self
    }

    /// Ends a personal access token so long after the workspace was built, on the workspace's clock. From then on it
    /// is answered as one that nobody knows: 403.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use databricks_testkit::SimulatedWorkspace;
    /// let workspace = SimulatedWorkspace::builder()
    ///     .token_of("ada@example.com", "dapi-ada")
    ///     .token_expires_in("dapi-ada", Duration::from_secs(3600))
    ///     .build();
    /// # let _ = workspace;
    /// ```
    pub fn token_expires_in(self, token: impl AsRef<str>, lifetime: Duration) -> Self {
        self.access.tokens.expire_at(token.as_ref(), lifetime);
        self
    }

    /// Adds a service principal, which gets its tokens by OAuth (`client_credentials`) and is the user of them under
    /// its client id. May be called many times, for one id too: each of its secrets works.
    ///
    /// With one the workspace has OAuth: `/.well-known/databricks-config` and the discovery document answer, and name
    /// the host that the caller used. Without tokens of its own such a workspace takes no default token.
    ///
    /// ```
    /// # use databricks_testkit::SimulatedWorkspace;
    /// let workspace = SimulatedWorkspace::builder().service_principal("loader", "its-secret").build();
    /// # let _ = workspace;
    /// ```
    pub fn service_principal(mut self, client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.access.oauth.add_principal(client_id.into(), secret.into());
        self
    }

    /// Takes this foreign token (of GitHub, of an identity provider) for a principal: `POST /oidc/v1/token` exchanges
    /// it for an access token of that principal. Only the exact text counts; its signature is not looked at.
    pub fn federated_token(mut self, principal: impl Into<String>, subject_token: impl Into<String>) -> Self {
        self.access.oauth.add_federated(principal.into(), subject_token.into());
        self
    }

    /// How long OAuth access tokens work. Default 1 hour.
    pub fn oauth_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access.oauth.lifetime = lifetime;
        self
    }

    /// Answers an expired OAuth token with 401. The default is 403 `JWT has expired`; both are seen of the service.
    pub fn expired_tokens_unauthorized(mut self) -> Self {
        self.access.tokens.answer_expired_with_401();
        self
    }

    /// The workspace's id, as OAuth discovery reports it.
    pub fn workspace_id(mut self, id: u64) -> Self {
        self.access.oauth.workspace_id = id;
        self
    }

    /// Limits the requests to an endpoint: `requests` in `per`, for all callers together. May be called many times.
    ///
    /// `endpoint` is a path prefix, or a method and a path prefix: `GET /api/2.2/jobs`. Paths are compared decoded.
    /// Calls without a token count too: OAuth's, and those by presigned URLs (`/results/`, `/uploads/`,
    /// `/downloads/`, `/objects/`), which are answered 503 `SlowDown` as object stores do. The bucket starts full, so
    /// `requests` may come at once; each flows back after `per / requests`. Past the limit a call is answered 429
    /// `REQUEST_LIMIT_EXCEEDED` with `Retry-After` in whole seconds, and takes nothing from any bucket. Such calls are
    /// in [`requests`](SimulatedWorkspace::requests) with their status. Time is the workspace's clock.
    pub fn rate_limit(self, endpoint: impl AsRef<str>, requests: u32, per: Duration) -> Self {
        self.access.limits.add(endpoint.as_ref(), requests, per);
        self
    }

    /// Sets who may do what. Default: everything is allowed to everybody.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.access.grants = grants;
        self
    }
}

impl SimulatedWorkspace {
    /// Takes a personal access token of a user from now on.
    pub fn add_token(&self, user: impl Into<String>, token: impl Into<String>) {
        self.shared.access.tokens.insert(token.into(), user.into());
    }

    /// Refuses a token, personal or from OAuth, from now on. Says whether it was known.
    pub fn revoke_token(&self, token: &str) -> bool {
        self.shared.access.tokens.revoke(token)
    }

    /// Refuses all tokens that a user has now, and says how many there were. A service principal can get new ones.
    pub fn revoke_tokens_of(&self, user: &str) -> usize {
        self.shared.access.tokens.revoke_all_of(user)
    }

    /// Limits the requests to an endpoint from now on; see
    /// [`rate_limit`](SimulatedWorkspaceBuilder::rate_limit).
    pub fn limit_rate(&self, endpoint: impl AsRef<str>, requests: u32, per: Duration) {
        self.shared.access.limits.add(endpoint.as_ref(), requests, per);
    }

    /// Who may do what here; it may be changed while the workspace runs.
    pub fn grants(&self) -> &Grants {
        &self.shared.access.grants
    }
}
