//! Finding the files that paths name, and reading their ends.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::footer::{self, FIRST_READ, Footer};
use super::{At, LocalFile, VolumeFile, invalid, unreadable};
use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::stage::sweep::{self, is_not_found, name_of};

/// What makes a path a pattern of paths to a statement.
const PATTERN: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// Files, all on this machine or all in one directory of a volume.
pub(super) enum Place {
    Here(Vec<PathBuf>),
    Volume {
        directory: String,
        /// Names and lengths in bytes.
        files: Vec<(String, u64)>,
    },
}

impl Place {
    pub(super) async fn find(remote: &Remote, paths: &[String]) -> Result<Self> {
        let in_volume = |path: &&String| path.starts_with("/Volumes/") || path.starts_with("dbfs:/Volumes/");
        if let Some(path) = paths.iter().find(|path| path.contains("://")) {
            let reason = "name files of this machine, or of a volume: an external volume gives a cloud storage's files \
                          paths of the form /Volumes/<catalog>/<schema>/<volume>/..";
            return Err(invalid(path.clone(), reason.to_owned()));
        }
        let volumes: Vec<&str> =
            paths.iter().filter(in_volume).map(|path| path.trim_start_matches("dbfs:")).collect();
        match volumes.as_slice() {
            [] => {
                let paths = paths.to_vec();
                let found = tokio::task::spawn_blocking(move || local(&paths)).await;
                Ok(Self::Here(found.map_err(DeltaError::data)??))
            }
            _ if volumes.len() < paths.len() => {
                let reason =
                    "files of this machine and of a volume cannot be one write: upload those, or write twice";
                Err(invalid(paths.join(", "), reason.to_owned()))
            }
            volumes => Self::in_volume(remote, volumes).await,
        }
    }

    async fn in_volume(remote: &Remote, paths: &[&str]) -> Result<Self> {
        let mut found: Vec<(String, u64)> = Vec::new();
        for path in paths.iter().map(|path| path.trim_end_matches('/')) {
            match remote.files.metadata(path).await {
                Ok(file) => found.push((path.to_owned(), file.size)),
                Err(error) if is_not_found(&error) => found.extend(directory(remote, path, error).await?),
                Err(error) => return Err(error),
            }
        }
        let parent =
            |path: &str| path.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default();
        let directory = found.first().map(|(path, _)| parent(path)).unwrap_or_default();
        if let Some((other, _)) = found.iter().find(|(path, _)| parent(path) != directory) {
            let reason = format!("one write loads the files of one directory, and others are in {directory}");
            return Err(invalid(other.clone(), reason));
        }
        if let Some((path, _)) = found.iter().find(|(path, _)| path.contains(PATTERN)) {
            let reason = "a statement reads `*`, `?`, brackets, braces and backslashes in a path as a pattern, which can \
                          mean other files: rename it";
            return Err(invalid(path.clone(), reason.to_owned()));
        }
        let mut files: Vec<_> =
            found.into_iter().map(|(path, size)| (name_of(&path).to_owned(), size)).collect();
        files.sort();
        files.dedup();
        Ok(Self::Volume { directory, files })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Here(files) => files.len(),
            Self::Volume { files, .. } => files.len(),
        }
    }

    pub(super) fn name(&self, index: usize) -> String {
        match self {
            Self::Here(files) => files.get(index).map(|path| path.display().to_string()).unwrap_or_default(),
            Self::Volume { directory, files } => {
                files.get(index).map(|(name, _)| format!("{directory}/{name}")).unwrap_or_default()
            }
        }
    }

    pub(super) fn no_files(&self) -> DeltaError {
        invalid(
            "none".to_owned(),
            "name at least one Parquet file, or a directory that holds some".to_owned(),
        )
    }

    pub(super) async fn footer(&self, remote: &Remote, index: usize) -> Result<Footer> {
        let name = self.name(index);
        match self {
            Self::Here(files) => {
                let path = files.get(index).cloned().unwrap_or_default();
                let read = tokio::task::spawn_blocking(move || local_footer(&path, &name)).await;
                read.map_err(DeltaError::data)?
            }
            Self::Volume { files, .. } => {
                let size = files.get(index).map(|(_, size)| *size).unwrap_or_default();
                let mut end = remote_end(remote, &name, size, FIRST_READ).await?;
                let needed = footer::needed(&name, &end)?;
                if needed > end.len() as u64 {
                    end = remote_end(remote, &name, size, needed).await?;
                }
                Footer::read(&name, size, &end)
            }
        }
    }

    /// The files of these places, with their rows.
    pub(super) fn keep(self, kept: &[usize], footers: &[Footer]) -> At {
        let kept = kept.iter().filter_map(|index| Some((*index, footers.get(*index)?)));
        match self {
            Self::Here(files) => {
                let file = |(index, footer): (usize, &Footer)| {
                    let path = files.get(index)?.clone();
                    Some(LocalFile { path, bytes: footer.bytes, rows: footer.rows })
                };
                At::Here(kept.filter_map(file).collect())
            }
            Self::Volume { directory, files } => {
                let file = |(index, footer): (usize, &Footer)| {
                    let name = files.get(index)?.0.clone();
                    Some(VolumeFile { name, bytes: footer.bytes, rows: footer.rows })
                };
                At::Volume { directory, files: kept.filter_map(file).collect() }
            }
        }
    }
}

