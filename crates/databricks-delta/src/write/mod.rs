//! Writing rows: parts staged in a volume, then one statement that commits them all.

mod append;
mod create;
mod dry_run;
mod evolve;
mod files;
mod load;
mod options;
mod replace;
mod result;
mod run;

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use databricks_sql::{IntoParam, Param};
use futures::Stream;
use serde::Serialize;

use crate::client::DeltaClient;
use crate::error::{BoxError, Result};
use crate::input::Input;
use crate::names::{IntoTableName, Target};
use crate::progress::WriteProgress;
use crate::stage::{Place, Staging};

pub(crate) use create::made_by;
pub use dry_run::DryRunResult;
pub(crate) use files::LocalFile;
pub use options::{SchemaMode, WriteCompression, WriteMode, WriteOptions};
pub use result::WriteResult;

/// A write being prepared. All its rows become one commit, or none do.
///
/// Dropping the future of [`send`](Self::send) before its end leaves the staged files, and perhaps a commit: run the
/// write again with the same idempotency key to be sure.
#[must_use = "a write is run by `send`"]
pub struct Write<'a> {
    client: DeltaClient,
    table: Target,
    source: Source<'a>,
    options: WriteOptions,
    place: Option<Place>,
    parameters: Vec<(String, Param)>,
}

/// Where the rows of a write come from.
#[derive(Debug)]
enum Source<'a> {
    Data(Input<'a>),
    /// Paths of Parquet files.
    Files(Vec<String>),
}

