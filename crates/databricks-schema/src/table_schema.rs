//! The schema of a table.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evolve::same_name;
use crate::{ColumnNameRules, ColumnPath, ColumnSchema, DataType, Result, SchemaError, validate_column_name};

/// The columns of a table, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableSchema {
    /// The columns.
    pub columns: Vec<ColumnSchema>,
}

impl TableSchema {
    /// A schema of these columns.
    pub fn new(columns: impl IntoIterator<Item = ColumnSchema>) -> Self {
        Self { columns: columns.into_iter().collect() }
    }

    /// Reads a DDL column list: `id BIGINT NOT NULL COMMENT 'key', tags ARRAY<STRING>`, in parentheses or not.
    ///
    /// Defaults, generated columns and masks are read too; constraints are refused, not dropped.
    ///
    /// # Errors
    /// [`SchemaError::UnreadableType`] with the place; [`SchemaError::DuplicateColumn`].
    pub fn parse(text: &str) -> Result<Self> {
        let schema = Self { columns: crate::parse::columns(text)? };
        schema.check_duplicates()?;
        Ok(schema)
    }

    /// The column of this name, in any case.
    pub fn column(&self, name: &str) -> Option<&ColumnSchema> {
        self.columns.iter().find(|column| same_name(&column.name, name))
    }

    /// The same columns, these ones NOT NULL. Names match in any case.
    ///
    /// # Errors
    /// [`SchemaError::InvalidColumnName`] for a name that no column has.
    pub fn with_not_null<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Result<Self> {
        for name in names {
            let name = name.as_ref();
            let Some(column) = self.columns.iter_mut().find(|column| same_name(&column.name, name)) else {
                let known =
                    self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
                let reason = format!("there is no such column; there are {known}");
                return Err(SchemaError::InvalidColumnName { name: name.to_owned(), reason });
            };
            column.nullable = false;
        }
        Ok(self)
    }

    /// The same columns, each of which may be NULL, as may the fields of its structs.
    pub fn all_nullable(mut self) -> Self {
        for column in &mut self.columns {
            column.nullable = true;
            allow_null(&mut column.data_type);
        }
        self
    }

    /// Checks that a Delta table can have these columns: names allowed by `rules`, nested ones included, and none
    /// twice.
    ///
    /// # Errors
    /// [`SchemaError::InvalidColumnName`], [`SchemaError::ReservedColumnName`] or [`SchemaError::DuplicateColumn`].
    pub fn validate(&self, rules: ColumnNameRules) -> Result<()> {
        self.check_duplicates()?;
        for column in &self.columns {
            validate_column_name(&column.name, rules)?;
            validate_nested(&column.data_type, rules)?;
        }
        Ok(())
    }

    pub(crate) fn check_duplicates(&self) -> Result<()> {
        self.duplicates().first().map_or(Ok(()), |column| Err(duplicate(column)))
    }

    /// Every column and field whose name came before.
    pub(crate) fn duplicates(&self) -> Vec<ColumnPath> {
        let mut found = Vec::new();
        let columns = self.columns.iter().map(|column| (column.name.as_str(), &column.data_type));
        repeated(columns, &ColumnPath::default(), &mut found);
        found
    }
}

/// The DDL column list, without parentheses.
impl fmt::Display for TableSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{column}")?;
        }
        Ok(())
    }
}

impl std::str::FromStr for TableSchema {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl FromIterator<ColumnSchema> for TableSchema {
    fn from_iter<I: IntoIterator<Item = ColumnSchema>>(columns: I) -> Self {
        Self::new(columns)
    }
}

/// The error of a column whose name came before.
pub(crate) fn duplicate(column: &ColumnPath) -> SchemaError {
    SchemaError::DuplicateColumn { name: column.names().join(".") }
}

fn repeated<'a>(
    columns: impl Iterator<Item = (&'a str, &'a DataType)>,
    parent: &ColumnPath,
    found: &mut Vec<ColumnPath>,
) {
    let mut seen = HashSet::new();
    for (name, data_type) in columns {
        let path = parent.child(name);
        repeated_inside(data_type, &path, found);
        if !seen.insert(name.to_lowercase()) {
            found.push(path);
        }
    }
}