/// Whether a name in a directory is that of data.
fn is_data(name: &str) -> bool {
    !name.starts_with(['_', '.']) && name.ends_with(".parquet")
}

/// Not passed over: what lies in it would be missing from the table.
fn inner_directory(path: &str) -> DeltaError {
    let reason =
        "directories inside a directory are not read: name each that holds files, in a write of its own";
    invalid(path.to_owned(), reason.to_owned())
}

async fn directory(remote: &Remote, path: &str, missing: DeltaError) -> Result<Vec<(String, u64)>> {
    let entries = sweep::list(&remote.files, path).await?;
    if entries.is_empty() {
        return Err(missing);
    }
    let is_shown = |path: &str| !name_of(path).starts_with(['_', '.']);
    if let Some(inner) = entries.iter().find(|entry| entry.is_directory && is_shown(&entry.path)) {
        return Err(inner_directory(&inner.path));
    }
    let files = entries.into_iter().filter(|entry| !entry.is_directory && is_data(name_of(&entry.path)));
    Ok(files.map(|entry| (entry.path, entry.file_size.unwrap_or_default())).collect())
}

async fn remote_end(remote: &Remote, path: &str, size: u64, length: u64) -> Result<Bytes> {
    let length = length.min(size);
    let body = remote.files.download_range(path, size - length, length).await?;
    Ok(body.collect(usize::try_from(length).unwrap_or(usize::MAX)).await?)
}

fn local(paths: &[String]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for text in paths {
        let path = Path::new(text);
        let failed = |error: io::Error| unreadable(text, &error);
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            let mut inside = Vec::new();
            for entry in std::fs::read_dir(path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let (inner, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                if inner.is_dir() && !name.starts_with(['_', '.']) {
                    return Err(inner_directory(&inner.display().to_string()));
                }
                if inner.is_file() && is_data(&name) {
                    inside.push(inner);
                }
            }
            inside.sort();
            files.extend(inside);
        } else {
            files.push(path.to_owned());
        }
    }
    Ok(files)
}

fn local_footer(path: &Path, name: &str) -> Result<Footer> {
    let failed = |error: io::Error| unreadable(name, &error);
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut end = |length: u64| -> Result<Bytes> {
        let length = length.min(size);
        file.seek(SeekFrom::Start(size - length)).map_err(failed)?;
        let mut bytes = Vec::new();
        (&mut file).take(length).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes.into())
    };
    let first = end(FIRST_READ)?;
    let needed = footer::needed(name, &first)?;
    let bytes = if needed > first.len() as u64 { end(needed)? } else { first };
    Footer::read(name, size, &bytes)
}
