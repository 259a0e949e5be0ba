//! Paths of files as SQL names them.

use std::fmt;
use std::path::PathBuf;

use databricks_testkit::VolumePath;

use crate::error::{LocalError, Result};
use crate::metastore::{Metastore, ObjectPath};

/// A file or a folder, in a volume or below an external location.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SourcePath {
    /// `/Volumes/catalog/schema/volume/..`
    Volume(VolumePath),
    /// `s3://bucket/..` and the like, without a slash at its end.
    External(String),
}

impl SourcePath {
    /// A path as SQL writes it.
    ///
    /// # Errors
    /// Named refusals for globs, and for what is neither a volume's path nor a URL.
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.contains(['*', '?', '[', '{']) {
            return Err(LocalError::unsupported_feature(format_args!(
                "the glob pattern in the path '{text}'"
            )));
        }
        let plain = text.strip_prefix("dbfs:").unwrap_or(text);
        if plain.starts_with("/Volumes/") {
            return VolumePath::parse(plain).map(Self::Volume).map_err(|error| invalid(&error.to_string()));
        }
        let Some((_, inside)) = text.split_once("://") else { return Err(unknown(text)) };
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        if inside.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(invalid(&format!("invalid path '{text}': it has an empty, `.` or `..` segment")));
        }
        Ok(Self::External(text.strip_suffix('/').unwrap_or(text).to_owned()))
    }

    /// Where it lies.
    ///
    /// # Errors
    /// For a volume that does not exist, and a named refusal for a URL that no external location covers.
    pub(super) fn place(&self, metastore: &Metastore) -> Result<PathBuf> {
        match self {
            Self::Volume(path) => {
                let volume = ObjectPath::parse(path.catalog(), path.schema(), path.volume())?;
                metastore.state().volume(&volume)?;
                let segments = path.segments().iter();
                Ok(segments.fold(metastore.volume_dir(&volume), |place, segment| place.join(segment)))
            }
            Self::External(url) => metastore.external_place(url).ok_or_else(|| unknown(url)),
        }
    }

    /// A file in this folder.
    pub(super) fn child(&self, name: &str) -> Result<Self> {
        match self {
            Self::Volume(path) => {
                path.child(name).map(Self::Volume).map_err(|error| LocalError::internal(error.to_string()))
            }
            Self::External(url) => Ok(Self::External(format!("{url}/{name}"))),
        }
    }

    /// The last part.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Volume(path) => path.name(),
            Self::External(url) => url.rsplit('/').next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(path) => path.fmt(f),
            Self::External(url) => f.write_str(url),
        }
    }
}

fn unknown(text: &str) -> LocalError {
    LocalError::unsupported_feature(format_args!(
        "the path '{text}': the local workspace reads files of volumes, /Volumes/<catalog>/<schema>/<volume>/.., and \
         below the external locations that it was given"
    ))
}

fn invalid(message: &str) -> LocalError {
    LocalError::new("INVALID_PARAMETER_VALUE.INVALID_PATH", "22023", message)
}