fn repeated_inside(data_type: &DataType, path: &ColumnPath, found: &mut Vec<ColumnPath>) {
    match data_type {
        DataType::Array(element) => repeated_inside(element, &path.child("element"), found),
        DataType::Map(key, value) => {
            repeated_inside(key, &path.child("key"), found);
            repeated_inside(value, &path.child("value"), found);
        }
        DataType::Struct(fields) => {
            repeated(fields.iter().map(|field| (field.name.as_str(), &field.data_type)), path, found);
        }
        _ => {}
    }
}

fn validate_nested(data_type: &DataType, rules: ColumnNameRules) -> Result<()> {
    match data_type {
        DataType::Array(element) => validate_nested(element, rules),
        DataType::Map(key, value) => {
            validate_nested(key, rules)?;
            validate_nested(value, rules)
        }
        // Only top-level columns can collide with the change data feed's own.
        DataType::Struct(fields) => fields.iter().try_for_each(|field| {
            validate_column_name(&field.name, rules.with_change_data_feed(false))?;
            validate_nested(&field.data_type, rules)
        }),
        _ => Ok(()),
    }
}

fn allow_null(data_type: &mut DataType) {
    match data_type {
        DataType::Array(element) => allow_null(element),
        DataType::Map(key, value) => {
            allow_null(key);
            allow_null(value);
        }
        DataType::Struct(fields) => fields.iter_mut().for_each(|field| {
            field.nullable = true;
            allow_null(&mut field.data_type);
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn column_lists_read_what_they_print() {
        let text = "`id` BIGINT NOT NULL COMMENT 'it\\'s the key', `a b` STRUCT<x: ARRAY<INT>>, `c``d` DECIMAL(10,2)";
        let schema = TableSchema::parse(text).unwrap();
        assert_eq!(schema.to_string(), text);
        assert_eq!(TableSchema::parse(&format!(" ({text}) ")).unwrap(), schema);
        assert_eq!(schema.column("ID").unwrap().comment.as_deref(), Some("it's the key"));
        assert!(schema.column("x").is_none());
    }

    #[test]
    fn empty_lists_are_schemas_without_columns() {
        assert_eq!(TableSchema::parse("").unwrap(), TableSchema::default());
        assert_eq!(TableSchema::parse("()").unwrap(), TableSchema::default());
    }

    #[test]
    fn what_a_column_list_cannot_keep_is_refused() {
        for text in [
            "id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 1.5)",
            "id BIGINT GENERATED ALWAYS AS (1 + (2)",
            "id BIGINT DEFAULT",
            "id BIGINT DEFAULT 1 DEFAULT 2",
            "id BIGINT CONSTRAINT positive CHECK (id > 0)",
            "id BIGINT PRIMARY KEY",
            "id",
            "id BIGINT,",
            "(id BIGINT",
            "id BIGINT)",
            "(id BIGINT,)",
            ",",
        ] {
            assert!(matches!(TableSchema::parse(text), Err(SchemaError::UnreadableType { .. })), "{text}");
        }
    }

    #[test]
    fn duplicates_are_found_in_any_case_and_depth() {
        let error = TableSchema::parse("a INT, A STRING").unwrap_err().to_string();
        assert!(error.contains("`A`"), "{error}");
        let error = TableSchema::parse("a ARRAY<STRUCT<b: INT, B: INT>>").unwrap_err().to_string();
        assert!(error.contains("`a.element.B`"), "{error}");
    }

    #[test]
    fn nested_names_are_validated() {
        let schema = TableSchema::parse("a MAP<STRING, STRUCT<`b c`: INT>>").unwrap();
        let error = schema.validate(ColumnNameRules::default()).unwrap_err().to_string();
        assert!(error.contains("`b c`"), "{error}");
        schema.validate(ColumnNameRules::default().with_column_mapping(true)).unwrap();
    }

    #[test]
    fn json_has_defaults_and_text_types() {
        let schema: TableSchema =
            serde_json::from_str(r#"{"columns":[{"name":"a","data_type":"array<int>"}]}"#).unwrap();
        assert_eq!(schema, TableSchema::parse("a ARRAY<INT>").unwrap());
    }
}
