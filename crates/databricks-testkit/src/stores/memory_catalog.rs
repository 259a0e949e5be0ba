//! Unity Catalog's objects in memory.

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{self, BoxFuture};
use serde_json::{Value, json};
use uuid::Uuid;

use super::catalog::{
    CatalogError, CatalogObject, CatalogStore, NewCatalog, NewSchema, NewVolume, ObjectUpdate,
};
use super::memory_objects::{
    CatalogEntry, Objects, SchemaEntry, column_json, function_missing, table_missing, volume_missing,
};
use crate::engine::Column;

/// A [`CatalogStore`] in memory. Clones share their objects.
///
/// ```
/// use databricks_testkit::{Column, MemoryCatalogStore};
/// let catalog = MemoryCatalogStore::new()
///     .with_volume("main", "default", "stage")
///     .with_table("main", "default", "days", &[Column::new("day", "DATE"), Column::new("rain", "DOUBLE")]);
/// # let _ = catalog;
/// ```
#[derive(Clone, Debug)]
pub struct MemoryCatalogStore {
    state: Arc<Mutex<Objects>>,
}

impl Default for MemoryCatalogStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryCatalogStore {
    /// A catalog `main` with an empty schema `default`.
    pub fn new() -> Self {
        Self { state: Arc::default() }.with_schema("main", "default")
    }

    /// Adds a schema, and its catalog where that is missing.
    #[must_use]
    pub fn with_schema(self, catalog: &str, schema: &str) -> Self {
        self.lock().schema_entry(catalog, schema);
        self
    }

    /// Adds a table, or replaces it, and makes its schema where that is missing.
    #[must_use]
    pub fn with_table(self, catalog: &str, schema: &str, table: &str, columns: &[Column]) -> Self {
        let (c, s, t) = (catalog.to_lowercase(), schema.to_lowercase(), table.to_lowercase());
        let columns: Vec<Value> =
            columns.iter().enumerate().map(|(position, column)| column_json(position, column)).collect();
        let info = json!({
            "name": t,
            "catalog_name": c,
            "schema_name": s,
            "full_name": format!("{c}.{s}.{t}"),
            "table_id": table_id(&c, &s, &t),
            "storage_location": format!("memory://tables/{}", table_id(&c, &s, &t)),
            "table_type": "MANAGED",
            "data_source_format": "DELTA",
            "columns": columns,
        });
        self.lock().schema_entry(&c, &s).tables.insert(t, info);
        self
    }

    /// Adds a managed volume where there is none of that name, and makes its schema where that is missing.
    #[must_use]
    pub fn with_volume(self, catalog: &str, schema: &str, volume: &str) -> Self {
        let new = NewVolume {
            catalog: catalog.to_owned(),
            schema: schema.to_owned(),
            name: volume.to_owned(),
            ..NewVolume::default()
        };
        {
            let mut state = self.lock();
            state.schema_entry(catalog, schema);
            // The only refusal left is a volume that is there already, which is what was asked for.
            let _ = state.create_volume(new);
        }
        self
    }

    /// The number of a volume: one made again under an old name has another. `None` when there is no such volume.
    pub(crate) fn volume_number(&self, catalog: &str, schema: &str, volume: &str) -> Option<u64> {
        let state = self.lock();
        let entry = state.schema(catalog, schema).ok()?;
        entry.volumes.get(&volume.to_lowercase()).map(|(number, _)| *number)
    }

    /// The numbers of all volumes.
    pub(crate) fn volume_numbers(&self) -> Vec<u64> {
        let state = self.lock();
        let entries = state.catalogs.values().flat_map(|catalog| catalog.schemas.values());
        entries.flat_map(|entry| entry.volumes.values().map(|(number, _)| *number)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CatalogStore for MemoryCatalogStore {
    fn list_catalogs(&self) -> BoxFuture<'_, Result<Vec<Value>, CatalogError>> {
        let catalogs = self.lock().catalogs.values().map(|catalog| catalog.info.clone()).collect();
        future::ready(Ok(catalogs)).boxed()
    }

    fn get_catalog<'a>(&'a self, catalog: &'a str) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let found = self.lock().catalog(catalog).map(|entry| entry.info.clone());
        future::ready(found).boxed()
    }

    fn list_schemas<'a>(&'a self, catalog: &'a str) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>> {
        let list = |entry: &CatalogEntry| entry.schemas.values().map(|schema| schema.info.clone()).collect();
        future::ready(self.lock().catalog(catalog).map(list)).boxed()
    }

