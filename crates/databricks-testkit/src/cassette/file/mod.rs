//! A cassette on disk: one JSON file, and a folder with the large bodies that are not text.

mod format;
mod parts;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::cassette::Cassette;
use super::error::CassetteError;
pub(crate) use format::{parse, write};
use parts::{Collected, Folder};
pub(crate) use parts::{Inline, NoParts};

pub(crate) fn load(path: &Path) -> Result<Cassette, CassetteError> {
    let text = fs::read_to_string(path)
        .map_err(|error| CassetteError::io("the file cannot be read", path, error))?;
    parse(&text, &Folder::beside(path)).map_err(|error| error.in_file(path))
}

/// Bodies first, then the file in one step, then what it no longer refers to is removed.
pub(crate) fn save(cassette: &Cassette, path: &Path) -> Result<(), CassetteError> {
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
