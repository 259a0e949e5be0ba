//! Bringing columns into a wanted order.

use super::change::{NewColumn, Position, SchemaChange};
use super::{ColumnPath, same_name};

/// The moves that bring the columns of one level into the wanted order, once the new ones are where their positions
/// put them; the positions are set here.
///
/// `kept` are the columns that stay, in the table's order and spelling. Those that the wanted schema does not name are
/// in nobody's way and are not moved.
pub(super) fn moves(
    parent: &ColumnPath,
    kept: &[&str],
    wanted: &[&str],
    added: &mut [NewColumn],
) -> Vec<SchemaChange> {
    let mut row: Vec<String> = kept.iter().map(|name| (*name).to_owned()).collect();
    let mut previous: Option<String> = None;
    for name in wanted {
        let new = added.iter_mut().find(|new| same_name(&new.column.name, name));
        if let Some(new) = new {
            let at = place(&row, previous.as_deref());
            if at < row.len() {
                new.position = Some(position(previous.as_deref()));
            }
            row.insert(at, new.column.name.clone());
        }
        // In the table's spelling, which statements name it by.
        previous = row.iter().find(|other| same_name(other, name)).cloned().or(previous);
    }
    let mut moves = Vec::new();
    let ordered = wanted.iter().filter_map(|name| row.iter().find(|other| same_name(other, name)).cloned());
    for (index, name) in ordered.collect::<Vec<_>>().into_iter().enumerate() {
        let Some(at) = row.iter().position(|other| *other == name) else { continue };
        if at != index {
            let position =
                position(index.checked_sub(1).and_then(|before| row.get(before)).map(String::as_str));
            moves.push(SchemaChange::MoveColumn { column: parent.child(&name), position });
            let name = row.remove(at);
            row.insert(index, name);
        }
    }
    moves
}

fn place(row: &[String], previous: Option<&str>) -> usize {
    let before = previous.and_then(|previous| row.iter().position(|name| name == previous));
    before.map_or(0, |before| before + 1)
}

fn position(previous: Option<&str>) -> Position {
    previous.map_or(Position::First, |name| Position::After(name.to_owned()))
}
