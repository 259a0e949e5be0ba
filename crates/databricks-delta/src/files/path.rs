//! Paths of volumes as they stand in URLs.

use databricks_transport::encode_path;

use crate::error::{DeltaError, Result};

pub(super) fn file_url(path: &str) -> Result<String> {
    Ok(format!("/api/2.0/fs/files{}", encoded(path)?))
}

pub(super) fn directory_url(path: &str) -> Result<String> {
    Ok(format!("/api/2.0/fs/directories{}", encoded(path)?))
}

/// The path, percent-encoded segment by segment. Dot segments are refused: a proxy would resolve them to another path.
fn encoded(path: &str) -> Result<String> {
    let invalid = |reason: &str| DeltaError::InvalidName { name: path.to_owned(), reason: reason.to_owned() };
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let inside = trimmed
        .strip_prefix("/Volumes/")
        .ok_or_else(|| invalid("a path of a file must start with /Volumes/<catalog>/<schema>/<volume>"))?;
    if inside.split('/').count() < 3 {
        return Err(invalid(
            "it must name a catalog, a schema and a volume: /Volumes/<catalog>/<schema>/<volume>",
        ));
    }
    if inside.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(invalid("it has an empty, `.` or `..` segment"));
    }
    Ok(encode_path(trimmed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_segment_of_a_path_is_encoded() {
        assert_eq!(
            file_url("/Volumes/main/s/v/#!#_a b/50%?.csv").unwrap(),
            "/api/2.0/fs/files/Volumes/main/s/v/%23%21%23_a%20b/50%25%3F.csv".to_owned()
        );
        assert_eq!(
            directory_url("/Volumes/main/s/v/d/").unwrap(),
            "/api/2.0/fs/directories/Volumes/main/s/v/d"
        );
    }

    #[test]
    fn a_path_that_leaves_its_volume_is_refused() {
        for path in [
            "",
            "days.csv",
            "/dbfs/x",
            "/Volumes/main/s",
            "/Volumes/a/b/c/../d",
            "/Volumes/a/b/c//d",
            "/Volumes/a/b/c/./d",
        ] {
            assert!(matches!(file_url(path), Err(DeltaError::InvalidName { .. })), "{path}");
        }
    }
}
