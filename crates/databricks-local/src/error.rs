//! The error of the local workspace: a Databricks error class, its SQLSTATE and a message naming the value.
//!
//! The classes that more than one module raises have a constructor here, so that a class is spelled once and
//! always carries the same SQLSTATE. How the engine's own errors become these is in `error_mapping`.

use std::fmt;

/// The result of everything in this crate.
pub type Result<T, E = LocalError> = std::result::Result<T, E>;

/// Where in the statement an error was found. Lines count from 1 and columns from 0, as Databricks prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column in the line, from 0.
    pub column: u64,
}

/// An error as Databricks would word it: `[CLASS] message SQLSTATE: xxxxx`.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalError(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    class: String,
    sql_state: String,
    message: String,
    position: Option<Position>,
}

impl LocalError {
    /// An error of the class (`TABLE_OR_VIEW_NOT_FOUND`, `UNRESOLVED_COLUMN.WITH_SUGGESTION`) and SQLSTATE.
    pub fn new(class: &str, sql_state: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            class: class.to_owned(),
            sql_state: sql_state.to_owned(),
            message: message.into(),
            position: None,
        }))
    }

    /// The same error, found at this place of the statement.
    pub fn at(mut self, position: Position) -> Self {
        self.0.position = Some(position);
        self
    }

    /// The error class, with its subclass after a dot.
    pub fn class(&self) -> &str {
        &self.0.class
    }

    /// The SQLSTATE: five characters.
    pub fn sql_state(&self) -> &str {
        &self.0.sql_state
    }

    /// What went wrong, without class and SQLSTATE.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where in the statement, when known.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    /// The text Databricks sends for this statement: syntax errors repeat the statement and point at the place.
    pub(crate) fn render(&self, statement: &str) -> String {
        match self.0.position {
            None => self.to_string(),
            Some(position) => format!("\n{self}\n\n== SQL ==\n{}\n", point_at(statement, position)),
        }
    }
}

/// The statement with a `^^^` line under the place.
fn point_at(statement: &str, position: Position) -> String {
    let mut out = Vec::new();
    for (number, line) in (1u64..).zip(statement.lines()) {
        out.push(line.to_owned());
        if number == position.line {
            let indent = usize::try_from(position.column).unwrap_or(0).min(line.chars().count());
            out.push(format!("{}^^^", "-".repeat(indent)));
        }
    }
    out.join("\n")
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { class, sql_state, message, position } = &*self.0;
        write!(f, "[{class}] {message} SQLSTATE: {sql_state}")?;
        match position {
            Some(Position { line, column }) => write!(f, " (line {line}, pos {column})"),
            None => Ok(()),
        }
    }
}

/// As it displays: the engine keeps some errors only as the text of their `Debug`, and `error_mapping` reads it back.
impl fmt::Debug for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for LocalError {}

/// Parsing and resolution.
impl LocalError {
    /// `[PARSE_SYNTAX_ERROR]`: the text at this place is not SQL that Databricks would take.
    pub fn parse_syntax(near: impl fmt::Display, position: Position) -> Self {
        Self::new("PARSE_SYNTAX_ERROR", "42601", format!("Syntax error at or near '{near}'.")).at(position)
    }

    /// `[PARSE_EMPTY_STATEMENT]`: nothing but blanks and comments.
    pub fn parse_empty() -> Self {
        Self::new("PARSE_EMPTY_STATEMENT", "42617", "Syntax error, unexpected empty statement.")
    }

    /// `[UNSUPPORTED_FEATURE.LOCAL_WORKSPACE]`: Databricks has it, this build does not.
    pub fn unsupported_feature(what: impl fmt::Display) -> Self {
        Self::new(
            "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE",
            "0A000",
            format!(
                "The feature is not supported: {what}. The local workspace runs a tested part of Databricks SQL; run this on a real workspace."
            ),
        )
    }

