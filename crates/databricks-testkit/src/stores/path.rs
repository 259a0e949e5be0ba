//! Paths below `/Volumes`, checked once at the door so that no store meets a `..`.

use std::fmt;

/// A path `/Volumes/<catalog>/<schema>/<volume>[/...]`, free of empty, `.` and `..` segments.
///
/// Catalog, schema and volume are lower case, as Unity Catalog keeps names; the rest keeps its case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumePath {
    catalog: String,
    schema: String,
    volume: String,
    segments: Vec<String>,
}

/// Text that is not a path below `/Volumes`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid path '{path}': {reason}")]
pub struct InvalidPath {
    /// The text as given.
    pub path: String,
    /// What is wrong with it, and what would be right.
    pub reason: &'static str,
}

impl VolumePath {
    /// Segments a path can have inside its volume. Object stores have such a limit as well; here it also bounds what
    /// one request can make a store create.
    pub const MAX_SEGMENTS: usize = 254;
    /// Bytes a path can have inside its volume, slashes included: what object stores take for a key.
    pub const MAX_BYTES: usize = 1024;

    /// Reads an absolute, decoded path. One trailing slash is allowed.
    ///
    /// # Errors
    /// [`InvalidPath`] for anything not below `/Volumes/<catalog>/<schema>/<volume>`, for segments that are empty,
    /// `.`, `..` or hold a backslash or a control character, and for more than [`MAX_SEGMENTS`](Self::MAX_SEGMENTS)
    /// segments or [`MAX_BYTES`](Self::MAX_BYTES) bytes inside the volume.
    pub fn parse(path: &str) -> Result<Self, InvalidPath> {
        let invalid = |reason| InvalidPath { path: path.to_owned(), reason };
        let rest = path
            .strip_prefix("/Volumes/")
            .ok_or_else(|| invalid("a path starts with /Volumes/<catalog>/<schema>/<volume>"))?;
        let mut segments: Vec<String> = Vec::new();
        for segment in rest.strip_suffix('/').unwrap_or(rest).split('/') {
            segments.push(check_segment(segment).map_err(invalid)?.to_owned());
        }
        let too_short = || invalid("a path names at least /Volumes/<catalog>/<schema>/<volume>");
        let mut parts = segments.into_iter();
        let (Some(catalog), Some(schema), Some(volume)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(too_short());
        };
        let segments: Vec<String> = parts.collect();
        check_size(&segments).map_err(invalid)?;
        Ok(Self {
            catalog: catalog.to_lowercase(),
            schema: schema.to_lowercase(),
            volume: volume.to_lowercase(),
            segments,
        })
    }

    /// The root of a volume.
    ///
    /// # Errors
    /// [`InvalidPath`] when a name could not be one segment of a path.
    pub fn root(catalog: &str, schema: &str, volume: &str) -> Result<Self, InvalidPath> {
        let path = Self::parse(&format!("/Volumes/{catalog}/{schema}/{volume}"))?;
        if path.is_root() {
            Ok(path)
        } else {
            Err(InvalidPath { path: path.to_string(), reason: "a name holds no slash" })
        }
    }

    /// The catalog, in lower case.
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// The schema, in lower case.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The volume, in lower case.
    pub fn volume(&self) -> &str {
        &self.volume
    }

    /// The segments inside the volume; empty for its root.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether this is the volume itself.
    pub fn is_root(&self) -> bool {
        self.segments.is_empty()
    }

    /// The last segment; the volume's name for its root.
    pub fn name(&self) -> &str {
        self.segments.last().unwrap_or(&self.volume)
    }

    /// The directory that holds this path; `None` for a volume's root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parents) = self.segments.split_last()?;
        Some(Self { segments: parents.to_vec(), ..self.clone() })
    }

    /// A path one segment deeper.
    ///
    /// # Errors
    /// [`InvalidPath`] when `name` could not be one segment, or the path would be too deep or too long.
    pub fn child(&self, name: &str) -> Result<Self, InvalidPath> {
        let invalid = |reason| InvalidPath { path: format!("{self}/{name}"), reason };
        let segment = check_segment(name).map_err(invalid)?;
        let mut child = self.clone();
        child.segments.push(segment.to_owned());
        check_size(&child.segments).map_err(invalid)?;
        Ok(child)
    }

    /// The first segments of this path; all of it where it has no more.
    pub(super) fn prefix(&self, depth: usize) -> Self {
        Self { segments: self.segments.iter().take(depth).cloned().collect(), ..self.clone() }
    }
}

/// One segment, or why it is none.
fn check_segment(segment: &str) -> Result<&str, &'static str> {
    match segment {
        "" => Err("a segment is empty: remove the doubled slash"),
        "." | ".." => Err("'.' and '..' are not resolved: give the path itself"),
        s if s.contains(['/', '\\']) || s.chars().any(char::is_control) => {
            Err("a segment holds a slash, a backslash or a control character")
        }
        s => Ok(s),
    }
}

/// Succeeds for segments that are neither too many nor too long together.
fn check_size(segments: &[String]) -> Result<(), &'static str> {
    if segments.len() > VolumePath::MAX_SEGMENTS {
        return Err("a path has at most 254 segments inside its volume");
    }
    let bytes: usize = segments.iter().map(|segment| segment.len() + 1).sum();
    if bytes > VolumePath::MAX_BYTES {
        return Err("a path has at most 1024 bytes inside its volume");
    }
    Ok(())
}

impl fmt::Display for VolumePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { catalog, schema, volume, segments } = self;
        write!(f, "/Volumes/{catalog}/{schema}/{volume}")?;
        segments.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_are_lower_case_and_the_rest_keeps_its_case() {
        let path = VolumePath::parse("/Volumes/Main/Default/Stage/Dir/A.parquet").unwrap();
        assert_eq!(path.to_string(), "/Volumes/main/default/stage/Dir/A.parquet");
        assert_eq!(path.name(), "A.parquet");
        assert_eq!(path.parent().unwrap().to_string(), "/Volumes/main/default/stage/Dir");
        assert_eq!(VolumePath::parse("/Volumes/a/b/c/d/").unwrap().segments(), ["d"]);
    }

    #[test]
    fn a_path_is_neither_too_deep_nor_too_long() {
        let root = "/Volumes/a/b/c";
        let deepest = VolumePath::parse(&format!("{root}{}", "/d".repeat(254))).unwrap();
        assert!(deepest.child("e").unwrap_err().to_string().contains("at most 254 segments"));
        assert!(VolumePath::parse(&format!("{deepest}/e")).is_err());
        let longest = VolumePath::parse(&format!("{root}/{}", "x".repeat(1023))).unwrap();
        assert!(VolumePath::parse(&format!("{longest}x")).unwrap_err().to_string().contains("1024 bytes"));
        assert_eq!(deepest.prefix(2).to_string(), format!("{root}/d/d"));
    }

    #[test]
    fn a_path_cannot_leave_its_volume() {
        for bad in [
            "/etc/passwd",
            "/Volumes/a/b",
            "/Volumes/a/b/c/../d",
            "/Volumes/a/b/c//d",
            "/Volumes/a/b/c/.",
            "/Volumes/a/b/c/x\\y",
            "/Volumes/../b/c",
        ] {
            let error = VolumePath::parse(bad).expect_err(bad);
            assert!(error.to_string().contains(bad), "{error}");
        }
        assert!(VolumePath::root("a", "b/c", "d").is_err());
    }
}
