//! Temporary keys: which were given out, for which path, and until when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap};

use crate::storage::Refusal;

/// The keys that Unity Catalog has given out.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    given: Mutex<HashMap<String, Given>>,
}

#[derive(Debug)]
struct Given {
    token: String,
    until: DateTime<Utc>,
    /// What they are for.
    url: String,
}

/// What a request may do.
#[derive(Debug)]
pub(super) struct Grant {
    url: String,
}

impl Keys {
    /// Notes a key that is given out.
    pub(crate) fn give(&self, id: String, token: String, url: &str, until: DateTime<Utc>) {
        let url = url.trim_end_matches('/').to_owned();
        self.lock().insert(id, Given { token, until, url });
    }

    /// Ends all keys that were given out so far.
    pub(crate) fn end(&self, now: DateTime<Utc>) {
        for given in self.lock().values_mut() {
            given.until = given.until.min(now);
        }
    }

    /// What the key of a request may do. Its signature is not computed anew: nothing here knows what a client should have
    /// signed better than the client.
    pub(super) fn check(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Result<Grant, Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let refused = |status, code, message: &str| Err(Refusal::new(status, code, message));
        let signed = text(AUTHORIZATION.as_str());
        let id = signed.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next());
        let is_signed = signed.starts_with("AWS4-HMAC-SHA256 ") && signed.contains("Signature=");
        let (Some(id), true) = (id, is_signed) else {
            return refused(StatusCode::FORBIDDEN, "AccessDenied", "The request is not signed.");
        };
        match self.lock().get(id) {
            None => {
                let message = "The AWS Access Key Id you provided does not exist in our records.";
                refused(StatusCode::FORBIDDEN, "InvalidAccessKeyId", message)
            }
            Some(given) if given.token != text("x-amz-security-token") => {
                let message = "The provided token is malformed or otherwise invalid.";
                refused(StatusCode::BAD_REQUEST, "InvalidToken", message)
            }
            Some(given) if given.until <= now => {
                refused(StatusCode::BAD_REQUEST, "ExpiredToken", "The provided token has expired.")
            }
            Some(given) => Ok(Grant { url: given.url.clone() }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    /// 403 for a path that the key is not for.
    pub(super) fn covers(&self, url: &str) -> Result<(), Refusal> {
        let inside = url.strip_prefix(&self.url).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match inside {
            true => Ok(()),
            false => Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use databricks_transport::Body;
    use http::Response;

    async fn code(refused: Result<Grant, Refusal>) -> String {
        let response: Response<Body> = refused.unwrap_err().into_response();
        let status = response.status().as_u16();
        let text = response.into_body().collect(10_000).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        format!("{status} {}", super::super::xml::texts(&text, "Code").concat())
    }

    #[tokio::test]
    async fn a_key_holds_for_its_path_and_its_time() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let keys = Keys::default();
        keys.give("id".to_owned(), "token".to_owned(), "s3://b/p/", at(100));
        let headers = |id: &str, token: &str| {
            let signed = format!("AWS4-HMAC-SHA256 Credential={id}/20250101/r/s3/aws4_request, Signature=0");
            let pairs = [("authorization", signed), ("x-amz-security-token", token.to_owned())];
            let pairs = pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            pairs.into_iter().collect::<HeaderMap>()
        };
        let grant = keys.check(&headers("id", "token"), at(99)).unwrap();
        assert!(grant.covers("s3://b/p/x").is_ok() && grant.covers("s3://b/p").is_ok());
        assert!(grant.covers("s3://b/px").is_err() && grant.covers("s3://c/p/x").is_err());
        assert_eq!(code(keys.check(&headers("id", "token"), at(100))).await, "400 ExpiredToken");
        assert_eq!(code(keys.check(&headers("id", "other"), at(99))).await, "400 InvalidToken");
        assert_eq!(code(keys.check(&headers("other", "token"), at(99))).await, "403 InvalidAccessKeyId");
        assert_eq!(code(keys.check(&HeaderMap::new(), at(99))).await, "403 AccessDenied");
        keys.end(at(50));
        assert_eq!(code(keys.check(&headers("id", "token"), at(50))).await, "400 ExpiredToken");
    }
}
