//! The columns of all files together, and how each file fills them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::datatypes::{DataType as Arrow, SchemaRef};

use super::cells::Cells;
use super::error::{SourceError, shown};
use super::kind::Kind;

/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 8_192;

/// A column of all files.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// How text becomes its values.
    pub(crate) kind: Kind,
    /// The type of its arrays.
    pub(crate) arrow: Arrow,
    /// Whether its kind is only what values look like.
    pub(crate) is_guess: bool,
}

impl Column {
    pub(crate) fn cells<'a>(&'a self, null: Option<&'a str>) -> Cells<'a> {
        Cells { kind: &self.kind, is_guess: self.is_guess, null }
    }

    /// Whether text can become its values.
    fn is_textual(&self) -> bool {
        self.arrow == self.kind.arrow()
    }

    pub(crate) fn misfit(&self, file: &str, line: u64, value: &str) -> SourceError {
        let remedy = match self.is_guess {
            true => {
                ", as the values that were looked at are: say the column's type by --columns, or look at more rows by --sample"
            }
            false => ": correct it, or give the column another type",
        };
        SourceError::Misfit {
            file: file.to_owned(),
            line,
            column: self.name.clone(),
            value: shown(value),
            wanted: self.kind.sql(),
            remedy,
        }
    }
}

/// Where a file's values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Its own column of this number.
    Own(usize),
    /// The name of a folder.
    Folder(Option<String>),
    /// It has none.
    Nowhere,
}

/// How one file fills the columns.
pub(crate) struct Plan<'a> {
    pub(crate) schema: SchemaRef,
    pub(crate) columns: &'a [Column],
    /// One for each column.
    pub(crate) origins: &'a [Origin],
    /// The names of the file's own columns.
    pub(crate) names: &'a [String],
}

impl Plan<'_> {
    /// How many columns the file has.
    pub(crate) fn width(&self) -> usize {
        self.names.len()
    }

    /// The names under which values are looked for in objects. Those that were not seen may come later.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.columns.iter().zip(self.origins).filter_map(|(column, origin)| match origin {
            Origin::Own(index) => self.names.get(*index).map(|name| (name.as_str(), column)),
            Origin::Nowhere => column.is_textual().then_some((column.name.as_str(), column)),
            Origin::Folder(_) => None,
        })
    }

    /// A batch of all columns; `own` gives those of the file by their numbers.
    pub(crate) fn assemble(
        &self,
        file: &str,
        rows: usize,
        mut own: impl FnMut(usize, &Column) -> Result<ArrayRef, SourceError>,
    ) -> Result<RecordBatch, SourceError> {
        let columns = self.columns.iter().zip(self.origins).map(|(column, origin)| match origin {
            Origin::Own(index) => own(*index, column),
            Origin::Folder(value) => constant(file, column, value.as_deref(), rows),
            Origin::Nowhere => Ok(new_null_array(&column.arrow, rows)),
        });
        self.batch(file, rows, columns.collect::<Result<_, _>>()?)
    }

    /// A batch of all columns; `own` gives those that objects may have by their names.
    pub(crate) fn assemble_keys(
        &self,
        file: &str,
        rows: usize,
        own: impl Fn(&str, &Column) -> Result<ArrayRef, SourceError>,
    ) -> Result<RecordBatch, SourceError> {
        let columns = self.columns.iter().zip(self.origins).map(|(column, origin)| match origin {
            Origin::Own(index) => own(self.names.get(*index).unwrap_or(&column.name), column),
            Origin::Folder(value) => constant(file, column, value.as_deref(), rows),
            Origin::Nowhere if column.is_textual() => own(&column.name, column),
            Origin::Nowhere => Ok(new_null_array(&column.arrow, rows)),
        });
        self.batch(file, rows, columns.collect::<Result<_, _>>()?)
    }

    fn batch(&self, file: &str, rows: usize, columns: Vec<ArrayRef>) -> Result<RecordBatch, SourceError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| SourceError::arrow(file, &error))
    }
}

fn constant(file: &str, column: &Column, value: Option<&str>, rows: usize) -> Result<ArrayRef, SourceError> {
    let text: StringArray = std::iter::repeat_n(value, rows).collect();
    column.cells(None).read(&text).map_err(|_| {
        let (value, wanted) = (value.unwrap_or_default(), column.kind.sql());
        SourceError::unusable(
            file,
            format!("its folder says {} = {value}, which is not {wanted}", column.name),
        )
    })
}
