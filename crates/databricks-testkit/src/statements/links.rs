//! Presigned links: made for one chunk, good for a while, and not to be forged.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::route::Query;

/// Makes and checks links.
#[derive(Debug)]
pub(crate) struct LinkSigner {
    key: Uuid,
    ttl: Duration,
    header: Option<(HeaderName, HeaderValue)>,
}

/// A link as it goes out.
#[derive(Debug)]
pub(super) struct IssuedLink {
    pub(super) path_and_query: String,
    pub(super) expiration: String,
}

/// Why a link is not honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    NotFound,
    BadSignature,
    Expired,
    HeaderMissing,
}

impl LinkSigner {
    pub(crate) fn new(key: Uuid, ttl: Duration, header: Option<(HeaderName, HeaderValue)>) -> Self {
        Self { key, ttl, header }
    }

    /// A link to a chunk, good from now on.
    pub(super) fn issue(&self, statement_id: &str, chunk: usize, now: DateTime<Utc>) -> IssuedLink {
        let expires = TimeDelta::from_std(self.ttl)
            .ok()
            .and_then(|ttl| now.checked_add_signed(ttl))
            .unwrap_or(DateTime::<Utc>::MAX_UTC);
        let until = expires.timestamp_millis();
        let signature = self.sign(statement_id, chunk, until);
        IssuedLink {
            path_and_query: format!("/results/{statement_id}/{chunk}?expires={until}&signature={signature}"),
            expiration: expires.to_rfc3339_opts(SecondsFormat::Millis, true),
        }
    }

    /// The headers a download must send, where there are any.
    pub(super) fn headers(&self) -> Option<BTreeMap<&str, &str>> {
        let (name, value) = self.header.as_ref()?;
        Some(BTreeMap::from([(name.as_str(), value.to_str().ok()?)]))
    }

    /// The statement and chunk a link leads to.
    pub(super) fn check<'a>(
        &self,
        path: &'a str,
        query: &Query,
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) -> Result<(&'a str, usize), LinkError> {
        let object = path.strip_prefix("/results/").and_then(|rest| rest.split_once('/'));
        let (statement_id, chunk) = object.ok_or(LinkError::NotFound)?;
        let chunk: usize = chunk.parse().map_err(|_| LinkError::NotFound)?;
        let until: i64 =
            query.get("expires").and_then(|text| text.parse().ok()).ok_or(LinkError::BadSignature)?;
        if query.get("signature") != Some(self.sign(statement_id, chunk, until).as_str()) {
            return Err(LinkError::BadSignature);
        }
        if now.timestamp_millis() >= until {
            return Err(LinkError::Expired);
        }
        match &self.header {
            Some((name, value)) if headers.get(name) != Some(value) => Err(LinkError::HeaderMissing),
            _ => Ok((statement_id, chunk)),
        }
    }

    /// A keyed hash, cut short: good enough that no test passes a link it made up.
    fn sign(&self, statement_id: &str, chunk: usize, until: i64) -> String {
        Uuid::new_v5(&self.key, format!("{statement_id}/{chunk}/{until}").as_bytes()).simple().to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn check(signer: &LinkSigner, link: &str, at: i64) -> Result<(String, usize), LinkError> {
        let (path, query) = link.split_once('?').unwrap();
        let now = DateTime::from_timestamp_millis(at).unwrap();
        let found = signer.check(path, &Query::parse(Some(query)), &HeaderMap::new(), now);
        found.map(|(id, chunk)| (id.to_owned(), chunk))
    }

    #[test]
    fn a_link_works_for_its_chunk_until_it_expires() {
        let signer = LinkSigner::new(Uuid::from_u128(7), Duration::from_millis(100), None);
        let issued = signer.issue("abc", 2, DateTime::from_timestamp_millis(1_000).unwrap());
        assert_eq!(issued.expiration, "1970-01-01T00:00:01.100Z");
        let link = issued.path_and_query;
        assert_eq!(check(&signer, &link, 1_099), Ok(("abc".to_owned(), 2)));
        assert_eq!(check(&signer, &link, 1_100), Err(LinkError::Expired));
        assert_eq!(check(&signer, &link.replace("abc/2", "abc/3"), 1_000), Err(LinkError::BadSignature));
        assert_eq!(check(&signer, &link.replace("1100", "9100"), 1_000), Err(LinkError::BadSignature));
        let other = LinkSigner::new(Uuid::from_u128(8), Duration::from_millis(100), None);
        assert_eq!(check(&other, &link, 1_000), Err(LinkError::BadSignature));
    }

    #[test]
    fn a_link_with_headers_needs_them() {
        let header = (HeaderName::from_static("x-link-key"), HeaderValue::from_static("k"));
        let signer = LinkSigner::new(Uuid::nil(), Duration::from_secs(1), Some(header));
        let link = signer.issue("abc", 0, DateTime::from_timestamp_millis(0).unwrap()).path_and_query;
        assert_eq!(check(&signer, &link, 0), Err(LinkError::HeaderMissing));
        assert_eq!(signer.headers().unwrap()["x-link-key"], "k");
    }
}
