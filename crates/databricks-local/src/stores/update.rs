//! What is said of catalogs, schemas and volumes, changed over REST: comments and owners.

use databricks_testkit::{CatalogError, CatalogObject, CatalogStore, ObjectUpdate};
use serde_json::Value;

use super::catalog::{
    FolderCatalog, Result, blocking, catalog_name, find_catalog, find_schema, find_volume, internal,
    schema_path, volume_path, without_properties,
};
use crate::metastore::{Entry, State};

/// The entry of an object, to be changed.
type Find = Box<dyn FnOnce(&mut State) -> crate::Result<&mut Entry> + Send>;

impl FolderCatalog {
    /// Changes an object and answers it as it is then.
    pub(super) async fn apply(&self, object: CatalogObject<'_>, update: ObjectUpdate) -> Result<Value> {
        without_properties(update.properties.as_ref())?;
        let find = self.entry_of(&object)?;
        let ObjectUpdate { comment, owner, .. } = update;
        blocking(&self.metastore, move |metastore| {
            metastore.change_entry(find, |entry| {
                entry.comment = comment.or(entry.comment.take());
                entry.owner = owner.unwrap_or(std::mem::take(&mut entry.owner));
            })
        })
        .await
        .map_err(internal)?;
        match object {
            CatalogObject::Catalog(catalog) => self.get_catalog(catalog).await,
            CatalogObject::Schema(catalog, schema) => self.get_schema(catalog, schema).await,
            CatalogObject::Volume(catalog, schema, volume) => self.get_volume(catalog, schema, volume).await,
            other => Err(not_kept(&other)),
        }
    }

    /// Where the entry of an object that exists is.
    fn entry_of(&self, object: &CatalogObject<'_>) -> Result<Find> {
        let state = self.metastore.state();
        Ok(match object {
            CatalogObject::Catalog(catalog) => {
                let name = catalog_name(catalog)?;
                find_catalog(&state, &name)?;
                Box::new(move |state| Ok(&mut state.catalog_mut(&name)?.entry))
            }
            CatalogObject::Schema(catalog, schema) => {
                let path = schema_path(catalog, schema)?;
                find_schema(&state, &path)?;
                Box::new(move |state| Ok(&mut state.schema_mut(&path)?.entry))
            }
            CatalogObject::Volume(catalog, schema, volume) => {
                let path = volume_path(catalog, schema, volume)?;
                find_volume(&state, &path)?;
                Box::new(move |state| state.volume_mut(&path))
            }
            other => return Err(not_kept(other)),
        })
    }
}

/// The comment of a table is part of its Delta log.
fn not_kept(object: &CatalogObject<'_>) -> CatalogError {
    CatalogError::NotSimulated(format!("changing {object} over REST"))
}
