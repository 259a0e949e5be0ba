//! SHOW CATALOGS, SCHEMAS, TABLES and VOLUMES.

use databricks_testkit::EngineResult;

use super::pattern::Pattern;
use super::rows::Rows;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::{ObjectName, SchemaPath};
use crate::parse::ShowIn;

impl Statement {
    pub(super) async fn show_catalogs(&self, like: Option<&str>) -> Result<EngineResult> {
        let state = self.shared.metastore.state();
        Rows::new().text("catalog", Pattern::parse(like)?.filter(state.catalogs.keys())).finish(self).await
    }

    pub(super) async fn show_schemas(&self, show: &ShowIn) -> Result<EngineResult> {
        let catalog = match show.within.as_deref() {
            None => ObjectName::parse(&self.catalog)?,
            Some([catalog]) => ObjectName::parse(catalog)?,
            Some(parts) => return Err(not_a("catalog", parts)),
        };
        let state = self.shared.metastore.state();
        let names = Pattern::parse(show.like.as_deref())?.filter(state.catalog(&catalog)?.schemas.keys());
        Rows::new().text("databaseName", names).finish(self).await
    }

    pub(super) async fn show_tables(&self, show: &ShowIn) -> Result<EngineResult> {
        let (schema, state) = (self.show_schema(show)?, self.shared.metastore.state());
        let names = Pattern::parse(show.like.as_deref())?.filter(state.schema(&schema)?.tables.keys());
        Rows::new()
            .text("database", names.iter().map(|_| Some(schema.schema.as_str())))
            .text("tableName", names.iter().map(Option::as_deref))
            .boolean("isTemporary", names.iter().map(|_| Some(false)))
            .finish(self)
            .await
    }

    pub(super) async fn show_volumes(&self, show: &ShowIn) -> Result<EngineResult> {
        let (schema, state) = (self.show_schema(show)?, self.shared.metastore.state());
        let names = Pattern::parse(show.like.as_deref())?.filter(state.schema(&schema)?.volumes.keys());
        let database = names.iter().map(|_| Some(schema.schema.as_str()));
        Rows::new()
            .text("database", database)
            .text("volume_name", names.iter().map(Option::as_deref))
            .finish(self)
            .await
    }

    fn show_schema(&self, show: &ShowIn) -> Result<SchemaPath> {
        match show.within.as_deref() {
            None => SchemaPath::parse(&self.catalog, &self.schema),
            Some(name) => self.schema_path(name),
        }
    }
}

fn not_a(kind: &str, parts: &[String]) -> LocalError {
    let message = format!("'{}' is not a {kind} name: it has {} parts.", parts.join("."), parts.len());
    LocalError::new("IDENTIFIER_TOO_MANY_NAME_PARTS", "42601", message)
}
