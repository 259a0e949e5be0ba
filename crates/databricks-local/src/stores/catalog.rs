//! Unity Catalog's objects in the shape its REST API has.

use std::collections::BTreeMap;
use std::sync::Arc;

use databricks_schema::quote;
use databricks_testkit::{
    CatalogError, CatalogObject, CatalogStore, EngineRequest, NewCatalog, NewSchema, NewVolume, ObjectUpdate,
    StatementEngine,
};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::error::LocalError;
use crate::exec::{LocalEngine, catalog_text, table_builder, table_key, table_properties};
use crate::metastore::{CatalogEntry, Entry, Metastore, ObjectName, ObjectPath, SchemaEntry, SchemaPath};

pub(super) type Result<T> = std::result::Result<T, CatalogError>;

/// The objects of a workspace folder.
#[derive(Clone)]
pub(crate) struct FolderCatalog {
    pub(super) metastore: Arc<Metastore>,
    /// Drops tables, which have writers to wait for.
    engine: LocalEngine,
}

impl FolderCatalog {
    /// The objects of this metastore, on which this engine works.
    pub(crate) fn new(metastore: Arc<Metastore>, engine: LocalEngine) -> Self {
        Self { metastore, engine }
    }

    async fn tables(&self, catalog: &str, schema: &str) -> Result<Vec<Value>> {
        let state = self.metastore.state();
        let parent = schema_path(catalog, schema)?;
        let mut tables = Vec::new();
        for (name, entry) in &find_schema(&state, &parent)?.tables {
            let path = ObjectPath { parent: parent.clone(), name: name.clone() };
            // A table dropped since the state was read is no longer of this list.
            if let Ok(table) = self.table_info(&path, entry).await {
                tables.push(table);
            }
        }
        Ok(tables)
    }

    async fn table(&self, catalog: &str, schema: &str, table: &str) -> Result<Value> {
        let state = self.metastore.state();
        let missing = || CatalogError::TableNotFound(format!("{catalog}.{schema}.{table}"));
        let parent = schema_path(catalog, schema)?;
        find_schema(&state, &parent)?;
        let path = ObjectPath::parse(catalog, schema, table).map_err(|_| missing())?;
        let entry = state.table(&path).map_err(|_| missing())?;
        self.table_info(&path, entry).await
    }

    async fn table_info(&self, path: &ObjectPath, entry: &Entry) -> Result<Value> {
        let dir = self.metastore.table_dir(path);
        let table = table_builder(&dir).map_err(internal)?.load().await.map_err(|e| internal(e.into()))?;
        let snapshot = table.snapshot().map_err(|e| internal(e.into()))?;
        let metadata = snapshot.metadata();
        let mut info = object(&path.name, entry);
        extend(
            &mut info,
            json!({
                "full_name": path.full_name(),
                "catalog_name": path.parent.catalog.as_str(),
                "schema_name": path.parent.schema.as_str(),
                "table_id": entry.id.to_string(),
                "table_type": "MANAGED",
                "data_source_format": "DELTA",
                "storage_location": format!("file://{}", dir.display()),
                "columns": columns(snapshot)?,
                "properties": table_properties(&table).map_err(internal)?,
                "comment": metadata.description(),
                "table_constraints": table_key(&table).map_err(internal)?,
            }),
        );
        Ok(info)
    }
}

/// The columns of a table, nested types in full.
fn columns(snapshot: &deltalake::table::state::DeltaTableState) -> Result<Vec<Value>> {
    let (kernel, arrow) = (snapshot.schema(), snapshot.snapshot().arrow_schema());
    let partitions = snapshot.metadata().partition_columns();
    let pairs = kernel.fields().zip(arrow.fields()).enumerate();
    let columns = pairs.map(|(position, (field, column))| {
        let data_type = databricks_schema::arrow::from_arrow(column.data_type())
            .map_err(|error| CatalogError::Internal(format!("the column '{}': {error}", column.name())))?;
        let type_json =
            serde_json::to_string(field).map_err(|error| CatalogError::Internal(error.to_string()))?;
        let mut info = json!({
            "name": column.name(),
            "type_text": catalog_text(&data_type),
            "type_json": type_json,
            "type_name": data_type.type_name(),
            "position": position,
            "nullable": column.is_nullable(),
        });
        let (precision, scale) = match &data_type {
            databricks_schema::DataType::Decimal { precision, scale } => (Some(*precision), Some(*scale)),
            _ => (None, None),
        };
        extend(
            &mut info,
            json!({
                "type_precision": precision,
                "type_scale": scale,
                "comment": column.metadata().get("comment"),
                "partition_index": partitions.iter().position(|partition| partition == column.name()),
            }),
        );
        Ok(info)
    });
    columns.collect()
}

