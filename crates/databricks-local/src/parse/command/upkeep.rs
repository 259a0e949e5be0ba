//! Upkeep and versions.

use sqlparser::ast::Expr;

/// `VACUUM .. LITE | FULL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VacuumMode {
    /// Only files the log names.
    Lite,
    /// Every file of the folder.
    Full,
}

/// A version or an instant of a table, as written: the value may be a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TimeTravel {
    /// `VERSION AS OF n`.
    Version(Expr),
    /// `TIMESTAMP AS OF expr`.
    Timestamp(Expr),
}
