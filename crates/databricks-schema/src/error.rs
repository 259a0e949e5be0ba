//! What can go wrong with a type, a name or a schema. Every message names the value and says what to do.

use crate::{DataType, Incompatibility, StatementError, TableName};

/// The result of everything in this crate.
pub type Result<T, E = SchemaError> = std::result::Result<T, E>;

/// An invalid type, name, literal or schema.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// There is no such type, or no column of a Delta table can be of it: a decimal of 39 digits, `VOID`, an interval.
    #[error("invalid data type `{data_type}`: {reason}")]
    InvalidDataType {
        /// The type; long ones are cut.
        data_type: String,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// The text is not a Databricks type, or not a column list.
    #[error("cannot read `{text}` at character {position}: {reason}")]
    UnreadableType {
        /// The text around the fault; long texts are cut.
        text: String,
        /// Where the fault is, in characters from 0 of the whole text.
        position: usize,
        /// What was found and what would be right.
        reason: String,
    },
    /// The JSON is not what a server writes a type or a schema as.
    #[error("cannot read the schema {json}: {reason}")]
    UnreadableJson {
        /// The part with the fault; long ones are cut.
        json: String,
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
    /// A column's type cannot become the wanted one.
    #[error("column `{column}` cannot change from {from} to {to}: {reason}")]
    UnsafeTypeChange {
        /// The column, with its path.
        column: String,
        /// The type it has.
        from: Box<DataType>,
        /// The type that is wanted.
        to: Box<DataType>,
        /// Why not, and what can be done.
        reason: Box<str>,
    },
    /// The table cannot become what is wanted.
    #[error("{table} cannot have the wanted schema:{}", lines(reasons))]
    IncompatibleEvolution {
        /// The table.
        table: String,
        /// Every reason.
        reasons: Vec<Incompatibility>,
    },
    /// A statement of an evolution failed. The statements before it have been made; running the evolution again goes
    /// on from there.
    #[error("`{sql}` failed: {error}")]
    Statement {
        /// The statement.
        sql: String,
        /// Why.
        error: Box<StatementError>,
    },
    /// The table is not there.
    #[error("there is no table {table}: create it first, or correct the name")]
    TableNotFound {
        /// The table.
        table: String,
    },
    /// What the server says of the table cannot be read.
    #[error("cannot read the description of {table}: {reason}")]
    Description {
        /// The table.
        table: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Every statement succeeded, but the table does not show it.
    #[error("{table} was evolved, but its schema is not as wanted; still to do: {remaining}")]
    NotVerified {
        /// The table.
        table: String,
        /// The changes that it lacks.
        remaining: String,
    },
    /// Other programs changed the table each time.
    #[error("other programs changed {table} in each of {attempts} attempts; try again when they are done")]
    Contended {
        /// The table.
        table: String,
        /// How often the evolution was planned anew.
        attempts: u32,
        /// What the last statement met.
        #[source]
        error: Box<StatementError>,
    },
    /// The table is not as it was when the plan was made.
    #[error("{table} has changed since the plan was made; plan again. Not in the plan: {unplanned}")]
    PlanOutdated {
        /// The table.
        table: String,
        /// The changes that would be needed now and are not part of the plan.
        unplanned: String,
    },
    /// The types of rows cannot be found out.
    #[cfg(feature = "infer")]
    #[error("cannot infer a schema of {what}: {reason}")]
    Inference {
        /// The type of the rows.
        what: String,
        /// What is wrong with it and what can be done.
        reason: String,
    },
    /// The Unity Catalog call failed.
    #[cfg(feature = "catalog")]
    #[error(transparent)]
    Transport(#[from] databricks_transport::Error),
}

impl SchemaError {
    pub(crate) fn invalid_type(data_type: &str, reason: impl Into<String>) -> Self {
        Self::InvalidDataType { data_type: cut(data_type), reason: reason.into() }
    }

    pub(crate) fn unreadable_json(json: &str, reason: impl Into<String>) -> Self {
        Self::UnreadableJson { json: cut(json), reason: reason.into() }
    }

    /// The error for reasons against an evolution: that of the column itself where one column is all that is wrong.
    pub(crate) fn incompatible(table: &TableName, mut reasons: Vec<Incompatibility>) -> Self {
        let table = table.full_name();
        match (reasons.pop(), reasons.is_empty()) {
            (Some(Incompatibility::InvalidColumn { error, .. }), true) => *error,
            (Some(Incompatibility::TypeChange { column, from, to, reason }), true) => {
                Self::UnsafeTypeChange {
                    column: column.to_string(),
                    from: Box::new(from),
                    to: Box::new(to),
                    reason: reason.into(),
                }
            }
            (last, _) => {
                reasons.extend(last);
                Self::IncompatibleEvolution { table, reasons }
            }
        }
    }
}

/// As much of a text as a message shows.
fn cut(text: &str) -> String {
    const SHOWN: usize = 120;
    let shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() { shown + "…" } else { shown }
}

fn lines(reasons: &[Incompatibility]) -> String {
    reasons.iter().map(|reason| format!("\n- {reason}")).collect()
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
