//! Presigned URLs of the storage origin: made for one object, good for a while, and not to be forged.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::route::Query;

/// Makes and checks presigned URLs.
///
/// The path says what may be done with a URL (`/results/..` is read, `/uploads/..` is written), so a signature over
/// path and time covers the method too.
#[derive(Debug)]
pub(crate) struct Presigner {
    key: Uuid,
    ttl: Duration,
    header: Option<(HeaderName, HeaderValue)>,
    /// Counts revocations: a URL of an earlier issue is refused.
    issue: AtomicU64,
    /// What paths begin with where several workspaces share a storage origin. It is signed too: workspaces made from
    /// one seed have one key.
    prefix: OnceLock<String>,
}

/// Why a URL is not honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkError {
    BadSignature,
    Expired,
    Revoked,
    HeaderMissing,
}

impl Presigner {
    pub(crate) fn new(key: Uuid, ttl: Duration, header: Option<(HeaderName, HeaderValue)>) -> Self {
        Self { key, ttl, header, issue: AtomicU64::new(0), prefix: OnceLock::new() }
    }

    /// Signs for one of several workspaces on a storage origin, from now on. The first prefix stays.
    pub(crate) fn share_origin(&self, prefix: String) {
        self.prefix.get_or_init(|| prefix);
    }

    /// When a URL made now expires, unless its maker was asked for another time.
    pub(crate) fn expiry(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let ttl = TimeDelta::from_std(self.ttl).ok();
        ttl.and_then(|ttl| now.checked_add_signed(ttl)).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// A path as it is in the URL, with the query that makes it a presigned one.
    pub(crate) fn sign(&self, path: &str, expires: DateTime<Utc>) -> String {
        let (until, issue) = (expires.timestamp_millis(), self.issue.load(Ordering::Relaxed));
        let signature = self.signature(path, until, issue);
        format!("{path}?expires={until}&issue={issue}&signature={signature}")
    }

    /// Whether a request to this path may pass.
    pub(crate) fn check(
        &self,
        path: &str,
        query: &Query,
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) -> Result<(), LinkError> {
        let number = |name| query.get(name).ok_or(LinkError::BadSignature);
        let until: i64 = number("expires")?.parse().map_err(|_| LinkError::BadSignature)?;
        let issue: u64 = number("issue")?.parse().map_err(|_| LinkError::BadSignature)?;
        if number("signature")? != self.signature(path, until, issue) {
            return Err(LinkError::BadSignature);
        }
        if now.timestamp_millis() >= until {
            return Err(LinkError::Expired);
        }
        if issue < self.issue.load(Ordering::Relaxed) {
            return Err(LinkError::Revoked);
        }
        match &self.header {
            Some((name, value)) if headers.get(name) != Some(value) => Err(LinkError::HeaderMissing),
            _ => Ok(()),
        }
    }

    /// The header that a request must carry, where there is one.
    pub(crate) fn header(&self) -> Option<(&str, &str)> {
        let (name, value) = self.header.as_ref()?;
        Some((name.as_str(), value.to_str().ok()?))
    }

    /// Refuses every URL made so far.
    pub(crate) fn revoke(&self) {
        self.issue.fetch_add(1, Ordering::Relaxed);
    }

    /// A keyed hash, cut short: good enough that no test passes a URL it made up.
    fn signature(&self, path: &str, until: i64, issue: u64) -> String {
        let prefix = self.prefix.get().map_or("", String::as_str);
        Uuid::new_v5(&self.key, format!("{until}/{issue}{prefix}{path}").as_bytes()).simple().to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn check(signer: &Presigner, link: &str, now: i64) -> Result<(), LinkError> {
        let (path, query) = link.split_once('?').unwrap();
        signer.check(path, &Query::parse(Some(query)), &HeaderMap::new(), at(now))
    }

    #[test]
    fn a_url_works_for_its_path_until_it_expires() {
        let signer = Presigner::new(Uuid::from_u128(7), Duration::from_millis(100), None);
        let link = signer.sign("/a/2", signer.expiry(at(1_000)));
        assert_eq!(check(&signer, &link, 1_099), Ok(()));
        assert_eq!(check(&signer, &link, 1_100), Err(LinkError::Expired));
        for forged in
            [link.replace("/a/2", "/a/3"), link.replace("1100", "9100"), link.replace("issue=0", "issue=1")]
        {
            assert_eq!(check(&signer, &forged, 1_000), Err(LinkError::BadSignature), "{forged}");
        }
        let other = Presigner::new(Uuid::from_u128(8), Duration::from_millis(100), None);
        assert_eq!(check(&other, &link, 1_000), Err(LinkError::BadSignature));
    }

    #[test]
    fn a_revoked_url_is_refused_before_it_expires_and_a_new_one_works() {
        let signer = Presigner::new(Uuid::nil(), Duration::from_secs(1), None);
        let old = signer.sign("/a", signer.expiry(at(0)));
        signer.revoke();
        assert_eq!(check(&signer, &old, 0), Err(LinkError::Revoked));
        assert_eq!(check(&signer, &signer.sign("/a", signer.expiry(at(0))), 0), Ok(()));
    }

    #[test]
    fn a_url_with_a_header_needs_it() {
        let header = (HeaderName::from_static("x-link-key"), HeaderValue::from_static("k"));
        let signer = Presigner::new(Uuid::nil(), Duration::from_secs(1), Some(header));
        let link = signer.sign("/a", signer.expiry(at(0)));
        assert_eq!(check(&signer, &link, 0), Err(LinkError::HeaderMissing));
        assert_eq!(signer.header(), Some(("x-link-key", "k")));
    }
}