impl fmt::Debug for Write<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client: _, table, source, options, place, parameters } = self;
        f.debug_struct("Write")
            .field("table", table)
            .field("source", source)
            .field("options", options)
            .field("staging", place)
            .field("parameters", &parameters.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl<'a> Write<'a> {
    pub(crate) fn rows<T: Serialize + Sync>(client: DeltaClient, table: Target, rows: &'a [T]) -> Self {
        Self::new(client, table, Source::Data(Input::rows(rows)))
    }

    pub(crate) fn batches<S, E>(client: DeltaClient, table: Target, schema: SchemaRef, batches: S) -> Self
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + 'a,
        E: Into<BoxError> + 'a,
    {
        Self::new(client, table, Source::Data(Input::batches(schema, batches)))
    }

    pub(crate) fn files(client: DeltaClient, table: Target, paths: Vec<String>) -> Self {
        Self::new(client, table, Source::Files(paths))
    }

    fn new(client: DeltaClient, table: Target, source: Source<'a>) -> Self {
        let options = WriteOptions::default();
        let place = client.staging().cloned();
        Self { client, table, source, options, place, parameters: Vec::new() }
    }

    /// Takes all settings from `options`, those that were made before among them.
    pub fn options(mut self, options: WriteOptions) -> Self {
        let place = options.staging.clone().map(|staging| self.client.place(staging));
        self.place = place.or_else(|| self.client.staging().cloned());
        self.options = options;
        self
    }

    /// What is done with the rows that are in the table: they are kept unless set.
    ///
    /// ```no_run
    /// # async fn example(delta: &databricks_delta::DeltaClient) -> Result<(), databricks_delta::DeltaError> {
    /// # #[derive(serde::Serialize)] struct Sale { day: &'static str, amount: f64 }
    /// use databricks_delta::WriteMode;
    ///
    /// let sales = [Sale { day: "2026-01-02", amount: 9.5 }];
    /// delta
    ///     .write_batch("sales", &sales)
    ///     .mode(WriteMode::ReplaceWhere("day = :day".to_owned()))
    ///     .param("day", "2026-01-02")
    ///     .idempotency_key("sales of 2026-01-02")
    ///     .send()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn mode(mut self, mode: WriteMode) -> Self {
        self.options.mode = mode;
        self
    }

    /// Binds the marker `:name` in the condition of [`WriteMode::ReplaceWhere`].
    pub fn param(mut self, name: impl Into<String>, value: impl IntoParam) -> Self {
        self.parameters.push((name.into(), value.into_param()));
        self
    }

    /// Creates the table when it is missing, with the columns of the data and all its rows in one commit. Types come
    /// from the data: what is text there becomes a STRING.
    pub fn create_if_missing(mut self) -> Self {
        self.options = self.options.create_if_missing();
        self
    }

    /// Partitions the table by these columns, when the write creates it.
    pub fn partitioned_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.options = self.options.partitioned_by(columns);
        self
    }

    /// What is done with columns of the data that the table lacks: the write is refused unless set.
    pub fn schema(mut self, schema: SchemaMode) -> Self {
        self.options.schema = schema;
        self
    }

    /// Rows a part (a Parquet file): 10,000 unless set. A part ends earlier when its rows take 128 MiB. A rerun of an
    /// append under the same idempotency key must use the same.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.options.batch_size = Some(rows);
        self
    }

    /// Parts in work at once: 4 unless set. As many are in memory.
    pub fn concurrency(mut self, parts: usize) -> Self {
        self.options.concurrency = Some(parts);
        self
    }

    /// How parts are compressed: by Snappy unless set.
    pub fn compression(mut self, compression: WriteCompression) -> Self {
        self.options.compression = compression;
        self
    }

    /// Makes the write safe to run again, in another process too: a second run with the same key and table adds
    /// nothing. A key stands for one set of rows and is not used for another.
    ///
    /// An append is known again by the files that COPY INTO has loaded, any other write by a mark in the condition that
    /// the table's history keeps, for as long as it keeps it (30 days, unless `delta.logRetentionDuration` says
    /// otherwise). For the mark's sake an overwrite with a key is sent as `REPLACE WHERE` of a condition that is always
    /// true: on a table without partitions the server reads one column of the old rows to check it.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.options.idempotency_key = Some(key.into());
        self
    }

    /// The volume that takes the parts: `_staging` in the table's catalog and schema unless set. It is named like a
    /// table, and made if it is missing.
    pub fn staging_volume(mut self, volume: impl IntoTableName) -> Self {
        self.place = Some(Place::Volume(self.client.target(volume)));
        self
    }

    /// Where the parts lie until they are loaded: that of [`DeltaClient::with_staging`] unless set.
    pub fn staging(mut self, staging: impl Into<Staging>) -> Self {
        self.place = Some(self.client.place(staging));
        self
    }

    /// Calls `tell` after each step. It is called from within the write and should return at once.
    pub fn progress(mut self, tell: impl Fn(WriteProgress) + Send + Sync + 'static) -> Self {
        self.options = self.options.progress(tell);
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::DeltaError;

    #[tokio::test]
    async fn nothing_to_write_sends_nothing() {
        let none: [serde_json::Value; 0] = [];
        let result = DeltaClient::mock().write_batch("days", &none).send().await.unwrap();
        assert_eq!((result.rows_affected, result.partitions_written, result.already_applied), (0, 0, false));
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_before_anything_is_sent() {
        let client = DeltaClient::mock();
        let rows = [serde_json::json!({"a": 1})];
        let write = || client.write_batch("days", &rows);
        assert!(matches!(
            client.write_batch("a.b.c.d", &rows).send().await,
            Err(DeltaError::InvalidName { .. })
        ));
        let using =
            |columns: &[&str]| WriteMode::ReplaceUsing(columns.iter().map(|&name| name.to_owned()).collect());
        for (write, refused) in [
            (write().batch_size(0), "batch_size"),
            (write().mode(WriteMode::ReplaceWhere(" ".to_owned())), "replace_where"),
            (write().mode(using(&[])), "replace_using"),
            (write().mode(using(&["a"])).idempotency_key("k"), "idempotency_key"),
            (write().idempotency_key(""), "idempotency_key"),
            (write().partitioned_by(["a"]), "partitioned_by"),
            (write().param("day", 1), "param"),
        ] {
            let error = write.send().await.unwrap_err();
            assert!(
                matches!(&error, DeltaError::InvalidOption { option, .. } if *option == refused),
                "{refused}: {error}"
            );
        }
        assert!(matches!(write().send().await, Err(DeltaError::Mock)));
    }

    #[tokio::test]
    async fn options_are_what_the_methods_set() {
        let rows = [serde_json::json!({"a": 1})];
        let options = WriteOptions::default().batch_size(0).staging_volume("a.b.c.d");
        let write = DeltaClient::mock().write_batch("days", &rows).options(options);
        assert!(matches!(&write.place, Some(Place::Volume(volume)) if volume.get().is_err()));
        assert!(matches!(write.send().await, Err(DeltaError::InvalidOption { option: "batch_size", .. })));
    }
}
