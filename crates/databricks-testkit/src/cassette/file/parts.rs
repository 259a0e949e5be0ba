//! Where large binary bodies go: files named by a hash of their content, in a folder beside the cassette.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use super::super::error::{CassetteError, CassetteErrorKind};

/// A binary body of more bytes gets a file of its own.
const INLINE: usize = 64 * 1024;
const EXTENSION: &str = "bin";

/// Where the bodies are that have files of their own.
pub(crate) trait PartSource {
    /// The body that the cassette names.
    fn read(&self, name: &str) -> Result<Bytes, CassetteError>;
}

/// Takes the bodies that get files of their own.
pub(crate) trait PartSink {
    /// The name under which the body is found again; `None` to keep it in the cassette.
    fn keep(&mut self, body: &Bytes) -> Option<String>;
}

/// A text that was not read from a file has no files beside it.
#[derive(Debug)]
pub(crate) struct NoParts;

impl PartSource for NoParts {
    fn read(&self, name: &str) -> Result<Bytes, CassetteError> {
        let message = format!("the body is in `{name}`; load the cassette by its path so that it is found");
        Err(CassetteError::new(CassetteErrorKind::SideFile, message))
    }
}

/// Keeps every body in the cassette.
#[derive(Debug)]
pub(crate) struct Inline;

impl PartSink for Inline {
    fn keep(&mut self, _: &Bytes) -> Option<String> {
        None
    }
}

/// Bodies that are to be written, by the name of their file.
#[derive(Debug)]
pub(crate) struct Collected {
    folder: String,
    bodies: BTreeMap<String, Bytes>,
}

impl Collected {
    pub(super) fn new(folder: &str) -> Self {
        Self { folder: folder.to_owned(), bodies: BTreeMap::new() }
    }
}

impl PartSink for Collected {
    fn keep(&mut self, body: &Bytes) -> Option<String> {
        if body.len() <= INLINE {
            return None;
        }
        let file = format!("{}.{EXTENSION}", fingerprint(body));
        let name = format!("{}/{file}", self.folder);
        self.bodies.insert(file, body.clone());
        Some(name)
    }
}

/// A name that is the same for the same bytes and no others.
fn fingerprint(body: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, body)
}

/// The folder beside a cassette.
#[derive(Debug)]
pub(crate) struct Folder {
    parent: PathBuf,
    name: String,
}

impl Folder {
    /// `NAME.json.parts` beside `NAME.json`: no other cassette's.
    pub(super) fn beside(cassette: &Path) -> Self {
        let file = cassette.file_name().unwrap_or_default().to_string_lossy();
        let parent = cassette.parent().unwrap_or(Path::new("")).to_owned();
        Self { parent, name: format!("{file}.parts") }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// Writes the bodies that are not there yet.
    pub(super) fn write(&self, collected: &Collected) -> Result<(), CassetteError> {
        let folder = self.path();
        if !collected.bodies.is_empty() {
            fs::create_dir_all(&folder)
                .map_err(|error| CassetteError::io("the folder cannot be made", &folder, error))?;
        }
        for (file, body) in &collected.bodies {
            let path = folder.join(file);
            if fs::read(&path).is_ok_and(|there| there == *body) {
                continue;
            }
            super::replace(&path, body)?;
        }
        Ok(())
    }

    /// Removes the bodies of earlier recordings. Other files are left alone.
    pub(super) fn remove_others(&self, collected: &Collected) -> Result<(), CassetteError> {
        let folder = self.path();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(CassetteError::io("the folder cannot be read", &folder, error)),
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if fingerprint_in(&name).is_some() && !collected.bodies.contains_key(&name) {
                fs::remove_file(entry.path())
                    .map_err(|error| CassetteError::io("the file cannot be removed", &entry.path(), error))?;
            }
        }
        if collected.bodies.is_empty() {
            // A folder with files of somebody else stays.
            let _ = fs::remove_dir(&folder);
        }
        Ok(())
    }
}

impl PartSource for Folder {
    fn read(&self, name: &str) -> Result<Bytes, CassetteError> {
        let bad = |problem: &str| {
            let remedy = "restore it from where the cassette comes from, or record again";
            CassetteError::new(
                CassetteErrorKind::SideFile,
                format!("the body in `{name}` {problem}; {remedy}"),
            )
        };
        let (folder, file) =
            name.split_once('/').ok_or_else(|| bad("is not in a folder beside the cassette"))?;
        let expected = fingerprint_in(file).filter(|_| is_folder(folder));
        let expected = expected.ok_or_else(|| bad("is not in a folder beside the cassette"))?;
        let body = match fs::read(self.parent.join(folder).join(file)) {
            Ok(body) => body,
            Err(error) => return Err(bad(&format!("cannot be read ({error})"))),
        };
        if fingerprint(&body) != expected {
            return Err(bad("is not the one that was recorded"));
        }
        Ok(body.into())
    }
}

/// A plain name: no way to leave the folder that the cassette is in.
fn is_folder(name: &str) -> bool {
    name.ends_with(".parts") && !name.contains(['/', '\\', ':']) && !name.starts_with("..")
}

fn fingerprint_in(file: &str) -> Option<Uuid> {
    let (stem, extension) = file.split_once('.')?;
    let id = Uuid::try_parse(stem).ok()?;
    (extension == EXTENSION && id.to_string() == stem).then_some(id)
}
