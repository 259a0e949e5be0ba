//! One client for a workspace, from which the clients of the family's crates are made.

#[cfg(feature = "schema")]
use databricks_schema::CatalogClient;
use databricks_transport::{ApiRequest, Client, DatabricksConfig, Operation};
use http::Method;
use serde_json::Value;

use crate::DatabricksError;

/// A workspace: one configuration and one transport, shared by all that is made from it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DatabricksClient {
    transport: Client,
    /// One for all, so that their waits share a pace.
    #[cfg(feature = "jobs")]
    jobs: databricks_jobs::JobsClient,
}

impl DatabricksClient {
    /// A client configured by the environment: `DATABRICKS_HOST`, `DATABRICKS_TOKEN` and the other variables of
    /// [`DatabricksConfig::from_env`].
    ///
    /// # Errors
    /// When a variable is missing or has a value that cannot be used; the error names it.
    pub fn from_env() -> Result<Self, DatabricksError> {
        Self::new(DatabricksConfig::from_env()?)
    }

    /// A client with a configuration made in code.
    ///
    /// # Errors
    /// When the configuration cannot work; the error names the value.
    pub fn new(config: DatabricksConfig) -> Result<Self, DatabricksError> {
        Ok(Self::from_transport(Client::new(config)?))
    }

    /// A client on a transport of your own: more layers, or another leaf.
    pub fn from_transport(transport: Client) -> Self {
        Self {
            #[cfg(feature = "jobs")]
            jobs: databricks_jobs::JobsClient::new(&transport),
            transport,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &DatabricksConfig {
        self.transport.config()
    }

    /// The transport that every client made from this one shares.
    pub fn transport(&self) -> &Client {
        &self.transport
    }

    /// Jobs and their runs. All that it gives share one pace of looking at runs.
    #[cfg(feature = "jobs")]
    pub fn jobs(&self) -> databricks_jobs::JobsClient {
        self.jobs.clone()
    }

    /// SQL on a warehouse, in the configuration's catalog and schema.
    #[cfg(feature = "sql")]
    pub fn sql(&self, warehouse: impl Into<databricks_sql::WarehouseId>) -> databricks_sql::SqlClient {
        let mut sql = databricks_sql::SqlClient::new(&self.transport, warehouse);
        if let Some(catalog) = self.config().catalog() {
            sql = sql.with_catalog(catalog);
        }
        if let Some(schema) = self.config().schema() {
            sql = sql.with_schema(schema);
        }
        sql
    }

    /// SQL on the configuration's warehouse.
    ///
    /// # Errors
    /// When the configuration names no warehouse.
    #[cfg(feature = "sql")]
    pub fn default_sql(&self) -> Result<databricks_sql::SqlClient, DatabricksError> {
        Ok(self.sql(required(self.config().warehouse_id(), "warehouse", "DATABRICKS_WAREHOUSE_ID")?))
    }

    /// The Delta tables of a schema, on the configuration's warehouse.
    ///
    /// # Errors
    /// When the configuration names no warehouse, or a name cannot be one.
    #[cfg(feature = "delta")]
    pub fn delta(
        &self,
        catalog: &str,
        schema: &str,
    ) -> Result<databricks_delta::DeltaClient, DatabricksError> {
        Ok(databricks_delta::DeltaClient::new(&self.transport, self.default_sql()?, catalog, schema)?)
    }

    /// The Delta tables of the configuration's catalog and schema.
    ///
    /// # Errors
    /// When the configuration names no warehouse, catalog or schema.
    #[cfg(feature = "delta")]
    pub fn default_delta(&self) -> Result<databricks_delta::DeltaClient, DatabricksError> {
        let catalog = required(self.config().catalog(), "catalog", "DATABRICKS_CATALOG")?;
        let schema = required(self.config().schema(), "schema", "DATABRICKS_SCHEMA")?;
        self.delta(catalog, schema)
    }

    /// Unity Catalog.
    #[cfg(feature = "schema")]
    pub fn catalog(&self) -> CatalogClient {
        CatalogClient::new(&self.transport)
    }

    /// Evolves the schemas of tables: they are read from Unity Catalog and changed on the configuration's warehouse.
    ///
    /// # Errors
    /// When the configuration names no warehouse.
    #[cfg(feature = "sql")]
    pub fn schema_manager(&self) -> Result<databricks_schema::SchemaManager, DatabricksError> {
        Ok(databricks_schema::SchemaManager::new(self.default_sql()?).with_catalog(self.catalog()))
    }

    /// Calls an API that no client of the family covers yet: JSON in, JSON out, with the transport's
    /// authentication, limits and retries. `path` starts with `/api/`. A `GET`, `PUT`, `HEAD` or `DELETE` is retried
    /// after any failure that may pass; any other method only when the server did not run it.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, DatabricksError> {
        let mut operation = Operation::new("request");
        if method.is_idempotent() {
            operation = operation.idempotent();
        }
        let mut request = ApiRequest::new(method, path);
        if let Some(body) = body {
            request = request.json(body)?;
        }
        Ok(self.transport.call(operation, request).await?)
    }
}

#[cfg(feature = "sql")]
fn required<'a>(
    value: Option<&'a str>,
    what: &str,
    variable: &str,
) -> Result<&'a str, databricks_transport::Error> {
    value.ok_or_else(|| {
        let message =
            format!("no default {what}: set {variable}, or name one in the configuration or the call");
        databricks_transport::Error::new(databricks_transport::ErrorKind::Config, message)
    })
}