/// What every object reports.
fn object(name: &ObjectName, entry: &Entry) -> Value {
    let created = entry.created_at.timestamp_millis();
    let mut info = json!({
        "name": name.as_str(),
        "owner": entry.owner,
        "created_at": created,
        "created_by": entry.owner,
        "updated_at": created,
        "updated_by": entry.owner,
    });
    extend(&mut info, json!({ "comment": entry.comment }));
    info
}

/// Adds the members that have a value.
fn extend(info: &mut Value, more: Value) {
    if let (Some(info), Value::Object(more)) = (info.as_object_mut(), more) {
        info.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
}

fn catalog_info(name: &ObjectName, catalog: &CatalogEntry, metastore: &str) -> Value {
    let mut info = object(name, &catalog.entry);
    extend(
        &mut info,
        json!({
            "full_name": name.as_str(),
            "id": catalog.entry.id.to_string(),
            "catalog_type": "MANAGED_CATALOG",
            "metastore_id": metastore,
            "isolation_mode": "OPEN",
            "securable_type": "CATALOG",
        }),
    );
    info
}

fn schema_info(path: &SchemaPath, schema: &SchemaEntry) -> Value {
    let mut info = object(&path.schema, &schema.entry);
    extend(
        &mut info,
        json!({
            "full_name": format!("{}.{}", path.catalog, path.schema),
            "catalog_name": path.catalog.as_str(),
            "schema_id": schema.entry.id.to_string(),
        }),
    );
    info
}

fn volume_info(path: &ObjectPath, entry: &Entry, metastore: &Metastore) -> Value {
    let mut info = object(&path.name, entry);
    extend(
        &mut info,
        json!({
            "full_name": path.full_name(),
            "catalog_name": path.parent.catalog.as_str(),
            "schema_name": path.parent.schema.as_str(),
            "volume_id": entry.id.to_string(),
            "volume_type": "MANAGED",
            "storage_location": format!("file://{}", metastore.volume_dir(path).display()),
            "metastore_id": metastore.state().metastore_id.to_string(),
        }),
    );
    info
}

pub(super) fn catalog_name(name: &str) -> Result<ObjectName> {
    ObjectName::parse(name).map_err(|_| CatalogError::CatalogNotFound(name.to_owned()))
}

pub(super) fn schema_path(catalog: &str, schema: &str) -> Result<SchemaPath> {
    let schema =
        ObjectName::parse(schema).map_err(|_| CatalogError::SchemaNotFound(format!("{catalog}.{schema}")))?;
    Ok(SchemaPath { catalog: catalog_name(catalog)?, schema })
}

pub(super) fn find_catalog<'a>(
    state: &'a crate::metastore::State,
    name: &ObjectName,
) -> Result<&'a CatalogEntry> {
    state.catalog(name).map_err(|_| CatalogError::CatalogNotFound(name.to_string()))
}

pub(super) fn find_schema<'a>(
    state: &'a crate::metastore::State,
    path: &SchemaPath,
) -> Result<&'a SchemaEntry> {
    find_catalog(state, &path.catalog)?;
    state.schema(path).map_err(|_| CatalogError::SchemaNotFound(format!("{}.{}", path.catalog, path.schema)))
}

pub(super) fn find_volume<'a>(state: &'a crate::metastore::State, path: &ObjectPath) -> Result<&'a Entry> {
    find_schema(state, &path.parent)?;
    state.volume(path).map_err(|_| CatalogError::VolumeNotFound(path.full_name()))
}

pub(super) fn volume_path(catalog: &str, schema: &str, volume: &str) -> Result<ObjectPath> {
    let parent = schema_path(catalog, schema)?;
    let name = ObjectName::parse(volume);
    let name = name.map_err(|_| CatalogError::VolumeNotFound(format!("{catalog}.{schema}.{volume}")))?;
    Ok(ObjectPath { parent, name })
}

pub(super) fn internal(error: LocalError) -> CatalogError {
    CatalogError::Internal(error.to_string())
}

