//! A cassette on disk: one JSON file, and a folder with the large bodies that are not text.

mod format;
mod parts;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use super::cassette::Cassette;
use super::error::{CassetteError, CassetteErrorKind};
pub(crate) use format::{parse, write};
use parts::{Collected, Folder};
pub(crate) use parts::{Inline, NoParts};

pub(crate) fn load(path: &Path) -> Result<Cassette, CassetteError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CassetteError::io("the file cannot be read", path, error))?;
    let target = behind_link(path);
    let loaded = match parse(&text, &Folder::beside(&target)) {
        // A tree of links to single files has the bodies beside the link.
        Err(error) if error.kind() == CassetteErrorKind::SideFile && target != path => {
            parse(&text, &Folder::beside(path)).map_err(|_| error)
        }
        loaded => loaded,
    };
    loaded.map_err(|error| error.in_file(path))
}

/// What a file held when it was looked at, or that there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(Option<Uuid>);

impl Seen {
    pub(crate) fn at(path: &Path) -> Result<Self, CassetteError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Self(Some(Uuid::new_v5(&Uuid::NAMESPACE_OID, &bytes)))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self(None)),
            Err(error) => Err(CassetteError::io("the file cannot be read", path, error)),
        }
    }
}

/// Saves over the file as it was seen, and over no other.
pub(crate) fn save_over(cassette: &Cassette, path: &Path, seen: Seen) -> Result<Seen, CassetteError> {
    /// Of the players of one process, one at a time compares and writes.
    static SAVING: Mutex<()> = Mutex::new(());
    let _alone = SAVING.lock().unwrap_or_else(PoisonError::into_inner);
    if Seen::at(path)? != seen {
        let message = "the file was written by somebody else since this player opened it, and its recording would be \
                       lost: give each test a file of its own, or let one finish before the next one opens it";
        return Err(CassetteError::new(CassetteErrorKind::Changed, message).in_file(path));
    }
    save(cassette, path)?;
    Seen::at(path)
}

/// The file that a link leads to, so that it is written and not the link.
fn behind_link(path: &Path) -> PathBuf {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return path.to_owned();
    }
    let target = || Ok(path.parent().unwrap_or(Path::new("")).join(fs::read_link(path)?));
    // One that leads nowhere yet has no canonical form.
    let found: std::io::Result<PathBuf> = fs::canonicalize(path).or_else(|_| target());
    found.unwrap_or_else(|_| path.to_owned())
}

/// Bodies first, then the file in one step, then what it no longer refers to is removed.
pub(crate) fn save(cassette: &Cassette, path: &Path) -> Result<(), CassetteError> {
    let path = &*behind_link(path);
    let folder = Folder::beside(path);
    let mut collected = Collected::new(folder.name());
    let text = write(cassette, &mut collected).map_err(|error| error.in_file(path))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        fs::create_dir_all(parent)
            .map_err(|error| CassetteError::io("the folder cannot be made", parent, error))?;
    }
    folder.write(&collected)?;
    replace(path, text.as_bytes())?;
    folder.remove_others(&collected)
}

/// Writes a file so that a reader sees all of it or what was there before.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), CassetteError> {
    let temporary = temporary_beside(path);
    let written = write_all(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // What failed is worth telling; a leftover that cannot be removed either is not.
        let _ = fs::remove_file(&temporary);
        CassetteError::io("the file cannot be written", path, error)
    })
}

fn write_all(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", Uuid::new_v4().simple()));
    path.with_file_name(name)
}
