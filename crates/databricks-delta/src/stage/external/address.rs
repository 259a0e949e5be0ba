//! URLs of paths in the storages of clouds.

use databricks_transport::without_secrets;
use object_store::path::Path;

use crate::error::{DeltaError, Result};

/// A path in a bucket or container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) cloud: Cloud,
    /// The URL of the bucket: `s3://bucket`.
    root: String,
    /// Where in the bucket.
    pub(super) prefix: Path,
}

/// A bucket, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cloud {
    S3 {
        bucket: String,
        /// The address of an account of R2, which speaks S3.
        host: Option<String>,
    },
    Azure {
        container: String,
        account: String,
        /// What follows the account and `dfs`: `core.windows.net`.
        domain: String,
    },
    Gcs {
        bucket: String,
    },
}

const KNOWN: &str = "name s3://bucket/path, abfss://container@account.dfs.core.windows.net/path, gs://bucket/path or \
                     r2://bucket@account.r2.cloudflarestorage.com/path";

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let invalid = |reason: &str| DeltaError::InvalidOption {
            option: "staging",
            value: shown(url),
            reason: reason.to_owned(),
        };
        if url.contains(['?', '#', '*', '[', ']', '{', '}', '\\']) || url.chars().any(char::is_control) {
            // A statement would read them as a pattern; after a question mark there may be a secret, and none belongs here.
            return Err(invalid(
                "it has a query, or a sign that a statement reads as a pattern of paths: leave it out",
            ));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid(KNOWN))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let cloud = Cloud::of(scheme, authority).ok_or_else(|| invalid(KNOWN))?;
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Err(invalid("it has no path: name a directory of the bucket that is for staging alone"));
        }
        let prefix = Path::parse(path).ok().filter(|prefix| prefix.as_ref() == path);
        let prefix = prefix.ok_or_else(|| invalid("its path has an empty, `.` or `..` segment"))?;
        if path.split('/').any(|segment| segment.trim() != segment) {
            // Lists of storages are read without it: they would name the files of another path.
            return Err(invalid("a segment of its path begins or ends with a space"));
        }
        Ok(Self { cloud, root: format!("{scheme}://{authority}"), prefix })
    }

    /// The path as statements name it.
    pub(super) fn base(&self) -> String {
        self.url(&self.prefix)
    }

    pub(super) fn url(&self, path: &Path) -> String {
        format!("{}/{path}", self.root)
    }

    /// The object of a URL in this bucket.
    pub(super) fn object(&self, url: &str) -> Result<Path> {
        let inside = url.strip_prefix(&self.root).and_then(|path| path.strip_prefix('/'));
        let path = inside.and_then(|path| Path::parse(path).ok());
        path.ok_or_else(|| DeltaError::InvalidName {
            name: shown(url),
            reason: format!("it is no path below {}", self.base()),
        })
    }
}

impl Cloud {
    fn of(scheme: &str, authority: &str) -> Option<Self> {
        // Between dots something stands: a bucket called `..` would lead to others.
        let is_label = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let is_name = |text: &str| text.split('.').all(is_label);
        let owned = |text: &str| is_name(text).then(|| text.to_owned());
        match scheme {
            "s3" => Some(Self::S3 { bucket: owned(authority)?, host: None }),
            "gs" => Some(Self::Gcs { bucket: owned(authority)? }),
            "r2" => {
                let (bucket, host) = authority.split_once('@')?;
                Some(Self::S3 { bucket: owned(bucket)?, host: Some(owned(host)?) })
            }
            "abfss" => {
                let (container, host) = authority.split_once('@')?;
                let (account, domain) = host.split_once(".dfs.")?;
                Some(Self::Azure {
                    container: owned(container)?,
                    account: owned(account)?,
                    domain: owned(domain)?,
                })
            }
            _ => None,
        }
    }
}

/// A URL as far as it may be repeated: without its query, and without a user who has a password. (Of Azure and R2 what
/// stands before the host is a container or a bucket.)
pub(super) fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return without_secrets(url) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let shown = match authority.rsplit_once('@') {
        Some((user, host)) if user.contains(':') || !matches!(scheme, "abfss" | "r2") => {
            format!("{scheme}://***@{host}{path}")
        }
        _ => url.to_owned(),
    };
    without_secrets(&shown)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_cloud_s_urls_are_taken_apart() {
        let text = |text: &str| text.to_owned();
        for (url, cloud) in [
            ("s3://b.1-x/a b/c", Cloud::S3 { bucket: text("b.1-x"), host: None }),
            ("gs://b/a b/c/", Cloud::Gcs { bucket: text("b") }),
            (
                "r2://b@id.r2.cloudflarestorage.com/a b/c",
                Cloud::S3 { bucket: text("b"), host: Some(text("id.r2.cloudflarestorage.com")) },
            ),
            (
                "abfss://c@acc.dfs.core.windows.net/a b/c",
                Cloud::Azure { container: text("c"), account: text("acc"), domain: text("core.windows.net") },
            ),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.cloud, cloud);
            assert_eq!(address.base(), url.trim_end_matches('/'));
            assert_eq!(address.object(&format!("{}/x", address.base())).unwrap().as_ref(), "a b/c/x");
            assert!(address.object("s3://other/a b/c/x").is_err());
        }
    }

    #[test]
    fn what_is_no_staging_path_is_refused_and_no_secret_is_repeated() {
        for url in [
            "",
            "bucket/path",
            "s3://",
            "s3://bucket",
            "s3://bucket/",
            "s3:///path",
            "s3://user:s3cret@bucket/path",
            "s3://s3cret@bucket/path",
            "abfss://c:s3cret@acc.dfs.core.windows.net/path",
            "s3://../bucket/path",
            "s3://./path",
            "s3://a..b/path",
            "r2://b@../path",
            "s3://bucket/a//b",
            "s3://bucket/a/../b",
            "s3://bucket/*/b",
            "s3://bucket/{a,b}",
            "s3://bucket/a\\b",
            "s3://bucket/ a",
            "s3://bucket/a /b",
            "s3://bucket/a/\u{a0}",
            "https://acc.blob.core.windows.net/c",
            "abfss://acc.dfs.core.windows.net/path",
            "abfss://c@acc.example.com/path",
            "wasbs://c@acc.blob.core.windows.net/path",
            "abfss://c@acc.dfs.core.windows.net/path?sv=1&sig=s3cret",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(matches!(&error, DeltaError::InvalidOption { option: "staging", .. }), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn only_what_is_no_secret_of_a_url_is_shown() {
        for (url, text) in [
            ("https://minio.example:9000/x", "https://minio.example:9000/x"),
            ("https://me:s3cret@minio.example:9000", "https://***@minio.example:9000"),
            ("https://s3cret@minio.example/a@b", "https://***@minio.example/a@b"),
            ("abfss://c@acc.dfs.core.windows.net/p", "abfss://c@acc.dfs.core.windows.net/p"),
            ("s3://b/p?sig=s3cret#x", "s3://b/p"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(shown(url), text);
        }
        let staging = crate::Staging::external("s3://b/p").endpoint("https://me:s3cret@minio.example");
        assert!(!format!("{staging:?}").contains("s3cret"), "{staging:?}");
    }
}
