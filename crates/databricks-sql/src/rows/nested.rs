//! The parts of a nested cell: items of a list, fields of a struct, entries of a map.

use arrow::datatypes::Fields;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::cell::Cell;
use super::column::Cells;
use super::error::CellError;

type Result<T> = std::result::Result<T, CellError>;

/// Where the parts of cell `index` are.
fn bounds(offsets: &[i32], index: usize) -> (usize, usize) {
    let bound = |at: usize| offsets.get(at).and_then(|offset| usize::try_from(*offset).ok());
    (bound(index).unwrap_or_default(), bound(index + 1).unwrap_or_default())
}

/// Gives a visitor all parts of a cell: those that it does not take, as an array that is too short, would be lost without
/// a word.
pub(super) fn all<'de, V, S>(visitor: V, mut parts: S) -> Result<V::Value>
where
    V: Visitor<'de>,
    S: SeqAccess<'de, Error = CellError>,
{
    let value = visitor.visit_seq(&mut parts)?;
    match parts.size_hint().unwrap_or_default() {
        0 => Ok(value),
        left => Err(CellError::new(format!("it has {left} more than that takes; read it into a Vec"))),
    }
}

/// The items of a list.
pub(super) struct Items<'c, 'b> {
    items: &'c Cells<'b>,
    start: usize,
    at: usize,
    end: usize,
}

impl<'c, 'b> Items<'c, 'b> {
    pub(super) fn of(offsets: &[i32], items: &'c Cells<'b>, index: usize) -> Self {
        let (start, end) = bounds(offsets, index);
        Self { items, start, at: start, end: end.min(items.len()) }
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let at = self.at;
        self.at += 1;
        let item = seed.deserialize(Cell::new(self.items, at));
        item.map(Some).map_err(|error| error.inside(format_args!("[{}]", at - self.start)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.end.saturating_sub(self.at))
    }
}

/// The fields of a struct.
pub(super) struct Members<'c, 'b> {
    fields: &'b Fields,
    members: &'c [Cells<'b>],
    index: usize,
    at: usize,
}

impl<'c, 'b> Members<'c, 'b> {
    pub(super) fn of(fields: &'b Fields, members: &'c [Cells<'b>], index: usize) -> Self {
        Self { fields, members, index, at: 0 }
    }

    fn next<S: DeserializeSeed<'b>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let (Some(member), Some(field)) = (self.members.get(self.at), self.fields.get(self.at)) else {
            return Ok(None);
        };
        self.at += 1;
        let value = seed.deserialize(Cell::new(member, self.index));
        value.map(Some).map_err(|error| error.inside(format_args!(".{}", field.name())))
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = CellError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(field) = self.fields.get(self.at) else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(field.name())).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        self.next(seed)?.ok_or_else(|| CellError::new("the struct has fewer values than fields"))
    }
}

impl<'de> SeqAccess<'de> for Members<'_, 'de> {
    type Error = CellError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.members.len().saturating_sub(self.at))
    }
}

/// The entries of a map.
pub(super) struct Entries<'c, 'b> {
    entries: &'c [Cells<'b>; 2],
    start: usize,
    at: usize,
    end: usize,
}

impl<'c, 'b> Entries<'c, 'b> {
    pub(super) fn of(offsets: &[i32], entries: &'c [Cells<'b>; 2], index: usize) -> Self {
        let (start, end) = bounds(offsets, index);
        let end = entries.iter().map(Cells::len).fold(end, usize::min);
        Self { entries, start, at: start, end }
    }

    fn part<S: DeserializeSeed<'b>>(&self, part: &'c Cells<'b>, seed: S) -> Result<S::Value> {
        let value = seed.deserialize(Cell::new(part, self.at));
        value.map_err(|error| error.inside(format_args!("{{{}}}", self.at - self.start)))
    }
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = CellError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let [keys, _] = self.entries;
        self.part(keys, seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        if self.at >= self.end {
            return Err(CellError::new("the map has no further value"));
        }
        let [_, values] = self.entries;
        let value = self.part(values, seed)?;
        self.at += 1;
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.end.saturating_sub(self.at))
    }
}
