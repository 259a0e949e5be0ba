//! What a caller can say about a write.

use std::fmt;
use std::sync::Arc;

use crate::progress::{Callback, WriteProgress};
use crate::stage::Staging;

/// What a write does with the rows that are in the table already.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WriteMode {
    /// Keeps them, and adds those of the data.
    #[default]
    Append,
    /// Replaces all of them.
    Overwrite,
    /// Replaces those for which a condition holds: SQL of the caller's own. Every row of the data must fulfil it too.
    ReplaceWhere(String),
    /// Replaces those that agree with a row of the data in all of these columns; NULL agrees with NULL.
    ReplaceUsing(Vec<String>),
    /// Creates the table, and fails when it is there.
    ErrorIfExists,
}

impl WriteMode {
    /// The operation's name in metrics and spans.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Overwrite => "overwrite",
            Self::ReplaceWhere(_) => "replace_where",
            Self::ReplaceUsing(_) => "replace_using",
            Self::ErrorIfExists => "create",
        }
    }
}

/// What a write does with columns of the data that the table lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SchemaMode {
    /// Refuses the data before anything is staged.
    #[default]
    Strict,
    /// Adds them to the table, all in one commit before the write's own.
    Evolve,
}

/// How staged files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WriteCompression {
    /// Fast, and read everywhere.
    #[default]
    Snappy,
    /// Smaller, for a slow line to the workspace.
    Zstd,
    /// None.
    Uncompressed,
}

/// How a write is done; the same settings as the methods of [`Write`](crate::Write), to be kept and used for several.
///
/// ```
/// use databricks_delta::{WriteMode, WriteOptions};
///
/// let nightly = WriteOptions::default().mode(WriteMode::Overwrite).batch_size(100_000).create_if_missing();
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct WriteOptions {
    pub(crate) mode: WriteMode,
    pub(crate) create_if_missing: bool,
    pub(crate) partitioned_by: Vec<String>,
    pub(crate) schema: SchemaMode,
    pub(crate) batch_size: Option<usize>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) compression: WriteCompression,
    pub(crate) staging: Option<Staging>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) progress: Option<Arc<Callback>>,
}

impl fmt::Debug for WriteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mode,
            create_if_missing,
            partitioned_by,
            schema,
            batch_size,
            concurrency,
            compression,
            staging,
            idempotency_key,
            progress,
        } = self;
        f.debug_struct("WriteOptions")
            .field("mode", mode)
            .field("create_if_missing", create_if_missing)
            .field("partitioned_by", partitioned_by)
            .field("schema", schema)
            .field("batch_size", batch_size)
            .field("concurrency", concurrency)
            .field("compression", compression)
            .field("staging", staging)
            .field("idempotency_key", idempotency_key)
            .field("progress", &progress.is_some())
            .finish()
    }
}

impl WriteOptions {
    /// As [`Write::mode`](crate::Write::mode).
    pub fn mode(mut self, mode: WriteMode) -> Self {
        self.mode = mode;
        self
    }

    /// As [`Write::create_if_missing`](crate::Write::create_if_missing).
    pub fn create_if_missing(mut self) -> Self {
        self.create_if_missing = true;
        self
    }

    /// As [`Write::partitioned_by`](crate::Write::partitioned_by).
    pub fn partitioned_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.partitioned_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// As [`Write::schema`](crate::Write::schema).
    pub fn schema(mut self, schema: SchemaMode) -> Self {
        self.schema = schema;
        self
    }

    /// As [`Write::batch_size`](crate::Write::batch_size).
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch_size = Some(rows);
        self
    }

    /// As [`Write::concurrency`](crate::Write::concurrency).
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.concurrency = Some(parts);
        self
    }

    /// As [`Write::compression`](crate::Write::compression).
    pub fn compression(mut self, compression: WriteCompression) -> Self {
        self.compression = compression;
        self
    }

    /// As [`Write::staging_volume`](crate::Write::staging_volume): `v`, `s.v` or `c.s.v`.
    pub fn staging_volume(mut self, volume: impl Into<String>) -> Self {
        self.staging = Some(Staging::volume(volume));
        self
    }

    /// As [`Write::staging`](crate::Write::staging).
    pub fn staging(mut self, staging: impl Into<Staging>) -> Self {
        self.staging = Some(staging.into());
        self
    }

    /// As [`Write::idempotency_key`](crate::Write::idempotency_key).
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// As [`Write::progress`](crate::Write::progress).
    pub fn progress(mut self, tell: impl Fn(WriteProgress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(tell));
        self
    }
}
