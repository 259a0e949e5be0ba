//! The client, and the calls about catalogs, schemas and tables.

use std::collections::BTreeMap;

use databricks_transport::{ApiRequest, Client, Operation, encode_segment};
use futures::stream::BoxStream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::paging::{List, items};
use super::{CatalogInfo, SchemaInfo, TableInfo, TableSummary};
use crate::{Result, TableName, validate_object_name};

const LIST_CATALOGS: Operation = Operation::new("unity.list_catalogs").idempotent();
const LIST_SCHEMAS: Operation = Operation::new("unity.list_schemas").idempotent();
const LIST_TABLES: Operation = Operation::new("unity.list_tables").idempotent();
const LIST_SUMMARIES: Operation = Operation::new("unity.list_table_summaries").idempotent();
const TABLE_EXISTS: Operation = Operation::new("unity.table_exists").idempotent();
const CREATE_CATALOG: Operation = Operation::new("unity.create_catalog");
const CREATE_SCHEMA: Operation = Operation::new("unity.create_schema");
const DELETE_CATALOG: Operation = Operation::new("unity.delete_catalog");
const DELETE_SCHEMA: Operation = Operation::new("unity.delete_schema");
const DELETE_TABLE: Operation = Operation::new("unity.delete_table");
const GET_CATALOG: Operation = Operation::new("unity.get_catalog").idempotent();
const GET_SCHEMA: Operation = Operation::new("unity.get_schema").idempotent();
const GET_TABLE: Operation = Operation::new("unity.get_table").idempotent();

const CATALOGS: &str = "/api/2.1/unity-catalog/catalogs";
const SCHEMAS: &str = "/api/2.1/unity-catalog/schemas";
const TABLES: &str = "/api/2.1/unity-catalog/tables";
const SUMMARIES: &str = "/api/2.1/unity-catalog/table-summaries";

/// Unity Catalog: what exists, who may use it, volumes to put files in.
///
/// Lists are streams: a page is asked for when the stream gets there, so that a list of any length takes the memory of
/// one page. An empty page is not the end of a list, and is passed over.
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
    pub(super) client: Client,
    pub(super) page_size: u32,
}

/// A catalog or schema to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NewObject {
    /// Its comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Properties of the user's choosing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// The storage of its managed tables and volumes; that of what it is in when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_root: Option<String>,
}

impl NewObject {
    /// With this comment.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// With this property.
    pub fn with_property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// With this storage, a URL in the cloud.
    pub fn with_storage_root(mut self, url: impl Into<String>) -> Self {
        self.storage_root = Some(url.into());
        self
    }
}

/// The name and place of an object to be made, with what else is said of it.
#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalog_name: Option<&'a str>,
    #[serde(flatten)]
    rest: &'a NewObject,
}

#[derive(Deserialize)]
struct Exists {
    table_exists: bool,
}

