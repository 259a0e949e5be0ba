//! `ListObjectsV2`: keys in order, page by page, those below a delimiter as one.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use http::StatusCode;

use super::keys::Grant;
use super::objects::UNFINISHED;
use super::xml::escaped;
use super::{Buckets, Location, broken, document, no_such_bucket, not_served};
use crate::route::Query;
use crate::storage::{Refusal, StorageAnswer};

/// Entries of a page, when no fewer are asked for.
const PAGE: usize = 1_000;

/// An object of a list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    key: String,
    size: u64,
    changed: DateTime<Utc>,
}

/// What a page holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    objects: Vec<Listed>,
    prefixes: BTreeSet<String>,
    /// The last key or prefix, when more come after it.
    next: Option<String>,
}

/// `GET ?list-type=2`.
pub(super) async fn list(buckets: &Buckets, grant: &Grant, bucket: &str, query: &Query) -> StorageAnswer {
    if query.get("list-type") != Some("2") {
        return Err(not_served(&http::Method::GET));
    }
    let prefix = query.get("prefix").unwrap_or_default();
    grant.covers(&format!("s3://{bucket}/{}", prefix.trim_end_matches('/')))?;
    let locations: Vec<Location> =
        buckets.locations.iter().filter(|location| location.bucket == bucket).cloned().collect();
    if locations.is_empty() {
        return Err(no_such_bucket());
    }
    let most = match query.get("max-keys").map(str::parse::<usize>) {
        None => PAGE,
        Some(Ok(most)) => most.clamp(1, PAGE),
        Some(Err(_)) => {
            let message = "Provided max-keys not an integer or within integer range";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidArgument", message));
        }
    };
    let found = tokio::task::spawn_blocking(move || all(&locations));
    let found =
        found.await.map_err(io::Error::other).and_then(|found| found).map_err(|error| broken(&error))?;
    let after = query.get("continuation-token").or(query.get("start-after")).unwrap_or_default();
    let page = page(found, prefix, query.get("delimiter"), after, most);
    Ok(document(page.into_xml(bucket, prefix)))
}

fn all(locations: &[Location]) -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    for location in locations {
        walk(&location.folder, &location.prefix, &mut found)?;
    }
    found.sort_unstable();
    found.dedup_by(|a, b| a.key == b.key);
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Listed>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        // Taken away since its name was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() && name != UNFINISHED {
            walk(&entry.path(), &format!("{prefix}{name}/"), found)?;
        } else if about.is_file() {
            found.push(Listed {
                key: format!("{prefix}{name}"),
                size: about.len(),
                changed: about.modified()?.into(),
            });
        }
    }
    Ok(())
}

fn page(found: Vec<Listed>, prefix: &str, delimiter: Option<&str>, after: &str, most: usize) -> Page {
    let mut page = Page::default();
    let mut last = String::new();
    for object in found {
        let Some(rest) = object.key.strip_prefix(prefix) else { continue };
        let group = delimiter
            .and_then(|delimiter| Some(format!("{prefix}{}{delimiter}", rest.split_once(delimiter)?.0)));
        let name = group.as_deref().unwrap_or(&object.key);
        if name <= after || page.prefixes.contains(name) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == most {
            page.next = Some(last);
            break;
        }
        last = name.to_owned();
        match group {
            Some(group) => drop(page.prefixes.insert(group)),
            None => page.objects.push(object),
        }
    }
    page
}

impl Page {
    fn into_xml(self, bucket: &str, prefix: &str) -> String {
        let Self { objects, prefixes, next } = self;
        let count = objects.len() + prefixes.len();
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult><Name>{}</Name><Prefix>{}</Prefix><KeyCount>{count}</KeyCount><IsTruncated>{}</IsTruncated>",
            escaped(bucket),
            escaped(prefix),
            next.is_some()
        );
        for Listed { key, size, changed } in objects {
            out.push_str(&format!(
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>\"{size}-{}\"</ETag><Size>{size}</Size></Contents>",
                escaped(&key),
                changed.to_rfc3339_opts(SecondsFormat::Millis, true),
                changed.timestamp_micros()
            ));
        }
        for prefix in prefixes {
            out.push_str(&format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escaped(&prefix)));
        }
        if let Some(next) = next {
            out.push_str(&format!("<NextContinuationToken>{}</NextContinuationToken>", escaped(&next)));
        }
        out.push_str("</ListBucketResult>");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_group_what_lies_deeper() {
        let object = |key: &&str| Listed { key: (*key).to_owned(), size: 1, changed: DateTime::UNIX_EPOCH };
        let found = || ["p/a/1", "p/a/2", "p/b", "p/c/1", "q"].iter().map(object).collect::<Vec<_>>();
        let names = |page: &Page| {
            let objects = page.objects.iter().map(|object| object.key.clone());
            let mut names: Vec<String> = objects.chain(page.prefixes.iter().cloned()).collect();
            names.sort();
            names
        };
        for (delimiter, expected) in
            [(None, vec!["p/a/1", "p/a/2", "p/b", "p/c/1"]), (Some("/"), vec!["p/a/", "p/b", "p/c/"])]
        {
            for most in 1..=5 {
                let (mut seen, mut after, mut pages) = (Vec::new(), String::new(), 0);
                loop {
                    let page = page(found(), "p/", delimiter, &after, most);
                    seen.extend(names(&page));
                    pages += 1;
                    let Some(next) = page.next else { break };
                    after = next;
                }
                assert_eq!(
                    (seen, pages),
                    (expected.iter().map(|name| (*name).to_owned()).collect(), expected.len().div_ceil(most))
                );
            }
        }
        assert_eq!(page(found(), "r/", None, "", 5), Page::default());
    }
}
