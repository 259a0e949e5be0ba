//! COPY INTO of files that need no second look: a Parquet file that is exactly what this crate would write becomes a data
//! file of the table as it is.
//!
//! That is so where the statement takes columns as they are ([`columns`]), and the file's footer shows the table's
//! columns in their very form, written by the same Parquet writer ([`footer`]): then its pages and statistics mean what
//! this crate's own do. Of every other file the rows are read and written.
//!
//! The bytes are copied and not linked, for the folder of a volume is open to everybody: a program that writes over a file
//! there must not reach into a table.

mod columns;
mod footer;
mod stats;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::Fields;
use datafusion::logical_expr::LogicalPlan;
use deltalake::kernel::Add;
use futures::{FutureExt, StreamExt};
use parquet::arrow::ArrowSchemaConverter;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::TypePtr;

use self::columns::Filling;
use super::files::DataFile;
use super::statement::Statement;
use super::write::{Target, Written, delete_files};
use crate::error::{LocalError, Result};

/// Files looked at and copied at the same time.
const AT_ONCE: usize = 4;

/// How a file has to be.
pub(super) struct Wanted {
    /// The table's columns.
    fields: Fields,
    /// What this crate writes for each of them, where it may be NULL and where not.
    types: Vec<[TypePtr; 2]>,
    /// What the statement puts into each of them.
    fillings: Vec<Filling>,
    /// Of how many columns statistics are kept.
    indexed: usize,
}

impl Wanted {
    /// How files have to be for a statement with this plan; none where no file can be taken as it is.
    pub(super) fn of(target: &Target, plan: &LogicalPlan) -> Result<Option<Self>> {
        let (Some(indexed), Some(fillings)) = (target.plain(), columns::fillings(plan)) else {
            return Ok(None);
        };
        let fields = target.schema.fields().clone();
        let forms = [true, false].map(|nullable| {
            let fields = fields.iter().map(|field| field.as_ref().clone().with_nullable(nullable));
            ArrowSchemaConverter::new()
                .convert(&arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()))
                .map(|schema| schema.root_schema().get_fields().to_vec())
                .map_err(LocalError::internal)
        });
        let [nullable, required] = forms;
        let types = nullable?.into_iter().zip(required?).map(|(nullable, required)| [nullable, required]);
        Ok(Some(Self { types: types.collect(), fields, fillings, indexed }))
    }
}

impl Statement {
    /// Makes data files in the table's folder of those files that can be it as they are, and gives the others back.
    pub(super) async fn adopt(
        &self,
        wanted: Wanted,
        target: &Target,
        folder: PathBuf,
        files: &[DataFile],
    ) -> Result<(Written, Vec<DataFile>)> {
        let wanted = Arc::new(wanted);
        let mut tries = Vec::with_capacity(files.len());
        for file in files {
            let (wanted, folder, place) = (Arc::clone(&wanted), folder.clone(), file.place.clone());
            tries.push(self.blocking(move |_| adopt(&wanted, &folder, &place)).boxed());
        }
        let adopted: Vec<Result<Option<Adopted>>> =
            futures::stream::iter(tries).buffered(AT_ONCE).collect().await;
        let (mut written, mut others, mut failure) = (Written::default(), Vec::new(), None);
        for (file, adopted) in files.iter().zip(adopted) {
            match adopted {
                Ok(Some(Adopted { add, rows })) => {
                    written.files.push(add);
                    written.rows += rows;
                }
                Ok(None) => others.push(file.clone()),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            None => Ok((written, others)),
            Some(error) => {
                delete_files(target, &written.files).await;
                Err(error)
            }
        }
    }
}

struct Adopted {
    add: Add,
    rows: u64,
}

/// The data file that a file became; none where it has to be read.
fn adopt(wanted: &Wanted, folder: &Path, place: &Path) -> Result<Option<Adopted>> {
    // One handle for all: what is looked at is what is copied, even when an upload replaces the file meanwhile.
    let Ok(mut source) = File::open(place) else { return Ok(None) };
    let Some((footer, size)) = read(&source) else { return Ok(None) };
    let Some(rows) = footer::rows_if_wanted(wanted, &footer, size) else { return Ok(None) };
    let name = format!("part-00000-{}-c000{}.parquet", uuid::Uuid::new_v4(), footer::suffix(&footer));
    copy(&mut source, size, &folder.join(&name))?;
    let add = Add {
        path: name,
        size: i64::try_from(size).map_err(LocalError::internal)?,
        modification_time: chrono::Utc::now().timestamp_millis(),
        data_change: true,
        stats: Some(stats::of(wanted, &footer).to_string()),
        ..Add::default()
    };
    Ok(Some(Adopted { add, rows }))
}

/// A file's footer, and its size in bytes; none where it has no footer that can be read.
fn read(file: &File) -> Option<(ParquetMetaData, u64)> {
    let size = file.metadata().ok()?.len();
    let footer = ParquetMetaDataReader::new().parse_and_finish(file).ok()?;
    Some((footer, size))
}

/// Copies the whole file to a new one, which is removed again when that fails.
fn copy(source: &mut File, size: u64, to: &Path) -> Result<()> {
    use std::io::{Error, Seek};
    let copied = source.rewind().and_then(|()| {
        let mut new = File::create_new(to)?;
        match std::io::copy(source, &mut new)? {
            copied if copied == size => Ok(()),
            copied => Err(Error::other(format!("{copied} of {size} bytes were there"))),
        }
    });
    copied.map_err(|error| {
        if let Err(left) = std::fs::remove_file(to) {
            tracing::warn!(path = %to.display(), error = %left, "an unfinished data file is left for VACUUM");
        }
        LocalError::io("Cannot copy into the table", to, &error)
    })
}