impl CatalogClient {
    /// A client on this connection.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), page_size: 0 }
    }

    /// Asks for at most that many objects a page, of grants for 150 at least. By default the server chooses.
    pub fn with_page_size(mut self, objects: u32) -> Self {
        self.page_size = objects;
        self
    }

    /// The objects of a list.
    pub(super) fn list<T>(
        &self,
        operation: Operation,
        path: impl Into<String>,
        query: Vec<(&'static str, String)>,
    ) -> BoxStream<'static, Result<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let list = List { operation, path: path.into(), query, page_size: self.page_size };
        items(self.client.clone(), list)
    }

    /// A call whose answer says nothing.
    pub(super) async fn silent(&self, operation: Operation, request: ApiRequest) -> Result<()> {
        let _: serde_json::Value = self.client.call(operation, request).await?;
        Ok(())
    }

    /// All catalogs; pages are asked for as the stream is read.
    ///
    /// # Errors
    /// Items are [`SchemaError::Transport`](crate::SchemaError::Transport) when a page cannot be had; the stream ends there.
    pub fn list_catalogs(&self) -> BoxStream<'static, Result<CatalogInfo>> {
        self.list(LIST_CATALOGS, CATALOGS, Vec::new())
    }

    /// The schemas of a catalog.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName); items as in [`list_catalogs`](Self::list_catalogs).
    pub fn list_schemas(&self, catalog: &str) -> Result<BoxStream<'static, Result<SchemaInfo>>> {
        validate_object_name("catalog", catalog)?;
        let query = vec![("catalog_name", catalog.to_owned())];
        Ok(self.list(LIST_SCHEMAS, SCHEMAS, query))
    }

    /// The tables and views of a schema, with their columns.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName); items as in [`list_catalogs`](Self::list_catalogs).
    pub fn list_tables(&self, catalog: &str, schema: &str) -> Result<BoxStream<'static, Result<TableInfo>>> {
        let query = within(catalog, schema)?;
        Ok(self.list(LIST_TABLES, TABLES, query))
    }

    /// The tables and views of a schema without their columns, which are most of a long list.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName); items as in [`list_catalogs`](Self::list_catalogs).
    pub fn list_tables_without_columns(
        &self,
        catalog: &str,
        schema: &str,
    ) -> Result<BoxStream<'static, Result<TableInfo>>> {
        let mut query = within(catalog, schema)?;
        query.push(("omit_columns", "true".to_owned()));
        Ok(self.list(LIST_TABLES, TABLES, query))
    }

    /// The names and kinds of the tables of a catalog, across its schemas. The patterns are those of SQL's LIKE, in any
    /// case; `%` is all.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`](crate::SchemaError::InvalidName); items as in [`list_catalogs`](Self::list_catalogs).
    pub fn list_table_summaries(
        &self,
        catalog: &str,
        schema_pattern: &str,
        table_pattern: &str,
    ) -> Result<BoxStream<'static, Result<TableSummary>>> {
        validate_object_name("catalog", catalog)?;
        let query = vec![
            ("catalog_name", catalog.to_owned()),
            ("schema_name_pattern", schema_pattern.to_owned()),
            ("table_name_pattern", table_pattern.to_owned()),
        ];
        Ok(self.list(LIST_SUMMARIES, SUMMARIES, query))
    }

    /// One catalog.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `NotFound` when there is none.
    pub async fn get_catalog(&self, catalog: &str) -> Result<CatalogInfo> {
        validate_object_name("catalog", catalog)?;
        Ok(self.client.call(GET_CATALOG, ApiRequest::get(object(CATALOGS, catalog))).await?)
    }

    /// One schema.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `NotFound` when there is none.
    pub async fn get_schema(&self, catalog: &str, schema: &str) -> Result<SchemaInfo> {
        within(catalog, schema)?;
        let path = object(SCHEMAS, &format!("{catalog}.{schema}"));
        Ok(self.client.call(GET_SCHEMA, ApiRequest::get(path)).await?)
    }

    /// One table, with its columns and properties.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `NotFound` when there is none.
    pub async fn get_table(&self, table: &TableName) -> Result<TableInfo> {
        let path = object(TABLES, &table.full_name());
        Ok(self.client.call(GET_TABLE, ApiRequest::get(path)).await?)
    }

    /// Whether there is a table of this name that the caller may see.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport).
    pub async fn table_exists(&self, table: &TableName) -> Result<bool> {
        let path = format!("{}/exists", object(TABLES, &table.full_name()));
        let Exists { table_exists } = self.client.call(TABLE_EXISTS, ApiRequest::get(path)).await?;
        Ok(table_exists)
    }

    /// Makes a catalog.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `AlreadyExists` when the name is taken.
    pub async fn create_catalog(&self, catalog: &str, new: &NewObject) -> Result<CatalogInfo> {
        validate_object_name("catalog", catalog)?;
        let body = Named { name: catalog, catalog_name: None, rest: new };
        Ok(self.client.call(CREATE_CATALOG, ApiRequest::post(CATALOGS).json(&body)?).await?)
    }

    /// Makes a schema.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `AlreadyExists` when the name is taken,
    /// `NotFound` when the catalog is not there.
    pub async fn create_schema(&self, catalog: &str, schema: &str, new: &NewObject) -> Result<SchemaInfo> {
        within(catalog, schema)?;
        let body = Named { name: schema, catalog_name: Some(catalog), rest: new };
        Ok(self.client.call(CREATE_SCHEMA, ApiRequest::post(SCHEMAS).json(&body)?).await?)
    }

    /// Drops a catalog: an empty one, or with `force` all that is in it.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `NotFound` when there is none.
    pub async fn delete_catalog(&self, catalog: &str, force: bool) -> Result<()> {
        validate_object_name("catalog", catalog)?;
        self.silent(DELETE_CATALOG, ApiRequest::delete(object(CATALOGS, catalog)).query("force", force)).await
    }

    /// Drops a schema: an empty one, or with `force` all that is in it.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `NotFound` when there is none.
    pub async fn delete_schema(&self, catalog: &str, schema: &str, force: bool) -> Result<()> {
        within(catalog, schema)?;
        let path = object(SCHEMAS, &format!("{catalog}.{schema}"));
        self.silent(DELETE_SCHEMA, ApiRequest::delete(path).query("force", force)).await
    }

    /// Drops a table. The files of a managed one go with it.
    ///
    /// # Errors
    /// [`SchemaError::Transport`](crate::SchemaError::Transport) of kind `NotFound` when there is none.
    pub async fn delete_table(&self, table: &TableName) -> Result<()> {
        self.silent(DELETE_TABLE, ApiRequest::delete(object(TABLES, &table.full_name()))).await
    }
}

pub(super) fn within(catalog: &str, schema: &str) -> Result<Vec<(&'static str, String)>> {
    validate_object_name("catalog", catalog)?;
    validate_object_name("schema", schema)?;
    Ok(vec![("catalog_name", catalog.to_owned()), ("schema_name", schema.to_owned())])
}

/// The path of one object: its full name is one segment.
pub(super) fn object(collection: &str, full_name: &str) -> String {
    format!("{collection}/{}", encode_segment(full_name))
}
