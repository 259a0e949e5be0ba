//! The entry point: a client for the tables of a catalog and schema.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::Utc;
use databricks_schema::{CatalogClient, ColumnSchema, TableName, TableSchema};
use databricks_sql::SqlClient;
use databricks_transport::Client;
use futures::Stream;
use serde::Serialize;

use crate::add_columns::AddColumns;
use crate::clone_table::CloneTable;
use crate::commit;
use crate::create_table::CreateTable;
use crate::detail::TableDetail;
use crate::dml::{Delete, Update};
use crate::error::{BoxError, DeltaError, Result};
use crate::files::FilesClient;
use crate::history::History;
use crate::maintenance::{Optimize, Restore, Vacuum};
use crate::merge::MergeBuilder;
use crate::names::{IntoTableName, Target};
use crate::read::Read;
use crate::resume::{self, Resumed};
use crate::stage::staging::Kind;
use crate::stage::sweep::{self, SweepResult};
use crate::stage::{Place, Staging};
use crate::statement::ddl;
use crate::write::{DryRunResult, Write, WriteMode};
use crate::write_id::WriteId;
use crate::{detail, lookup, operation};

/// Reads, writes and looks after Delta tables. Cheap to clone.
///
/// Tables are named `"t"` (in the client's catalog and schema), `"s.t"` or `"c.s.t"`.
#[derive(Debug, Clone)]
pub struct DeltaClient {
    inner: Arc<Inner>,
    /// Where writes are staged that do not say it themselves.
    staging: Option<Place>,
}

#[derive(Debug)]
struct Inner {
    catalog: String,
    schema: String,
    remote: Option<Remote>,
}

/// The clients of the workspace's services.
#[derive(Debug)]
pub(crate) struct Remote {
    #[cfg(feature = "object-store")]
    pub(crate) client: Client,
    pub(crate) catalog: CatalogClient,
    pub(crate) sql: SqlClient,
    pub(crate) files: FilesClient,
}

impl DeltaClient {
    /// A client for the tables of `catalog` and `schema`, which runs statements through `sql`.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`] when `catalog` or `schema` cannot be a name.
    pub fn new(client: &Client, sql: SqlClient, catalog: &str, schema: &str) -> Result<Self> {
        TableName::new(catalog, schema, "t").map_err(|error| DeltaError::InvalidName {
            name: format!("{catalog}.{schema}"),
            reason: error.to_string(),
        })?;
        let remote = Remote {
            #[cfg(feature = "object-store")]
            client: client.clone(),
            catalog: CatalogClient::new(client),
            sql,
            files: FilesClient::new(client),
        };
        Ok(Self::with(catalog, schema, Some(remote)))
    }

    /// A client that sends nothing: its builders build statements, and their ends answer [`DeltaError::Mock`].
    /// Its catalog is `main`, its schema `default`.
    pub fn mock() -> Self {
        Self::with("main", "default", None)
    }

    fn with(catalog: &str, schema: &str, remote: Option<Remote>) -> Self {
        let inner = Inner { catalog: catalog.to_owned(), schema: schema.to_owned(), remote };
        Self { inner: Arc::new(inner), staging: None }
    }

    /// The same client, staging the parts of its writes and merges elsewhere: [`resume`](Self::resume) and
    /// [`sweep_staging`](Self::sweep_staging) look there too. The volume `_staging` beside each table unless set.
    #[must_use]
    pub fn with_staging(self, staging: impl Into<Staging>) -> Self {
        let staging = Some(self.place(staging));
        Self { staging, ..self }
    }

    /// The catalog of tables that are named without one.
    pub fn catalog(&self) -> &str {
        &self.inner.catalog
    }

    /// The schema of tables that are named without one.
    pub fn schema(&self) -> &str {
        &self.inner.schema
    }

    /// A table's full name.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`] when `table` is not a name.
    pub fn table_name(&self, table: impl IntoTableName) -> Result<TableName> {
        table.into_table_name(self.catalog(), self.schema())
    }

    /// Creates a table with the columns of `schema`.
    pub fn create_table(&self, table: impl IntoTableName, schema: TableSchema) -> CreateTable {
        CreateTable::new(self.clone(), self.target(table), schema)
    }