    /// `[TABLE_OR_VIEW_NOT_FOUND]`.
    pub fn table_not_found(name: impl fmt::Display) -> Self {
        Self::new(
            "TABLE_OR_VIEW_NOT_FOUND",
            "42P01",
            format!(
                "The table or view {name} cannot be found. Verify the spelling and correctness of the schema and catalog. If you did not qualify the name with a schema, verify the current_schema() output, or qualify the name with the correct schema and catalog."
            ),
        )
    }

    /// `[UNRESOLVED_COLUMN.WITH_SUGGESTION]`, or `.WITHOUT_SUGGESTION` when there is nothing to suggest.
    pub fn column_not_found<S: fmt::Display>(
        name: impl fmt::Display,
        suggestions: impl IntoIterator<Item = S>,
    ) -> Self {
        let suggestions: Vec<String> = suggestions.into_iter().take(5).map(|s| format!("`{s}`")).collect();
        let what =
            format!("A column, variable, or function parameter with name `{name}` cannot be resolved.");
        if suggestions.is_empty() {
            return Self::new("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703", what);
        }
        let message = format!("{what} Did you mean one of the following? [{}].", suggestions.join(", "));
        Self::new("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703", message)
    }

    /// `[AMBIGUOUS_REFERENCE]`: more than one column of that name is in scope.
    pub fn ambiguous_column(name: impl fmt::Display, candidates: &[String]) -> Self {
        let message = format!("Reference `{name}` is ambiguous, could be: [{}].", candidates.join(", "));
        Self::new("AMBIGUOUS_REFERENCE", "42704", message)
    }

    /// `[UNRESOLVED_ROUTINE]`: no function of that name is known here.
    pub fn unresolved_routine(name: impl fmt::Display) -> Self {
        Self::new(
            "UNRESOLVED_ROUTINE",
            "42883",
            format!(
                "Cannot resolve routine `{name}` on search path [`system`.`builtin`, `system`.`session`]. The local workspace knows a tested part of the functions of Databricks."
            ),
        )
    }

    /// `[UNBOUND_SQL_PARAMETER]`: a marker without a value.
    pub fn unbound_parameter(name: impl fmt::Display) -> Self {
        Self::new(
            "UNBOUND_SQL_PARAMETER",
            "42P02",
            format!(
                "Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the parameter to either a SQL literal or collection constructor functions."
            ),
        )
    }

    /// `[DATATYPE_MISMATCH.<kind>]`.
    pub fn datatype_mismatch(kind: &str, message: impl Into<String>) -> Self {
        Self::new(&format!("DATATYPE_MISMATCH.{kind}"), "42K09", message)
    }
}

/// Values.
impl LocalError {
    /// `[DIVIDE_BY_ZERO]`.
    pub fn divide_by_zero() -> Self {
        Self::new(
            "DIVIDE_BY_ZERO",
            "22012",
            "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.",
        )
    }

    /// `[ARITHMETIC_OVERFLOW]`.
    pub fn arithmetic_overflow(what: impl fmt::Display) -> Self {
        Self::new(
            "ARITHMETIC_OVERFLOW",
            "22003",
            format!(
                "{what} caused overflow. Use 'try_add', 'try_subtract' or 'try_multiply' to tolerate overflow and return NULL instead."
            ),
        )
    }

    /// `[NUMERIC_VALUE_OUT_OF_RANGE]`: the value has no place in `DECIMAL(precision, scale)`.
    pub fn numeric_out_of_range(value: impl fmt::Display, precision: u8, scale: i8) -> Self {
        Self::new(
            "NUMERIC_VALUE_OUT_OF_RANGE.WITHOUT_SUGGESTION",
            "22003",
            format!(
                "The {value} rounded half up from cannot be represented as Decimal({precision}, {scale})."
            ),
        )
    }

    /// `[CAST_INVALID_INPUT]`: text that is no value of the type.
    pub fn cast_invalid_input(
        value: impl fmt::Display,
        from: impl fmt::Display,
        to: impl fmt::Display,
    ) -> Self {
        Self::new(
            "CAST_INVALID_INPUT",
            "22018",
            format!(
                "The value {value} of the type \"{from}\" cannot be cast to \"{to}\" because it is malformed. Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return NULL instead."
            ),
        )
    }

