//! The objects of a catalog in memory, as values: what is there, and what may become of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::catalog::{CatalogError, CatalogObject, NewCatalog, NewSchema, NewVolume, ObjectUpdate};
use crate::engine::Column;

/// All catalogs.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) catalogs: BTreeMap<String, CatalogEntry>,
    /// The number of the volume made last.
    volumes_made: u64,
}

#[derive(Debug, Default)]
pub(super) struct CatalogEntry {
    pub(super) info: Value,
    pub(super) schemas: BTreeMap<String, SchemaEntry>,
}

#[derive(Debug, Default)]
pub(super) struct SchemaEntry {
    pub(super) info: Value,
    pub(super) tables: BTreeMap<String, Value>,
    pub(super) volumes: BTreeMap<String, (u64, Value)>,
    pub(super) functions: BTreeMap<String, Value>,
}

impl Objects {
    /// A schema, made where it is missing.
    pub(super) fn schema_entry(&mut self, catalog: &str, schema: &str) -> &mut SchemaEntry {
        let (c, s) = (catalog.to_lowercase(), schema.to_lowercase());
        let info = schema_json(&c, &s);
        let catalog = self
            .catalogs
            .entry(c.clone())
            .or_insert_with(|| CatalogEntry { info: catalog_json(&c), schemas: BTreeMap::new() });
        catalog.schemas.entry(s).or_insert_with(|| SchemaEntry { info, ..SchemaEntry::default() })
    }

    pub(super) fn catalog(&self, catalog: &str) -> Result<&CatalogEntry, CatalogError> {
        let missing = || CatalogError::CatalogNotFound(catalog.to_owned());
        self.catalogs.get(&catalog.to_lowercase()).ok_or_else(missing)
    }

    pub(super) fn catalog_mut(&mut self, catalog: &str) -> Result<&mut CatalogEntry, CatalogError> {
        let missing = || CatalogError::CatalogNotFound(catalog.to_owned());
        self.catalogs.get_mut(&catalog.to_lowercase()).ok_or_else(missing)
    }

    pub(super) fn schema(&self, catalog: &str, schema: &str) -> Result<&SchemaEntry, CatalogError> {
        let missing = || CatalogError::SchemaNotFound(format!("{catalog}.{schema}"));
        self.catalog(catalog)?.schemas.get(&schema.to_lowercase()).ok_or_else(missing)
    }

    pub(super) fn schema_mut(
        &mut self,
        catalog: &str,
        schema: &str,
    ) -> Result<&mut SchemaEntry, CatalogError> {
        let missing = || CatalogError::SchemaNotFound(format!("{catalog}.{schema}"));
        self.catalog_mut(catalog)?.schemas.get_mut(&schema.to_lowercase()).ok_or_else(missing)
    }

    pub(super) fn create_catalog(&mut self, new: NewCatalog) -> Result<Value, CatalogError> {
        let NewCatalog { name, comment, properties, owner, created_at } = new;
        let name = name.to_lowercase();
        check_name(&name)?;
        if self.catalogs.contains_key(&name) {
            return Err(CatalogError::AlreadyExists { kind: "Catalog", name });
        }
        let by = Made { comment, properties, owner, at: created_at.timestamp_millis() };
        let info = by.describe(catalog_json(&name));
        self.schema_entry(&name, "default").info = by.describe(schema_json(&name, "default"));
        self.catalog_mut(&name)?.info = info.clone();
        Ok(info)
    }

    pub(super) fn delete_catalog(&mut self, catalog: &str, force: bool) -> Result<(), CatalogError> {
        let schemas = self.catalog(catalog)?.schemas.len();
        if schemas > 0 && !force {
            let holds = format!("The catalog has {schemas} schemas(s)");
            return Err(CatalogError::NotEmpty { kind: "Catalog", name: catalog.to_lowercase(), holds });
        }
        self.catalogs.remove(&catalog.to_lowercase());
        Ok(())
    }

