//! What the statement of a write loads: the parts that it has staged, or files of a volume where they lie.

use super::files::{self, VolumeFile};
use super::run::Job;
use crate::error::Result;
use crate::stage::{Stage, Staged, StagedFile};
use crate::statement::cast::CastColumn;
use crate::statement::insert::Rows;

/// Files in a directory, and the casts of their columns.
pub(super) struct Load<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) directory: String,
    pub(super) files: Staged,
    pub(super) casts: &'a [CastColumn],
    /// Whether the files are the caller's own, which stay: whatever else lies beside them is none of ours.
    pub(super) in_place: bool,
}

impl<'a> Load<'a> {
    pub(super) fn staged(stage: &'a Stage<'a>, files: Staged, casts: &'a [CastColumn]) -> Self {
        Self { stage, directory: stage.directory().to_owned(), files, casts, in_place: false }
    }

    pub(super) fn in_place(
        stage: &'a Stage<'a>,
        directory: String,
        files: Vec<VolumeFile>,
        casts: &'a [CastColumn],
    ) -> Result<Self> {
        files::check_count(files.len())?;
        let file = |VolumeFile { name, bytes, rows }| StagedFile { name, bytes, rows };
        let files = Staged::of(files.into_iter().map(file).collect());
        Ok(Self { stage, directory, files, casts, in_place: true })
    }

    /// Makes sure that nothing but these files is loaded, and all of them.
    ///
    /// The directory of a random id is this run's own; that of a key may hold parts of an earlier attempt with more
    /// rows, and another run of the key may be at work in it.
    pub(super) async fn settle(&self, job: &Job<'_>) -> Result<()> {
        match job.key() {
            Some(_) if !self.in_place => self.stage.settle(&self.files).await,
            _ => Ok(()),
        }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.files.files.iter().map(|file| file.name.as_str()).collect()
    }

    /// The rows as a statement's source.
    pub(super) fn rows(&self) -> Rows<'_> {
        let named = if self.in_place { self.files.files.as_slice() } else { &[] };
        Rows { directory: &self.directory, count: self.files.rows, named, casts: self.casts }
    }
}
