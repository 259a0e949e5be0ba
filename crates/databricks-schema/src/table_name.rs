//! Names of tables in Unity Catalog.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Result, SchemaError, quote};

/// The longest name of a catalog, schema, table or volume, in characters.
const MAX_LENGTH: usize = 255;

/// The full name of a table: catalog, schema and table, each valid.
///
/// Unity Catalog keeps names in lower case and matches them in any case, so two names that differ in case only are
/// equal here: names are held in lower case.
///
/// ```
/// use databricks_schema::TableName;
///
/// let name = TableName::new("main", "sales", "Orders")?;
/// assert_eq!(name.to_string(), "`main`.`sales`.`orders`"); // for SQL
/// assert_eq!(name.full_name(), "main.sales.orders"); // for REST
/// assert_eq!(TableName::parse("MAIN.sales.`orders`")?, name);
/// # Ok::<(), databricks_schema::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    catalog: String,
    schema: String,
    table: String,
}

impl TableName {
    /// The table `table` in `catalog` and `schema`; the parts are names, without quotes.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`] naming the part: see [`validate_object_name`].
    pub fn new(catalog: &str, schema: &str, table: &str) -> Result<Self> {
        Ok(Self {
            catalog: valid("catalog", catalog)?,
            schema: valid("schema", schema)?,
            table: valid("table", table)?,
        })
    }

    /// The name of a table that nobody names: a schema on its own.
    pub(crate) fn unnamed() -> Self {
        let part = || "_".to_owned();
        Self { catalog: part(), schema: part(), table: part() }
    }

    /// Reads `catalog.schema.table`, each part between backticks or not.
    ///
    /// # Errors
    /// [`SchemaError::InvalidName`] unless there are three valid parts.
    pub fn parse(name: &str) -> Result<Self> {
        match quote::split_name(name)?.as_slice() {
            [catalog, schema, table] => Self::new(catalog, schema, table),
            parts => Err(SchemaError::InvalidName {
                kind: "table",
                name: name.to_owned(),
                reason: format!("it has {} parts; write `catalog.schema.table`", parts.len()),
            }),
        }
    }

    /// The catalog.
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// The schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// `catalog.schema.table` without quotes, as the REST API wants it.
    pub fn full_name(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.schema, self.table)
    }
}

/// SQL: `` `catalog`.`schema`.`table` ``.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote::column_path(&[&self.catalog, &self.schema, &self.table]))
    }
}

impl FromStr for TableName {
    type Err = SchemaError;

    fn from_str(name: &str) -> Result<Self> {
        Self::parse(name)
    }
}

impl TryFrom<String> for TableName {
    type Error = SchemaError;

    fn try_from(name: String) -> Result<Self> {
        Self::parse(&name)
    }
}

/// `` `catalog`.`schema`.`table` ``, which parses back whatever the parts hold.
impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

/// Checks the name of a catalog, schema, table or volume (`kind`): 1 to 255 characters; no dot, space, slash or
/// control character.
///
/// # Errors
/// [`SchemaError::InvalidName`].
pub fn validate_object_name(kind: &'static str, name: &str) -> Result<()> {
    let invalid = |reason: String| {
        let name: String = name.chars().take(MAX_LENGTH).collect();
        Err(SchemaError::InvalidName { kind, name, reason })
    };
    let length = name.chars().count();
    if length == 0 {
        return invalid("a name is empty".into());
    }
    if length > MAX_LENGTH {
        return invalid(format!("it has {length} characters; at most {MAX_LENGTH} are allowed"));
    }
    match name.chars().find(|c| matches!(c, '.' | ' ' | '/') || c.is_ascii_control()) {
        Some(c) => {
            invalid(format!("it holds {c:?}; dots, spaces, slashes and control characters are not allowed"))
        }
        None => Ok(()),
    }
}

fn valid(kind: &'static str, name: &str) -> Result<String> {
    validate_object_name(kind, name)?;
    Ok(name.to_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quoting_is_safe_and_reversible() {
        let name = TableName::new("a`b", "c-d", "é`;--").unwrap();
        assert_eq!(name.to_string(), "`a``b`.`c-d`.`é``;--`");
        assert_eq!(TableName::parse(&name.to_string()).unwrap(), name);
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(serde_json::from_str::<TableName>(&json).unwrap(), name);
    }

    #[test]
    fn invalid_parts_are_named() {
        let long = "x".repeat(256);
        for (catalog, schema, table, part) in [
            ("", "s", "t", "catalog name"),
            ("c", "a b", "t", "schema name `a b`"),
            ("c", "s", "a.b", "table name `a.b`"),
            ("c", "s", "a/b", "table name `a/b`"),
            ("c", "s", "a\u{7f}", "table name"),
            ("c", "s", "a\nb", "table name"),
            ("c", "s", long.as_str(), "256 characters"),
        ] {
            let error = TableName::new(catalog, schema, table).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        TableName::new("c", "s", &"é".repeat(255)).unwrap();
    }

    #[test]
    fn three_parts_are_needed() {
        for name in ["t", "s.t", "a.b.c.d", "a..c", ""] {
            let error = TableName::parse(name).unwrap_err().to_string();
            assert!(error.contains("catalog.schema.table"), "{error}");
        }
    }
}
