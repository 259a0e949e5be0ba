//! What the metastore knows, as one value that is written to disk whole.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::names::{ObjectName, ObjectPath, SchemaPath};
use crate::error::{LocalError, Result};

/// The layout of the file. A build reads the layouts it knows and refuses later ones.
pub(super) const LAYOUT: u32 = 1;

/// All objects of a workspace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(super) layout: u32,
    /// The id Unity Catalog objects report as their metastore.
    pub(crate) metastore_id: Uuid,
    pub(crate) catalogs: BTreeMap<ObjectName, CatalogEntry>,
}

/// What every object has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: Uuid,
    pub(crate) owner: String,
    pub(crate) created_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
}

/// A catalog and its schemas.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CatalogEntry {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) schemas: BTreeMap<ObjectName, SchemaEntry>,
}

/// A schema, its tables and its volumes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SchemaEntry {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) tables: BTreeMap<ObjectName, Entry>,
    pub(crate) volumes: BTreeMap<ObjectName, Entry>,
}

impl Entry {
    /// A new object of this owner, created now.
    pub(crate) fn new(owner: &str, comment: Option<String>) -> Self {
        Self { id: Uuid::new_v4(), owner: owner.to_owned(), created_at: Utc::now(), comment }
    }
}

impl CatalogEntry {
    /// A catalog as Databricks makes it: with an empty schema `default`.
    pub(crate) fn new(entry: Entry, default: ObjectName) -> Self {
        let schema =
            SchemaEntry::new(Entry::new(&entry.owner, Some("Default schema (auto-created)".to_owned())));
        Self { entry, schemas: BTreeMap::from([(default, schema)]) }
    }
}

impl SchemaEntry {
    /// A schema with nothing in it.
    pub(crate) fn new(entry: Entry) -> Self {
        Self { entry, tables: BTreeMap::new(), volumes: BTreeMap::new() }
    }

    /// Whether it holds no table and no volume.
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.volumes.is_empty()
    }
}

impl State {
    /// The state of a new workspace: catalog `main` with schema `default`.
    pub(super) fn initial(owner: &str) -> Result<Self> {
        let main = CatalogEntry::new(Entry::new(owner, None), ObjectName::parse("default")?);
        let catalogs = BTreeMap::from([(ObjectName::parse("main")?, main)]);
        Ok(Self { layout: LAYOUT, metastore_id: Uuid::new_v4(), catalogs })
    }

    /// The catalog of this name.
    pub(crate) fn catalog(&self, name: &ObjectName) -> Result<&CatalogEntry> {
        self.catalogs.get(name).ok_or_else(|| LocalError::catalog_not_found(name))
    }

    /// The schema of this name.
    pub(crate) fn schema(&self, path: &SchemaPath) -> Result<&SchemaEntry> {
        let SchemaPath { catalog, schema } = path;
        let found = self.catalog(catalog)?.schemas.get(schema);
        found.ok_or_else(|| LocalError::schema_not_found(catalog, schema))
    }

    /// The table of this name; a missing catalog or schema reads as a missing table, as on Databricks.
    pub(crate) fn table(&self, path: &ObjectPath) -> Result<&Entry> {
        let found = self.schema(&path.parent).ok().and_then(|schema| schema.tables.get(&path.name));
        found.ok_or_else(|| LocalError::table_not_found(path))
    }

    /// The volume of this name.
    pub(crate) fn volume(&self, path: &ObjectPath) -> Result<&Entry> {
        let found = self.schema(&path.parent).ok().and_then(|schema| schema.volumes.get(&path.name));
        found.ok_or_else(|| LocalError::volume_not_found(path.full_name()))
    }

    pub(crate) fn catalog_mut(&mut self, name: &ObjectName) -> Result<&mut CatalogEntry> {
        self.catalogs.get_mut(name).ok_or_else(|| LocalError::catalog_not_found(name))
    }

    pub(crate) fn schema_mut(&mut self, path: &SchemaPath) -> Result<&mut SchemaEntry> {
        let SchemaPath { catalog, schema } = path;
        let found = self.catalog_mut(catalog)?.schemas.get_mut(schema);
        found.ok_or_else(|| LocalError::schema_not_found(catalog, schema))
    }

    pub(crate) fn volume_mut(&mut self, path: &ObjectPath) -> Result<&mut Entry> {
        let found = self.schema_mut(&path.parent)?.volumes.get_mut(&path.name);
        found.ok_or_else(|| LocalError::volume_not_found(path.full_name()))
    }
}