    fn get_schema<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let found = self.lock().schema(catalog, schema).map(|entry| entry.info.clone());
        future::ready(found).boxed()
    }

    fn list_tables<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>> {
        let tables =
            self.lock().schema(catalog, schema).map(|entry| entry.tables.values().cloned().collect());
        future::ready(tables).boxed()
    }

    fn list_tables_after<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        after: Option<&'a str>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = |entry: &SchemaEntry| {
            let tables = entry.tables.range::<str, _>((start, Bound::Unbounded));
            tables.take(most).map(|(_, table)| table.clone()).collect()
        };
        future::ready(self.lock().schema(catalog, schema).map(range)).boxed()
    }

    fn get_table<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        table: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let missing = || table_missing(catalog, schema, table);
        let found = self
            .lock()
            .schema(catalog, schema)
            .and_then(|entry| entry.tables.get(&table.to_lowercase()).cloned().ok_or_else(missing));
        future::ready(found).boxed()
    }

    fn list_volumes<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>> {
        let list = |entry: &SchemaEntry| entry.volumes.values().map(|(_, info)| info.clone()).collect();
        future::ready(self.lock().schema(catalog, schema).map(list)).boxed()
    }

    fn get_volume<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        volume: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let missing = || volume_missing(catalog, schema, volume);
        let info =
            |entry: &SchemaEntry| entry.volumes.get(&volume.to_lowercase()).map(|(_, info)| info.clone());
        let found = self.lock().schema(catalog, schema).and_then(|entry| info(entry).ok_or_else(missing));
        future::ready(found).boxed()
    }

    fn list_functions<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>> {
        let list = |entry: &SchemaEntry| entry.functions.values().cloned().collect();
        future::ready(self.lock().schema(catalog, schema).map(list)).boxed()
    }

    fn get_function<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        function: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let missing = || function_missing(catalog, schema, function);
        let find = |entry: &SchemaEntry| entry.functions.get(&function.to_lowercase()).cloned();
        let found = self.lock().schema(catalog, schema).and_then(|entry| find(entry).ok_or_else(missing));
        future::ready(found).boxed()
    }

    fn create_function(&self, function: Value) -> BoxFuture<'_, Result<Value, CatalogError>> {
        future::ready(self.lock().create_function(function)).boxed()
    }

    fn delete_function<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        function: &'a str,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        future::ready(self.lock().delete_function(catalog, schema, function)).boxed()
    }

    fn create_volume(&self, volume: NewVolume) -> BoxFuture<'_, Result<Value, CatalogError>> {
        future::ready(self.lock().create_volume(volume)).boxed()
    }

    fn delete_volume<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        volume: &'a str,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        future::ready(self.lock().delete_volume(catalog, schema, volume)).boxed()
    }

    fn create_catalog(&self, catalog: NewCatalog) -> BoxFuture<'_, Result<Value, CatalogError>> {
        future::ready(self.lock().create_catalog(catalog)).boxed()
    }

    fn delete_catalog<'a>(
        &'a self,
        catalog: &'a str,
        force: bool,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        future::ready(self.lock().delete_catalog(catalog, force)).boxed()
    }

    fn create_schema(&self, schema: NewSchema) -> BoxFuture<'_, Result<Value, CatalogError>> {
        future::ready(self.lock().create_schema(schema)).boxed()
    }

    fn delete_schema<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        force: bool,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        future::ready(self.lock().delete_schema(catalog, schema, force)).boxed()
    }

    fn delete_table<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        table: &'a str,
    ) -> BoxFuture<'a, Result<(), CatalogError>> {
        future::ready(self.lock().delete_table(catalog, schema, table)).boxed()
    }

    fn update<'a>(
        &'a self,
        object: CatalogObject<'a>,
        update: ObjectUpdate,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        future::ready(self.lock().update(object, update)).boxed()
    }
}

/// The id of a table: the same in every run.
fn table_id(catalog: &str, schema: &str, table: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{catalog}.{schema}.{table}").as_bytes()).to_string()
}
