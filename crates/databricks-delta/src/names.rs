//! Names as callers write them: `t`, `s.t` or `c.s.t`, completed from the client's catalog and schema.

use databricks_schema::{TableName, quote};

use crate::error::{DeltaError, Result};

/// What can name a table: `"t"` (in the client's catalog and schema), `"s.t"`, `"c.s.t"`, or a [`TableName`].
///
/// A part may stand in backticks, as in SQL: ``"main.`my-schema`.t"``.
pub trait IntoTableName {
    /// Completes the name with `catalog` and `schema` where it does not give them.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`] when the text is not a name of one to three parts.
    fn into_table_name(self, catalog: &str, schema: &str) -> Result<TableName>;
}

impl IntoTableName for TableName {
    fn into_table_name(self, _catalog: &str, _schema: &str) -> Result<TableName> {
        Ok(self)
    }
}

impl IntoTableName for &TableName {
    fn into_table_name(self, _catalog: &str, _schema: &str) -> Result<TableName> {
        Ok(self.clone())
    }
}

impl IntoTableName for &str {
    fn into_table_name(self, catalog: &str, schema: &str) -> Result<TableName> {
        complete(self, catalog, schema)
    }
}

impl IntoTableName for String {
    fn into_table_name(self, catalog: &str, schema: &str) -> Result<TableName> {
        complete(&self, catalog, schema)
    }
}

impl IntoTableName for &String {
    fn into_table_name(self, catalog: &str, schema: &str) -> Result<TableName> {
        complete(self, catalog, schema)
    }
}

/// A name that a builder was given: kept with what is wrong with it, so that the builder's end can say so.
#[derive(Debug, Clone)]
pub(crate) struct Target(Result<TableName, (String, String)>);

impl Target {
    pub(crate) fn new(name: impl IntoTableName, catalog: &str, schema: &str) -> Self {
        Self(name.into_table_name(catalog, schema).map_err(|error| match error {
            DeltaError::InvalidName { name, reason } => (name, reason),
            other => (String::new(), other.to_string()),
        }))
    }

    pub(crate) fn get(&self) -> Result<&TableName> {
        self.0
            .as_ref()
            .map_err(|(name, reason)| DeltaError::InvalidName { name: name.clone(), reason: reason.clone() })
    }
}

fn complete(name: &str, catalog: &str, schema: &str) -> Result<TableName> {
    let invalid = |reason: String| DeltaError::InvalidName { name: name.to_owned(), reason };
    let parts = quote::split_name(name).map_err(|error| invalid(error.to_string()))?;
    let completed = match parts.as_slice() {
        [table] => TableName::new(catalog, schema, table),
        [schema, table] => TableName::new(catalog, schema, table),
        [catalog, schema, table] => TableName::new(catalog, schema, table),
        _ => return Err(invalid("it has more than the three parts catalog, schema and table".to_owned())),
    };
    completed.map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(name: &str) -> Result<String> {
        name.into_table_name("main", "weather").map(|name| name.full_name())
    }

    #[test]
    fn missing_parts_come_from_the_client() {
        assert_eq!(named("days").unwrap(), "main.weather.days");
        assert_eq!(named("sea.days").unwrap(), "main.sea.days");
        assert_eq!(named("lab.sea.days").unwrap(), "lab.sea.days");
        assert_eq!(named("`lab`.sea.`days`").unwrap(), "lab.sea.days");
    }

    #[test]
    fn a_malformed_name_is_an_error_that_names_it() {
        for name in ["", ".", "a.", "a..b", "a.b.c.d", "`a", "`a`b", "a`b", "a b"] {
            let error = named(name).unwrap_err();
            assert!(
                matches!(&error, DeltaError::InvalidName { name: given, .. } if given == name),
                "{name}: {error}"
            );
        }
    }
}
