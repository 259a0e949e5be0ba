//! The folder of a workspace: its layout, its lock, and writes that are whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::names::{ObjectPath, SchemaPath};
use crate::error::{LocalError, Result};

/// The folder, owned by this process for as long as this value lives.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    /// Holds the lock; the operating system frees it when the process ends, however it ends.
    _lock: File,
}

impl Disk {
    /// Makes the folder if needed, takes its lock and throws away what an earlier process left unfinished.
    ///
    /// # Errors
    /// `[WORKSPACE_LOCKED]` when another process owns the folder, `[INVALID_PARAMETER_VALUE]` when its path holds a
    /// `%`; `[IO_ERROR]` naming the path otherwise.
    pub(super) fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|e| LocalError::io("Cannot make the workspace folder", root, &e))?;
        let root =
            root.canonicalize().map_err(|e| LocalError::io("Cannot open the workspace folder", root, &e))?;
        if root.as_os_str().as_encoded_bytes().contains(&b'%') {
            let message = format!(
                "The workspace folder {} holds a '%', which the engine would read as an escape. Use a path without it.",
                root.display()
            );
            return Err(LocalError::new("INVALID_PARAMETER_VALUE", "22023", message));
        }
        let internal = root.join("metastore");
        fs::create_dir_all(&internal)
            .map_err(|e| LocalError::io("Cannot write the workspace folder", &internal, &e))?;
        let disk = Self { _lock: take_lock(&root, &internal.join("lock"))?, root };
        for leftover in ["staging", "trash", "spool"] {
            let path = disk.internal(leftover);
            if path.exists() {
                fs::remove_dir_all(&path).map_err(|e| LocalError::io("Cannot clear", &path, &e))?;
            }
            create_dir(&path)?;
        }
        create_dir(&disk.root.join("catalogs"))?;
        Ok(disk)
    }

    /// The folder itself, absolute.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside `metastore/`.
    pub(super) fn internal(&self, name: &str) -> PathBuf {
        self.root.join("metastore").join(name)
    }

    /// A new path for a table that is not there yet.
    pub(super) fn new_staging(&self) -> PathBuf {
        self.internal("staging").join(Uuid::new_v4().simple().to_string())
    }

    /// Where a schema's tables and volumes lie.
    pub(super) fn schema_dir(&self, path: &SchemaPath) -> PathBuf {
        self.catalog_dir(path.catalog.as_str()).join(folder(path.schema.as_str()))
    }

    /// Where a catalog's schemas lie.
    pub(super) fn catalog_dir(&self, catalog: &str) -> PathBuf {
        self.root.join("catalogs").join(folder(catalog))
    }

    /// Where a table lies.
    pub(super) fn table_dir(&self, path: &ObjectPath) -> PathBuf {
        self.schema_dir(&path.parent).join("tables").join(folder(path.name.as_str()))
    }

    /// Where a volume's files lie.
    pub(super) fn volume_dir(&self, path: &ObjectPath) -> PathBuf {
        self.schema_dir(&path.parent).join("volumes").join(folder(path.name.as_str()))
    }

    /// Takes the folder out of the way in one step, then removes it. What cannot be removed now is at the next start.
    pub(super) fn discard(&self, path: &Path) -> Result<()> {
        let trash = self.internal("trash").join(Uuid::new_v4().simple().to_string());
        match fs::rename(path, &trash) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LocalError::io("Cannot remove", path, &error)),
        }
        if let Err(error) = fs::remove_dir_all(&trash) {
            tracing::warn!(path = %trash.display(), %error, "a dropped folder is left for the next start");
        }
        Ok(())
    }

    /// Moves a finished folder to its place in one step; what an unregistered writer left there is discarded.
    pub(super) fn publish(&self, staged: &Path, place: &Path) -> Result<()> {
        self.discard(place)?;
        if let Some(parent) = place.parent() {
            create_dir(parent)?;
        }
        fs::rename(staged, place).map_err(|e| LocalError::io("Cannot create", place, &e))?;
        place.parent().map_or(Ok(()), sync_dir)
    }
}

/// An object's folder: its name, with `%` as `~P` and `~` as `~T`. The engine takes paths for URLs and would decode
/// a `%`, so that one table would lie in another's folder. Names are lower case: no two share a folder.
fn folder(name: &str) -> String {
    name.replace('~', "~T").replace('%', "~P")
}

/// Makes a directory and those above it.
pub(super) fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| LocalError::io("Cannot make the folder", path, &e))
}

/// Replaces a file: the old or the new content is there, whenever the machine stops.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| LocalError::io("Cannot write", path, &e))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes a rename in this directory last. Not every platform can; those that cannot need not.
fn sync_dir(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(path).and_then(|dir| dir.sync_all());
        synced.map_err(|e| LocalError::io("Cannot write", path, &e))?;
    }
    Ok(())
}

/// Takes the lock file, or says who has it.
fn take_lock(root: &Path, path: &Path) -> Result<File> {
    let io = |e: std::io::Error| LocalError::io("Cannot lock the workspace folder", path, &e);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(locked(root, &mut file)),
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(io)?;
    Ok(file)
}

fn locked(root: &Path, file: &mut File) -> LocalError {
    let mut owner = String::new();
    let owner = match file.read_to_string(&mut owner) {
        Ok(_) if !owner.trim().is_empty() => format!(" (process {})", owner.trim()),
        _ => String::new(),
    };
    let message = format!(
        "The workspace folder {} is in use by another process{owner}. Stop it, connect to it over HTTP, or use another folder.",
        root.display()
    );
    LocalError::new("WORKSPACE_LOCKED", "55006", message)
}
