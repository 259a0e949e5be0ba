//! Unity Catalog's objects in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{self, BoxFuture};
use serde_json::{Value, json};

use super::catalog::{CatalogError, CatalogStore, NewVolume};
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
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    catalogs: BTreeMap<String, BTreeMap<String, SchemaEntry>>,
    /// The number of the volume made last.
    volumes_made: u64,
}

#[derive(Debug, Default)]
struct SchemaEntry {
    tables: BTreeMap<String, Value>,
    volumes: BTreeMap<String, (u64, Value)>,
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
        let entry = state.catalogs.get(&catalog.to_lowercase())?.get(&schema.to_lowercase())?;
        entry.volumes.get(&volume.to_lowercase()).map(|(number, _)| *number)
    }

    /// The numbers of all volumes.
    pub(crate) fn volume_numbers(&self) -> Vec<u64> {
        let state = self.lock();
        let entries = state.catalogs.values().flat_map(BTreeMap::values);
        entries.flat_map(|entry| entry.volumes.values().map(|(number, _)| *number)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A schema, made where it is missing.
    fn schema_entry(&mut self, catalog: &str, schema: &str) -> &mut SchemaEntry {
        self.catalogs.entry(catalog.to_lowercase()).or_default().entry(schema.to_lowercase()).or_default()
    }

    fn catalog(&self, catalog: &str) -> Result<&BTreeMap<String, SchemaEntry>, CatalogError> {
        let missing = || CatalogError::CatalogNotFound(catalog.to_owned());
        self.catalogs.get(&catalog.to_lowercase()).ok_or_else(missing)
    }

    fn schema(&self, catalog: &str, schema: &str) -> Result<&SchemaEntry, CatalogError> {
        let missing = || CatalogError::SchemaNotFound(format!("{catalog}.{schema}"));
        self.catalog(catalog)?.get(&schema.to_lowercase()).ok_or_else(missing)
    }

    fn schema_mut(&mut self, catalog: &str, schema: &str) -> Result<&mut SchemaEntry, CatalogError> {
        let missing_catalog = || CatalogError::CatalogNotFound(catalog.to_owned());
        let missing_schema = || CatalogError::SchemaNotFound(format!("{catalog}.{schema}"));
        let schemas = self.catalogs.get_mut(&catalog.to_lowercase()).ok_or_else(missing_catalog)?;
        schemas.get_mut(&schema.to_lowercase()).ok_or_else(missing_schema)
    }

    fn create_volume(&mut self, new: NewVolume) -> Result<Value, CatalogError> {
        let NewVolume { catalog, schema, name, comment, owner } = new;
        let (c, s, v) = (catalog.to_lowercase(), schema.to_lowercase(), name.to_lowercase());
        let full_name = format!("{c}.{s}.{v}");
        check_name(&v)?;
        let number = self.volumes_made + 1;
        let volumes = &mut self.schema_mut(&c, &s)?.volumes;
        if volumes.contains_key(&v) {
            return Err(CatalogError::AlreadyExists { kind: "Volume", name: full_name });
        }
        let mut info = json!({
            "name": v,
            "catalog_name": c,
            "schema_name": s,
            "full_name": full_name,
            "volume_type": "MANAGED",
            "volume_id": format!("00000000-0000-0000-0000-{number:012x}"),
            "storage_location": format!("memory://volumes/{number}"),
            "owner": owner,
        });
        if let (Some(comment), Some(object)) = (comment, info.as_object_mut()) {
            object.insert("comment".to_owned(), json!(comment));
        }
        volumes.insert(v, (number, info.clone()));
        self.volumes_made = number;
        Ok(info)
    }
}

/// What Unity Catalog takes for a name.
fn check_name(name: &str) -> Result<(), CatalogError> {
    let bad = |c: char| matches!(c, '.' | ' ' | '/') || c.is_control();
    if name.is_empty() || name.chars().count() > 255 || name.contains(bad) {
        let rule = "a name has 1 to 255 characters and no period, space, slash or control character";
        return Err(CatalogError::Invalid(format!("'{name}' is not a valid name: {rule}.")));
    }
    Ok(())
}

fn column_json(position: usize, column: &Column) -> Value {
    json!({
        "name": column.name,
        "type_text": column.type_text.to_lowercase(),
        "type_name": column.type_name,
        "type_precision": column.precision.unwrap_or(0),
        "type_scale": column.scale.unwrap_or(0),
        "position": position,
        "nullable": true,
    })
}

fn catalog_json(name: &str) -> Value {
    json!({ "name": name, "full_name": name, "catalog_type": "MANAGED_CATALOG" })
}

fn schema_json(catalog: &str, schema: &str) -> Value {
    json!({ "name": schema, "catalog_name": catalog.to_lowercase(), "full_name": format!("{}.{schema}", catalog.to_lowercase()) })
}

impl CatalogStore for MemoryCatalogStore {
    fn list_catalogs(&self) -> BoxFuture<'_, Result<Vec<Value>, CatalogError>> {
        let names = self.lock().catalogs.keys().map(|name| catalog_json(name)).collect();
        future::ready(Ok(names)).boxed()
    }

    fn get_catalog<'a>(&'a self, catalog: &'a str) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let found = self.lock().catalog(catalog).map(|_| catalog_json(&catalog.to_lowercase()));
        future::ready(found).boxed()
    }

    fn list_schemas<'a>(&'a self, catalog: &'a str) -> BoxFuture<'a, Result<Vec<Value>, CatalogError>> {
        let list = |schemas: &BTreeMap<String, SchemaEntry>| {
            schemas.keys().map(|name| schema_json(catalog, name)).collect()
        };
        future::ready(self.lock().catalog(catalog).map(list)).boxed()
    }

    fn get_schema<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let found = self.lock().schema(catalog, schema).map(|_| schema_json(catalog, &schema.to_lowercase()));
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

    fn get_table<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        table: &'a str,
    ) -> BoxFuture<'a, Result<Value, CatalogError>> {
        let missing = || CatalogError::TableNotFound(format!("{catalog}.{schema}.{table}"));
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
        let missing = || CatalogError::VolumeNotFound(format!("{catalog}.{schema}.{volume}"));
        let info =
            |entry: &SchemaEntry| entry.volumes.get(&volume.to_lowercase()).map(|(_, info)| info.clone());
        let found = self.lock().schema(catalog, schema).and_then(|entry| info(entry).ok_or_else(missing));
        future::ready(found).boxed()
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
        let missing = || CatalogError::VolumeNotFound(format!("{catalog}.{schema}.{volume}"));
        let removed = self
            .lock()
            .schema_mut(catalog, schema)
            .and_then(|entry| entry.volumes.remove(&volume.to_lowercase()).map(|_| ()).ok_or_else(missing));
        future::ready(removed).boxed()
    }
}
