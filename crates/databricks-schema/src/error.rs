//! What can go wrong with a type, a name or a schema. Every message names the value and says what to do.

/// The result of everything in this crate.
pub type Result<T, E = SchemaError> = std::result::Result<T, E>;

/// An invalid type, name, literal or schema.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The text is not a Databricks type, or not a column list.
    #[error("cannot read `{text}` at character {position}: {reason}")]
    InvalidDataType {
        /// The text around the fault; long texts are cut.
        text: String,
        /// Where the fault is, in characters from 0 of the whole text.
        position: usize,
        /// What was found and what would be right.
        reason: String,
    },
    /// Arrays, maps and structs are nested too deeply.
    #[error("types nest more than {limit} levels deep; flatten the type")]
    TypeTooDeep {
        /// The deepest nesting that is accepted.
        limit: usize,
    },
    /// The name of a catalog, schema, table or volume is not one Unity Catalog accepts.
    #[error("invalid {kind} name `{name}`: {reason}")]
    InvalidName {
        /// `catalog`, `schema`, `table`, ...
        kind: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// A column cannot have this name.
    #[error("invalid column name `{name}`: {reason}")]
    InvalidColumnName {
        /// The name.
        name: String,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// Delta keeps this column name for itself where the change data feed is on.
    #[error("column name `{name}` is reserved for the change data feed; rename the column")]
    ReservedColumnName {
        /// The name.
        name: String,
    },
    /// Two columns, or two fields of one struct, differ in case only or not at all.
    #[error("column `{name}` appears more than once (names match case-insensitively); rename or drop one")]
    DuplicateColumn {
        /// The second of the two, with its path.
        name: String,
    },
    /// The value cannot be written as a literal of its type.
    #[error("cannot write {value} as a SQL literal: {reason}")]
    InvalidLiteral {
        /// The value.
        value: String,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// Databricks has no type for this Arrow type.
    #[error("Arrow type {arrow_type}{} has no Databricks type: {remedy}", at_path(path))]
    UnsupportedArrowType {
        /// The field, as `column.field.element`; empty for a bare type.
        path: String,
        /// The Arrow type.
        arrow_type: String,
        /// What to convert it to.
        remedy: String,
    },
    /// The Unity Catalog call failed.
    #[cfg(feature = "catalog")]
    #[error(transparent)]
    Transport(#[from] databricks_transport::Error),
}

fn at_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" of field `{path}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_small_enough_for_results_that_are_passed_around() {
        assert!(size_of::<SchemaError>() <= 80, "{}", size_of::<SchemaError>());
    }

    #[test]
    fn messages_name_the_value_and_the_remedy() {
        let error = SchemaError::UnsupportedArrowType {
            path: "a.b".into(),
            arrow_type: "UInt64".into(),
            remedy: "cast it to Decimal128(20, 0)".into(),
        };
        assert_eq!(
            error.to_string(),
            "Arrow type UInt64 of field `a.b` has no Databricks type: cast it to Decimal128(20, 0)"
        );
    }
}
