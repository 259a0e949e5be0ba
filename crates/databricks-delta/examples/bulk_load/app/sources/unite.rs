//! The columns of several files become one list: by name, without regard to case.

use std::collections::HashMap;

use arrow::datatypes::{DataType as Arrow, Schema};
use arrow_json::reader::infer_json_schema_from_iterator;
use databricks_schema::{DataType, TableSchema};
use serde_json::Value;

use super::super::args::Format;
use super::columns::{Column, Origin};
use super::error::SourceError;
use super::guess::Guess;
use super::kind::Kind;
use super::shape::{Shape, Values};
use super::walk::Found;

/// What decides on the types of columns, apart from the files.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    /// The types that the user says.
    pub(crate) given: Option<&'a TableSchema>,
    /// The table's types.
    pub(crate) table: Option<&'a TableSchema>,
}

/// A file and what a look at it showed.
pub(crate) struct Looked {
    pub(crate) file: Found,
    pub(crate) shape: Shape,
}

impl Looked {
    /// Whether the file says nothing about columns, so that it has no rows either.
    fn is_empty(&self) -> bool {
        self.shape.columns.is_empty()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.shape.columns.iter().map(|seen| seen.name.clone()).collect()
    }

    /// The columns that only its folders name.
    fn folders(&self) -> impl Iterator<Item = &(String, Option<String>)> {
        let own = |name: &str| self.shape.columns.iter().any(|seen| same(&seen.name, name));
        self.file.partitions.iter().filter(move |(name, _)| !own(name))
    }

    fn has(&self, name: &str) -> bool {
        self.shape.columns.iter().any(|seen| same(&seen.name, name))
            || self.file.partitions.iter().any(|(folder, _)| same(folder, name))
    }

    /// Where its values of each column come from.
    pub(crate) fn origins(&self, columns: &[Column]) -> Vec<Origin> {
        let origin = |column: &Column| {
            if let Some(index) = self.shape.columns.iter().position(|seen| same(&seen.name, &column.name)) {
                return Origin::Own(index);
            }
            let folder = self.file.partitions.iter().rev().find(|(name, _)| same(name, &column.name));
            folder.map_or(Origin::Nowhere, |(_, value)| Origin::Folder(value.clone()))
        };
        columns.iter().map(origin).collect()
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// What all files say about a column.
struct Gathered<'a> {
    name: &'a str,
    /// The first file that has it.
    file: &'a Looked,
    guess: Option<Guess>,
    nested: Vec<&'a Value>,
    typed: Option<Arrow>,
    csv: Option<&'a Looked>,
}

/// The columns of all files, in the order in which they are met.
pub(crate) fn unite(files: &[Looked], known: &Known<'_>) -> Result<Vec<Column>, SourceError> {
    let mut gathered: Vec<Gathered<'_>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let is_any_text = files.iter().any(|looked| looked.file.format != Format::Parquet);
    for looked in files {
        let mut met: HashMap<String, &str> = HashMap::new();
        let own = looked.shape.columns.iter().map(|seen| (seen.name.as_str(), Some(&seen.values)));
        let folders = looked.folders().map(|(name, _)| (name.as_str(), None));
        for (name, values) in own.chain(folders) {
            if let Some(other) = met.insert(name.to_lowercase(), name) {
                let message = format!(
                    "it has columns `{other}` and `{name}`, which a table cannot tell apart (names match without \
                     regard to case): rename or drop one"
                );
                return Err(SourceError::unusable(&looked.file.name, message));
            }
            let place = *places.entry(name.to_lowercase()).or_insert(gathered.len());
            if place == gathered.len() {
                let (nested, typed, csv) = (Vec::new(), None, None);
                gathered.push(Gathered { name, file: looked, guess: None, nested, typed, csv });
            }
            let Some(column) = gathered.get_mut(place) else { continue };
            match values {
                Some(values) => column.add(looked, values)?,
                None => column.add_folder(looked),
            }
        }
    }
    gathered.iter().map(|column| column.decide(known, is_any_text)).collect()
}

/// Files must have the same columns. Objects may leave some out.
pub(crate) fn check_same(files: &[Looked]) -> Result<(), SourceError> {
    let mut files = files.iter().filter(|looked| !looked.is_empty());
    let Some(first) = files.next() else { return Ok(()) };
    for other in files {
        let (a, b) = (&first.file.name, &other.file.name);
        let lacks = |file: &str, name: &str, has: &str| {
            let message = format!(
                "it lacks column `{name}` of {has}: say --schema evolve to unite the columns of all files"
            );
            Err(SourceError::unusable(file, message))
        };
        let names = |looked: &Looked| {
            let folders = looked.folders().map(|(name, _)| name.clone());
            looked.names().into_iter().chain(folders).collect::<Vec<_>>()
        };
        if let Some(name) = names(other).iter().find(|name| !first.has(name) && !first.shape.is_open) {
            return lacks(a, name, b);
        }
        if let Some(name) = names(first).iter().find(|name| !other.has(name) && !other.shape.is_open) {
            return lacks(b, name, a);
        }
    }
    Ok(())
}

impl<'a> Gathered<'a> {
    fn add(&mut self, looked: &'a Looked, values: &'a Values) -> Result<(), SourceError> {
        match values {
            Values::Plain(guess) => self.guess = Some(self.guess.unwrap_or_default().and(guess)),
            Values::Nested(values) => self.nested.extend(values),
            Values::Typed(data_type) => {
                self.typed = Some(match self.typed.take() {
                    None => data_type.clone(),
                    Some(other) => wider(&other, data_type).ok_or_else(|| {
                        let message = format!(
                            "column `{}` is {data_type} here and {other} in {}: give it one type, or load the files \
                             by themselves",
                            self.name, self.file.file.name
                        );
                        SourceError::unusable(&looked.file.name, message)
                    })?,
                });
            }
        }
        if looked.file.format == Format::Csv {
            self.csv = Some(looked);
        }
        Ok(())
    }

