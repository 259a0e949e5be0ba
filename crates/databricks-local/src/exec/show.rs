//! SHOW CATALOGS, SCHEMAS, TABLES and VOLUMES.

use databricks_testkit::EngineResult;

use super::rows::Rows;
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::{ObjectName, SchemaPath};
use crate::parse::ShowIn;

impl Statement {
    pub(super) async fn show_catalogs(&self, like: Option<&str>) -> Result<EngineResult> {
        let state = self.shared.metastore.state();
        Rows::new().text("catalog", matching(state.catalogs.keys(), like)).finish(self).await
    }

    pub(super) async fn show_schemas(&self, show: &ShowIn) -> Result<EngineResult> {
        let catalog = match show.within.as_deref() {
            None => ObjectName::parse(&self.catalog)?,
            Some([catalog]) => ObjectName::parse(catalog)?,
            Some(parts) => return Err(not_a("catalog", parts)),
        };
        let state = self.shared.metastore.state();
        let names = matching(state.catalog(&catalog)?.schemas.keys(), show.like.as_deref());
        Rows::new().text("databaseName", names).finish(self).await
    }

    pub(super) async fn show_tables(&self, show: &ShowIn) -> Result<EngineResult> {
        let (schema, state) = (self.show_schema(show)?, self.shared.metastore.state());
        let names = matching(state.schema(&schema)?.tables.keys(), show.like.as_deref());
        Rows::new()
            .text("database", names.iter().map(|_| Some(schema.schema.as_str())))
            .text("tableName", names.iter().map(Option::as_deref))
            .boolean("isTemporary", names.iter().map(|_| Some(false)))
            .finish(self)
            .await
    }

    pub(super) async fn show_volumes(&self, show: &ShowIn) -> Result<EngineResult> {
        let (schema, state) = (self.show_schema(show)?, self.shared.metastore.state());
        let names = matching(state.schema(&schema)?.volumes.keys(), show.like.as_deref());
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

/// The names that match a LIKE pattern.
fn matching<'a>(names: impl Iterator<Item = &'a ObjectName>, like: Option<&str>) -> Vec<Option<String>> {
    let fits = |name: &str| {
        like.is_none_or(|like| like.split('|').any(|pattern| glob(&pattern.trim().to_lowercase(), name)))
    };
    names.map(ObjectName::as_str).filter(|name| fits(name)).map(|name| Some(name.to_owned())).collect()
}

/// Whether a name matches a pattern in which `*` is any text.
fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(tail) = name.strip_prefix(head) else { return false };
    tail.char_indices()
        .map(|(at, _)| at)
        .chain([tail.len()])
        .any(|at| tail.get(at..).is_some_and(|t| glob(rest, t)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn like_takes_stars_and_alternatives() {
        let names: Vec<ObjectName> =
            ["orders", "order_items", "users"].map(|n| ObjectName::parse(n).unwrap()).into();
        let show = |like| matching(names.iter(), Some(like)).into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(show("Order*"), ["orders", "order_items"]);
        assert_eq!(show("*s|nothing"), ["orders", "order_items", "users"]);
        assert_eq!(show("users"), ["users"]);
        assert!(show("user").is_empty());
    }
}
