//! The commits of a table, read from its log: version, time, and what the commit says about itself.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{LocalError, Result};

/// One commit of a table.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) version: u64,
    /// Milliseconds since the epoch; grows from version to version.
    pub(super) timestamp: i64,
    /// The `commitInfo` action; empty when a writer left none.
    pub(super) info: Map<String, Value>,
}

/// The versions whose commit is still in the log, oldest first.
pub(super) fn versions(table: &Path) -> Result<Vec<u64>> {
    let dir = table.join("_delta_log");
    let io = |e: std::io::Error| LocalError::io("Cannot read the log", &dir, &e);
    let mut versions = Vec::new();
    for entry in fs::read_dir(&dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_suffix(".json")).filter(|name| name.len() == 20);
        versions.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    versions.sort_unstable();
    Ok(versions)
}

/// The commits, newest first; at most `limit`.
pub(super) fn commits(table: &Path, limit: Option<usize>) -> Result<Vec<Commit>> {
    let versions = versions(table)?;
    let skipped = limit.map_or(0, |limit| versions.len().saturating_sub(limit));
    let mut commits: Vec<Commit> = Vec::with_capacity(versions.len() - skipped);
    for version in versions.into_iter().skip(skipped) {
        let mut commit = read(&commit_path(table, version), version)?;
        if let Some(before) = commits.last() {
            // Clocks go back; versions do not.
            commit.timestamp = commit.timestamp.max(before.timestamp + 1);
        }
        commits.push(commit);
    }
    commits.reverse();
    Ok(commits)
}

fn commit_path(table: &Path, version: u64) -> PathBuf {
    table.join("_delta_log").join(format!("{version:020}.json"))
}

fn read(path: &Path, version: u64) -> Result<Commit> {
    let io = |e: std::io::Error| LocalError::io("Cannot read the commit", path, &e);
    let file = File::open(path).map_err(io)?;
    let written = file.metadata().and_then(|meta| meta.modified()).map_err(io)?;
    let mut info = Map::new();
    for line in BufReader::new(file).lines() {
        let action: Value = serde_json::from_str(&line.map_err(io)?).map_err(|error| {
            LocalError::internal(format_args!("the commit {} is not JSON: {error}", path.display()))
        })?;
        if let Some(Value::Object(found)) = action.get("commitInfo") {
            info.clone_from(found);
            break;
        }
    }
    let stated =
        ["inCommitTimestamp", "timestamp"].iter().find_map(|key| info.get(*key).and_then(Value::as_i64));
    let timestamp =
        stated.unwrap_or_else(|| chrono::DateTime::<chrono::Utc>::from(written).timestamp_millis());
    Ok(Commit { version, timestamp, info })
}