    /// Appends rows, given as values of a serde type, as one commit.
    pub fn write_batch<'a, T: Serialize + Sync>(
        &self,
        table: impl IntoTableName,
        rows: &'a [T],
    ) -> Write<'a> {
        Write::rows(self.clone(), self.target(table), rows)
    }

    /// Appends Arrow batches of `schema`, as one commit. How many there are need not be known.
    pub fn write_batches<'a, S, E>(
        &self,
        table: impl IntoTableName,
        schema: SchemaRef,
        batches: S,
    ) -> Write<'a>
    where
        S: Stream<Item = Result<RecordBatch, E>> + Send + 'a,
        E: Into<BoxError> + 'a,
    {
        Write::batches(self.clone(), self.target(table), schema, batches)
    }

    /// Appends the rows of Parquet files that are there already, as one commit and without encoding them anew.
    ///
    /// The paths name files of this machine, which are staged as they are, or files of one directory of a volume
    /// (`/Volumes/<catalog>/<schema>/<volume>/..`), which are loaded where they lie and stay there. A path of a directory
    /// means the `.parquet` files in it. All files have the same columns.
    ///
    /// A file of a volume is appended once, whoever asks for it how often: [`WriteResult::rows_affected`] counts what was
    /// new, and [`WriteResult::already_applied`] says that nothing was. To load it again, give it another name.
    ///
    /// [`WriteResult::rows_affected`]: crate::WriteResult::rows_affected
    /// [`WriteResult::already_applied`]: crate::WriteResult::already_applied
    pub fn write_files<P: Into<String>>(
        &self,
        table: impl IntoTableName,
        paths: impl IntoIterator<Item = P>,
    ) -> Write<'static> {
        Write::files(self.clone(), self.target(table), paths.into_iter().map(Into::into).collect())
    }

    /// What a write of these rows would do, with nothing written. [`Write::dry_run`] asks the same of any write.
    ///
    /// # Errors
    /// As [`Write::dry_run`].
    pub async fn write_dry_run<T: Serialize + Sync>(
        &self,
        table: impl IntoTableName,
        rows: &[T],
        mode: WriteMode,
    ) -> Result<DryRunResult> {
        self.write_batch(table, rows).mode(mode).dry_run().await
    }

    /// Updates, deletes and inserts rows of a table by those of a source, as one commit.
    pub fn merge<'a>(&self, table: impl IntoTableName) -> MergeBuilder<'a> {
        MergeBuilder::new(self.clone(), self.target(table))
    }

    /// Deletes rows of a table.
    pub fn delete(&self, table: impl IntoTableName) -> Delete {
        Delete::new(self.clone(), self.target(table))
    }

    /// Updates rows of a table.
    pub fn update(&self, table: impl IntoTableName) -> Update {
        Update::new(self.clone(), self.target(table))
    }

    /// Reads a table, now or at an earlier version.
    pub fn read_table(&self, table: impl IntoTableName) -> Read {
        Read::new(self.clone(), self.target(table))
    }

    /// The commits of a table, newest first.
    pub fn history(&self, table: impl IntoTableName) -> History {
        History::new(self.clone(), self.target(table))
    }

    /// What a table is made of: location, size, files, properties.
    ///
    /// # Errors
    /// [`DeltaError::Sql`] when the statement fails, [`DeltaError::UnexpectedResult`] when it answers no row.
    pub async fn detail(&self, table: impl IntoTableName) -> Result<TableDetail> {
        detail::fetch(self.remote()?, &self.table_name(table)?).await
    }

    /// The columns of a table, with their types as the table declares them.
    ///
    /// # Errors
    /// [`DeltaError::TableNotFound`] when there is no such table.
    pub async fn table_schema(&self, table: impl IntoTableName) -> Result<TableSchema> {
        Ok(lookup::table(self.remote()?, &self.table_name(table)?).await?.schema)
    }

    /// Compacts a table's small files into larger ones.
    pub fn optimize(&self, table: impl IntoTableName) -> Optimize {
        Optimize::new(self.clone(), self.target(table))
    }

    /// Removes files that no version within the retention needs.
    pub fn vacuum(&self, table: impl IntoTableName) -> Vacuum {
        Vacuum::new(self.clone(), self.target(table))
    }

    /// Makes an earlier version of a table its newest.
    pub fn restore(&self, table: impl IntoTableName) -> Restore {
        Restore::new(self.clone(), self.target(table))
    }

    /// Makes a table that is a copy of another: a deep one unless said otherwise.
    pub fn clone_table(&self, source: impl IntoTableName, to: impl IntoTableName) -> CloneTable {
        CloneTable::new(self.clone(), self.target(source), to)
    }

    /// Sets properties of a table, such as `delta.enableChangeDataFeed`, in one commit.
    ///
    /// # Errors
    /// [`DeltaError::InvalidOption`] without a property; [`DeltaError::Sql`] when the statement fails.
    pub async fn set_properties<K: Into<String>, V: Into<String>>(
        &self,
        table: impl IntoTableName,
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<()> {
        let table = self.table_name(table)?;
        let pairs: Vec<_> = properties.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        if pairs.is_empty() {
            return Err(DeltaError::InvalidOption {
                option: "properties",
                value: "none".to_owned(),
                reason: "name at least one property and its value".to_owned(),
            });
        }
        // Twice it sets the same.
        let statement = self.remote()?.sql.statement(ddl::set_properties(&table, &pairs)).idempotent();
        commit::retrying_conflicts(&statement).await?;
        operation::count(&table, "set_properties", 0);
        Ok(())
    }

    /// Adds columns to a table, all in one commit.
    pub fn add_columns(
        &self,
        table: impl IntoTableName,
        columns: impl IntoIterator<Item = ColumnSchema>,
    ) -> AddColumns {
        AddColumns::new(self.clone(), self.target(table), columns.into_iter().collect())
    }

    /// Settles a write or a merge that ended in [`DeltaError::OutcomeUnknown`], whose `write_id` this takes: says
    /// whether the table shows it, and removes what it had staged where this client [stages](Self::with_staging). An append whose files are
    /// still there is completed: its statement loads each file once, however often it is sent.
    ///
    /// # Errors
    /// [`DeltaError::InvalidOption`] when the write had no idempotency key and the table says nothing about it;
    /// [`DeltaError::OutcomeUnknown`] again; [`DeltaError::Sql`] and [`DeltaError::Transport`] from the calls.
    pub async fn resume(&self, table: impl IntoTableName, write_id: WriteId) -> Result<Resumed> {
        let table = self.table_name(table)?;
        let remote = self.remote()?;
        let storage = Place::open(self.staging(), remote, &table)?;
        resume::resume(remote, &table, &storage, write_id).await
    }

    /// Removes what writes and merges to tables of the client's catalog and schema have left in the `_staging` volume, or
    /// where else this client [stages](Self::with_staging), and not touched for `older_than`: parts of runs whose process ended. Take more than the longest write takes, and
    /// more than a day if writes of unknown outcome are to be [resumed](Self::resume).
    ///
    /// # Errors
    /// [`DeltaError::Transport`] when files cannot be listed or deleted.
    pub async fn sweep_staging(&self, older_than: Duration) -> Result<SweepResult> {
        self.sweep(self.staging(), older_than).await
    }

    /// As [`sweep_staging`](Self::sweep_staging), for a staging volume of another name.
    ///
    /// # Errors
    /// As [`sweep_staging`](Self::sweep_staging), and [`DeltaError::InvalidName`].
    pub async fn sweep_staging_volume(
        &self,
        volume: impl IntoTableName,
        older_than: Duration,
    ) -> Result<SweepResult> {
        self.sweep(Some(&Place::Volume(self.target(volume))), older_than).await
    }

    async fn sweep(&self, place: Option<&Place>, older_than: Duration) -> Result<SweepResult> {
        let any_table = TableName::new(self.catalog(), self.schema(), "t")?;
        let storage = Place::open(place, self.remote()?, &any_table)?;
        sweep::sweep(&storage, older_than, Utc::now()).await
    }

    /// Files in volumes.
    ///
    /// # Errors
    /// [`DeltaError::Mock`] from a mock client.
    pub fn files(&self) -> Result<&FilesClient> {
        Ok(&self.remote()?.files)
    }

    pub(crate) fn staging(&self) -> Option<&Place> {
        self.staging.as_ref()
    }

    pub(crate) fn place(&self, staging: impl Into<Staging>) -> Place {
        match staging.into().0 {
            Kind::Volume(volume) => Place::Volume(self.target(volume)),
            #[cfg(feature = "object-store")]
            Kind::External(external) => Place::External(external),
        }
    }

    pub(crate) fn target(&self, table: impl IntoTableName) -> Target {
        Target::new(table, self.catalog(), self.schema())
    }

    pub(crate) fn remote(&self) -> Result<&Remote> {
        self.inner.remote.as_ref().ok_or(DeltaError::Mock)
    }
}
