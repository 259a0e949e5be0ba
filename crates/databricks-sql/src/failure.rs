//! The larger errors, each behind a pointer so that `Result`s of this crate stay small.

use std::fmt;
use std::time::Duration;

use crate::{StatementId, WarehouseId, WarehouseState, error_text};

/// How a statement failed, in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementFailure {
    /// The statement.
    pub statement_id: StatementId,
    /// The error class with its subclass, such as `TABLE_OR_VIEW_NOT_FOUND` or `DELTA_CONCURRENT_APPEND.ROW_LEVEL_CHANGES`.
    pub error_class: Option<String>,
    /// The five characters of the SQLSTATE, such as `42P01`.
    pub sql_state: Option<String>,
    /// The code of the API, such as `BAD_REQUEST`.
    pub error_code: String,
    /// The server's text, without the blank lines around it.
    pub message: String,
    /// Where in the statement's text the fault is, if the server said so.
    pub position: Option<SqlPosition>,
}

impl StatementFailure {
    /// Reads class, SQLSTATE and position out of the server's text.
    pub(crate) fn parse(statement_id: StatementId, error_code: String, message: &str) -> Self {
        let message = message.trim();
        Self {
            statement_id,
            error_class: error_text::error_class(message).map(str::to_owned),
            sql_state: error_text::sql_state(message).map(str::to_owned),
            error_code,
            position: error_text::position(message),
            message: message.to_owned(),
        }
    }

    /// Whether another commit came first or the fault passes.
    pub(crate) fn may_pass(&self) -> bool {
        self.error_class.as_deref().is_some_and(error_text::is_conflict)
            || error_text::is_passing_fault(&self.error_code)
    }

    pub(crate) fn is_ambiguous(&self) -> bool {
        error_text::may_have_committed(self.error_class.as_deref(), &self.error_code, &self.message)
    }
}

impl fmt::Display for StatementFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {} failed: {}", self.statement_id, self.message)
    }
}

/// A place in the text of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SqlPosition {
    /// The line, from 1.
    pub line: u32,
    /// The character in its line, from 1.
    pub column: u32,
}

impl fmt::Display for SqlPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A cell, or a whole row, that did not fit the Rust type that it was read into.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowError {
    /// The row's position in the whole result, from 0.
    pub row: u64,
    /// The column's name; empty if the whole row is at fault.
    pub column: String,
    /// The column's SQL type as the server spells it; empty if the whole row is at fault.
    pub sql_type: String,
    /// The Rust type that the cell was to become, or that the whole row was, without the modules that it is in.
    pub rust_type: String,
    /// What did not fit.
    pub message: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { row, column, sql_type, rust_type, message } = self;
        if column.is_empty() {
            return write!(f, "row {row} as {rust_type}: {message}");
        }
        write!(f, "row {row}, column `{column}` ({sql_type}) as {rust_type}: {message}")
    }
}

/// A warehouse that was waited for and does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WarehouseNotRunning {
    /// The warehouse.
    pub warehouse_id: WarehouseId,
    /// Where it stood last.
    pub state: WarehouseState,
    /// How long it was waited for.
    pub elapsed: Duration,
    /// What the server says of its health, if anything is wrong with it.
    pub health: Option<String>,
}

impl WarehouseNotRunning {
    /// What to do about it.
    fn remedy(&self) -> &'static str {
        match self.state {
            WarehouseState::Stopped => "start it with `start`",
            WarehouseState::Deleting | WarehouseState::Deleted => "use another warehouse",
            _ => "allow more with `timeout`",
        }
    }
}

impl fmt::Display for WarehouseNotRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { warehouse_id, state, elapsed, health } = self;
        write!(f, "warehouse {warehouse_id} is {state} after {:.1} s", elapsed.as_secs_f64())?;
        if let Some(health) = health {
            write!(f, " ({health})")?;
        }
        write!(f, "; {}", self.remedy())
    }
}
