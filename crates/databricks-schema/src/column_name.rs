//! Which names a column of a Delta table may have.

use crate::{Result, SchemaError};

/// Characters that a column name may hold only with column mapping.
const NEEDS_MAPPING: &str = " ,;{}()\n\t=";

/// Columns of the change data feed.
const CHANGE_DATA_FEED: [&str; 3] = ["_change_type", "_commit_version", "_commit_timestamp"];

/// The longest name of a column, in characters, as of every object of Unity Catalog.
const MAX_LENGTH: usize = 255;

/// What the table's properties allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnNameRules {
    /// `delta.columnMapping.mode` is `name` or `id`: any character goes.
    pub column_mapping: bool,
    /// `delta.enableChangeDataFeed` is on: three names are taken.
    pub change_data_feed: bool,
}

impl ColumnNameRules {
    /// Whether column mapping is on.
    pub fn with_column_mapping(mut self, on: bool) -> Self {
        self.column_mapping = on;
        self
    }

    /// Whether the change data feed is on.
    pub fn with_change_data_feed(mut self, on: bool) -> Self {
        self.change_data_feed = on;
        self
    }
}

/// Checks that a Delta table with these properties can have a column of this name.
///
/// # Errors
/// [`SchemaError::InvalidColumnName`] or [`SchemaError::ReservedColumnName`].
pub fn validate_column_name(name: &str, rules: ColumnNameRules) -> Result<()> {
    let invalid = |reason: String| Err(SchemaError::InvalidColumnName { name: name.to_owned(), reason });
    if name.is_empty() {
        return invalid("a name is empty; give the column a name".into());
    }
    let length = name.chars().count();
    if length > MAX_LENGTH {
        return invalid(format!("it has {length} characters; at most {MAX_LENGTH} are allowed"));
    }
    if rules.change_data_feed && CHANGE_DATA_FEED.iter().any(|taken| taken.eq_ignore_ascii_case(name)) {
        return Err(SchemaError::ReservedColumnName { name: name.to_owned() });
    }
    match name.chars().find(|c| NEEDS_MAPPING.contains(*c)) {
        Some(c) if !rules.column_mapping => invalid(format!(
            "it holds {c:?}; rename the column, or set 'delta.columnMapping.mode' = 'name' on the table"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn special_characters_need_column_mapping() {
        let mapped = ColumnNameRules::default().with_column_mapping(true);
        for c in NEEDS_MAPPING.chars() {
            let name = format!("a{c}b");
            let error = validate_column_name(&name, ColumnNameRules::default()).unwrap_err().to_string();
            assert!(error.contains("delta.columnMapping.mode"), "{error}");
            validate_column_name(&name, mapped).unwrap();
        }
        for name in ["a", "naïve", "a-b", "a.b", "_change_type"] {
            validate_column_name(name, ColumnNameRules::default()).unwrap();
        }
        assert!(validate_column_name("", mapped).is_err());
        validate_column_name(&"é".repeat(MAX_LENGTH), mapped).unwrap();
        let error = validate_column_name(&"é".repeat(MAX_LENGTH + 1), mapped).unwrap_err().to_string();
        assert!(error.contains("256 characters"), "{error}");
    }

    #[test]
    fn change_data_feed_keeps_its_names_in_any_case() {
        let rules = ColumnNameRules::default().with_change_data_feed(true);
        let error = validate_column_name("_Commit_Version", rules).unwrap_err();
        assert!(matches!(error, SchemaError::ReservedColumnName { .. }), "{error}");
        validate_column_name("commit_version", rules).unwrap();
    }
}
