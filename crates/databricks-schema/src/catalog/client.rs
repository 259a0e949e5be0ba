//! The calls.

use databricks_transport::{ApiRequest, Client, ErrorKind, Operation, encode_segment};
use futures::stream::BoxStream;
use serde::Serialize;

use super::paging::{List, items};
use super::{CatalogInfo, SchemaInfo, TableInfo, VolumeInfo};
use crate::{Result, SchemaError, TableName, validate_object_name};

const LIST_CATALOGS: Operation = Operation::new("unity.list_catalogs").idempotent();
const LIST_SCHEMAS: Operation = Operation::new("unity.list_schemas").idempotent();
const LIST_TABLES: Operation = Operation::new("unity.list_tables").idempotent();
const LIST_VOLUMES: Operation = Operation::new("unity.list_volumes").idempotent();
const GET_CATALOG: Operation = Operation::new("unity.get_catalog").idempotent();
const GET_SCHEMA: Operation = Operation::new("unity.get_schema").idempotent();
const GET_TABLE: Operation = Operation::new("unity.get_table").idempotent();
const GET_VOLUME: Operation = Operation::new("unity.get_volume").idempotent();
const CREATE_VOLUME: Operation = Operation::new("unity.create_volume");
// Creating one that is there is an error that counts as success here, so sending it twice does no harm.
const ENSURE_VOLUME: Operation = Operation::new("unity.ensure_volume").idempotent();
const DELETE_VOLUME: Operation = Operation::new("unity.delete_volume");

const CATALOGS: &str = "/api/2.1/unity-catalog/catalogs";
const SCHEMAS: &str = "/api/2.1/unity-catalog/schemas";
const TABLES: &str = "/api/2.1/unity-catalog/tables";
const VOLUMES: &str = "/api/2.1/unity-catalog/volumes";

/// Unity Catalog: what exists, and volumes to put files in.
///
/// ```no_run
/// use databricks_schema::{CatalogClient, TableName};
/// use databricks_transport::{Client, DatabricksConfig};
/// use futures::TryStreamExt;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(DatabricksConfig::from_env()?)?;
/// let catalog = CatalogClient::new(&client);
/// let mut tables = catalog.list_tables("main", "sales")?;
/// while let Some(table) = tables.try_next().await? {
///     println!("{}", table.name);
/// }
/// let orders = catalog.get_table(&TableName::parse("main.sales.orders")?).await?;
/// println!("{}", orders.schema()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct CatalogClient {
    client: Client,
}

