//! The files of a folder, in an order that is the same in every run.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::args::Format;
use super::error::SourceError;

/// A file to load.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The path as messages show it.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) format: Format,
    /// Whether its name says that tabs stand between its fields.
    pub(crate) is_tabbed: bool,
    /// The columns that its folders name, as in `day=2026-01-01/`; none for NULL.
    pub(crate) partitions: Vec<(String, Option<String>)>,
}

/// The files at `path`, sorted by their paths. `format` says how all of them are read.
pub(crate) fn files(path: &Path, format: Option<Format>) -> Result<Vec<Found>, SourceError> {
    let mut found = Vec::new();
    match fs::metadata(path).map_err(|error| SourceError::io(&shown(path), error))?.is_dir() {
        true => folder(path, format, &[], &mut found)?,
        false => found.push(file(path, format, &[])?),
    }
    match found.is_empty() {
        true => Err(SourceError::unusable(&shown(path), "the folder holds no file to load")),
        false => Ok(found),
    }
}

fn folder(
    path: &Path,
    format: Option<Format>,
    partitions: &[(String, Option<String>)],
    found: &mut Vec<Found>,
) -> Result<(), SourceError> {
    let failed = |error| SourceError::io(&shown(path), error);
    let mut entries = fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (name, inner) = (entry.file_name(), entry.path());
        if name == "_delta_log" {
            let message =
                "this is a Delta table, and its files hold rows that were deleted from it: clone the table";
            return Err(SourceError::unusable(&shown(path), message));
        }
        if name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().starts_with(b"_") {
            continue;
        }
        let is_folder =
            fs::metadata(&inner).map_err(|error| SourceError::io(&shown(&inner), error))?.is_dir();
        if !is_folder {
            found.push(file(&inner, format, partitions)?);
            continue;
        }
        if entry.file_type().map_err(failed)?.is_symlink() {
            let message = "this folder is a link, which may lead in circles: load what it leads to by itself";
            return Err(SourceError::unusable(&shown(&inner), message));
        }
        let mut partitions = partitions.to_vec();
        partitions.extend(name.to_str().and_then(partition));
        folder(&inner, format, &partitions, found)?;
    }
    Ok(())
}

fn file(
    path: &Path,
    format: Option<Format>,
    partitions: &[(String, Option<String>)],
) -> Result<Found, SourceError> {
    let name = shown(path);
    let size = fs::metadata(path).map_err(|error| SourceError::io(&name, error))?.len();
    let lower = name.to_lowercase();
    let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
    let by_name = match plain.rsplit_once('.').map(|(_, extension)| extension) {
        Some("csv" | "tsv") => Some(Format::Csv),
        Some("json" | "jsonl" | "ndjson") => Some(Format::Json),
        Some("parquet") => Some(Format::Parquet),
        _ => None,
    };
    let unknown =
        "its name does not say what it is: say --format csv, json or parquet, or move the file away";
    let format = format.or(by_name).ok_or_else(|| SourceError::unusable(&name, unknown))?;
    let is_tabbed = plain.ends_with(".tsv");
    Ok(Found { path: path.to_owned(), name, size, format, is_tabbed, partitions: partitions.to_vec() })
}

/// What a folder's name says about the rows inside, in Hive's way of writing.
fn partition(folder: &str) -> Option<(String, Option<String>)> {
    let (name, value) = folder.split_once('=').filter(|(name, _)| !name.is_empty())?;
    let value = (value != "__HIVE_DEFAULT_PARTITION__").then(|| unescaped(value));
    Some((unescaped(name), value))
}

/// `%3A` and the like as the characters they stand for; what is no such sequence stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
