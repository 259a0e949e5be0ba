//! Several ways that may work on a machine, none of which anybody asked for: the first that works is kept.

use std::sync::{Arc, OnceLock};

use super::authorize::{Authorization, Authorize, DynAuthorize};
use crate::error::{Error, ErrorKind};

/// Tries its methods in order until one works, and stays with that one.
pub(super) struct FirstThatWorks {
    methods: Vec<Arc<dyn DynAuthorize>>,
    /// Why other methods are not among them, for the error when none works.
    skipped: Vec<String>,
    works: OnceLock<Arc<dyn DynAuthorize>>,
}

impl FirstThatWorks {
    pub(super) fn new(methods: Vec<Arc<dyn DynAuthorize>>, skipped: Vec<String>) -> Self {
        Self { methods, skipped, works: OnceLock::new() }
    }
}

impl Authorize for FirstThatWorks {
    async fn authorize(&self) -> Result<Authorization, Error> {
        if let Some(method) = self.works.get() {
            return method.authorize().await;
        }
        let mut failures = Vec::new();
        let mut is_transient = false;
        for method in &self.methods {
            match method.authorize().await {
                Ok(authorization) => {
                    tracing::info!(auth_type = method.auth_type(), "found a way to authenticate");
                    // Another question may have found the same one meanwhile.
                    let _ = self.works.set(Arc::clone(method));
                    return Ok(authorization);
                }
                Err(error) => {
                    is_transient |= error.is_retryable();
                    failures.push(error.to_string());
                }
            }
        }
        failures.extend(self.skipped.iter().cloned());
        let message = format!("no way to authenticate works: {}", failures.join("; "));
        Err(Error::new(ErrorKind::Auth, message).with_transient(is_transient))
    }

    fn auth_type(&self) -> &str {
        match (self.works.get(), self.methods.first()) {
            (Some(method), _) | (None, Some(method)) => method.auth_type(),
            (None, None) => "none",
        }
    }
}