    pub(super) fn create_schema(&mut self, new: NewSchema) -> Result<Value, CatalogError> {
        let NewSchema { catalog, name, comment, properties, owner, created_at } = new;
        let (catalog, name) = (catalog.to_lowercase(), name.to_lowercase());
        check_name(&name)?;
        if self.catalog(&catalog)?.schemas.contains_key(&name) {
            let name = format!("{catalog}.{name}");
            return Err(CatalogError::AlreadyExists { kind: "Schema", name });
        }
        let by = Made { comment, properties, owner, at: created_at.timestamp_millis() };
        let entry = self.schema_entry(&catalog, &name);
        entry.info = by.describe(schema_json(&catalog, &name));
        Ok(entry.info.clone())
    }

    pub(super) fn delete_schema(
        &mut self,
        catalog: &str,
        schema: &str,
        force: bool,
    ) -> Result<(), CatalogError> {
        let entry = self.schema(catalog, schema)?;
        let (tables, volumes) = (entry.tables.len(), entry.volumes.len());
        let functions = entry.functions.len();
        if tables + volumes + functions > 0 && !force {
            let name = format!("{}.{}", catalog.to_lowercase(), schema.to_lowercase());
            let holds =
                format!("The schema has {tables} tables(s), {functions} functions(s), {volumes} volumes(s)");
            return Err(CatalogError::NotEmpty { kind: "Schema", name, holds });
        }
        self.catalog_mut(catalog)?.schemas.remove(&schema.to_lowercase());
        Ok(())
    }

