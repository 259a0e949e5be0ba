//! Staging: the parts of a write as Parquet files in a volume or a cloud's storage, where one statement finds them.

mod buffers;
mod clean;
mod encoders;
#[cfg(feature = "object-store")]
mod external;
pub(crate) mod layout;
pub(crate) mod parts;
pub(crate) mod sizes;
pub(crate) mod staging;
mod storage;
pub(crate) mod sweep;
mod upload;

use uuid::Uuid;

use crate::error::{DeltaError, Result};
use crate::progress::Reporter;
use crate::write::WriteCompression;
use crate::write_id::WriteId;
use encoders::Encoders;
use parts::Limits;

#[cfg(feature = "object-store")]
pub use external::ExternalStaging;
pub(crate) use staging::Place;
pub use staging::Staging;
pub(crate) use storage::Storage;
pub(crate) use upload::{Staged, StagedFile};

/// Rows a part unless the caller says otherwise.
pub(crate) const DEFAULT_BATCH_SIZE: usize = 10_000;
/// Bytes of rows in memory at which a part ends before it has all its rows. Part of what makes a rerun name the same
/// files: it never changes.
const PART_BYTES: u64 = 128 << 20;
/// Parts in work at once unless the caller says otherwise.
pub(crate) const DEFAULT_CONCURRENCY: usize = 4;
/// The staging volume's name unless the caller says otherwise.
pub(crate) const DEFAULT_VOLUME: &str = "_staging";
/// How the names of files begin that show a run at work. Readers of data pass over names that begin with `_`.
const PRESENCE: &str = "_run-";

/// Where and how the parts of one write are staged.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    storage: Storage,
    /// The directory of the write.
    root: String,
    /// Where this run's parts lie: the root, or a directory of its own in it.
    directory: String,
    /// The file that shows other runs of the same write, which share the directory, that this one is at work in it.
    presence: Option<String>,
    pace: &'a Pace,
    reporter: &'a Reporter,
    encoders: Encoders,
}

/// What runs of one write have in common in the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Its id is random: there is no other run.
    Alone,
    /// All runs name the same files, so that what one of them loaded is known to the others.
    SameFiles,
    /// Each run has files of its own.
    OwnFiles,
}

/// How a write cuts and sends its parts.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    pub(crate) batch_size: usize,
    pub(crate) concurrency: usize,
    pub(crate) compression: WriteCompression,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch_size: DEFAULT_BATCH_SIZE,
            concurrency: DEFAULT_CONCURRENCY,
            compression: WriteCompression::default(),
        }
    }
}

impl Pace {
    pub(crate) fn limits(&self) -> Limits {
        Limits { rows: self.batch_size, bytes: PART_BYTES }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let zero = |option| DeltaError::InvalidOption {
            option,
            value: "0".to_owned(),
            reason: "it must be at least 1".to_owned(),
        };
        match self {
            Self { batch_size: 0, .. } => Err(zero("batch_size")),
            Self { concurrency: 0, .. } => Err(zero("concurrency")),
            _ => Ok(()),
        }
    }
}

/// The directory of a write's files: a function of the path for staging and the write alone.
pub(crate) fn directory(base: &str, write_id: WriteId) -> String {
    format!("{base}/{write_id}")
}

/// Where the statement of an append is kept while its outcome is unknown. Its presence shows that all parts are there.
pub(crate) fn statement_path(directory: &str) -> String {
    format!("{directory}/_statement.sql")
}

pub(crate) fn part_name(index: usize) -> String {
    format!("part-{index:05}.parquet")
}

impl<'a> Stage<'a> {
    pub(crate) fn new(
        storage: Storage,
        write_id: WriteId,
        sharing: Sharing,
        pace: &'a Pace,
        reporter: &'a Reporter,
    ) -> Self {
        let root = directory(&storage.base(), write_id);
        let run = Uuid::new_v4();
        let own = format!("{root}/{run}");
        let (directory, presence) = match sharing {
            Sharing::Alone => (root.clone(), None),
            Sharing::SameFiles => (root.clone(), Some(format!("{root}/{PRESENCE}{run}"))),
            Sharing::OwnFiles => (own, None),
        };
        Self { storage, root, directory, presence, pace, reporter, encoders: Encoders::new() }
    }

    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    /// Where the files of this write lie, and those of all others.
    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use databricks_schema::TableName;

    use super::*;

    #[test]
    fn the_paths_are_a_function_of_the_write() {
        let volume = TableName::new("main", "weather", DEFAULT_VOLUME).unwrap();
        let table = TableName::new("main", "weather", "days").unwrap();
        let path = format!(
            "{}/{}",
            directory(&storage::volume_path(&volume), WriteId::derived("k", &table)),
            part_name(7)
        );
        insta::assert_snapshot!(path);
    }

    #[test]
    fn a_pace_of_nothing_is_refused() {
        assert!(Pace::default().check().is_ok());
        let error = Pace { batch_size: 0, ..Pace::default() }.check().unwrap_err();
        assert!(error.to_string().starts_with("batch_size = 0"));
        assert!(Pace { concurrency: 0, ..Pace::default() }.check().is_err());
    }
}
