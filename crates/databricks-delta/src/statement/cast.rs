//! From a column of staged data to a column of the table.

use databricks_schema::{ColumnSchema, DataType, StructField, quote};

use crate::error::{DeltaError, Result};

/// One column of a select list over staged data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CastColumn {
    pub(crate) target: String,
    expression: String,
}

impl CastColumn {
    /// Casts the data's column `source` to the table's column `target`. `text` says whether the data holds text.
    pub(crate) fn new(source: &str, target: &str, data_type: &DataType, text: bool) -> Result<Self> {
        let column = quote::identifier(source);
        let expression = match data_type {
            DataType::Variant if text => format!("parse_json({column})"),
            DataType::Variant => format!("CAST({column} AS VARIANT)"),
            other => {
                let wanted = cast_type(other).map_err(|reason| DeltaError::UnsupportedType {
                    column: target.to_owned(),
                    data_type: data_type.to_string(),
                    reason: reason.to_owned(),
                })?;
                format!("CAST({column} AS {wanted})")
            }
        };
        Ok(Self { target: target.to_owned(), expression })
    }

    /// A column that is taken as it is.
    pub(crate) fn plain(name: &str) -> Self {
        Self { target: name.to_owned(), expression: quote::identifier(name) }
    }

    /// A column that the data does not have: its default, else NULL, as in a statement that does not list it.
    pub(crate) fn left_out(column: &ColumnSchema) -> Self {
        let value = column.default.as_ref().map_or_else(|| "NULL".to_owned(), |value| format!("({value}\n)"));
        // A type without a cast takes the value as it is.
        let expression = match cast_type(&column.data_type) {
            Ok(wanted) if column.data_type != DataType::Variant => format!("CAST({value} AS {wanted})"),
            _ => value,
        };
        Self { target: column.name.clone(), expression }
    }

    /// Whether it is this column of the table that it fills.
    pub(crate) fn fills(&self, column: &ColumnSchema) -> bool {
        self.target == column.name
    }

    pub(crate) fn to_sql(&self) -> String {
        let target = quote::identifier(&self.target);
        if self.expression == target { target } else { format!("{} AS {target}", self.expression) }
    }
}

/// The type to cast to so that the table's column takes the value, and checks it.
fn cast_type(data_type: &DataType) -> Result<DataType, &'static str> {
    Ok(match data_type {
        // A cast to CHAR or VARCHAR cuts long text; assigning a STRING to such a column is an error instead.
        DataType::Char(_) | DataType::Varchar(_) => DataType::String,
        DataType::Array(element) => DataType::array(cast_type(element)?),
        DataType::Map(key, value) => DataType::map(cast_type(key)?, cast_type(value)?),
        // A cast cannot promise NOT NULL; the table checks it when the row is stored.
        DataType::Struct(fields) => {
            let field = |field: &StructField| Ok(StructField::new(&field.name, cast_type(&field.data_type)?));
            DataType::Struct(fields.iter().map(field).collect::<Result<_, &'static str>>()?)
        }
        DataType::Interval(_) => return Err("files hold no intervals; write it by an INSERT statement"),
        DataType::Geography(_) | DataType::Geometry(_) => {
            return Err(
                "files hold no shapes; write them as text to another column and convert them by an UPDATE",
            );
        }
        DataType::Void => return Err("the column takes only NULL; leave it out of the data"),
        DataType::Variant => {
            return Err("a VARIANT inside another type cannot be loaded from a file; make it a column");
        }
        scalar => scalar.clone(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cast(data_type: &str) -> Result<String> {
        let data_type = DataType::parse(data_type)?;
        Ok(CastColumn::new("In", "out", &data_type, true)?.to_sql())
    }

    #[test]
    fn casts_by_the_tables_types() {
        let types = [
            "INT",
            "DECIMAL(10,2)",
            "TIMESTAMP_NTZ",
            "CHAR(3)",
            "VARIANT",
            "ARRAY<VARCHAR(5)>",
            "MAP<STRING, STRUCT<a: INT NOT NULL COMMENT 'key', `b c`: DATE>>",
        ];
        insta::assert_snapshot!(types.map(|data_type| cast(data_type).unwrap()).join(",\n"));
    }

    #[test]
    fn types_without_a_cast_are_refused_with_the_column() {
        for data_type in [
            "INTERVAL DAY TO SECOND",
            "ARRAY<INTERVAL YEAR>",
            "GEOGRAPHY(4326)",
            "STRUCT<v: VARIANT>",
            "VOID",
        ] {
            let error = cast(data_type).unwrap_err();
            assert!(
                matches!(&error, DeltaError::UnsupportedType { column, .. } if column == "out"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_column_taken_as_it_is_needs_no_alias() {
        assert_eq!(CastColumn::plain("a`b").to_sql(), "`a``b`");
    }
}