impl CatalogClient {
    /// A client on this connection.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone() }
    }

    /// All catalogs; pages are asked for as the stream is read.
    ///
    /// # Errors
    /// Items are [`SchemaError::Transport`] when a page cannot be had; the stream ends there.
    pub fn list_catalogs(&self) -> BoxStream<'static, Result<CatalogInfo>> {
        items(self.client.clone(), List { operation: LIST_CATALOGS, path: CATALOGS, query: Vec::new() })
    }

    /// The schemas of a catalog.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`]; items as in [`list_catalogs`](Self::list_catalogs).
    pub fn list_schemas(&self, catalog: &str) -> Result<BoxStream<'static, Result<SchemaInfo>>> {
        validate_object_name("catalog", catalog)?;
        let query = vec![("catalog_name", catalog.to_owned())];
        Ok(items(self.client.clone(), List { operation: LIST_SCHEMAS, path: SCHEMAS, query }))
    }

    /// The tables and views of a schema, with their columns.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`]; items as in [`list_catalogs`](Self::list_catalogs).
    pub fn list_tables(&self, catalog: &str, schema: &str) -> Result<BoxStream<'static, Result<TableInfo>>> {
        let query = within(catalog, schema)?;
        Ok(items(self.client.clone(), List { operation: LIST_TABLES, path: TABLES, query }))
    }

    /// The volumes of a schema.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`]; items as in [`list_catalogs`](Self::list_catalogs).
    pub fn list_volumes(
        &self,
        catalog: &str,
        schema: &str,
    ) -> Result<BoxStream<'static, Result<VolumeInfo>>> {
        let query = within(catalog, schema)?;
        Ok(items(self.client.clone(), List { operation: LIST_VOLUMES, path: VOLUMES, query }))
    }

    /// One catalog.
    ///
    /// # Errors
    /// [`SchemaError::Transport`] of kind `NotFound` when there is none.
    pub async fn get_catalog(&self, catalog: &str) -> Result<CatalogInfo> {
        validate_object_name("catalog", catalog)?;
        Ok(self.client.call(GET_CATALOG, ApiRequest::get(object(CATALOGS, catalog))).await?)
    }

    /// One schema.
    ///
    /// # Errors
    /// [`SchemaError::Transport`] of kind `NotFound` when there is none.
    pub async fn get_schema(&self, catalog: &str, schema: &str) -> Result<SchemaInfo> {
        within(catalog, schema)?;
        let path = object(SCHEMAS, &format!("{catalog}.{schema}"));
        Ok(self.client.call(GET_SCHEMA, ApiRequest::get(path)).await?)
    }

    /// One table, with its columns and properties.
    ///
    /// # Errors
    /// [`SchemaError::Transport`] of kind `NotFound` when there is none.
    pub async fn get_table(&self, table: &TableName) -> Result<TableInfo> {
        let path = object(TABLES, &table.full_name());
        Ok(self.client.call(GET_TABLE, ApiRequest::get(path)).await?)
    }

    /// One volume.
    ///
    /// # Errors
    /// [`SchemaError::Transport`] of kind `NotFound` when there is none.
    pub async fn get_volume(&self, catalog: &str, schema: &str, volume: &str) -> Result<VolumeInfo> {
        let path = volume_path(catalog, schema, volume)?;
        Ok(self.client.call(GET_VOLUME, ApiRequest::get(path)).await?)
    }

    /// Makes a managed volume.
    ///
    /// # Errors
    /// [`SchemaError::Transport`] of kind `AlreadyExists` when the name is taken, `NotFound` when the schema is not
    /// there.
    pub async fn create_volume(&self, catalog: &str, schema: &str, volume: &str) -> Result<VolumeInfo> {
        self.post_volume(CREATE_VOLUME, catalog, schema, volume).await
    }

    /// The volume of this name, made if it is not there. Safe to call from many places at once.
    ///
    /// # Errors
    /// [`SchemaError::Transport`] of kind `NotFound` when the schema is not there.
    pub async fn ensure_volume(&self, catalog: &str, schema: &str, volume: &str) -> Result<VolumeInfo> {
        match self.post_volume(ENSURE_VOLUME, catalog, schema, volume).await {
            Err(SchemaError::Transport(error)) if error.kind() == ErrorKind::AlreadyExists => {
                self.get_volume(catalog, schema, volume).await
            }
            made => made,
        }
    }

    /// Drops a volume and, if it is managed, the files in it.
    ///
    /// # Errors
    /// [`SchemaError::Transport`] of kind `NotFound` when there is none.
    pub async fn delete_volume(&self, catalog: &str, schema: &str, volume: &str) -> Result<()> {
        let path = volume_path(catalog, schema, volume)?;
        let _: serde_json::Value = self.client.call(DELETE_VOLUME, ApiRequest::delete(path)).await?;
        Ok(())
    }

    async fn post_volume(
        &self,
        operation: Operation,
        catalog: &str,
        schema: &str,
        volume: &str,
    ) -> Result<VolumeInfo> {
        within(catalog, schema)?;
        validate_object_name("volume", volume)?;
        let body =
            NewVolume { catalog_name: catalog, schema_name: schema, name: volume, volume_type: "MANAGED" };
        let request = ApiRequest::post(VOLUMES).json(&body)?;
        Ok(self.client.call(operation, request).await?)
    }
}

#[derive(Serialize)]
struct NewVolume<'a> {
    catalog_name: &'a str,
    schema_name: &'a str,
    name: &'a str,
    volume_type: &'static str,
}

fn within(catalog: &str, schema: &str) -> Result<Vec<(&'static str, String)>> {
    validate_object_name("catalog", catalog)?;
    validate_object_name("schema", schema)?;
    Ok(vec![("catalog_name", catalog.to_owned()), ("schema_name", schema.to_owned())])
}

fn volume_path(catalog: &str, schema: &str, volume: &str) -> Result<String> {
    within(catalog, schema)?;
    validate_object_name("volume", volume)?;
    Ok(object(VOLUMES, &format!("{catalog}.{schema}.{volume}")))
}

fn object(collection: &str, full_name: &str) -> String {
    format!("{collection}/{}", encode_segment(full_name))
}
