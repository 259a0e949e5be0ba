//! The calls about volumes.

use databricks_transport::{ApiRequest, ErrorKind, Operation};
use futures::stream::BoxStream;
use serde::Serialize;

use super::client::{object, within};
use super::{CatalogClient, VolumeInfo};
use crate::{Result, SchemaError, validate_object_name};

const LIST_VOLUMES: Operation = Operation::new("unity.list_volumes").idempotent();
const GET_VOLUME: Operation = Operation::new("unity.get_volume").idempotent();
const CREATE_VOLUME: Operation = Operation::new("unity.create_volume");
// Creating one that is there is an error that counts as success here, so sending it twice does no harm.
const ENSURE_VOLUME: Operation = Operation::new("unity.ensure_volume").idempotent();
const DELETE_VOLUME: Operation = Operation::new("unity.delete_volume");

const VOLUMES: &str = "/api/2.1/unity-catalog/volumes";

#[derive(Serialize)]
struct NewVolume<'a> {
    catalog_name: &'a str,
    schema_name: &'a str,
    name: &'a str,
    volume_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_location: Option<&'a str>,
}

impl CatalogClient {
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
        Ok(self.list(LIST_VOLUMES, VOLUMES, query))
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
        self.post_volume(CREATE_VOLUME, (catalog, schema, volume), None).await
    }

    /// Makes an external volume, over files that are at this URL in the cloud.
    ///
    /// # Errors
    /// As [`create_volume`](Self::create_volume).
    pub async fn create_external_volume(
        &self,
        catalog: &str,
        schema: &str,
        volume: &str,
        storage_location: &str,
    ) -> Result<VolumeInfo> {
        self.post_volume(CREATE_VOLUME, (catalog, schema, volume), Some(storage_location)).await
    }

    /// The volume of this name, made if it is not there. Safe to call from many places at once.
    ///
    /// # Errors
    /// [`SchemaError::Transport`] of kind `NotFound` when the schema is not there.
    pub async fn ensure_volume(&self, catalog: &str, schema: &str, volume: &str) -> Result<VolumeInfo> {
        match self.post_volume(ENSURE_VOLUME, (catalog, schema, volume), None).await {
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
        self.silent(DELETE_VOLUME, ApiRequest::delete(volume_path(catalog, schema, volume)?)).await
    }

    async fn post_volume(
        &self,
        operation: Operation,
        (catalog, schema, volume): (&str, &str, &str),
        storage_location: Option<&str>,
    ) -> Result<VolumeInfo> {
        within(catalog, schema)?;
        validate_object_name("volume", volume)?;
        let body = NewVolume {
            catalog_name: catalog,
            schema_name: schema,
            name: volume,
            volume_type: if storage_location.is_some() { "EXTERNAL" } else { "MANAGED" },
            storage_location,
        };
        let request = ApiRequest::post(VOLUMES).json(&body)?;
        Ok(self.client.call(operation, request).await?)
    }
}

fn volume_path(catalog: &str, schema: &str, volume: &str) -> Result<String> {
    within(catalog, schema)?;
    validate_object_name("volume", volume)?;
    Ok(object(VOLUMES, &format!("{catalog}.{schema}.{volume}")))
}