/// Runs a change of the metastore where blocking is fine.
pub(super) async fn blocking<T: Send + 'static>(
    metastore: &Arc<Metastore>,
    work: impl FnOnce(&Metastore) -> std::result::Result<T, LocalError> + Send + 'static,
) -> std::result::Result<T, LocalError> {
    let metastore = Arc::clone(metastore);
    tokio::task::spawn_blocking(move || work(&metastore)).await.map_err(LocalError::internal)?
}

impl CatalogStore for FolderCatalog {
    fn list_catalogs(&self) -> BoxFuture<'_, Result<Vec<Value>>> {
        Box::pin(async move {
            let state = self.metastore.state();
            let metastore = state.metastore_id.to_string();
            Ok(state.catalogs.iter().map(|(name, catalog)| catalog_info(name, catalog, &metastore)).collect())
        })
    }

    fn get_catalog<'a>(&'a self, catalog: &'a str) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let (state, name) = (self.metastore.state(), catalog_name(catalog)?);
            Ok(catalog_info(&name, find_catalog(&state, &name)?, &state.metastore_id.to_string()))
        })
    }

    fn list_schemas<'a>(&'a self, catalog: &'a str) -> BoxFuture<'a, Result<Vec<Value>>> {
        Box::pin(async move {
            let (state, catalog) = (self.metastore.state(), catalog_name(catalog)?);
            let schemas = find_catalog(&state, &catalog)?.schemas.iter().map(|(name, schema)| {
                schema_info(&SchemaPath { catalog: catalog.clone(), schema: name.clone() }, schema)
            });
            Ok(schemas.collect())
        })
    }

    fn get_schema<'a>(&'a self, catalog: &'a str, schema: &'a str) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let (state, path) = (self.metastore.state(), schema_path(catalog, schema)?);
            Ok(schema_info(&path, find_schema(&state, &path)?))
        })
    }

    fn list_tables<'a>(&'a self, catalog: &'a str, schema: &'a str) -> BoxFuture<'a, Result<Vec<Value>>> {
        Box::pin(self.tables(catalog, schema))
    }

    fn get_table<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        table: &'a str,
    ) -> BoxFuture<'a, Result<Value>> {
        Box::pin(self.table(catalog, schema, table))
    }

    fn list_volumes<'a>(&'a self, catalog: &'a str, schema: &'a str) -> BoxFuture<'a, Result<Vec<Value>>> {
        Box::pin(async move {
            let (state, parent) = (self.metastore.state(), schema_path(catalog, schema)?);
            let volumes = find_schema(&state, &parent)?.volumes.iter().map(|(name, entry)| {
                volume_info(
                    &ObjectPath { parent: parent.clone(), name: name.clone() },
                    entry,
                    &self.metastore,
                )
            });
            Ok(volumes.collect())
        })
    }

    fn get_volume<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        volume: &'a str,
    ) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let (state, path) = (self.metastore.state(), volume_path(catalog, schema, volume)?);
            Ok(volume_info(&path, find_volume(&state, &path)?, &self.metastore))
        })
    }

    fn create_volume(&self, volume: NewVolume) -> BoxFuture<'_, Result<Value>> {
        Box::pin(async move {
            let NewVolume { catalog, schema, name, comment, owner, created_at: _ } = volume;
            find_schema(&self.metastore.state(), &schema_path(&catalog, &schema)?)?;
            let path = ObjectPath::parse(&catalog, &schema, &name)
                .map_err(|error| CatalogError::Invalid(error.message().to_owned()))?;
            let (created, entry) = (path.clone(), Entry::new(&owner, comment));
            let outcome =
                blocking(&self.metastore, move |metastore| metastore.create_volume(&created, entry, false))
                    .await;
            outcome.map_err(|error| match error.class() {
                "VOLUME_ALREADY_EXISTS" => {
                    CatalogError::AlreadyExists { kind: "Volume", name: path.full_name() }
                }
                _ => internal(error),
            })?;
            Ok(volume_info(&path, find_volume(&self.metastore.state(), &path)?, &self.metastore))
        })
    }

    fn delete_volume<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        volume: &'a str,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let path = volume_path(catalog, schema, volume)?;
            find_volume(&self.metastore.state(), &path)?;
            blocking(&self.metastore, move |metastore| metastore.drop_volume(&path, true))
                .await
                .map_err(internal)
        })
    }

    fn create_catalog(&self, catalog: NewCatalog) -> BoxFuture<'_, Result<Value>> {
        Box::pin(async move {
            let NewCatalog { name, comment, properties, owner, .. } = catalog;
            without_properties(Some(&properties))?;
            let name = ObjectName::parse(&name).map_err(refused)?;
            let (created, entry) = (name.clone(), Entry::new(&owner, comment));
            blocking(&self.metastore, move |metastore| metastore.create_catalog(&created, entry, false))
                .await
                .map_err(|error| taken(error, "Catalog", name.to_string()))?;
            self.get_catalog(name.as_str()).await
        })
    }

    fn delete_catalog<'a>(&'a self, catalog: &'a str, force: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let name = catalog_name(catalog)?;
            let schemas = find_catalog(&self.metastore.state(), &name)?.schemas.len();
            let dropped = name.clone();
            let holds = format!("The catalog has {schemas} schemas(s)");
            blocking(&self.metastore, move |metastore| metastore.drop_catalog(&dropped, true, force))
                .await
                .map_err(|error| held(error, "Catalog", name.to_string(), holds))
        })
    }

    fn create_schema(&self, schema: NewSchema) -> BoxFuture<'_, Result<Value>> {
        Box::pin(async move {
            let NewSchema { catalog, name, comment, properties, owner, .. } = schema;
            without_properties(Some(&properties))?;
            find_catalog(&self.metastore.state(), &catalog_name(&catalog)?)?;
            let path = SchemaPath::parse(&catalog, &name).map_err(refused)?;
            let (created, entry) = (path.clone(), Entry::new(&owner, comment));
            blocking(&self.metastore, move |metastore| metastore.create_schema(&created, entry, false))
                .await
                .map_err(|error| taken(error, "Schema", schema_name(&path)))?;
            self.get_schema(path.catalog.as_str(), path.schema.as_str()).await
        })
    }

    fn delete_schema<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        force: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let path = schema_path(catalog, schema)?;
            let (tables, volumes) = {
                let state = self.metastore.state();
                let entry = find_schema(&state, &path)?;
                (entry.tables.len(), entry.volumes.len())
            };
            let dropped = path.clone();
            let holds = format!("The schema has {tables} tables(s), 0 functions(s), {volumes} volumes(s)");
            blocking(&self.metastore, move |metastore| metastore.drop_schema(&dropped, true, force))
                .await
                .map_err(|error| held(error, "Schema", schema_name(&path), holds))
        })
    }

    fn update<'a>(&'a self, object: CatalogObject<'a>, update: ObjectUpdate) -> BoxFuture<'a, Result<Value>> {
        Box::pin(self.apply(object, update))
    }

    /// As `DROP TABLE` does it: after the table's writers.
    fn delete_table<'a>(
        &'a self,
        catalog: &'a str,
        schema: &'a str,
        table: &'a str,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.get_table(catalog, schema, table).await?;
            let name = [catalog, schema, table].map(quote::identifier).join(".");
            let drop_table =
                EngineRequest { statement: format!("DROP TABLE {name}"), ..EngineRequest::default() };
            let dropped = self.engine.execute(drop_table).await;
            dropped.map(drop).map_err(|failure| CatalogError::Internal(failure.message))
        })
    }
}

/// `catalog.schema`, as REST writes it.
fn schema_name(path: &SchemaPath) -> String {
    format!("{}.{}", path.catalog, path.schema)
}

/// The metastore keeps no properties of catalogs and schemas; losing them would be a silent change.
pub(super) fn without_properties(properties: Option<&BTreeMap<String, String>>) -> Result<()> {
    if properties.is_none_or(BTreeMap::is_empty) {
        return Ok(());
    }
    Err(CatalogError::NotSimulated("Keeping properties of catalogs and schemas".to_owned()))
}

fn refused(error: LocalError) -> CatalogError {
    CatalogError::Invalid(error.message().to_owned())
}

fn taken(error: LocalError, kind: &'static str, name: String) -> CatalogError {
    match error.class() {
        "CATALOG_ALREADY_EXISTS" | "SCHEMA_ALREADY_EXISTS" => CatalogError::AlreadyExists { kind, name },
        _ => internal(error),
    }
}

fn held(error: LocalError, kind: &'static str, name: String, holds: String) -> CatalogError {
    match error.class() {
        "CATALOG_NOT_EMPTY" | "SCHEMA_NOT_EMPTY" => CatalogError::NotEmpty { kind, name, holds },
        _ => internal(error),
    }
}