    pub(super) fn delete_table(
        &mut self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<(), CatalogError> {
        let removed = self.schema_mut(catalog, schema)?.tables.remove(&table.to_lowercase());
        removed.map(drop).ok_or_else(|| table_missing(catalog, schema, table))
    }

    pub(super) fn create_volume(&mut self, new: NewVolume) -> Result<Value, CatalogError> {
        let NewVolume { catalog, schema, name, comment, owner, created_at } = new;
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
        extend(&mut info, comment.map(|comment| ("comment", json!(comment))));
        if let Some(at) = created_at.map(|at| at.timestamp_millis()) {
            let by = info.get("owner").cloned().unwrap_or_default();
            let said = [("created_at", json!(at)), ("updated_at", json!(at))];
            extend(&mut info, said.into_iter().chain([("created_by", by.clone()), ("updated_by", by)]));
        }
        volumes.insert(v, (number, info.clone()));
        self.volumes_made = number;
        Ok(info)
    }

    pub(super) fn delete_volume(
        &mut self,
        catalog: &str,
        schema: &str,
        volume: &str,
    ) -> Result<(), CatalogError> {
        let removed = self.schema_mut(catalog, schema)?.volumes.remove(&volume.to_lowercase());
        removed.map(drop).ok_or_else(|| volume_missing(catalog, schema, volume))
    }

    pub(super) fn create_function(&mut self, mut function: Value) -> Result<Value, CatalogError> {
        let part = |key: &str| function[key].as_str().unwrap_or_default().to_lowercase();
        let (c, s, name) = (part("catalog_name"), part("schema_name"), part("name"));
        check_name(&name)?;
        let full_name = format!("{c}.{s}.{name}");
        let functions = &mut self.schema_mut(&c, &s)?.functions;
        if functions.contains_key(&name) {
            return Err(CatalogError::AlreadyExists { kind: "Function", name: full_name });
        }
        let named =
            [("catalog_name", c), ("schema_name", s), ("name", name.clone()), ("full_name", full_name)];
        extend(&mut function, named.into_iter().map(|(key, value)| (key, json!(value))));
        functions.insert(name, function.clone());
        Ok(function)
    }

    pub(super) fn delete_function(
        &mut self,
        catalog: &str,
        schema: &str,
        function: &str,
    ) -> Result<(), CatalogError> {
        let removed = self.schema_mut(catalog, schema)?.functions.remove(&function.to_lowercase());
        removed.map(drop).ok_or_else(|| function_missing(catalog, schema, function))
    }

    pub(super) fn update(
        &mut self,
        object: CatalogObject<'_>,
        update: ObjectUpdate,
    ) -> Result<Value, CatalogError> {
        let ObjectUpdate { comment, owner, properties, updated_by, updated_at } = update;
        let info = self.info_mut(object)?;
        let said = [
            comment.map(|comment| ("comment", json!(comment))),
            owner.map(|owner| ("owner", json!(owner))),
            properties.map(|properties| ("properties", json!(properties))),
            Some(("updated_by", json!(updated_by))),
            Some(("updated_at", json!(updated_at.timestamp_millis()))),
        ];
        extend(info, said.into_iter().flatten());
        Ok(info.clone())
    }

    fn info_mut(&mut self, object: CatalogObject<'_>) -> Result<&mut Value, CatalogError> {
        match object {
            CatalogObject::Catalog(catalog) => Ok(&mut self.catalog_mut(catalog)?.info),
            CatalogObject::Schema(catalog, schema) => Ok(&mut self.schema_mut(catalog, schema)?.info),
            CatalogObject::Table(catalog, schema, table) => {
                let found = self.schema_mut(catalog, schema)?.tables.get_mut(&table.to_lowercase());
                found.ok_or_else(|| table_missing(catalog, schema, table))
            }
            CatalogObject::Volume(catalog, schema, volume) => {
                let found = self.schema_mut(catalog, schema)?.volumes.get_mut(&volume.to_lowercase());
                found.map(|(_, info)| info).ok_or_else(|| volume_missing(catalog, schema, volume))
            }
            CatalogObject::Function(catalog, schema, function) => {
                let found = self.schema_mut(catalog, schema)?.functions.get_mut(&function.to_lowercase());
                found.ok_or_else(|| function_missing(catalog, schema, function))
            }
        }
    }
}

/// What is said of a new catalog or schema.
struct Made {
    comment: Option<String>,
    properties: BTreeMap<String, String>,
    owner: String,
    at: i64,
}

impl Made {
    fn describe(&self, mut info: Value) -> Value {
        let Self { comment, properties, owner, at } = self;
        let said = [
            comment.as_ref().map(|comment| ("comment", json!(comment))),
            (!properties.is_empty()).then(|| ("properties", json!(properties))),
            Some(("owner", json!(owner))),
            Some(("created_by", json!(owner))),
            Some(("created_at", json!(at))),
            Some(("updated_by", json!(owner))),
            Some(("updated_at", json!(at))),
        ];
        extend(&mut info, said.into_iter().flatten());
        info
    }
}

fn extend<'a>(info: &mut Value, said: impl IntoIterator<Item = (&'a str, Value)>) {
    if let Some(info) = info.as_object_mut() {
        let said: Map<String, Value> =
            said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        info.extend(said);
    }
}

pub(super) fn table_missing(catalog: &str, schema: &str, table: &str) -> CatalogError {
    CatalogError::TableNotFound(format!("{catalog}.{schema}.{table}"))
}

pub(super) fn volume_missing(catalog: &str, schema: &str, volume: &str) -> CatalogError {
    CatalogError::VolumeNotFound(format!("{catalog}.{schema}.{volume}"))
}

pub(super) fn function_missing(catalog: &str, schema: &str, function: &str) -> CatalogError {
    CatalogError::FunctionNotFound(format!("{catalog}.{schema}.{function}"))
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

fn catalog_json(name: &str) -> Value {
    json!({ "name": name, "full_name": name, "catalog_type": "MANAGED_CATALOG" })
}

fn schema_json(catalog: &str, schema: &str) -> Value {
    json!({ "name": schema, "catalog_name": catalog, "full_name": format!("{catalog}.{schema}") })
}

pub(super) fn column_json(position: usize, column: &Column) -> Value {
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
