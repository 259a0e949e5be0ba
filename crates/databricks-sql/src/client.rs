//! The entry point: a warehouse to run statements on.

use std::time::Duration;

use databricks_transport::Client;
use futures::{Stream, TryFutureExt};
use serde::de::DeserializeOwned;

use crate::api::Api;
use crate::stream::Fetch;
use crate::{
    Explain, QueryBuilder, Result, Statement, StatementHandle, StatementId, StatementResult, WarehouseId,
    WarehousesClient,
};

/// What every statement of a client shares.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) api: Api,
    pub(crate) warehouse: WarehouseId,
    pub(crate) catalog: Option<String>,
    pub(crate) schema: Option<String>,
}

/// Runs SQL statements on one warehouse. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SqlClient {
    client: Client,
    scope: Scope,
    fetch: Fetch,
}

impl SqlClient {
    /// Runs statements on `warehouse`, in the catalog and schema of the client's config, if it names them.
    pub fn new(client: &Client, warehouse: impl Into<WarehouseId>) -> Self {
        let config = client.config();
        let scope = Scope {
            api: Api::new(client.clone()),
            warehouse: warehouse.into(),
            catalog: config.catalog().map(str::to_owned),
            schema: config.schema().map(str::to_owned),
        };
        Self { client: client.clone(), scope, fetch: Fetch::default() }
    }

    /// Resolves names without a catalog in `catalog`.
    #[must_use]
    pub fn with_catalog(mut self, catalog: impl Into<String>) -> Self {
        self.scope.catalog = Some(catalog.into());
        self
    }

    /// Resolves names without a schema in `schema`.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.scope.schema = Some(schema.into());
        self
    }

    /// Bounds the memory of chunks that a stream fetches ahead of its reader, in bytes. 64 MiB by default.
    #[must_use]
    pub fn with_prefetch_bytes(mut self, bytes: u64) -> Self {
        self.fetch.budget_bytes = bytes;
        self
    }

    /// The warehouse.
    pub fn warehouse(&self) -> &WarehouseId {
        &self.scope.warehouse
    }

    /// Begins a statement: one, without a closing semicolon.
    pub fn statement(&self, sql: impl Into<String>) -> Statement {
        Statement::new(self.scope.clone(), sql.into(), self.fetch)
    }

    /// Begins a SELECT statement out of names, conditions and values.
    pub fn query(&self) -> QueryBuilder {
        QueryBuilder::new(self.clone())
    }

    /// The warehouses of the workspace: to see, start and stop them, and to wait until one runs.
    pub fn warehouses(&self) -> WarehousesClient {
        WarehousesClient::new(&self.client)
    }

    /// Lets the server plan `sql` without running it; the text of the physical plan. [`Statement::explain`] shows more
    /// and takes parameters.
    ///
    /// # Errors
    /// As [`Statement::explain`].
    pub async fn explain(&self, sql: impl Into<String>) -> Result<String> {
        self.statement(sql).explain(Explain::default()).await
    }

    /// Takes up a statement that was submitted before, here or elsewhere.
    pub fn attach(&self, id: impl Into<StatementId>) -> StatementHandle {
        StatementHandle::new(self.scope.api.clone(), id.into(), self.fetch)
    }

    /// Asks the server to cancel a statement. It may end otherwise before that takes effect.
    ///
    /// # Errors
    /// [`SqlError::Transport`](crate::SqlError::Transport) when the server did not take the request.
    pub async fn cancel(&self, id: &StatementId) -> Result<()> {
        self.scope.api.cancel(id).await
    }

    /// Runs `sql` and reads its answer.
    ///
    /// # Errors
    /// As [`Statement::execute`].
    pub async fn execute(&self, sql: impl Into<String>) -> Result<StatementResult> {
        self.statement(sql).execute().await
    }

    /// Runs `sql` when the stream is first polled, and streams its rows.
    pub fn execute_stream<T>(&self, sql: impl Into<String>) -> impl Stream<Item = Result<T>> + Send + 'static
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.statement(sql).rows::<T>().try_flatten_stream()
    }

    /// Runs `sql` and reads its answer; cancels it when it has not ended after `timeout`.
    ///
    /// # Errors
    /// As [`Statement::execute`]; [`SqlError::StatementTimeout`](crate::SqlError::StatementTimeout) when time ran out.
    pub async fn execute_with_timeout(
        &self,
        sql: impl Into<String>,
        timeout: Duration,
    ) -> Result<StatementResult> {
        self.statement(sql).timeout(timeout).execute().await
    }
}
