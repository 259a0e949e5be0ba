//! CREATE and DROP of catalogs, schemas and volumes, and DROP TABLE.

use databricks_testkit::EngineResult;

use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::{Entry, ObjectName};
use crate::parse::{CreateObject, DropObject};

/// What DDL answers: no columns.
const DONE: fn() -> EngineResult = EngineResult::default;

impl Statement {
    fn entry(&self, comment: Option<String>) -> Entry {
        Entry::new(&self.user, comment)
    }

    pub(super) async fn create_catalog(&self, object: CreateObject) -> Result<EngineResult> {
        let (name, entry) = (catalog_name(&object.name)?, self.entry(object.comment));
        self.blocking(move |shared| shared.metastore.create_catalog(&name, entry, object.if_not_exists))
            .await?;
        Ok(DONE())
    }

    pub(super) async fn drop_catalog(&self, object: DropObject) -> Result<EngineResult> {
        let name = catalog_name(&object.name)?;
        self.blocking(move |shared| shared.metastore.drop_catalog(&name, object.if_exists, object.cascade))
            .await?;
        Ok(DONE())
    }

    pub(super) async fn create_schema(&self, object: CreateObject) -> Result<EngineResult> {
        let (path, entry) = (self.schema_path(&object.name)?, self.entry(object.comment));
        self.blocking(move |shared| shared.metastore.create_schema(&path, entry, object.if_not_exists))
            .await?;
        Ok(DONE())
    }

    pub(super) async fn drop_schema(&self, object: DropObject) -> Result<EngineResult> {
        let path = self.schema_path(&object.name)?;
        self.blocking(move |shared| shared.metastore.drop_schema(&path, object.if_exists, object.cascade))
            .await?;
        Ok(DONE())
    }

    pub(super) async fn create_volume(&self, object: CreateObject) -> Result<EngineResult> {
        let (path, entry) = (self.object(&object.name)?, self.entry(object.comment));
        self.blocking(move |shared| shared.metastore.create_volume(&path, entry, object.if_not_exists))
            .await?;
        Ok(DONE())
    }

    pub(super) async fn drop_volume(&self, object: DropObject) -> Result<EngineResult> {
        let path = self.object(&object.name)?;
        self.blocking(move |shared| shared.metastore.drop_volume(&path, object.if_exists)).await?;
        Ok(DONE())
    }

    /// Waits for the table's writer, so that a commit never lands in a folder that is going away.
    pub(super) async fn drop_table(&self, name: &[String], if_exists: bool) -> Result<EngineResult> {
        let path = self.object(name)?;
        let guard = self.lock(&path).await;
        self.blocking(move |shared| {
            let _only_writer = guard;
            shared.metastore.drop_table(&path, if_exists)
        })
        .await?;
        Ok(DONE())
    }
}

pub(super) fn catalog_name(name: &[String]) -> Result<ObjectName> {
    match name {
        [name] => ObjectName::parse(name),
        parts => {
            let message =
                format!("'{}' is not a catalog name: it has {} parts.", parts.join("."), parts.len());
            Err(LocalError::new("IDENTIFIER_TOO_MANY_NAME_PARTS", "42601", message))
        }
    }
}
