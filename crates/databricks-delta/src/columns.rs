//! Pairing the columns of the data with those of the table.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Fields};
use databricks_schema::{ColumnSchema, TableName, TableSchema};

use crate::error::{DeltaError, Result};

/// A column of the data, with the table's column of that name if it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paired<'a> {
    pub(crate) name: &'a str,
    pub(crate) target: Option<&'a ColumnSchema>,
}

/// Pairs by name, without regard to case.
pub(crate) fn pair<'a>(
    names: impl IntoIterator<Item = &'a str>,
    table: &'a TableSchema,
) -> Result<Vec<Paired<'a>>> {
    let mut seen = HashSet::new();
    names
        .into_iter()
        .map(|name| match seen.insert(name.to_lowercase()) {
            true => Ok(Paired { name, target: table.column(name) }),
            false => Err(DeltaError::DuplicateColumn { column: name.to_owned() }),
        })
        .collect()
}

impl<'a> Paired<'a> {
    /// The table's column.
    pub(crate) fn known(&self, table: &TableName, schema: &TableSchema) -> Result<&'a ColumnSchema> {
        self.target.ok_or_else(|| DeltaError::UnknownColumn {
            column: self.name.to_owned(),
            table: table.full_name(),
            columns: schema.columns.iter().map(|column| column.name.clone()).collect(),
        })
    }
}

/// The field of a file that carries values for a table's column, under the data's own name for it.
///
/// DECIMALs travel as text and are cast by the server: it rounds and checks them as SQL does, where the encoder would
/// cut digits.
pub(crate) fn file_field(name: &str, column: &ColumnSchema) -> Result<FieldRef> {
    let data_type = databricks_schema::arrow::to_arrow(&column.data_type)?;
    Ok(Arc::new(Field::new(name, in_file(&data_type), true)))
}

fn in_file(data_type: &ArrowType) -> ArrowType {
    match data_type {
        ArrowType::Decimal32(..)
        | ArrowType::Decimal64(..)
        | ArrowType::Decimal128(..)
        | ArrowType::Decimal256(..) => ArrowType::Utf8,
        ArrowType::List(element) => ArrowType::List(nullable(element)),
        ArrowType::LargeList(element) => ArrowType::LargeList(nullable(element)),
        ArrowType::Struct(fields) => ArrowType::Struct(fields.iter().map(nullable).collect()),
        ArrowType::Map(entries, sorted) => ArrowType::Map(map_entries(entries), *sorted),
        scalar => scalar.clone(),
    }
}

/// Whether a field may be NULL is for the table to check, where the message names the column.
fn nullable(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), in_file(field.data_type()), true))
}

/// A map's entries and keys are never NULL, and Parquet insists.
fn map_entries(entries: &FieldRef) -> FieldRef {
    let ArrowType::Struct(fields) = entries.data_type() else { return Arc::clone(entries) };
    let fields: Fields = fields
        .iter()
        .enumerate()
        .map(|(index, field)| Field::new(field.name(), in_file(field.data_type()), index > 0))
        .collect();
    Arc::new(Field::new(entries.name(), ArrowType::Struct(fields), false))
}

/// Whether a column of this type holds text.
pub(crate) fn is_text(data_type: &ArrowType) -> bool {
    match data_type {
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => true,
        ArrowType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_match_without_regard_to_case_and_must_not_repeat() {
        let schema = TableSchema::parse("id BIGINT, Wind DOUBLE").unwrap();
        let paired = pair(["ID", "wind", "rain"], &schema).unwrap();
        let targets: Vec<_> =
            paired.iter().map(|pair| pair.target.map(|column| column.name.as_str())).collect();
        assert_eq!(targets, [Some("id"), Some("Wind"), None]);
        assert!(
            matches!(pair(["a", "A"], &schema), Err(DeltaError::DuplicateColumn { column }) if column == "A")
        );
    }

    #[test]
    fn an_unknown_column_is_named_with_the_tables_columns() {
        let schema = TableSchema::parse("id BIGINT, Wind DOUBLE").unwrap();
        let table = TableName::new("main", "weather", "days").unwrap();
        let paired = pair(["rain"], &schema).unwrap();
        insta::assert_snapshot!(paired[0].known(&table, &schema).unwrap_err());
    }

    #[test]
    fn decimals_travel_as_text_at_any_depth() {
        let schema =
            TableSchema::parse("a ARRAY<STRUCT<d: DECIMAL(10,2) NOT NULL, m: MAP<STRING, DECIMAL(3,1)>>>")
                .unwrap();
        let field = file_field("A", &schema.columns[0]).unwrap();
        let text = format!("{:?}", field.data_type());
        assert!(!text.contains("Decimal") && field.name() == "A", "{text}");
    }
}
