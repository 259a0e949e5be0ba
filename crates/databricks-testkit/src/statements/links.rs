//! Links to result chunks: where a chunk lies on the storage origin.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::presign::Presigner;

/// A link as it goes out.
#[derive(Debug)]
pub(super) struct IssuedLink {
    pub(super) path_and_query: String,
    pub(super) expiration: String,
}

/// A link to a chunk, good from now on.
pub(super) fn issue(signer: &Presigner, statement_id: &str, chunk: usize, now: DateTime<Utc>) -> IssuedLink {
    let expires = signer.expiry(now);
    IssuedLink {
        path_and_query: signer.sign(&format!("/results/{statement_id}/{chunk}"), expires),
        expiration: expires.to_rfc3339_opts(SecondsFormat::Millis, true),
    }
}

/// `http_headers`: what a download must send, where there is anything.
pub(super) fn headers(signer: &Presigner) -> Option<BTreeMap<&str, &str>> {
    signer.header().map(|header| BTreeMap::from([header]))
}

/// The statement and chunk that a path names.
pub(super) fn target(path: &str) -> Option<(&str, usize)> {
    let (statement_id, chunk) = path.strip_prefix("/results/")?.split_once('/')?;
    Some((statement_id, chunk.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::time::Duration;
    use uuid::Uuid;

    #[test]
    fn a_link_says_when_it_ends_and_leads_back_to_its_chunk() {
        let signer = Presigner::new(Uuid::from_u128(7), Duration::from_millis(100), None);
        let issued = issue(&signer, "abc", 2, DateTime::from_timestamp_millis(1_000).unwrap());
        assert_eq!(issued.expiration, "1970-01-01T00:00:01.100Z");
        let (path, _) = issued.path_and_query.split_once('?').unwrap();
        assert_eq!(target(path), Some(("abc", 2)));
        for other in ["/results/abc", "/results/abc/x", "/uploads/abc/2"] {
            assert_eq!(target(other), None, "{other}");
        }
        assert_eq!(headers(&signer), None);
    }
}
