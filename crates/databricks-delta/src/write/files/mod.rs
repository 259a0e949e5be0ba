//! Parquet files that are there already: on this machine, or in a volume.

mod footer;
mod place;

use std::io;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::client::Remote;
use crate::error::{DeltaError, Result};
use crate::input::Input;
use crate::stage::layout::Layout;
use crate::statement::copy::MOST_FILES;
use footer::Footer;
use place::Place;

/// Footers read at once.
const FOOTERS_AT_ONCE: usize = 8;

/// Files with the same columns, in the order in which they were named.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) schema: SchemaRef,
    pub(super) at: At,
    pub(super) rows: u64,
}

/// Where the files are.
#[derive(Debug)]
pub(super) enum At {
    /// Here: they are staged as they are.
    Here(Vec<LocalFile>),
    /// In a directory of a volume, where the statement finds them.
    Volume { directory: String, files: Vec<VolumeFile> },
}

#[derive(Debug, Clone)]
pub(crate) struct LocalFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

#[derive(Debug, Clone)]
pub(super) struct VolumeFile {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) rows: u64,
}

impl Files {
    /// Finds the files that the paths name, and reads their footers. Files without rows are left out.
    pub(super) async fn open(remote: &Remote, paths: &[String]) -> Result<Self> {
        let place = Place::find(remote, paths).await?;
        let footers: Vec<Footer> = stream::iter(0..place.len())
            .map(|index| place.footer(remote, index))
            .buffered(FOOTERS_AT_ONCE)
            .try_collect()
            .await?;
        let schema = common_schema(&place, &footers)?;
        let with_rows = |index: &usize| footers.get(*index).is_some_and(|footer| footer.rows > 0);
        let kept: Vec<usize> = (0..footers.len()).filter(with_rows).collect();
        let rows = footers.iter().map(|footer| footer.rows).sum();
        Ok(Self { schema, rows, at: place.keep(&kept, &footers) })
    }

    /// Their columns as those of a stream that has none of their rows: for the checks that any data goes through.
    pub(super) fn columns(&self) -> Input<'static> {
        Input::batches(self.schema.clone(), stream::empty::<Result<RecordBatch>>())
    }
}

/// The columns of all files, in the order of the first one.
fn common_schema(place: &Place, footers: &[Footer]) -> Result<SchemaRef> {
    let Some(first) = footers.first() else { return Err(place.no_files()) };
    for (index, footer) in footers.iter().enumerate() {
        check_types(&place.name(index), footer)?;
        let difference = difference(&first.schema, &footer.schema);
        if let Some(difference) = difference {
            return Err(DeltaError::InvalidData {
                message: format!(
                    "{} and {} do not agree: {difference}. Write the files of each kind by a write of their own",
                    place.name(0),
                    place.name(index)
                ),
            });
        }
    }
    Ok(first.schema.clone())
}

fn difference(first: &SchemaRef, other: &SchemaRef) -> Option<String> {
    for field in first.fields() {
        match other.field_with_name(field.name()) {
            Err(_) => return Some(format!("only the first has column `{}`", field.name())),
            Ok(found) if found.data_type() != field.data_type() => {
                let (one, two) = (field.data_type(), found.data_type());
                return Some(format!(
                    "column `{}` is {one} in the first and {two} in the second",
                    field.name()
                ));
            }
            Ok(_) => {}
        }
    }
    let new = other.fields().iter().find(|field| first.field_with_name(field.name()).is_err());
    new.map(|field| format!("only the second has column `{}`", field.name()))
}

/// Files are loaded as they are, so that their types must be ones that Spark reads.
fn check_types(name: &str, footer: &Footer) -> Result<()> {
    let refused = |column: &str, data_type: String| DeltaError::UnsupportedType {
        column: column.to_owned(),
        data_type,
        reason: format!(
            "Databricks cannot read it from {name}: read the file and give its rows to `write_batches`, which converts them"
        ),
    };
    if let Some(column) = &footer.nanoseconds {
        return Err(refused(column, "TIMESTAMP in nanoseconds".to_owned()));
    }
    if let Some(field) = footer.schema.fields().iter().find(|field| has_half_floats(field.data_type())) {
        return Err(refused(field.name(), field.data_type().to_string()));
    }
    Layout::of(footer.schema.clone()).map(drop)
}

fn has_half_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float16 => true,
        DataType::Struct(fields) => fields.iter().any(|field| has_half_floats(field.data_type())),
        DataType::List(field) | DataType::Map(field, _) => has_half_floats(field.data_type()),
        _ => false,
    }
}

/// A statement may name so many files and no more.
pub(super) fn check_count(count: usize) -> Result<()> {
    if count <= MOST_FILES {
        return Ok(());
    }
    Err(invalid(
        format!("{count} files"),
        format!(
            "one statement loads {MOST_FILES} files of a volume at most: write them in several writes, each with a key"
        ),
    ))
}

fn invalid(value: String, reason: String) -> DeltaError {
    DeltaError::InvalidOption { option: "files", value, reason }
}

fn unreadable(path: &str, error: &io::Error) -> DeltaError {
    DeltaError::Input(format!("{path}: {error}").into())
}
