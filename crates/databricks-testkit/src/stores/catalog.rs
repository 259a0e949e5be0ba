//! The seam behind the Unity Catalog API: catalogs, schemas, tables and volumes.

use futures::future::BoxFuture;
use serde_json::Value;

/// Keeps Unity Catalog's objects. Names match case-insensitively.
///
/// Objects are JSON in the API's own shape (`CatalogInfo`, `SchemaInfo`, `TableInfo`, `VolumeInfo`), each with its
/// `name` (and `full_name`, below catalogs). Lists are complete and sorted by name: paging is done above.
pub trait CatalogStore: Send + Sync + 'static {
    /// All catalogs.
    fn list_catalogs(&self) -> BoxFuture<'_, Result<Vec<Value>, CatalogError>>;
    /// One catalog.
    fn get_catalog<'a>(&'a self, catalog: &'a str) -> BoxFuture<'a, Result<Value, CatalogError>>;
    /// The schemas of a catalog.
    fn list_schemas<'a>(&'a self, catalog: &'a str) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>>;
    /// One schema.
    fn get_schema<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>>;
    /// The tables of a schema.
    fn list_tables<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>>;
    /// One table, with its columns.
    fn get_table<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        table: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>>;
    /// The volumes of a schema.
    fn list_volumes<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>>;
    /// One volume.
    fn get_volume<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        volume: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>>;
    /// Makes a managed volume and answers it.
    fn create_volume(&self, volume: NewVolume) -> BoxFuture<'_, Result<Value, CatalogError>>;
    /// Drops a volume and the files in it.
    fn delete_volume<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        volume: &'a str,
    ) -> BoxFuture<'a, Result<(), CatalogError>>;
}

/// A volume to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// The catalog it goes into.
    pub catalog: String,
    /// The schema it goes into.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// A comment.
    pub comment: Option<String>,
    /// Who makes it.
    pub owner: String,
}

/// Why the catalog could not do it. Objects are named in full (`catalog.schema.table`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// No such catalog.
    #[error("Catalog '{0}' does not exist.")]
    CatalogNotFound(String),
    /// No such schema.
    #[error("Schema '{0}' does not exist.")]
    SchemaNotFound(String),
    /// No such table.
    #[error("Table '{0}' does not exist.")]
    TableNotFound(String),
    /// No such volume.
    #[error("Volume '{0}' does not exist.")]
    VolumeNotFound(String),
    /// The name is taken.
    #[error("{kind} '{name}' already exists")]
    AlreadyExists {
        /// `Volume`, ...
        kind: &'static str,
        /// The full name.
        name: String,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The store itself failed.
    #[error("{0}")]
    Internal(String),
}