    fn add_folder(&mut self, looked: &Looked) {
        let folder = looked.file.partitions.iter().rev().find(|(name, _)| same(name, self.name));
        let guess = self.guess.get_or_insert_default();
        if let Some((_, Some(value))) = folder {
            guess.see(value);
        }
    }

    fn is_text(&self) -> bool {
        self.guess.is_some() || !self.nested.is_empty()
    }

    /// The column's type: what the user says, then the table's where there is text to be read by it, then what Parquet
    /// files declare, then what the values look like.
    fn decide(&self, known: &Known<'_>, is_any_text: bool) -> Result<Column, SourceError> {
        let column = |kind: Kind, is_guess| {
            let (name, arrow) = (self.name.to_owned(), kind.arrow());
            Column { name, kind, arrow, is_guess }
        };
        let of = |schema: Option<&TableSchema>| schema.and_then(|schema| schema.column(self.name)).cloned();
        let unusable = |message: String| SourceError::unusable(&self.file.file.name, message);
        if let Some(given) = of(known.given) {
            return Ok(column(self.checked(given_kind(&given.data_type).map_err(unusable)?)?, false));
        }
        if let (Some(table), true) = (of(known.table), self.is_text()) {
            let kind = Kind::of(&table.data_type).map_err(|error| unusable(error.to_string()))?;
            return Ok(column(self.checked(kind)?, false));
        }
        match (&self.typed, is_any_text) {
            (Some(typed), false) => {
                let (name, arrow) = (self.name.to_owned(), typed.clone());
                Ok(Column { name, kind: Kind::Text, arrow, is_guess: false })
            }
            (Some(typed), true) => match Kind::of_arrow(typed) {
                Some(kind) => Ok(column(self.checked(kind)?, false)),
                None if self.is_text() => Err(unusable(format!(
                    "column `{}` is {typed} in a Parquet file, which the text of other files cannot stand for: load \
                     the Parquet files by themselves",
                    self.name
                ))),
                None => {
                    let (name, arrow) = (self.name.to_owned(), typed.clone());
                    Ok(Column { name, kind: Kind::Text, arrow, is_guess: false })
                }
            },
            (None, _) if !self.nested.is_empty() => Ok(column(self.checked(self.nested_kind()?)?, false)),
            (None, _) => Ok(column(self.guess.unwrap_or_default().kind(), true)),
        }
    }

    /// Refuses nested values where a CSV file would have to hold them.
    fn checked(&self, kind: Kind) -> Result<Kind, SourceError> {
        match (self.csv, &kind) {
            (Some(csv), Kind::Nested(_)) => {
                let message = format!(
                    "column `{}` is {}, which a CSV file cannot hold: load JSON or Parquet files",
                    self.name,
                    kind.sql()
                );
                Err(SourceError::unusable(&csv.file.name, message))
            }
            _ => Ok(kind),
        }
    }

    /// The type of arrays and objects, from those that were looked at.
    fn nested_kind(&self) -> Result<Kind, SourceError> {
        let mixed = || {
            let message = format!(
                "the values of `{}` are of several types (objects, arrays, plain ones): say its type by --columns, as \
                 `{} STRUCT<a: BIGINT>`",
                self.name, self.name
            );
            SourceError::unusable(&self.file.file.name, message)
        };
        let is_array = self.nested.iter().any(|value| value.is_array());
        let is_one_kind = self.nested.iter().all(|value| value.is_array() == is_array && !is_plain(value));
        if !is_one_kind || self.guess.is_some_and(|guess| guess != Guess::default()) {
            return Err(mixed());
        }
        let objects = self
            .nested
            .iter()
            .map(|value| Ok(Value::Object([(self.name.to_owned(), (*value).clone())].into_iter().collect())));
        let schema: Schema = infer_json_schema_from_iterator(objects).map_err(|_| mixed())?;
        let nested = schema.field_with_name(self.name).map_err(|_| mixed())?.data_type().clone();
        Ok(Kind::Nested(super::kind::mapped(&nested, &|leaf| match leaf {
            Arrow::Null => Arrow::Utf8,
            leaf => leaf.clone(),
        })))
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

/// Types that a new column can be given and that text can be read as.
fn given_kind(data_type: &DataType) -> Result<Kind, String> {
    let kind = Kind::of(data_type).map_err(|error| error.to_string())?;
    match (&kind, data_type) {
        (Kind::Text, other) if *other != DataType::String => Err(format!(
            "--columns: {other} cannot be read from files; create the table with it, and the text is cast when it is loaded"
        )),
        _ => Ok(kind),
    }
}

/// The type that holds the values of both.
fn wider(a: &Arrow, b: &Arrow) -> Option<Arrow> {
    use Arrow::{Float32, Float64, Int8, Int16, Int32, Int64, LargeUtf8, Utf8, Utf8View};
    let rank = |data_type: &Arrow| [Int8, Int16, Int32, Int64].iter().position(|other| other == data_type);
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (a, b) if rank(a).is_some() && rank(b).is_some() => {
            Some(if rank(a) > rank(b) { a } else { b }.clone())
        }
        (Float32 | Float64, Float32 | Float64) => Some(Float64),
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => Some(Utf8),
        _ => None,
    }
}
