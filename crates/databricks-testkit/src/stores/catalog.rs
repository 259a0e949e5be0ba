//! The seam behind the Unity Catalog API: catalogs, schemas, tables and volumes.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::{self, BoxFuture};
use serde_json::Value;

/// Keeps Unity Catalog's objects. Names match case-insensitively.
///
/// Objects are JSON in the API's own shape (`CatalogInfo`, `SchemaInfo`, `TableInfo`, `VolumeInfo`), each with its
/// `name` (and `full_name`, below catalogs). Lists are complete and sorted by name: paging is done above.
///
/// What makes, changes and drops catalogs, schemas and tables need not be there: a store that leaves it out refuses
/// it by name, and the API answers 501.
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
    /// The tables of a schema whose names come after this one, sorted, at most so many of them. A store of many tables
    /// need not go through all of them for each page of a list.
    fn list_tables_after<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        after: Option<&'a str>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>> {
        async move {
            let tables = self.list_tables(catalog, schema).await?.into_iter();
            let is_behind = |table: &Value| after.is_none_or(|after| table["name"].as_str() > Some(after));
            Ok(tables.filter(is_behind).take(most).collect())
        }
        .boxed()
    }
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

    /// The functions of a schema. A store that knows none has none.
    fn list_functions<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>> {
        async move { self.get_schema(catalog, schema).await.map(|_| Vec::new()) }.boxed()
    }
    /// One function.
    fn get_function<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        function: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let missing = CatalogError::FunctionNotFound(format!("{catalog}.{schema}.{function}"));
        async move { self.get_schema(catalog, schema).await.and(Err(missing)) }.boxed()
    }
    /// Keeps a function, whose description names its `catalog_name`, `schema_name` and `name`, and answers it.
    fn create_function(&self, function: Value) -> BoxFuture<'_, Result<Value, CatalogError>> {
        refuse(format!("making the function '{}'", function["name"].as_str().unwrap_or_default()))
    }
    /// Drops a function.
    fn delete_function<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        function: &'a str,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        refuse(format!("dropping the function '{catalog}.{schema}.{function}'"))
    }

    /// Makes a catalog, with a schema `default`, and answers it.
    fn create_catalog(&self, catalog: NewCatalog) -> BoxFuture<'_, Result<Value, CatalogError>> {
        refuse(format!("making the catalog '{}'", catalog.name))
    }
    /// Drops a catalog; with `force` all that is in it, without only an empty one.
    fn delete_catalog<'a>(
        &'a self,
        catalog: &'a str,
        force: bool,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        let _ = force;
        refuse(format!("dropping the catalog '{catalog}'"))
    }
    /// Makes a schema and answers it.
    fn create_schema(&self, schema: NewSchema) -> BoxFuture<'_, Result<Value, CatalogError>> {
        refuse(format!("making the schema '{}.{}'", schema.catalog, schema.name))
    }
    /// Drops a schema; with `force` all that is in it, without only an empty one.
    fn delete_schema<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        force: bool,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        let _ = force;
        refuse(format!("dropping the schema '{catalog}.{schema}'"))
    }
    /// Drops a table.
    fn delete_table<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        table: &'a str,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        refuse(format!("dropping the table '{catalog}.{schema}.{table}' over REST"))
    }
    /// Changes what is said of an object, and answers it as it is then.
    fn update<'a>(
        &'a self,
        object: CatalogObject<'a>,
        update: ObjectUpdate,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let _ = update;
        refuse(format!("changing {object}"))
    }
}

fn refuse<'a, T: Send + 'a>(what: String) -> BoxFuture<'a, Result<T, CatalogError>> {
    future::ready(Err(CatalogError::NotSimulated(what))).boxed()
}

/// A catalog to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewCatalog {
    /// Its name.
    pub name: String,
    /// A comment.
    pub comment: Option<String>,
    /// Properties of the user's choosing.
    pub properties: BTreeMap<String, String>,
    /// Who makes it.
    pub owner: String,
    /// When, on the workspace's clock.
    pub created_at: DateTime<Utc>,
}

/// A schema to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewSchema {
    /// The catalog it goes into.
    pub catalog: String,
    /// Its name.
    pub name: String,
    /// A comment.
    pub comment: Option<String>,
    /// Properties of the user's choosing.
    pub properties: BTreeMap<String, String>,
    /// Who makes it.
    pub owner: String,
    /// When, on the workspace's clock.
    pub created_at: DateTime<Utc>,
}

/// An object by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogObject<'a> {
    /// A catalog.
    Catalog(&'a str),
    /// Catalog and schema.
    Schema(&'a str, &'a str),
    /// Catalog, schema and table.
    Table(&'a str, &'a str, &'a str),
    /// Catalog, schema and volume.
    Volume(&'a str, &'a str, &'a str),
    /// Catalog, schema and function.
    Function(&'a str, &'a str, &'a str),
}

/// As messages name it: `the schema 'main.sales'`.
impl fmt::Display for CatalogObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog(catalog) => write!(f, "the catalog '{catalog}'"),
            Self::Schema(catalog, schema) => write!(f, "the schema '{catalog}.{schema}'"),
            Self::Table(catalog, schema, table) => write!(f, "the table '{catalog}.{schema}.{table}'"),
            Self::Volume(catalog, schema, volume) => write!(f, "the volume '{catalog}.{schema}.{volume}'"),
            Self::Function(catalog, schema, name) => write!(f, "the function '{catalog}.{schema}.{name}'"),
        }
    }
}

/// What is to be said of an object from now on; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectUpdate {
    /// The comment.
    pub comment: Option<String>,
    /// The owner.
    pub owner: Option<String>,
    /// All properties, replacing those there are.
    pub properties: Option<BTreeMap<String, String>>,
    /// Who changes it.
    pub updated_by: String,
    /// When, on the workspace's clock.
    pub updated_at: DateTime<Utc>,
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
    /// When, on the workspace's clock; `None` where nobody says.
    pub created_at: Option<DateTime<Utc>>,
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
    /// No such function.
    #[error("Function '{0}' does not exist.")]
    FunctionNotFound(String),
    /// The name is taken.
    #[error("{kind} '{name}' already exists")]
    AlreadyExists {
        /// `Volume`, ...
        kind: &'static str,
        /// The full name.
        name: String,
    },
    /// The object still holds something, and force was not asked for.
    #[error("{kind} '{name}' is not empty. {holds}")]
    NotEmpty {
        /// `Catalog` or `Schema`.
        kind: &'static str,
        /// The full name.
        name: String,
        /// What it holds, as a sentence.
        holds: String,
    },
    /// This store does not do that.
    #[error("{0} is not simulated by this workspace's catalog store.")]
    NotSimulated(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The store itself failed.
    #[error("{0}")]
    Internal(String),
}
