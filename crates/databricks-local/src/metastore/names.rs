//! Names of catalogs, schemas, tables and volumes: checked, and lower case as Unity Catalog keeps them.

use std::fmt;

use crate::error::{LocalError, Result};

/// The most bytes a folder's name may have on the usual file systems.
const MAX_BYTES: usize = 255;

/// A checked object name, lower case. Safe as one segment of a path: it holds no `.`, no slash, no control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ObjectName(String);

impl ObjectName {
    /// Checks a name as Unity Catalog does.
    ///
    /// # Errors
    /// `[INVALID_PARAMETER_VALUE.INVALID_NAME]` for an empty or too long name, and for one that holds a period, a
    /// space, a slash, a backslash or a control character.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        let invalid = |why: &str| {
            let message = format!("The name '{name}' is not valid: {why}.");
            Err(LocalError::new("INVALID_PARAMETER_VALUE.INVALID_NAME", "22023", message))
        };
        let lower = name.to_lowercase();
        if lower.is_empty() {
            return invalid("a name has at least one character");
        }
        if lower.len() > MAX_BYTES {
            return invalid("a name has at most 255 bytes");
        }
        if lower.chars().any(|c| matches!(c, '.' | ' ' | '/' | '\\') || c.is_control()) {
            return invalid("a name holds no period, space, slash, backslash or control character");
        }
        Ok(Self(lower))
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ObjectName {
    type Error = LocalError;

    fn try_from(name: String) -> Result<Self> {
        Self::parse(&name)
    }
}

impl From<ObjectName> for String {
    fn from(name: ObjectName) -> Self {
        name.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A schema in its catalog. Displays quoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SchemaPath {
    pub(crate) catalog: ObjectName,
    pub(crate) schema: ObjectName,
}

impl SchemaPath {
    /// Checks both names.
    pub(crate) fn parse(catalog: &str, schema: &str) -> Result<Self> {
        Ok(Self { catalog: ObjectName::parse(catalog)?, schema: ObjectName::parse(schema)? })
    }
}

impl fmt::Display for SchemaPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`.`{}`", self.catalog, self.schema)
    }
}

/// A table or volume in its schema. Displays quoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectPath {
    pub(crate) parent: SchemaPath,
    pub(crate) name: ObjectName,
}

impl ObjectPath {
    /// Checks all three names.
    pub(crate) fn parse(catalog: &str, schema: &str, name: &str) -> Result<Self> {
        Ok(Self { parent: SchemaPath::parse(catalog, schema)?, name: ObjectName::parse(name)? })
    }

    /// `catalog.schema.name`, as REST and `DESCRIBE DETAIL` write it.
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}.{}", self.parent.catalog, self.parent.schema, self.name)
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.`{}`", self.parent, self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_are_kept_in_lower_case() {
        assert_eq!(ObjectPath::parse("Main", "Sales", "Orders").unwrap().full_name(), "main.sales.orders");
    }

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for bad in ["", ".", "..", "a/b", "a\\b", "a b", "a.b", "a\0", &"x".repeat(256)] {
            let error = ObjectName::parse(bad).expect_err(bad);
            assert_eq!(error.sql_state(), "22023");
        }
    }
}
