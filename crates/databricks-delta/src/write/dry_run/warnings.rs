//! What stands against a write, and what could be better about it.

use arrow::datatypes::FieldRef;
use databricks_schema::{DataType, SchemaCompatibility, TableSchema, Widening};

use super::data::Data;
use crate::columns::is_text;
use crate::statement::copy::MOST_FILES;
use crate::write::SchemaMode;

/// More rows than these are called many.
const MANY_ROWS: u64 = 1_000_000;
/// More partitions than these are called many.
const MANY_PARTITIONS: usize = 100;

#[derive(Debug, Default)]
pub(super) struct Warnings {
    texts: Vec<String>,
    is_against: bool,
}

impl Warnings {
    /// A reason why the write would put nothing into the table.
    pub(super) fn against(&mut self, reason: String) {
        self.is_against = true;
        self.texts.push(reason);
    }

    pub(super) fn is_against(&self) -> bool {
        self.is_against
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts
    }

    pub(super) fn of_schema(&mut self, compatibility: &SchemaCompatibility, mode: SchemaMode) {
        match (compatibility, mode) {
            (SchemaCompatibility::Identical, _) => {}
            (SchemaCompatibility::Incompatible { reasons }, _) => {
                let reasons = reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                self.against(format!("the table cannot take the data: {reasons}"));
            }
            (
                SchemaCompatibility::Evolution { new_columns }
                | SchemaCompatibility::Combined { new_columns, .. },
                SchemaMode::Strict,
            ) if !new_columns.is_empty() => {
                let names = new_columns.iter().map(|new| format!("`{}`", new.column.name));
                let names = names.collect::<Vec<_>>().join(", ");
                self.against(format!(
                    "the table lacks {names}: add them by `SchemaMode::Evolve`, or leave them out of the data"
                ));
            }
            (_, SchemaMode::Strict) => {}
            (_, SchemaMode::Evolve) => self.texts.push("the table's schema would be changed".to_owned()),
        }
    }

    /// Columns whose values the statement casts, so that one that does not fit fails it.
    pub(super) fn of_casts(&mut self, fields: &[FieldRef], table: &TableSchema) {
        for field in fields {
            let Some(column) = table.column(field.name()) else { continue };
            let (name, wanted) = (&column.name, &column.data_type);
            let is_text_column = matches!(
                wanted,
                DataType::String | DataType::Char(_) | DataType::Varchar(_) | DataType::Variant
            );
            if is_text(field.data_type()) && !is_text_column {
                self.texts.push(format!(
                    "column `{name}` is text and is cast to {wanted}: a value that is none fails the write"
                ));
                continue;
            }
            let Ok(given) = databricks_schema::arrow::from_arrow(field.data_type()) else { continue };
            if Widening::between(wanted, &given).is_some() {
                self.texts.push(format!(
                    "column `{name}` is {given} and is cast to {wanted}: a value that does not fit fails the write"
                ));
            }
        }
    }

    pub(super) fn of_data(&mut self, data: &Data, of_files: bool, partitioned_by: &[String]) {
        if data.rows == 0 {
            self.against("there are no rows to write".to_owned());
        }
        for name in &data.lacking {
            self.against(format!("column `{name}` is NOT NULL and the data lacks it"));
        }
        for (name, count) in &data.nulls {
            self.against(format!("column `{name}` is NOT NULL and the data has {count} NULLs in it"));
        }
        if data.rows > MANY_ROWS {
            self.texts.push(format!(
                "{} rows are a large write, in {} parts: with a larger `batch_size` there are fewer and larger files",
                data.rows, data.parts
            ));
        }
        if data.parts > MOST_FILES as u64 {
            self.texts.push(format!(
                "{} parts are more than the {MOST_FILES} that a statement may name: a larger `batch_size` makes fewer",
                data.parts
            ));
        }
        if of_files && !partitioned_by.is_empty() {
            self.texts.push("the partitions that the rows of files go to are not looked at".to_owned());
        }
        if data.partitions.count() > MANY_PARTITIONS {
            let more = if data.partitions.is_cut() { " or more" } else { "" };
            self.texts.push(format!(
                "{}{more} partitions get rows: many partitions make many small files",
                data.partitions.count()
            ));
        }
    }
}
