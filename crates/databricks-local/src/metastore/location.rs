//! External locations: paths in clouds, and the folders of this machine that stand for them.

use std::path::{Path, PathBuf};

use crate::error::{LocalError, Result};

/// What is below a URL lies in a folder.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// Without a slash at its end.
    url: String,
    folder: PathBuf,
}

impl Location {
    /// # Errors
    /// `[INVALID_PARAMETER_VALUE.INVALID_PATH]` for what is no URL of a path in a cloud.
    pub(crate) fn new(url: &str, folder: &Path) -> Result<Self> {
        let plain = url.trim_end_matches('/');
        let segments = plain.split_once("://").map(|(_, inside)| inside.split('/'));
        let is_good = segments.is_some_and(|mut segments| {
            segments.all(|segment| {
                !matches!(segment, "" | "." | "..") && !segment.contains(['?', '#', '*', '\\'])
            })
        });
        match is_good {
            true => Ok(Self { url: plain.to_owned(), folder: folder.to_owned() }),
            false => Err(LocalError::new(
                "INVALID_PARAMETER_VALUE.INVALID_PATH",
                "22023",
                format!("'{url}' is no external location: name a path such as s3://bucket/path"),
            )),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a URL's file lies, when it is below this location.
    pub(super) fn place(&self, url: &str) -> Option<PathBuf> {
        let inside = url.strip_prefix(&self.url)?;
        match inside.strip_prefix('/') {
            Some(inside) => {
                Some(inside.split('/').fold(self.folder.clone(), |place, segment| place.join(segment)))
            }
            None => inside.is_empty().then(|| self.folder.clone()),
        }
    }
}