    /// `[CAST_OVERFLOW]`: a number too large for the type.
    pub fn cast_overflow(value: impl fmt::Display, from: impl fmt::Display, to: impl fmt::Display) -> Self {
        Self::new(
            "CAST_OVERFLOW",
            "22003",
            format!(
                "The value {value} of the type \"{from}\" cannot be cast to \"{to}\" due to an overflow. Use `try_cast` to tolerate overflow and return NULL instead."
            ),
        )
    }

    /// `[DELTA_NOT_NULL_CONSTRAINT_VIOLATED]`.
    pub fn not_null_violated(column: impl fmt::Display) -> Self {
        Self::new(
            "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
            "23502",
            format!("NOT NULL constraint violated for column: {column}."),
        )
    }
}

/// Objects of the workspace.
impl LocalError {
    /// `[NO_SUCH_CATALOG_EXCEPTION]`.
    pub fn catalog_not_found(name: impl fmt::Display) -> Self {
        Self::new("NO_SUCH_CATALOG_EXCEPTION", "42704", format!("Catalog '{name}' was not found."))
    }

    /// `[SCHEMA_NOT_FOUND]`.
    pub fn schema_not_found(catalog: impl fmt::Display, schema: impl fmt::Display) -> Self {
        Self::new(
            "SCHEMA_NOT_FOUND",
            "42704",
            format!(
                "The schema `{catalog}`.`{schema}` cannot be found. Verify the spelling and correctness of the schema and catalog."
            ),
        )
    }

    /// `[VOLUME_DOES_NOT_EXIST]`.
    pub fn volume_not_found(name: impl fmt::Display) -> Self {
        Self::new("UC_VOLUME_NOT_FOUND", "42704", format!("Volume {name} does not exist."))
    }

    /// `[<KIND>_ALREADY_EXISTS]` for a catalog, schema, table or volume.
    pub fn already_exists(class: &str, sql_state: &str, kind: &str, name: impl fmt::Display) -> Self {
        let message = format!(
            "Cannot create {kind} {name} because it already exists. Choose a different name, drop the existing object, or add the IF NOT EXISTS clause to tolerate it."
        );
        Self::new(class, sql_state, message)
    }

    /// `[INTERNAL_ERROR]`: a fault of the local workspace or of its folder, not of the statement.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new("INTERNAL_ERROR", "XX000", message.to_string())
    }

    /// `[IO_ERROR]`: the folder could not be read or written; names the path.
    pub fn io(what: impl fmt::Display, path: &std::path::Path, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            let message = format!("No space is left on the disk of {}: {what}: {error}", path.display());
            return Self::new("STORAGE_FULL", "53100", message);
        }
        Self::new("IO_ERROR", "58030", format!("{what}: {}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_class_message_and_sqlstate() {
        let error = LocalError::divide_by_zero();
        let text = error.to_string();
        assert!(text.starts_with("[DIVIDE_BY_ZERO] Division by zero."), "{text}");
        assert!(text.ends_with("SQLSTATE: 22012"), "{text}");
    }

    #[test]
    fn a_syntax_error_is_rendered_as_recorded() {
        let sql = "INSER INTO main.t (id) VALUES (1)";
        let error = LocalError::parse_syntax("INSER", Position { line: 1, column: 0 });
        assert_eq!(
            error.render(sql),
            format!(
                "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)\n\n== SQL ==\n{sql}\n^^^\n"
            )
        );
    }

    #[test]
    fn a_column_that_is_not_there_names_its_neighbours() {
        let error = LocalError::column_not_found("tmep", ["temp", "day"]);
        assert_eq!(error.class(), "UNRESOLVED_COLUMN.WITH_SUGGESTION");
        assert!(error.message().contains("[`temp`, `day`]"), "{error}");
    }
}
