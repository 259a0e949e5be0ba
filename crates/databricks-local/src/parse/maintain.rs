//! OPTIMIZE, VACUUM and RESTORE.

use super::command::{Command, TimeTravel, VacuumMode};
use super::cursor::Cursor;
use crate::error::Result;

pub(super) fn optimize(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["OPTIMIZE"])?;
    let table = cursor.table()?;
    let full = cursor.word("FULL");
    let predicate = if cursor.word("WHERE") { Some(cursor.expr()?) } else { None };
    let zorder_by = if cursor.words(&["ZORDER", "BY"]) { zorder_columns(cursor)? } else { Vec::new() };
    Ok(Command::Optimize { table, full, predicate, zorder_by })
}

/// With or without parentheses.
fn zorder_columns(cursor: &mut Cursor) -> Result<Vec<Vec<String>>> {
    if cursor.next_is(&sqlparser::tokenizer::Token::LParen) {
        cursor.parenthesized(Cursor::path)
    } else {
        cursor.comma_separated(Cursor::path)
    }
}

pub(super) fn vacuum(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["VACUUM"])?;
    let table = cursor.table()?;
    let (mut mode, mut retain_hours, mut dry_run) = (None, None, false);
    loop {
        if mode.is_none() && cursor.word("LITE") {
            mode = Some(VacuumMode::Lite);
        } else if mode.is_none() && cursor.word("FULL") {
            mode = Some(VacuumMode::Full);
        } else if retain_hours.is_none() && cursor.word("RETAIN") {
            retain_hours = Some(cursor.parsed_number()?);
            cursor.expect_words(&["HOURS"])?;
        } else if !dry_run && cursor.words(&["DRY", "RUN"]) {
            dry_run = true;
        } else {
            return Ok(Command::Vacuum { table, mode, retain_hours, dry_run });
        }
    }
}

pub(super) fn restore(cursor: &mut Cursor) -> Result<Command> {
    cursor.expect_words(&["RESTORE"])?;
    cursor.word("TABLE");
    let table = cursor.table()?;
    cursor.word("TO");
    let to = time_travel(cursor)?.ok_or_else(|| cursor.error())?;
    Ok(Command::Restore { table, to })
}

/// `VERSION AS OF n` or `TIMESTAMP AS OF expr`, where that comes next.
pub(super) fn time_travel(cursor: &mut Cursor) -> Result<Option<TimeTravel>> {
    if cursor.words(&["VERSION", "AS", "OF"]) {
        return cursor.expr().map(TimeTravel::Version).map(Some);
    }
    if cursor.words(&["TIMESTAMP", "AS", "OF"]) {
        return cursor.expr().map(TimeTravel::Timestamp).map(Some);
    }
    Ok(None)
}
