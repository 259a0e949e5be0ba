//! What goes wrong with a cassette: reading, writing, secrets left in it, requests it does not know.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};

/// What kind of problem a [`CassetteError`] is: what a program branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CassetteErrorKind {
    /// A file could not be read or written.
    Io,
    /// The file is not a cassette, or a part of it is not what it should be.
    Format,
    /// The file is a cassette of another version.
    Version,
    /// The file that holds a large body is missing, or is not the one that was recorded.
    SideFile,
    /// The file was written by somebody else since it was opened.
    Changed,
    /// A secret is left in what should be saved.
    Secret,
    /// A variable has a name or a value that cannot be used.
    Variable,
    /// A sanitizer or a secret is configured so that it cannot work.
    Sanitizer,
    /// A setting is missing or wrong, such as an unknown mode.
    Config,
    /// Something was asked that is not recorded.
    Unmatched,
    /// Something recorded was not asked for.
    Unused,
    /// A body is larger than the cap.
    TooLarge,
}

/// A cassette could not be read, written or followed.
///
/// `Display` names the file, the place in it and what to do. A secret is never part of it.
#[derive(Debug)]
pub struct CassetteError {
    kind: CassetteErrorKind,
    message: String,
    file: Option<PathBuf>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl CassetteError {
    pub(crate) fn new(kind: CassetteErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), file: None, source: None }
    }

    pub(crate) fn format(message: impl Into<String>) -> Self {
        Self::new(CassetteErrorKind::Format, message)
    }

    pub(crate) fn variable(message: impl Into<String>) -> Self {
        Self::new(CassetteErrorKind::Variable, message)
    }

    /// A failure of the file system, with what was tried.
    pub(crate) fn io(action: &str, path: &Path, source: std::io::Error) -> Self {
        Self::new(CassetteErrorKind::Io, format!("{action}: {source}")).in_file(path).with_source(source)
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Names the file, unless one is named already.
    #[must_use]
    pub(crate) fn in_file(mut self, path: &Path) -> Self {
        self.file.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Says where: `place` is put before the message.
    #[must_use]
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// What kind of problem this is.
    pub fn kind(&self) -> CassetteErrorKind {
        self.kind
    }

    /// The message without the file.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file, when one is concerned.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Display for CassetteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "cassette {}: {}", file.display(), self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl StdError for CassetteError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_text_names_file_place_and_problem() {
        let error =
            CassetteError::format("`status` is missing").at("interaction 3").in_file(Path::new("a.json"));
        assert_eq!(error.to_string(), "cassette a.json: interaction 3: `status` is missing");
        assert_eq!(error.in_file(Path::new("b.json")).file(), Some(Path::new("a.json")));
    }
}
